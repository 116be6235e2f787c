//! The core in virtual time: a small world of services that live, die and come
//! back as each test says.

mod affected;
mod attention;
mod blame;
pub(super) mod builders;
mod by_hand;
mod confirm;
mod containers;
mod dependencies;
mod digest;
mod engine;
mod gates;
mod healing;
mod incidents;
mod jobs;
mod joined;
mod memory;
mod network;
mod operator;
mod passes;
mod quality;
mod reloads;
mod roots;
mod starts;
mod steps;
mod supervised;
mod vai_itself;

use super::machine::OutageKind;
use super::*;
use crate::model::*;
use builders::*;
use std::collections::BTreeMap;

const SECOND: Duration = Duration::from_secs(1);

/// What running a service's restart command comes to.
#[derive(Clone, Copy, PartialEq)]
enum Effect {
    /// It is well from then on.
    Heals,
    /// Exit 0, and nothing else.
    Nothing,
    /// The command fails.
    Fails,
    /// The act is refused because of a marker file.
    Marker,
    /// The act is refused in these words.
    Refused(&'static str),
}

struct World {
    core: Core,
    now: Now,
    well: BTreeMap<String, bool>,
    effects: BTreeMap<String, Effect>,
    /// The process behind a service, where it is not the first.
    pids: BTreeMap<String, i32>,
    unknown: bool,
    /// Checks and services that cannot be looked at.
    blind_checks: Vec<String>,
    blind_services: Vec<String>,
    /// Checks that fail, whatever else is well.
    unwell_checks: Vec<String>,
    /// Services that answer too late.
    slow: Vec<String>,
    /// How it fails, where that is not a refusal.
    faults: BTreeMap<String, FaultKind>,
    /// Fails while that one does, whether the registry says so or not.
    needs: BTreeMap<String, String>,
    watchlist: Watchlist,
    /// As a store would have it.
    memory: Memory,
    /// As last published.
    incidents: BTreeMap<IncidentId, Incident>,
    /// What runs now, as an act finds it at its end.
    instance: Option<Instance>,
    /// How long an act takes.
    act_lasts: Duration,
    queue: Vec<(Time, Event)>,
    /// `second service: from → to: reason`
    story: Vec<String>,
    /// Each with its second.
    looks: Vec<(f64, Ticket)>,
    /// `second service act`
    acts: Vec<(f64, String, Act)>,
    /// What each act was to supersede.
    requests: Vec<(ActId, Option<ActId>)>,
    /// The instance that each act was for.
    instances: Vec<Option<Instance>>,
    notices: Vec<Notice>,
    /// Tries of runs that were handed out, and those that were to be ended.
    runs: Vec<RunRequest>,
    ended: Vec<TryId>,
    /// What became of runs.
    outcomes: Vec<crate::model::Run>,
    /// As last shown, and how often anything was.
    views: BTreeMap<ServiceName, ServiceView>,
    shown: usize,
    /// How often anything was stored.
    stored: usize,
}

/// Hangs: something lives there, and nothing proves that it does not work.
fn hang(world: &mut World, name: &str) {
    world.kill(name);
    world.faults.insert(name.into(), FaultKind::Timeout);
}

fn up(world: &mut World, key: &str, number: u32) {
    let change = ContainerChange::Seen(view_of(key, number));
    world.event(Event::Container { key: key.into(), change });
}

impl World {
    /// Services that have been well for a while in a container that runs.
    fn settled(services: Vec<Service>) -> Self {
        let mut world = Self::new(services);
        for name in world.core.services.keys() {
            world.well.insert(name.to_string(), true);
        }
        world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
        world.run(SECOND * 120);
        world.story.clear();
        world
    }

    fn new(services: Vec<Service>) -> Self {
        let now = Now { mono: Time::from_millis(1_000_000), wall: Wall::from_millis(0) };
        let watchlist = watchlist(services);
        let (core, delta) = Core::new(now, watchlist.clone(), Memory::default());
        let mut memory = Memory::default();
        delta.changes.iter().for_each(|change| memory.apply(change));
        let mut world = Self {
            core,
            faults: BTreeMap::new(),
            needs: BTreeMap::new(),
            watchlist,
            memory,
            now,
            well: BTreeMap::new(),
            effects: BTreeMap::new(),
            pids: BTreeMap::new(),
            unknown: false,
            blind_checks: Vec::new(),
            unwell_checks: Vec::new(),
            blind_services: Vec::new(),
            slow: Vec::new(),
            incidents: BTreeMap::new(),
            instance: None,
            act_lasts: Duration::from_millis(100),
            queue: Vec::new(),
            story: Vec::new(),
            looks: Vec::new(),
            acts: Vec::new(),
            requests: Vec::new(),
            instances: Vec::new(),
            notices: Vec::new(),
            runs: Vec::new(),
            ended: Vec::new(),
            outcomes: Vec::new(),
            views: BTreeMap::new(),
            shown: 0,
            stored: 0,
        };
        world.event(Event::EngineBack);
        world
    }

    fn container(&mut self, change: ContainerChange) {
        if let ContainerChange::Seen(ContainerView::Present(presence)) = &change {
            self.instance = Some(presence.instance.clone());
        }
        self.event(Event::Container { key: "services".into(), change });
    }

    fn second(&self) -> f64 {
        (self.now.mono.as_millis() - 1_000_000) as f64 / 1000.0
    }

    fn event(&mut self, event: Event) {
        let (delta, actions) = self.core.handle(self.now, event);
        for change in delta.changes {
            self.memory.apply(&change);
            self.stored += usize::from(matches!(change, Change::Keep(_)));
            if let Change::Incident(incident) = &change {
                self.incidents.insert(incident.id.clone(), (**incident).clone());
            }
            if let Change::Service(view) = &change {
                self.views.insert(view.name.clone(), (**view).clone());
                self.shown += 1;
            }
            if let Change::Run(run) = &change {
                self.outcomes.push((**run).clone());
            }
            if let Change::Transition(t) = change {
                let (from, to) = (t.from.label(), t.to.label());
                self.story.push(format!("{}: {from} → {to}: {}", t.service, t.reason));
            }
        }
        for action in actions {
            match action {
                Action::Look { ticket, service } => {
                    self.looks.push((self.second(), ticket.clone()));
                    let report = self.look(&service, ticket.check);
                    let at = self.now.mono + Duration::from_millis(5);
                    self.queue.push((at, Event::Checked { ticket, report }));
                }
                Action::Act(request) => self.act(*request),
                Action::Run(request) => self.runs.push(*request),
                Action::EndRun(id) => self.ended.push(id),
                Action::Tell(_, notice) => self.notices.push(*notice),
            }
        }
    }

    /// Goes on as a new run of `vai` would, from what was stored, with an engine
    /// that answers.
    fn restart(&mut self) {
        self.restart_unseen();
        self.event(Event::EngineBack);
        if let Some(instance) = self.instance.clone() {
            let status = ContainerStatus::Running;
            let number = instance.started_at.parse().unwrap();
            self.container(ContainerChange::Seen(view(number, status)));
        }
    }

    /// Goes on as a new run of `vai` would that has not seen the engine yet.
    fn restart_unseen(&mut self) {
        let records = self.memory.records();
        let text = serde_json::to_string(&records).unwrap();
        let mut memory = Memory::default();
        for record in serde_json::from_str::<Vec<Record>>(&text).unwrap() {
            memory.keep(record);
        }
        assert_eq!(memory, self.memory, "nothing is lost on the way through the store");
        let (core, delta) = Core::new(self.now, self.watchlist.clone(), memory);
        self.core = core;
        self.queue.clear();
        for change in delta.changes {
            self.memory.apply(&change);
            match change {
                Change::Transition(t) => {
                    let (from, to) = (t.from.label(), t.to.label());
                    self.story.push(format!("{}: {from} → {to}: {}", t.service, t.reason));
                }
                Change::Run(run) => self.outcomes.push(*run),
                _ => {}
            }
        }
    }

    /// What nobody killed is well.
    fn is_well(&self, name: &str) -> bool {
        self.well.get(name) != Some(&false)
            && self.needs.get(name).is_none_or(|root| self.is_well(root))
    }

    fn gate(&self, name: &str) -> Option<&Gate> {
        self.core.services[&ServiceName::from(name)].gate()
    }

    fn told(&self, text: &str) -> bool {
        self.story.iter().any(|line| line.contains(text))
    }

    fn look(&self, service: &Service, index: usize) -> Report {
        let took = Duration::from_millis(5);
        let pid = self.pids.get(service.name.as_str()).copied().unwrap_or(7);
        let process = ProcId { pid, start_ticks: 1, name: "x".into() };
        let blind = self.blind_checks.contains(&service.checks[index].name)
            || self.blind_services.iter().any(|name| name == service.name.as_str());
        if self.unknown || blind {
            return Report::new(Outcome::Unknown("the agent is lost".into()), took);
        }
        let unwell = self.unwell_checks.contains(&service.checks[index].name);
        if self.is_well(service.name.as_str()) && !unwell {
            let slow = self.slow.iter().any(|name| name == service.name.as_str());
            let outcome = if slow { Outcome::Slow("took 3 s".into()) } else { Outcome::Pass };
            return Report { outcome, took, processes: vec![process] };
        }
        let fault = match service.checks[index].kind {
            CheckKind::Docker => Fault::new(FaultKind::Unhealthy, "Docker calls it unhealthy"),
            CheckKind::Process(_) => Fault::new(FaultKind::ProcessAbsent, "no process matches"),
            _ => match self.faults.get(service.name.as_str()) {
                Some(&kind) => Fault::new(kind, kind.label()),
                None => Fault::new(FaultKind::Refused, "connection refused"),
            },
        };
        Report::new(Outcome::Fail(fault), took)
    }

    fn act(&mut self, request: ActRequest) {
        let name = request.service.name.to_string();
        self.acts.push((self.second(), name.clone(), request.act.clone()));
        self.requests.push((request.id, request.supersedes));
        self.instances.push(request.instance.clone());
        let done = ActOutcome::Done { still_there: None };
        let outcome = match self.effects.get(&name).copied().unwrap_or(Effect::Heals) {
            Effect::Heals => {
                self.well.insert(name, true);
                done
            }
            Effect::Nothing => done,
            Effect::Fails => ActOutcome::Failed("restart_cmd exited 1: no such file".into()),
            Effect::Marker => ActOutcome::Refused { gate: "stopped by hand".into(), by_hand: true },
            Effect::Refused(why) => ActOutcome::Refused { gate: why.into(), by_hand: false },
        };
        let report = ActReport {
            outcome,
            instance: None,
            steps: vec!["ran restart_cmd: exit 0".into()],
            evidence: Evidence::default(),
            took: self.act_lasts,
        };
        let at = self.now.mono + self.act_lasts;
        self.queue.push((at, Event::Acted { id: request.id, report }));
    }

    /// An act ends in the instance that runs by then.
    fn in_current_instance(&self, event: Event) -> Event {
        let Event::Acted { id, mut report } = event else { return event };
        if !matches!(report.outcome, ActOutcome::Refused { .. }) {
            report.instance.clone_from(&self.instance);
        }
        Event::Acted { id, report }
    }

    /// Lets time go by.
    fn run(&mut self, span: Duration) {
        let end = self.now.mono + span;
        loop {
            self.queue.sort_by_key(|(at, _)| *at);
            let wake = self.core.next_wake(self.now);
            let queued = self.queue.first().map(|(at, _)| *at);
            let next = wake.into_iter().chain(queued).min().unwrap_or(end).max(self.now.mono);
            if next > end {
                self.advance(end);
                return;
            }
            self.advance(next);
            if queued == Some(next) {
                let (_, event) = self.queue.remove(0);
                let event = self.in_current_instance(event);
                self.event(event);
            } else {
                self.event(Event::Wake);
            }
        }
    }

    fn advance(&mut self, to: Time) {
        let by = i64::try_from(to.since(self.now.mono).as_millis()).unwrap();
        self.now = Now { mono: to, wall: Wall::from_millis(self.now.wall.as_millis() + by) };
    }

    fn kill(&mut self, name: &str) {
        self.well.insert(name.into(), false);
    }

    fn hint_death(&mut self, name: &str) {
        self.kill(name);
        let pid = self.pids.get(name).copied().unwrap_or(7);
        let died = Some(ProcId { pid, start_ticks: 1, name: "x".into() });
        self.event(Event::Hint { service: name.into(), why: "it ended".into(), died });
    }

    fn state(&self, name: &str) -> StateLabel {
        self.core.services[&ServiceName::from(name)].label()
    }

    fn acts_on(&self, name: &str) -> Vec<&Act> {
        self.acts.iter().filter(|(_, on, _)| on == name).map(|(_, _, act)| act).collect()
    }

    /// How the last incident that was told ended.
    fn how_it_ended(&self) -> &str {
        match &self.notices.last().unwrap().incident.phase {
            IncidentPhase::Closed { how, .. } => how,
            IncidentPhase::Open => panic!("still open: {:#?}", self.notices.last()),
        }
    }

    fn looks_at(&self, name: &str) -> usize {
        self.looks.iter().filter(|(_, ticket)| ticket.service.as_str() == name).count()
    }

    fn restarts(&self) -> usize {
        self.acts.iter().filter(|(_, _, act)| matches!(act, Act::Restart(_))).count()
    }
}
