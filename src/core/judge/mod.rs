//! Judgement: from what was seen to what is to be done, without a clock, I/O
//! or async. Machines, one per service, propose; [`Core`] as the arbiter of the
//! whole host admits.

mod backoff;
mod budget;
mod container;
mod effort;
mod gate;
mod graph;
mod incident;
mod machine;
mod run;
mod tally;

#[cfg(test)]
mod tests;

use crate::model::{
    Act, ActId, ActOutcome, ActReport, ActRequest, Action, Change, CheckView, ContainerChange,
    ContainerKey, Delta, Event, Instance, Now, OperatorError, OperatorRequest, Outcome, Place,
    ServiceName, ServiceView, Ticket, Time, Transition, Watchlist,
};
use container::{Container, Standing};
use gate::Gate;
use graph::Graph;
use incident::{Incidents, Scene};
use machine::{Machine, Note, Proposal, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Until then a start counts as starting, where the registry and the
/// container's HEALTHCHECK say nothing else.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Everything that is known and decided. It is driven by [`Core::handle`]
/// alone.
#[derive(Clone, Debug)]
pub struct Core {
    settings: Settings,
    services: BTreeMap<ServiceName, Machine>,
    graph: Graph,
    containers: BTreeMap<ContainerKey, Container>,
    engine: EngineLink,
    acts: BTreeMap<ActId, Flight>,
    incidents: Incidents,
    next_act: u64,
    next_look: u64,
    stopping: bool,
    /// What was last published of each service.
    published: BTreeMap<ServiceName, ServiceView>,
}

#[derive(Clone, Debug)]
struct Settings {
    parallel_actions: usize,
    observe: bool,
    repeat_interval: Duration,
    local: Instance,
}

#[derive(Clone, Debug)]
enum EngineLink {
    /// Nothing was heard of it yet.
    Unseen,
    Up,
    Gone {
        since: Now,
        why: String,
    },
}

/// An act under way.
#[derive(Clone, Debug)]
struct Flight {
    service: ServiceName,
    place: Place,
    act: Act,
}

/// Collects what a step comes to.
#[derive(Default)]
struct Out {
    changes: Vec<Change>,
    actions: Vec<Action>,
}

impl Core {
    /// A core that watches `watchlist` from `now` on.
    #[must_use]
    pub fn new(now: Now, watchlist: Watchlist) -> Self {
        let mut core = Self {
            settings: Settings::of(&watchlist),
            services: BTreeMap::new(),
            graph: Graph::default(),
            containers: BTreeMap::new(),
            engine: EngineLink::Unseen,
            acts: BTreeMap::new(),
            incidents: Incidents::default(),
            next_act: 0,
            next_look: 0,
            stopping: false,
            published: BTreeMap::new(),
        };
        core.configure(now, watchlist, &mut Out::default());
        core
    }

    /// Takes in one event and decides. The delta is to be stored before any of
    /// the actions is carried out.
    pub fn handle(&mut self, now: Now, event: Event) -> (Delta, Vec<Action>) {
        let mut out = Out::default();
        self.take_in(now, event, &mut out);
        self.review(now, &mut out);
        self.admit(now, &mut out);
        self.look(now, &mut out);
        self.refresh_incidents(now, &mut out);
        self.publish(now, &mut out);
        (Delta { changes: out.changes }, out.actions)
    }

    /// When [`Event::Wake`] is to be handed in, if nothing else comes before.
    #[must_use]
    pub fn next_wake(&self, now: Now) -> Option<Time> {
        let machines = self.services.values();
        let looks = machines.clone().filter_map(Machine::next_look);
        let waits = machines.filter_map(|machine| machine.next_wake(now.mono));
        let containers =
            self.containers.values().filter_map(|container| container.next_wake(now.mono));
        let incidents = self.incidents.next_wake(&self.scene(now));
        looks.chain(waits).chain(containers).chain(incidents).min()
    }

    /// What an operator's request will come to, or why it is refused. It is
    /// carried out by handing in [`Event::Operator`].
    ///
    /// # Errors
    /// An unknown or disabled service, or one whose container is busy.
    pub fn answer(&self, request: &OperatorRequest) -> Result<String, OperatorError> {
        let name = request.service();
        let Some(machine) = self.services.get(name) else {
            return Err(OperatorError(format!("there is no service {name} in the registry")));
        };
        if !machine.is_watched() {
            return Err(OperatorError(format!(
                "{name} is not watched: {}",
                machine.reason(Time::default())
            )));
        }
        let acts = matches!(request, OperatorRequest::Stop(_) | OperatorRequest::Start(_));
        if acts && self.settings.observe {
            return Err(OperatorError("vai only observes (--observe)".into()));
        }
        if matches!(request, OperatorRequest::Stop(_)) && self.is_busy(&machine.service.place) {
            return Err(OperatorError(format!(
                "an action is under way beside {name}; try again when it has ended"
            )));
        }
        Ok(match request {
            OperatorRequest::Pause(_) => {
                format!("{name} is paused: checked, but not restarted, until `vai resume {name}`")
            }
            OperatorRequest::Resume(_) => format!("{name} is watched and restarted again"),
            OperatorRequest::Stop(_) => {
                format!("{name} is being stopped and left alone until `vai start {name}`")
            }
            OperatorRequest::Start(_) => format!("{name} is being started"),
        })
    }

    // ---- taking in ----

    fn take_in(&mut self, now: Now, event: Event, out: &mut Out) {
        match event {
            Event::Configured(watchlist) => self.configure(now, watchlist, out),
            Event::Checked { ticket, report } => {
                let Some(machine) = self.services.get_mut(&ticket.service) else {
                    return;
                };
                if machine.checked(now, ticket.check, ticket.number, report) {
                    for dependency in self.graph.all_dependencies(&ticket.service) {
                        if let Some(machine) = self.services.get_mut(&dependency) {
                            machine.look_now(now.mono);
                        }
                    }
                }
            }
            Event::Hint { service, died, .. } => {
                if let Some(machine) = self.services.get_mut(&service) {
                    if let Some(process) = died {
                        machine.process_ended(&process);
                    }
                    machine.look_now(now.mono);
                }
            }
            Event::Container { key, change } => self.container_changed(now, key, change),
            Event::EngineGone(why) => {
                if !matches!(self.engine, EngineLink::Gone { .. }) {
                    self.engine = EngineLink::Gone { since: now, why };
                }
            }
            Event::EngineBack => self.engine = EngineLink::Up,
            Event::Acted { id, report } => self.acted(now, id, report, out),
            Event::Operator(request) => self.operate(now, &request, out),
            Event::Stopping => self.stopping = true,
            Event::Wake => {}
        }
    }

    fn configure(&mut self, now: Now, watchlist: Watchlist, out: &mut Out) {
        self.settings = Settings::of(&watchlist);
        self.graph = Graph::new(&watchlist.services);
        let gone: Vec<ServiceName> = self
            .services
            .keys()
            .filter(|name| !watchlist.services.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            self.services.remove(&name);
            self.published.remove(&name);
            self.incidents.recovered(&name, "removed from the registry");
            out.changes.push(Change::Removed(name));
        }
        for (name, service) in watchlist.services {
            let mut step = Step::default();
            match self.services.get_mut(&name) {
                Some(machine) if machine.service == service => {}
                Some(machine) => machine.reconfigure(now, service, &mut step),
                None => {
                    self.services.insert(name.clone(), Machine::new(now, service));
                }
            }
            self.story(&name, step, out);
        }
        let wanted: BTreeSet<&ContainerKey> =
            self.services.values().filter_map(|machine| machine.container()).collect();
        self.containers.retain(|key, _| wanted.contains(key));
    }

    fn container_changed(&mut self, now: Now, key: ContainerKey, change: ContainerChange) {
        let hint = matches!(change, ContainerChange::OutOfMemory | ContainerChange::Seen(_));
        let container = self.containers.entry(key.clone()).or_default();
        let before = container.presence().map(|presence| presence.health.clone());
        container.change(now, change);
        let after = container.presence().map(|presence| presence.health.clone());
        // What the engine's own check says is worth a look, not a verdict.
        if hint && before.is_some() && before != after {
            for machine in self.services.values_mut() {
                if machine.container() == Some(&key) {
                    machine.look_now(now.mono);
                }
            }
        }
    }

    fn acted(&mut self, now: Now, id: ActId, report: ActReport, out: &mut Out) {
        let Some(flight) = self.acts.remove(&id) else {
            return;
        };
        out.changes.push(Change::IntentEnded(id));
        if let Place::Container(key) = &flight.place
            && let Some(container) = self.containers.get_mut(key)
        {
            container.act_ended(now.mono);
            if let ActOutcome::Done { instance: Some(instance), .. } = &report.outcome
                && flight.act != Act::Stop
            {
                container.runs_now(now.mono, instance);
            }
        }
        let start_timeout = self.start_timeout(&flight.service);
        let Some(machine) = self.services.get_mut(&flight.service) else {
            return;
        };
        let mut step = Step::default();
        if machine.act() == Some(id) {
            machine.acted(now, report, start_timeout, &mut step);
        } else {
            // An operator's stop, or the service was disabled meanwhile.
            let words = match report.outcome {
                ActOutcome::Done { .. } => report.steps.join("; "),
                ActOutcome::Failed(words) => format!("stop failed: {words}"),
                ActOutcome::CommandOverdue(_) => "stop_cmd is still running".into(),
                ActOutcome::Refused { gate, .. } => format!("not stopped: {gate}"),
            };
            let label = machine.label();
            step.notes.push(Note { from: label, to: label, reason: words });
        }
        self.story(&flight.service, step, out);
    }

    fn operate(&mut self, now: Now, request: &OperatorRequest, out: &mut Out) {
        if self.answer(request).is_err() {
            return;
        }
        let name = request.service().clone();
        let Some(machine) = self.services.get_mut(&name) else {
            return;
        };
        let mut step = Step::default();
        match request {
            OperatorRequest::Pause(_) => machine.pause(now, &mut step),
            OperatorRequest::Resume(_) => machine.resume(now, &mut step),
            OperatorRequest::Start(_) => machine.start(now, &mut step),
            OperatorRequest::Stop(_) => {
                machine.stop(now, &mut step);
                self.next_act += 1;
                self.dispatch(&name, ActId(self.next_act), Act::Stop, out);
            }
        }
        self.story(&name, step, out);
    }

    // ---- judging ----

    fn review(&mut self, now: Now, out: &mut Out) {
        let mut well = Vec::new();
        let names: Vec<ServiceName> = self.services.keys().cloned().collect();
        for name in names {
            let standing = self.standing(&name, now.mono);
            let start_timeout = self.start_timeout(&name);
            let Some(machine) = self.services.get_mut(&name) else {
                continue;
            };
            let mut step = Step::default();
            machine.review(now, &standing, start_timeout, &mut step);
            if step.became_well {
                well.push(name.clone());
            }
            self.story(&name, step, out);
        }
        for name in well {
            for dependent in self.graph.dependents(&name).to_vec() {
                if let Some(machine) = self.services.get_mut(&dependent) {
                    machine.dependency_returned(now.mono);
                }
            }
        }
    }

    fn standing(&self, name: &ServiceName, now: Time) -> Standing {
        match self.services.get(name).and_then(Machine::container) {
            None => Standing::Up { instance: self.settings.local.clone(), since: Time::default() },
            Some(key) => match self.containers.get(key) {
                Some(container) => container.standing(now),
                None => Standing::Unseen,
            },
        }
    }

    fn start_timeout(&self, name: &ServiceName) -> Duration {
        let Some(machine) = self.services.get(name) else {
            return START_TIMEOUT;
        };
        machine.service.start_timeout.unwrap_or_else(|| {
            let health_start = machine
                .container()
                .and_then(|key| self.containers.get(key)?.presence()?.health_start);
            health_start.map_or(START_TIMEOUT, |start| start.max(START_TIMEOUT))
        })
    }

    /// Writes down what a machine's step came to.
    fn story(&mut self, name: &ServiceName, step: Step, out: &mut Out) {
        if let Some(how) = &step.recovered {
            self.incidents.recovered(name, how);
        }
        out.changes.extend(step.notes.into_iter().map(|note| {
            Change::Transition(Transition {
                service: name.clone(),
                from: note.from,
                to: note.to,
                reason: note.reason,
            })
        }));
    }

    // ---- admitting ----

    /// Admits what may be done now, the longest-waiting first, one act per
    /// place; everything else learns which gate it stands before.
    fn admit(&mut self, now: Now, out: &mut Out) {
        let mut proposals: Vec<(ServiceName, Proposal, Standing)> = Vec::new();
        for (name, machine) in &self.services {
            if !machine.waits_for_help() {
                continue;
            }
            let standing = self.standing(name, now.mono);
            if let Some(proposal) = machine.proposal(&standing, now.mono) {
                proposals.push((name.clone(), proposal, standing));
            }
        }
        proposals.sort_by_key(|(_, proposal, _)| proposal.since);
        for (name, proposal, standing) in proposals {
            let gate = self.gate(&name, &proposal, &standing, now);
            let Some(machine) = self.services.get_mut(&name) else {
                continue;
            };
            let mut step = Step::default();
            match gate {
                Some(gate) => step.notes.extend(machine.gated(now, gate)),
                None => {
                    self.next_act += 1;
                    let id = ActId(self.next_act);
                    machine.admitted(now, id, &proposal.act, &mut step);
                    self.dispatch(&name, id, proposal.act, out);
                }
            }
            self.story(&name, step, out);
        }
    }

    /// The first gate that an act stands before, in the order in which a person
    /// would want to hear of them.
    fn gate(
        &mut self,
        name: &ServiceName,
        proposal: &Proposal,
        standing: &Standing,
        now: Now,
    ) -> Option<Gate> {
        let machine = self.services.get(name)?;
        let service = &machine.service;
        if self.stopping {
            return Some(Gate::Stopping);
        }
        if machine.is_paused() {
            return Some(Gate::Paused);
        }
        if !proposal.asked && machine.is_alert_only(standing) {
            let why = service.recovery.alert_only.clone();
            return Some(Gate::AlertOnly(why.unwrap_or_else(|| "it is only watched".into())));
        }
        if let Some(why) = &service.held {
            return Some(Gate::Unset(why.clone()));
        }
        if let Some(gate) = self.container_gate(machine, standing) {
            return Some(gate);
        }
        if !proposal.asked {
            if let Some(gate) = self.dependency_gate(name, now) {
                return Some(gate);
            }
            let machine = self.services.get(name)?;
            let gate = match proposal.act {
                Act::Start | Act::Stop => machine.effort.refusal(now.mono),
                Act::Restart(_) => machine.effort.gate(now.mono, &machine.service.recovery),
            };
            if gate.is_some() {
                return gate;
            }
        }
        let machine = self.services.get(name)?;
        if self.settings.observe {
            return Some(Gate::Observe);
        }
        let full = self.acts.len() >= self.settings.parallel_actions.max(1);
        (full || self.is_busy(&machine.service.place)).then_some(Gate::Busy)
    }

    fn container_gate(&self, machine: &Machine, standing: &Standing) -> Option<Gate> {
        let key = machine.container()?;
        if matches!(self.engine, EngineLink::Gone { .. }) {
            return Some(Gate::Engine);
        }
        if self.containers.get(key).and_then(Container::presence).is_some_and(|it| it.is_self) {
            return Some(Gate::Myself);
        }
        match standing {
            Standing::Changing(why) | Standing::Unclear(why) => Some(Gate::Changing(why.clone())),
            Standing::Unseen => Some(Gate::Engine),
            Standing::Up { .. } | Standing::Died(_) | Standing::ByHand(_) => None,
        }
    }

    /// A dependency has to be well, and known to be so since the failure began.
    fn dependency_gate(&mut self, name: &ServiceName, now: Now) -> Option<Gate> {
        let began = self.services.get(name)?.outage.as_ref().map(|outage| outage.since.mono);
        let mut unsure = false;
        for dependency in self.graph.dependencies(name).to_vec() {
            let Some(machine) = self.services.get_mut(&dependency) else {
                continue;
            };
            if machine.blocks_nobody() {
                continue;
            }
            if !machine.is_well() {
                return Some(Gate::Dependency(dependency, machine.label()));
            }
            if began.is_some_and(|began| !machine.looked_since(began)) {
                machine.look_now(now.mono);
                unsure = true;
            }
        }
        unsure.then_some(Gate::Looking)
    }

    fn is_busy(&self, place: &Place) -> bool {
        self.acts.values().any(|flight| flight.place == *place)
    }

    /// Sends an act on its way.
    fn dispatch(&mut self, name: &ServiceName, id: ActId, act: Act, out: &mut Out) {
        let Some(machine) = self.services.get(name) else { return };
        let service = Arc::clone(&machine.service);
        let instance = machine.instance.clone();
        if let Place::Container(key) = &service.place
            && let Some(container) = self.containers.get_mut(key)
        {
            container.act_begins();
        }
        if let (Act::Start, Some(instance)) = (&act, instance.clone()) {
            out.changes.push(Change::Started { service: name.clone(), instance });
        }
        out.changes.push(Change::Intent { id, service: name.clone() });
        let place = service.place.clone();
        self.acts.insert(id, Flight { service: name.clone(), place, act: act.clone() });
        out.actions.push(Action::Act(Box::new(ActRequest {
            id,
            instance: instance.filter(|_| !machine.is_local()),
            fault: machine.outage.as_ref().and_then(machine::Outage::fault),
            attempt: machine.outage.as_ref().map_or(0, |outage| outage.attempts),
            processes: machine.processes(),
            service,
            act,
        })));
    }

    // ---- looking ----

    fn look(&mut self, now: Now, out: &mut Out) {
        for (name, machine) in &mut self.services {
            for (check, number) in machine.due(now.mono, &mut self.next_look) {
                let ticket = Ticket {
                    service: name.clone(),
                    check,
                    number,
                    instance: machine.instance.clone().filter(|_| !machine.is_local()),
                };
                let service = Arc::clone(&machine.service);
                out.actions.push(Action::Look { ticket, service });
            }
        }
    }

    // ---- showing ----

    fn scene(&self, now: Now) -> Scene<'_> {
        Scene {
            now,
            services: &self.services,
            graph: &self.graph,
            engine_gone: match &self.engine {
                EngineLink::Gone { since, why } => Some((*since, why.clone())),
                EngineLink::Up | EngineLink::Unseen => None,
            },
            repeat_interval: self.settings.repeat_interval,
        }
    }

    fn refresh_incidents(&mut self, now: Now, out: &mut Out) {
        let mut incidents = std::mem::take(&mut self.incidents);
        incidents.refresh(&self.scene(now), &mut out.changes, &mut out.actions);
        self.incidents = incidents;
    }

    fn publish(&mut self, now: Now, out: &mut Out) {
        for (name, machine) in &self.services {
            let view = self.view(machine, now);
            if self.published.get(name) != Some(&view) {
                out.changes.push(Change::Service(Box::new(view.clone())));
                self.published.insert(name.clone(), view);
            }
        }
    }

    fn view(&self, machine: &Machine, now: Now) -> ServiceView {
        let service = &machine.service;
        let recovery = &service.recovery;
        ServiceView {
            name: service.name.clone(),
            container: machine.container().map_or_else(String::new, ToString::to_string),
            state: machine.label(),
            reason: machine.reason(now.mono),
            since: machine.since().wall,
            checks: machine.runs.iter().zip(&service.checks).map(check_view).collect(),
            restarts_in_window: machine.effort.restarts(now.mono, recovery.window),
            failed_attempts: machine.effort.failed_in_row(),
            incident: self.incidents.of(&service.name).map(|id| id.0.clone()),
        }
    }
}

impl Settings {
    fn of(watchlist: &Watchlist) -> Self {
        Self {
            parallel_actions: watchlist.parallel_actions,
            observe: watchlist.observe,
            repeat_interval: watchlist.repeat_interval,
            local: watchlist.local.clone(),
        }
    }
}

fn check_view((run, check): (&run::Run, &crate::model::Check)) -> CheckView {
    let (last, detail) = match run.shown().map(|last| &last.report.outcome) {
        None => ("pending", ""),
        Some(Outcome::Pass) => ("pass", ""),
        Some(Outcome::Slow(why)) => ("slow", why.as_str()),
        Some(Outcome::Fail(fault)) => ("fail", fault.detail.as_str()),
        Some(Outcome::Starting(why)) => ("starting", why.as_str()),
        Some(Outcome::Unknown(why)) => ("unknown", why.as_str()),
    };
    let took = run.shown().map_or(Duration::ZERO, |last| last.report.took);
    CheckView {
        name: check.name.clone(),
        last: last.to_owned(),
        detail: detail.to_owned(),
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        at: run.shown().map(|last| last.ended.wall),
        skipped: run.skipped(),
    }
}
