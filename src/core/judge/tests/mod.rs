//! The core in virtual time: a small world of services that live, die and come
//! back as each test says.

mod by_hand;
mod gates;
mod memory;
mod network;
mod passes;
mod quality;
mod roots;

use super::*;
use crate::model::*;
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
}

struct World {
    core: Core,
    now: Now,
    well: BTreeMap<String, bool>,
    effects: BTreeMap<String, Effect>,
    unknown: bool,
    /// Checks and services that cannot be looked at.
    blind_checks: Vec<String>,
    blind_services: Vec<String>,
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
    queue: Vec<(Time, Event)>,
    /// `second service: from → to: reason`
    story: Vec<String>,
    /// `second service act`
    acts: Vec<(f64, String, Act)>,
    /// What each act was to supersede.
    requests: Vec<(ActId, Option<ActId>)>,
    /// The instance that each act was for.
    instances: Vec<Option<Instance>>,
    notices: Vec<Notice>,
}

fn check(kind: CheckKind) -> Check {
    Check {
        name: kind.label().to_owned(),
        kind,
        interval: SECOND * 60,
        timeout: SECOND * 5,
        failure_threshold: 3,
        success_threshold: 2,
        confirm_interval: SECOND * 2,
        fail_for: Duration::ZERO,
        on_fail: OnFail::Restart,
    }
}

fn process_check() -> Check {
    check(CheckKind::Process(ProcessCheck {
        pattern: ProcessPattern::CommandLine("x".into()),
        min_count: 1,
        max_count: None,
    }))
}

fn tcp_check() -> Check {
    let host = "localhost".to_owned();
    check(CheckKind::Tcp(TcpCheck { host, port: 6379, send: None, expect: None }))
}

fn service(name: &str) -> Service {
    Service {
        name: name.into(),
        enabled: true,
        kind: ServiceKind::Watched,
        place: Place::Container("services".into()),
        checks: vec![tcp_check()],
        restart_cmd: Some("start it".into()),
        stop_cmd: None,
        user: None,
        working_dir: None,
        environment: Vec::new(),
        held: None,
        log_path: None,
        notify: Notify::Default,
        severity: Severity::Critical,
        dependencies: Vec::new(),
        startup_delay: SECOND * 5,
        start_timeout: None,
        recovery: Recovery {
            ladder: vec![Rung::Command, Rung::KillAndCommand],
            alert_only: None,
            start_container: true,
            max_attempts: 3,
            max_restarts: 5,
            window: SECOND * 600,
            backoff_initial: SECOND * 10,
            backoff_max: SECOND * 300,
            retry_after_give_up: SECOND * 300,
            command_timeout: SECOND * 30,
            stop_timeout: None,
        },
        evidence: EvidenceDetail::Full,
    }
}

fn watchlist(services: Vec<Service>) -> Watchlist {
    Watchlist {
        services: services.into_iter().map(|s| (s.name.clone(), Arc::new(s))).collect(),
        parallel_actions: 4,
        host_max_restarts: 100,
        host_window: SECOND * 600,
        anchors: Vec::new(),
        observe: false,
        repeat_interval: SECOND * 14_400,
        local: Instance { id: "boot".into(), started_at: "1".into() },
    }
}

fn instance(number: u32) -> Instance {
    Instance { id: "c0ffee".into(), started_at: number.to_string() }
}

fn view(number: u32, status: ContainerStatus) -> ContainerView {
    ContainerView::Present(Presence {
        instance: instance(number),
        name: "services-container".into(),
        status,
        health: None,
        up_for: Duration::ZERO,
        health_start: None,
        engine_restarts: false,
        network_of: None,
        network_gone: false,
        is_self: false,
    })
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
            unknown: false,
            blind_checks: Vec::new(),
            blind_services: Vec::new(),
            incidents: BTreeMap::new(),
            instance: None,
            queue: Vec::new(),
            story: Vec::new(),
            acts: Vec::new(),
            requests: Vec::new(),
            instances: Vec::new(),
            notices: Vec::new(),
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
            if let Change::Incident(incident) = &change {
                self.incidents.insert(incident.id.clone(), (**incident).clone());
            }
            if let Change::Transition(t) = change {
                let (from, to) = (t.from.label(), t.to.label());
                self.story.push(format!("{}: {from} → {to}: {}", t.service, t.reason));
            }
        }
        for action in actions {
            match action {
                Action::Look { ticket, service } => {
                    let report = self.look(&service, ticket.check);
                    let at = self.now.mono + Duration::from_millis(5);
                    self.queue.push((at, Event::Checked { ticket, report }));
                }
                Action::Act(request) => self.act(*request),
                Action::Tell(_, notice) => self.notices.push(*notice),
            }
        }
    }

    /// Goes on as a new run of `vai` would, from what was stored.
    fn restart(&mut self) {
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
            if let Change::Transition(t) = change {
                let (from, to) = (t.from.label(), t.to.label());
                self.story.push(format!("{}: {from} → {to}: {}", t.service, t.reason));
            }
        }
        self.event(Event::EngineBack);
        if let Some(instance) = self.instance.clone() {
            let status = ContainerStatus::Running;
            let number = instance.started_at.parse().unwrap();
            self.container(ContainerChange::Seen(view(number, status)));
        }
    }

    fn is_well(&self, name: &str) -> bool {
        self.well[name] && self.needs.get(name).is_none_or(|root| self.is_well(root))
    }

    fn gate(&self, name: &str) -> Option<&Gate> {
        self.core.services[&ServiceName::from(name)].gate()
    }

    fn told(&self, text: &str) -> bool {
        self.story.iter().any(|line| line.contains(text))
    }

    fn look(&self, service: &Service, index: usize) -> Report {
        let took = Duration::from_millis(5);
        let process = ProcId { pid: 7, start_ticks: 1, name: "x".into() };
        let blind = self.blind_checks.contains(&service.checks[index].name)
            || self.blind_services.iter().any(|name| name == service.name.as_str());
        if self.unknown || blind {
            return Report::new(Outcome::Unknown("the agent is lost".into()), took);
        }
        if self.is_well(service.name.as_str()) {
            return Report { outcome: Outcome::Pass, took, processes: vec![process] };
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
        };
        let report = ActReport {
            outcome,
            instance: None,
            steps: vec!["ran restart_cmd: exit 0".into()],
            evidence: Evidence::default(),
            took: Duration::from_millis(100),
        };
        let at = self.now.mono + Duration::from_millis(100);
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
        let died = Some(ProcId { pid: 7, start_ticks: 1, name: "x".into() });
        self.event(Event::Hint { service: name.into(), why: "it ended".into(), died });
    }

    fn state(&self, name: &str) -> StateLabel {
        self.core.services[&ServiceName::from(name)].label()
    }

    fn acts_on(&self, name: &str) -> Vec<&Act> {
        self.acts.iter().filter(|(_, on, _)| on == name).map(|(_, _, act)| act).collect()
    }

    fn restarts(&self) -> usize {
        self.acts.iter().filter(|(_, _, act)| matches!(act, Act::Restart(_))).count()
    }
}

// ---- confirmation and proof ----

#[test]
fn one_missed_answer_restarts_nothing() {
    let mut world = World::settled(vec![service("redis")]);
    world.kill("redis");
    while world.state("redis") == StateLabel::Healthy {
        world.run(SECOND);
    }
    assert_eq!(world.state("redis"), StateLabel::Suspect);
    world.well.insert("redis".into(), true);
    world.run(SECOND * 300);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert!(world.acts.is_empty());
    assert!(world.notices.is_empty());
}

#[test]
fn a_refusal_is_confirmed_within_64_seconds_and_restarted() {
    let mut world = World::settled(vec![service("redis")]);
    let before = world.second();
    world.kill("redis");
    world.run(SECOND * 65);
    let (at, _, act) = &world.acts[0];
    assert!(at - before <= 64.1, "{}", at - before);
    assert_eq!(*act, Act::Restart(Rung::Command));
    world.run(SECOND * 30);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert!(world.story.iter().any(|line| line.contains("healed in")), "{:#?}", world.story);
    assert!(world.notices.is_empty(), "healed within a minute is not told");
}

#[test]
fn the_death_of_a_watched_port_owner_needs_no_confirmation() {
    let mut world = World::settled(vec![service("redis")]);
    let before = world.second();
    world.hint_death("redis");
    world.run(SECOND);
    assert!(world.acts[0].0 - before < 0.1, "{:?}", world.acts);
}

#[test]
fn nothing_is_looked_at_before_the_startup_delay_is_over() {
    let mut world = World::settled(vec![service("redis")]);
    world.hint_death("redis");
    world.run(SECOND);
    let hint = Event::Hint { service: "redis".into(), why: "the stream ended".into(), died: None };
    world.event(hint);
    world.run(SECOND * 3);
    assert_eq!(world.state("redis"), StateLabel::Verifying, "{:#?}", world.story);
    world.run(SECOND * 5);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
}

#[test]
fn a_hint_is_no_verdict() {
    let mut world = World::settled(vec![service("redis")]);
    let died = Some(ProcId { pid: 7, start_ticks: 1, name: "x".into() });
    world.event(Event::Hint { service: "redis".into(), why: "it ended".into(), died });
    world.run(SECOND * 60);
    assert!(world.acts.is_empty(), "it was back before anybody looked");
}

#[test]
fn unknown_is_never_a_failure_but_told_once() {
    let mut world = World::settled(vec![service("redis")]);
    world.unknown = true;
    world.run(SECOND * 3600);
    assert!(world.acts.is_empty());
    assert_eq!(world.state("redis"), StateLabel::Unknown);
    assert_eq!(world.notices.len(), 1, "{:#?}", world.notices);
    assert_eq!(world.notices[0].incident.severity, Severity::Warning);
    world.unknown = false;
    world.run(SECOND * 120);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert_eq!(world.notices[1].kind, NoticeKind::Resolved);
}

#[test]
fn fail_for_holds_the_verdict_back() {
    let mut slow = service("relay");
    slow.checks[0].fail_for = SECOND * 300;
    let mut world = World::settled(vec![slow]);
    let before = world.second();
    world.kill("relay");
    world.run(SECOND * 600);
    assert!(world.acts[0].0 - before >= 300.0, "{:?}", world.acts);
    assert!(world.acts[0].0 - before <= 361.0, "{:?}", world.acts);
}

#[test]
fn an_alert_check_degrades_and_never_restarts() {
    let mut relay = service("relay");
    relay.checks[0].on_fail = OnFail::Alert;
    let mut world = World::settled(vec![relay]);
    world.kill("relay");
    world.run(SECOND * 300);
    assert_eq!(world.state("relay"), StateLabel::Degraded);
    assert!(world.acts.is_empty());
    assert_eq!(world.notices.len(), 1);
    world.well.insert("relay".into(), true);
    world.run(SECOND * 120);
    assert_eq!(world.state("relay"), StateLabel::Healthy);
    assert_eq!(world.notices[1].kind, NoticeKind::Resolved);
}

// ---- healing ----

#[test]
fn a_useless_command_is_tried_max_attempts_times_then_slowly() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.kill("redis");
    world.run(SECOND * 480);
    assert_eq!(
        world.acts_on("redis"),
        [
            &Act::Restart(Rung::Command),
            &Act::Restart(Rung::KillAndCommand),
            &Act::Restart(Rung::KillAndCommand),
        ]
    );
    let gaps: Vec<f64> = world.acts.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(gaps[0] < gaps[1], "delays grow: {gaps:?}");
    assert_eq!(world.state("redis"), StateLabel::GaveUp);
    let told: Vec<NoticeKind> = world.notices.iter().map(|notice| notice.kind).collect();
    assert_eq!(told, [NoticeKind::Opened, NoticeKind::Escalated]);
    let incident = &world.notices[1].incident;
    assert_eq!(incident.severity, Severity::Critical);
    assert!(incident.next.contains("gave up; one more try in 5 min"), "{}", incident.next);
    assert!(
        incident.history.iter().any(|line| line.contains("restarted but still failing")),
        "{:#?}",
        incident.history
    );
    world.run(SECOND * 1200);
    assert!(world.restarts() <= 5, "the slow retry stays under the ceiling: {:?}", world.acts);
    assert!(world.restarts() > 3, "the slow retry happens");
}

#[test]
fn mended_by_hand_after_giving_up_is_told_as_resolved() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.kill("redis");
    world.run(SECOND * 480);
    world.well.insert("redis".into(), true);
    world.run(SECOND * 70);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    let last = world.notices.last().unwrap();
    assert_eq!(last.kind, NoticeKind::Resolved);
    let IncidentPhase::Closed { how, .. } = &last.incident.phase else { panic!("still open") };
    assert!(how.contains("between vai's attempts"), "{how}");
}

#[test]
fn a_command_that_fails_is_told_in_its_own_words() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Fails);
    world.hint_death("redis");
    world.run(SECOND * 8);
    assert!(
        world.story.iter().any(|line| line
            .contains("restart failed: restart_cmd exited 1: no such file; next attempt in")),
        "{:#?}",
        world.story
    );
}

#[test]
fn the_ceiling_means_exactly_that_many_in_any_window() {
    let mut redis = service("redis");
    redis.recovery.max_attempts = 100;
    redis.recovery.backoff_initial = SECOND;
    redis.recovery.backoff_max = SECOND;
    redis.start_timeout = Some(SECOND * 6);
    let mut world = World::settled(vec![redis]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 3000);
    let times: Vec<f64> = world.acts.iter().map(|(at, ..)| *at).collect();
    assert!(times.len() >= 20, "{times:?}");
    for (first, sixth) in times.iter().zip(times.iter().skip(5)) {
        assert!(sixth - first > 599.999, "six restarts within ten minutes: {times:?}");
    }
    assert!(world.story.iter().any(|line| line.contains("not attempted: the ceiling of 5")));
}

#[test]
fn alert_only_is_told_at_once_and_never_acted_on() {
    let mut api = service("api");
    api.restart_cmd = None;
    api.recovery.ladder.clear();
    api.recovery.alert_only = Some("it shares its container with redis".into());
    let mut world = World::settled(vec![api]);
    world.kill("api");
    world.run(SECOND * 70);
    assert!(world.acts.is_empty());
    assert_eq!(world.notices.len(), 1);
    assert_eq!(world.notices[0].incident.severity, Severity::Critical);
    assert_eq!(
        world.notices[0].incident.next,
        "vai leaves it alone: it shares its container with redis"
    );
}

// ---- dependencies ----

fn chain() -> Vec<Service> {
    let mut b = service("b");
    b.dependencies = vec!["a".into()];
    vec![service("a"), b]
}

#[test]
fn the_root_is_restarted_and_what_hangs_on_it_is_left_alone() {
    let mut world = World::settled(chain());
    world.kill("a");
    world.kill("b");
    while world.acts.is_empty() {
        world.run(SECOND);
    }
    world.well.insert("b".into(), true);
    world.run(SECOND * 120);
    assert!(world.acts_on("b").is_empty(), "{:?} {:#?}", world.acts, world.story);
    assert_eq!(world.acts_on("a").len(), 1);
    assert_eq!(world.state("b"), StateLabel::Healthy);
}

#[test]
fn a_dependent_that_still_fails_afterwards_is_restarted() {
    let mut world = World::settled(chain());
    world.kill("a");
    world.kill("b");
    world.run(SECOND * 300);
    assert_eq!(world.acts_on("a").len(), 1, "{:?}", world.acts);
    assert_eq!(world.acts_on("b").len(), 1, "{:?}", world.acts);
    assert_eq!(world.acts[0].1, "a");
    assert_eq!(world.state("b"), StateLabel::Healthy);
}

#[test]
fn a_dead_root_is_one_incident_for_all_that_hangs_on_it() {
    let mut world = World::settled(chain());
    world.effects.insert("a".into(), Effect::Nothing);
    world.kill("a");
    world.kill("b");
    world.run(SECOND * 600);
    assert!(world.acts_on("b").is_empty());
    assert_eq!(world.state("b"), StateLabel::Blocked);
    let roots: Vec<&str> = world.notices.iter().map(|n| n.incident.root.as_str()).collect();
    assert!(roots.iter().all(|root| *root == "a"), "{roots:?}");
    assert_eq!(world.notices.last().unwrap().incident.affected, [ServiceName::from("b")]);
}

// ---- starts ----

#[test]
fn everything_down_in_a_new_container_is_started_once_in_order() {
    let mut world = World::new(chain());
    world.kill("a");
    world.kill("b");
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 120);
    let order: Vec<&str> = world.acts.iter().map(|(_, name, _)| name.as_str()).collect();
    assert_eq!(order, ["a", "b"]);
    assert!(world.acts.iter().all(|(_, _, act)| *act == Act::Start));
    assert_eq!(world.state("b"), StateLabel::Healthy);
    assert!(world.notices.is_empty(), "a start is no incident");
    assert!(world.acts[0].0 >= 5.0, "not before startup_delay");
}

#[test]
fn a_start_that_does_not_help_becomes_an_incident_and_is_not_repeated_as_a_start() {
    let mut world = World::new(vec![service("a")]);
    world.kill("a");
    world.effects.insert("a".into(), Effect::Nothing);
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 900);
    let starts = world.acts.iter().filter(|(_, _, act)| *act == Act::Start).count();
    assert_eq!(starts, 1);
    assert_eq!(world.restarts(), 4, "three attempts and one slow retry: {:?}", world.acts);
    assert_eq!(world.notices[0].kind, NoticeKind::Opened);
}

#[test]
fn a_recreated_container_is_followed_and_its_services_started_once() {
    let mut world = World::settled(vec![service("redis")]);
    world.kill("redis");
    world.container(ContainerChange::Died);
    world.container(ContainerChange::StopRequested);
    world.container(ContainerChange::Seen(ContainerView::Missing));
    world.run(SECOND * 2);
    let mut recreated = view(2, ContainerStatus::Running);
    if let ContainerView::Present(presence) = &mut recreated {
        presence.instance.id = "cafe".into();
    }
    world.container(ContainerChange::Seen(recreated));
    world.run(SECOND * 60);
    assert_eq!(world.acts_on("redis"), [&Act::Start]);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert!(world.notices.is_empty());
}

// ---- containers ----

#[test]
fn a_container_that_ends_by_itself_is_started_then_its_services_in_order() {
    let mut world = World::settled(chain());
    world.kill("a");
    world.kill("b");
    world.container(ContainerChange::Died);
    let exited = ContainerStatus::Exited { code: 137, oom: false };
    world.container(ContainerChange::Seen(view(1, exited)));
    world.run(Duration::from_millis(590));
    assert_eq!(world.acts_on("a"), [&Act::Restart(Rung::Command)], "the cause settled");
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.run(SECOND * 120);
    assert_eq!(world.acts_on("a").len(), 1, "{:#?}", world.story);
    assert_eq!(world.acts_on("b"), [&Act::Start], "{:#?}", world.story);
    assert_eq!(world.state("b"), StateLabel::Healthy);
}

#[test]
fn a_container_stopped_by_hand_is_left_alone_and_told_after_ten_minutes() {
    let mut world = World::settled(chain());
    world.kill("a");
    world.kill("b");
    world.container(ContainerChange::Died);
    world.container(ContainerChange::StopRequested);
    let exited = ContainerStatus::Exited { code: 0, oom: false };
    world.container(ContainerChange::Seen(view(1, exited)));
    world.run(SECOND * 590);
    assert!(world.acts.is_empty());
    assert!(world.notices.is_empty());
    assert_eq!(world.state("a"), StateLabel::StoppedByHand);
    world.run(SECOND * 60);
    assert_eq!(world.notices.len(), 1, "{:#?}", world.notices);
    assert_eq!(world.notices[0].incident.severity, Severity::Warning);
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.run(SECOND * 120);
    assert_eq!(world.restarts(), 0);
    assert_eq!(world.acts.len(), 2, "both were started in the new instance");
    assert_eq!(world.notices.last().unwrap().kind, NoticeKind::Resolved);
}

#[test]
fn a_stop_whose_event_comes_seconds_after_the_death_is_still_by_hand() {
    let mut world = World::settled(vec![service("redis")]);
    world.container(ContainerChange::Signalled);
    world.kill("redis");
    world.run(SECOND * 3);
    world.container(ContainerChange::Died);
    let exited = ContainerStatus::Exited { code: 143, oom: false };
    world.container(ContainerChange::Seen(view(1, exited)));
    world.run(SECOND * 4);
    world.container(ContainerChange::StopRequested);
    world.run(SECOND * 300);
    assert!(world.acts.is_empty(), "{:#?}", world.story);
    assert_eq!(world.state("redis"), StateLabel::StoppedByHand);
}

#[test]
fn a_stop_right_after_a_command_of_vais_is_still_by_hand() {
    let mut world = World::settled(vec![service("redis")]);
    world.hint_death("redis");
    world.run(SECOND * 2);
    assert_eq!(world.restarts(), 1);
    world.container(ContainerChange::Signalled);
    world.container(ContainerChange::Died);
    world.container(ContainerChange::StopRequested);
    let exited = ContainerStatus::Exited { code: 143, oom: false };
    world.container(ContainerChange::Seen(view(1, exited)));
    world.run(SECOND * 300);
    assert_eq!(world.restarts(), 1, "{:#?}", world.story);
    assert_eq!(world.state("redis"), StateLabel::StoppedByHand);
}

#[test]
fn a_signal_that_ends_nothing_is_forgotten() {
    let mut world = World::settled(vec![service("redis")]);
    world.container(ContainerChange::Signalled);
    world.run(SECOND * 31);
    world.hint_death("redis");
    world.run(SECOND);
    assert_eq!(world.acts_on("redis").len(), 1);
}

#[test]
fn what_was_seen_alive_is_still_known_after_an_attempt_failed() {
    let mut world = World::settled(vec![service("nginx")]);
    world.effects.insert("nginx".into(), Effect::Nothing);
    world.kill("nginx");
    world.run(SECOND * 200);
    let machine = &world.core.services[&ServiceName::from("nginx")];
    assert!(machine.kept.effort.failed_in_row() > 0);
    assert_eq!(machine.processes().len(), 1);
}

#[test]
fn a_deploy_of_two_minutes_is_silent() {
    let mut world = World::settled(vec![service("redis")]);
    world.kill("redis");
    world.container(ContainerChange::Died);
    world.container(ContainerChange::StopRequested);
    world.container(ContainerChange::Seen(ContainerView::Missing));
    world.run(SECOND * 120);
    assert!(world.acts.is_empty());
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.run(SECOND * 60);
    assert_eq!(world.acts_on("redis"), [&Act::Start]);
    assert!(world.notices.is_empty());
}

#[test]
fn vai_never_acts_on_its_own_container() {
    let mut world = World::settled(vec![service("redis")]);
    let mut own = view(1, ContainerStatus::Running);
    if let ContainerView::Present(presence) = &mut own {
        presence.is_self = true;
    }
    world.container(ContainerChange::Seen(own));
    world.kill("redis");
    world.run(SECOND * 300);
    assert!(world.acts.is_empty());
    assert_eq!(world.state("redis"), StateLabel::Held);
    assert!(world.story.iter().any(|line| line.contains("its container is vai's own")));
}

#[test]
fn nothing_is_restarted_while_the_engine_is_away() {
    let mut world = World::settled(vec![service("redis")]);
    world.event(Event::EngineGone("no such socket".into()));
    world.kill("redis");
    world.run(SECOND * 300);
    assert!(world.acts.is_empty());
    let engine = world.notices.iter().find(|n| n.incident.root == "container engine").unwrap();
    assert_eq!(engine.incident.severity, Severity::Critical);
    world.event(Event::EngineBack);
    world.run(SECOND * 120);
    assert_eq!(world.acts_on("redis").len(), 1);
}

#[test]
fn what_only_the_engine_hid_is_no_incident_when_the_engine_is_back() {
    let mut world = World::settled(vec![service("redis")]);
    world.event(Event::EngineGone("no such socket".into()));
    world.unknown = true;
    world.run(SECOND * 300);
    assert_eq!(world.state("redis"), StateLabel::Unknown);
    world.unknown = false;
    world.event(Event::EngineBack);
    assert_eq!(world.state("redis"), StateLabel::Unknown, "not looked at yet");
    world.run(SECOND * 10);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    let roots: Vec<&str> = world.notices.iter().map(|n| n.incident.root.as_str()).collect();
    assert_eq!(roots, ["container engine", "container engine"], "opened and resolved");
    assert!(world.acts.is_empty());
}

#[test]
fn what_stays_hidden_after_the_engine_is_back_is_told() {
    let mut world = World::settled(vec![service("redis")]);
    world.event(Event::EngineGone("no such socket".into()));
    world.unknown = true;
    world.run(SECOND * 10);
    world.event(Event::EngineBack);
    world.run(SECOND * 300);
    let roots: Vec<&str> = world.notices.iter().map(|n| n.incident.root.as_str()).collect();
    assert_eq!(roots, ["redis"]);
}

// ---- holds ----

#[test]
fn a_paused_service_is_looked_at_and_not_touched() {
    let mut world = World::settled(vec![service("redis")]);
    world.event(Event::Operator(OperatorRequest::Pause("redis".into())));
    world.kill("redis");
    world.run(SECOND * 600);
    assert!(world.acts.is_empty());
    assert!(world.notices.is_empty());
    assert_eq!(world.state("redis"), StateLabel::Paused);
    world.event(Event::Operator(OperatorRequest::Resume("redis".into())));
    world.run(SECOND * 60);
    assert_eq!(world.acts_on("redis").len(), 1);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
}

#[test]
fn stopped_by_an_operator_is_left_alone_until_started() {
    let mut world = World::settled(vec![service("redis")]);
    world.event(Event::Operator(OperatorRequest::Stop("redis".into())));
    world.kill("redis");
    world.run(SECOND * 1200);
    assert_eq!(world.acts_on("redis"), [&Act::Stop]);
    assert_eq!(world.state("redis"), StateLabel::StoppedByHand);
    assert!(world.notices.is_empty());
    world.event(Event::Operator(OperatorRequest::Start("redis".into())));
    world.run(SECOND * 60);
    assert_eq!(world.acts_on("redis"), [&Act::Stop, &Act::Start]);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
}

#[test]
fn a_marker_file_holds_without_spending_budget_or_telling_anybody() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Marker);
    world.hint_death("redis");
    world.run(SECOND * 300);
    assert_eq!(world.state("redis"), StateLabel::StoppedByHand);
    assert_eq!(world.core.services[&ServiceName::from("redis")].kept.effort.failed_in_row(), 0);
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
    let told = world.story.iter().filter(|line| line.contains("not attempted")).count();
    assert_eq!(told, 1, "asked again every 10 s, told once: {:#?}", world.story);
    assert!(world.acts.len() > 20, "{}", world.acts.len());
    world.effects.insert("redis".into(), Effect::Heals);
    world.run(SECOND * 60);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
}

#[test]
fn observing_says_what_it_would_do_and_does_nothing() {
    let mut world = World::settled(vec![service("redis")]);
    let mut list = watchlist(vec![service("redis")]);
    list.observe = true;
    world.event(Event::Configured(list));
    world.kill("redis");
    world.run(SECOND * 300);
    assert!(world.acts.is_empty());
    assert!(world.story.iter().any(|line| line.contains("not attempted: vai only observes")));
}

// ---- reloads ----

#[test]
fn an_unchanged_service_keeps_its_state_through_a_reload() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 200);
    let before = world.core.services[&ServiceName::from("redis")].kept.effort.failed_in_row();
    assert!(before > 0);
    let changed = vec![service("redis"), service("new")];
    world.well.insert("new".into(), true);
    world.event(Event::Configured(watchlist(changed)));
    let after = world.core.services[&ServiceName::from("redis")].kept.effort.failed_in_row();
    assert_eq!(before, after);
}

#[test]
fn a_look_under_way_while_an_edit_moves_its_check_still_ends() {
    let mut before = service("redis");
    before.checks = vec![tcp_check(), process_check()];
    let mut after = before.clone();
    after.checks.reverse();
    let mut world = World::settled(vec![before]);
    while world.queue.is_empty() {
        world.run(Duration::from_millis(1));
    }
    world.event(Event::Configured(watchlist(vec![after])));
    let skipped = |world: &World| -> u64 {
        world.core.services[&ServiceName::from("redis")].runs.iter().map(run::Run::skipped).sum()
    };
    world.run(SECOND * 600);
    assert_eq!(skipped(&world), 0, "both checks go on running");
}

#[test]
fn a_service_first_seen_after_a_blind_time_is_started_not_restarted() {
    let mut world = World::new(vec![service("redis")]);
    world.kill("redis");
    world.unknown = true;
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 600);
    world.unknown = false;
    world.run(SECOND * 120);
    assert_eq!(world.acts_on("redis"), [&Act::Start]);
}

#[test]
fn a_service_disabled_while_it_fails_is_resolved_and_left_alone() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 480);
    let acts = world.acts.len();
    let mut disabled = service("redis");
    disabled.enabled = false;
    world.event(Event::Configured(watchlist(vec![disabled])));
    world.run(SECOND * 3600);
    assert_eq!(world.acts.len(), acts);
    assert_eq!(world.state("redis"), StateLabel::Disabled);
    assert_eq!(world.notices.last().unwrap().kind, NoticeKind::Resolved);
}

#[test]
fn a_removed_service_closes_its_incident() {
    let mut world = World::settled(vec![service("redis"), service("other")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 480);
    world.event(Event::Configured(watchlist(vec![service("other")])));
    let last = world.notices.last().unwrap();
    assert_eq!(last.kind, NoticeKind::Resolved);
    let IncidentPhase::Closed { how, .. } = &last.incident.phase else { panic!("still open") };
    assert_eq!(how, "removed from the registry");
}

// ---- what a review found ----

fn alert_check() -> Check {
    Check { name: "agent".into(), on_fail: OnFail::Alert, ..tcp_check() }
}

/// Lets one look of `name` fail.
fn blip(world: &mut World, name: &str) {
    world.kill(name);
    world.event(Event::Hint { service: name.into(), why: String::new(), died: None });
    world.well.insert(name.into(), true);
}

#[test]
fn an_act_that_starts_the_container_and_then_fails_is_one_failed_attempt() {
    let mut world = World::settled(vec![service("a")]);
    world.effects.insert("a".into(), Effect::Fails);
    world.kill("a");
    world.container(ContainerChange::Died);
    let exited = ContainerStatus::Exited { code: 1, oom: false };
    world.container(ContainerChange::Seen(view(1, exited)));
    world.run(Duration::from_millis(550));
    assert_eq!(world.acts_on("a").len(), 1);
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.run(SECOND * 240);
    assert!(world.acts.iter().all(|(_, _, act)| *act != Act::Start), "{:?}", world.acts);
    assert_eq!(world.restarts(), 3, "{:?}", world.acts);
    assert_eq!(world.state("a"), StateLabel::GaveUp);
}

#[test]
fn fails_with_passes_between_them_do_not_add_up() {
    let mut relay = service("relay");
    relay.checks = vec![tcp_check(), alert_check()];
    let mut world = World::settled(vec![relay]);
    // One more would be 5 % of its looks, which is worth a word.
    for _ in 0..4 {
        blip(&mut world, "relay");
        world.run(SECOND * 200);
    }
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
}

#[test]
fn a_failure_that_ended_before_fail_for_is_none() {
    let mut relay = service("relay");
    relay.checks[0].fail_for = SECOND * 30;
    let mut world = World::settled(vec![relay]);
    world.kill("relay");
    while world.state("relay") == StateLabel::Healthy {
        world.run(SECOND);
    }
    world.run(SECOND * 6);
    world.well.insert("relay".into(), true);
    world.run(SECOND * 300);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
}

#[test]
fn what_still_fails_after_its_root_recovered_is_told_under_its_own_name() {
    let mut world = World::settled(chain());
    world.effects.insert("a".into(), Effect::Nothing);
    world.effects.insert("b".into(), Effect::Nothing);
    world.kill("a");
    world.kill("b");
    world.run(SECOND * 600);
    world.well.insert("a".into(), true);
    world.run(SECOND * 900);
    let of_b = world.notices.iter().filter(|notice| notice.incident.root == "b").count();
    assert!(of_b >= 1, "{:#?}", world.story);
    let resolved = world.notices.iter().find(|notice| notice.kind == NoticeKind::Resolved).unwrap();
    assert_eq!(resolved.incident.root, "a");
}

#[test]
fn every_incident_that_was_opened_is_closed() {
    let mut world = World::settled(chain());
    world.hint_death("b");
    world.hint_death("a");
    world.run(SECOND * 300);
    let open: Vec<&Incident> =
        world.incidents.values().filter(|it| it.phase == IncidentPhase::Open).collect();
    assert!(open.is_empty(), "{open:#?}");
    assert!(!world.incidents.is_empty());
}

#[test]
fn a_pause_ends_no_incident() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 480);
    let told = world.notices.len();
    world.event(Event::Operator(OperatorRequest::Pause("redis".into())));
    world.run(SECOND * 60);
    assert_eq!(world.notices.len(), told, "still down: nothing is resolved");
    world.well.insert("redis".into(), true);
    world.run(SECOND * 120);
    assert_eq!(world.notices.last().unwrap().kind, NoticeKind::Resolved);
}

#[test]
fn what_docker_still_calls_unhealthy_is_waited_for_after_a_restart() {
    let mut api = service("api");
    api.checks = vec![check(CheckKind::Docker)];
    let mut world = World::settled(vec![api]);
    world.effects.insert("api".into(), Effect::Nothing);
    world.kill("api");
    world.run(SECOND * 62);
    assert_eq!(world.acts.len(), 1);
    world.run(SECOND * 25);
    world.well.insert("api".into(), true);
    world.run(SECOND * 60);
    assert_eq!(world.acts.len(), 1, "Docker looks only every 30 s: {:?}", world.acts);
    assert_eq!(world.state("api"), StateLabel::Healthy);
}

#[test]
fn a_start_that_makes_no_sense_is_refused_in_words() {
    let mut held = service("held");
    held.held = Some("${TOKEN} is not set".into());
    let mut world = World::settled(vec![held, service("redis")]);
    let start = |name: &str| OperatorRequest::Start(name.into());
    let answer = world.core.answer(&start("redis")).unwrap_err();
    assert_eq!(answer.0, "redis is healthy already");
    world.kill("held");
    world.run(SECOND * 120);
    let answer = world.core.answer(&start("held")).unwrap_err();
    assert_eq!(answer.0, "held is held: ${TOKEN} is not set");
    world.event(Event::Operator(OperatorRequest::Stop("redis".into())));
    world.run(SECOND);
    for request in [OperatorRequest::Pause("redis".into()), OperatorRequest::Resume("redis".into())]
    {
        let answer = world.core.answer(&request).unwrap_err();
        assert_eq!(answer.0, "redis is stopped; `vai start redis` ends that");
    }
}

#[test]
fn a_daily_check_is_looked_at_as_soon_as_its_container_is_known() {
    let mut daily = service("daily");
    daily.checks[0].interval = SECOND * 86_400;
    let mut world = World::new(vec![daily]);
    world.well.insert("daily".into(), true);
    world.run(SECOND * 2);
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 30);
    assert_eq!(world.state("daily"), StateLabel::Healthy);
}

#[test]
fn what_was_mended_by_hand_is_not_restarted_on_an_old_verdict() {
    let mut daily = service("daily");
    daily.checks[0].interval = SECOND * 86_400;
    let mut world = World::settled(vec![daily]);
    world.effects.insert("daily".into(), Effect::Nothing);
    world.hint_death("daily");
    world.run(SECOND * 250);
    assert_eq!(world.state("daily"), StateLabel::GaveUp);
    let acts = world.acts.len();
    world.well.insert("daily".into(), true);
    world.run(SECOND * 900);
    assert_eq!(world.acts.len(), acts, "{:?}", world.acts);
    assert_eq!(world.state("daily"), StateLabel::Healthy);
}

#[test]
fn a_blocked_start_is_looked_at_again_when_its_dependency_is_well() {
    let mut world = World::new(chain());
    world.kill("a");
    world.kill("b");
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    while world.acts.is_empty() {
        world.run(SECOND);
    }
    world.well.insert("b".into(), true);
    world.run(SECOND * 120);
    assert!(world.acts_on("b").is_empty(), "it came up with a: {:?}", world.acts);
    assert_eq!(world.state("b"), StateLabel::Healthy);
}

#[test]
fn a_stop_by_the_engines_own_end_is_nobodys_wish() {
    let mut world = World::settled(vec![service("redis")]);
    world.kill("redis");
    world.container(ContainerChange::Signalled);
    world.container(ContainerChange::Died);
    world.container(ContainerChange::StopRequested);
    world.event(Event::EngineGone("no socket".into()));
    world.run(SECOND * 20);
    let exited = ContainerStatus::Exited { code: 143, oom: false };
    world.container(ContainerChange::Seen(view(1, exited)));
    world.event(Event::EngineBack);
    world.run(SECOND * 60);
    assert_eq!(world.restarts(), 1, "{:#?}", world.story);
}

#[test]
fn an_alert_check_that_cannot_look_blocks_nobody() {
    let mut services = chain();
    services[0].checks.push(alert_check());
    let mut world = World::settled(services);
    world.blind_checks.push("agent".into());
    world.run(SECOND * 400);
    assert_eq!(world.state("a"), StateLabel::Degraded);
    world.hint_death("b");
    world.run(SECOND * 60);
    assert_eq!(world.acts_on("b").len(), 1, "{:#?}", world.story);
}

#[test]
fn a_dependency_that_cannot_be_seen_opens_no_gate() {
    let mut world = World::settled(chain());
    world.blind_services.push("a".into());
    world.hint_death("b");
    world.run(SECOND * 30);
    assert!(world.acts_on("b").is_empty(), "{:#?}", world.story);
    world.blind_services.clear();
    world.run(SECOND * 120);
    assert_eq!(world.acts_on("b").len(), 1);
}

#[test]
fn a_start_that_nobody_can_look_at_is_told() {
    let mut world = World::new(vec![service("redis")]);
    world.kill("redis");
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    while world.acts.is_empty() {
        world.run(SECOND);
    }
    world.unknown = true;
    world.run(SECOND * 600);
    assert_eq!(world.state("redis"), StateLabel::Unknown);
    assert_eq!(world.notices.len(), 1);
}

#[test]
fn memory_running_out_is_worth_a_look() {
    let mut world = World::settled(vec![service("redis")]);
    let before = world.second();
    world.kill("redis");
    world.container(ContainerChange::OutOfMemory);
    world.run(Duration::from_millis(100));
    assert_eq!(world.state("redis"), StateLabel::Suspect, "{before}");
}

#[test]
fn a_stop_that_failed_leaves_the_service_watched() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Fails);
    world.event(Event::Operator(OperatorRequest::Stop("redis".into())));
    world.run(SECOND * 30);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
}

#[test]
fn two_names_of_one_container_are_one_place() {
    let mut other = service("other");
    other.place = Place::Container("services-container".into());
    let mut world = World::settled(vec![service("redis"), other]);
    let key = "services-container".into();
    let seen = ContainerChange::Seen(view(1, ContainerStatus::Running));
    world.event(Event::Container { key, change: seen });
    world.run(SECOND * 120);
    world.hint_death("redis");
    world.hint_death("other");
    world.run(Duration::from_millis(50));
    assert_eq!(world.acts.len(), 1, "{:?}", world.acts);
}

// ---- limits ----

#[test]
fn one_act_per_container_and_so_many_per_host() {
    let services = (0..6).map(|n| service(&format!("s{n}"))).collect();
    let mut world = World::settled(services);
    for n in 0..6 {
        world.hint_death(&format!("s{n}"));
    }
    world.run(Duration::from_millis(50));
    assert_eq!(world.acts.len(), 1, "they share a container");
    world.run(SECOND * 30);
    assert_eq!(world.acts.len(), 6, "verifying holds no slot");
}

#[test]
fn a_process_check_proves_a_death_by_itself() {
    let mut worker = service("worker");
    worker.checks = vec![process_check()];
    let mut world = World::settled(vec![worker]);
    let before = world.second();
    world.hint_death("worker");
    world.run(SECOND);
    assert!(world.acts[0].0 - before < 0.1);
}
