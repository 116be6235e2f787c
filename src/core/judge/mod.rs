//! Judgement: from what was seen to what is to be done, without a clock, I/O
//! or async. Machines, one per service, propose; [`Core`] as the arbiter of the
//! whole host admits.

mod arbiter;
mod backoff;
mod budget;
mod comeback;
mod container;
mod delta;
mod doubt;
mod effort;
mod gate;
mod gates;
mod graph;
mod host;
mod incident;
mod machine;
mod publish;
mod quality;
mod run;
mod stability;
mod tally;
mod trouble;

#[cfg(test)]
mod tests;

use crate::model::{
    Act, ActId, ActOutcome, ActReport, ActRequest, Action, CheckKind, CheckView, ContainerChange,
    ContainerKey, Event, IncidentId, Instance, MaintenanceWindow, MessageId, Notice, Now,
    OperatorError, OperatorRequest, Outcome, Place, Presence, Report, ServiceName, ServiceView,
    Ticket, Time, Transition, Watchlist,
};
pub use container::ContainerMemory;
use container::{Container, Standing};
pub use delta::{ActMemory, Change, Delta, Memory, Record, RecordKey, Sample};
use doubt::Anchors;
use gate::Gate;
use graph::Graph;
pub use host::HostMemory;
pub use incident::IncidentMemory;
use incident::{Incidents, Scene};
pub use machine::ServiceMemory;
use machine::{Machine, Note, Proposal, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tally::restarts;

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
    anchors: Anchors,
    acts: BTreeMap<ActId, ActMemory>,
    incidents: Incidents,
    host: HostMemory,
    /// The maintenance windows that are open.
    windows: Vec<MaintenanceWindow>,
    /// Since when nothing can be stored and why, if so.
    store_failed: Option<(Now, String)>,
    next_look: u64,
    stopping: bool,
    /// What was last published of each service.
    published: BTreeMap<ServiceName, ServiceView>,
    /// What was last handed out to be remembered.
    remembered: Memory,
}

#[derive(Clone, Debug)]
struct Settings {
    parallel_actions: usize,
    host_max_restarts: u32,
    host_window: Duration,
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
        /// What ran when it went.
        instances: BTreeMap<ContainerKey, Instance>,
    },
}

/// Collects what a step comes to.
#[derive(Default)]
struct Out {
    changes: Vec<Change>,
    actions: Vec<Action>,
}

impl Core {
    /// A core that watches `watchlist` from `now` on and goes on from what was
    /// remembered; the delta is what there is to tell and to store about that.
    #[must_use]
    pub fn new(now: Now, watchlist: Watchlist, memory: Memory) -> (Self, Delta) {
        let containers = memory.containers.iter();
        let mut core = Self {
            settings: Settings::of(&watchlist),
            services: BTreeMap::new(),
            graph: Graph::default(),
            containers: containers
                .map(|(key, kept)| (key.clone(), Container::resume(kept.clone())))
                .collect(),
            engine: EngineLink::Unseen,
            anchors: Anchors::new(now.mono, &watchlist.anchors),
            acts: BTreeMap::new(),
            incidents: Incidents::resume(&memory.incidents, memory.host.last_incident),
            host: memory.host.clone(),
            windows: Vec::new(),
            store_failed: None,
            next_look: 0,
            stopping: false,
            published: BTreeMap::new(),
            remembered: memory,
        };
        let mut out = Out::default();
        core.host.started(now);
        core.note_boot(now);
        core.configure(now, watchlist, &mut out);
        core.reconcile(now, &mut out);
        core.publish(now, &mut out);
        core.remember(&mut out);
        (core, Delta { changes: out.changes })
    }

    /// Acts that `vai` ended in the middle of are not done again.
    fn reconcile(&mut self, now: Now, out: &mut Out) {
        for flight in self.remembered.acts.clone().into_values() {
            let start_timeout = self.start_timeout(&flight.service);
            let Some(machine) = self.services.get_mut(&flight.service) else {
                continue;
            };
            let mut step = Step::default();
            if machine.act().is_some() {
                machine.interrupted(now, &flight.act, start_timeout, &mut step);
            } else if flight.act == Act::Stop {
                machine.stop_interrupted(&mut step);
            }
            if let Place::Container(key) = &flight.place
                && flight.act.may_stop_container()
                && let Some(container) = self.containers.get_mut(key)
            {
                container.act_interrupted(now.mono);
            }
            self.story(&flight.service, step, out);
        }
    }

    /// Takes in one event and decides. The delta is to be stored before any of
    /// the actions is carried out.
    pub fn handle(&mut self, now: Now, event: Event) -> (Delta, Vec<Action>) {
        let mut out = Out::default();
        self.take_in(now, event, &mut out);
        self.doubt_outside(now);
        self.review(now, &mut out);
        self.admit(now, &mut out);
        self.look(now, &mut out);
        self.refresh_incidents(now, &mut out);
        self.tell_comeback(now, &mut out);
        self.publish(now, &mut out);
        self.remember(&mut out);
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
        let anchors = self.anchors.next_look();
        let host = self.host.mistrusted_until(now.mono);
        looks.chain(waits).chain(containers).chain(incidents).chain(anchors).chain(host).min()
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
        if let Some(why) = self.refusal(request, machine) {
            return Err(OperatorError(why));
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

    /// Why a request about a watched service makes no sense right now.
    fn refusal(&self, request: &OperatorRequest, machine: &Machine) -> Option<String> {
        let name = &machine.service.name;
        match request {
            OperatorRequest::Pause(_) | OperatorRequest::Resume(_) => machine
                .is_stopped_by_operator()
                .then(|| format!("{name} is stopped; `vai start {name}` ends that")),
            OperatorRequest::Stop(_) | OperatorRequest::Start(_) if self.settings.observe => {
                Some("vai only observes (--observe)".into())
            }
            OperatorRequest::Stop(_) | OperatorRequest::Start(_)
                if self.is_busy(&machine.service.place) =>
            {
                Some(format!("an action is under way beside {name}; try again when it has ended"))
            }
            OperatorRequest::Stop(_) => None,
            OperatorRequest::Start(_) => {
                let own = machine
                    .container()
                    .and_then(|key| self.containers.get(key)?.presence())
                    .is_some_and(|presence| presence.is_self);
                let held = machine.service.held.as_ref();
                if machine.is_well() {
                    Some(format!("{name} is healthy already"))
                } else if own {
                    Some(format!("{name} runs in vai's own container, which vai never acts on"))
                } else {
                    held.map(|why| format!("{name} is held: {why}"))
                }
            }
        }
    }

    // ---- taking in ----

    fn take_in(&mut self, now: Now, event: Event, out: &mut Out) {
        match event {
            Event::Configured(watchlist) => {
                self.configure(now, watchlist, out);
                self.maintain(now, out);
            }
            Event::Checked { ticket, report } => {
                if self.anchors.checked(now, &ticket, report.clone()) {
                    return;
                }
                let Some(machine) = self.services.get_mut(&ticket.service) else {
                    return;
                };
                let Some(counted) = machine.checked(now, ticket.number, report) else {
                    return;
                };
                out.changes.push(Change::Sampled(counted.sample));
                if counted.first_fail {
                    for dependency in self.graph.all_dependencies(&ticket.service) {
                        if let Some(machine) = self.services.get_mut(&dependency) {
                            machine.look_now(now.mono);
                        }
                    }
                    self.suspect_network(now, &ticket.service);
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
            // Whoever stops vai may be stopping everything.
            Event::Container { change: ContainerChange::StopRequested, .. } if self.stopping => {}
            Event::Container { key, change } => self.container_changed(now, key, change),
            Event::EngineGone(why) => {
                if !matches!(self.engine, EngineLink::Gone { .. }) {
                    let running = self.containers.iter().filter_map(|(key, container)| {
                        Some((key.clone(), container.presence()?.instance.clone()))
                    });
                    self.engine =
                        EngineLink::Gone { since: now, why, instances: running.collect() };
                    for container in self.containers.values_mut() {
                        container.stops_prove_nothing(now.mono);
                    }
                }
            }
            Event::EngineBack => self.engine_back(now),
            Event::Acted { id, report } => self.acted(now, id, report, out),
            Event::Operator(request) => self.operate(now, &request, out),
            Event::StoreFailed(why) => self.store_failed = Some((now, why)),
            Event::StoreBack => self.store_failed = None,
            Event::Maintenance(windows) => {
                self.windows = windows;
                self.maintain(now, out);
            }
            Event::Told(id) => {
                self.remembered.apply(&Change::Forget(RecordKey::Message(id)));
                out.changes.push(Change::Forget(RecordKey::Message(id)));
            }
            Event::Stopping => {
                self.stopping = true;
                self.host.running = false;
                for container in self.containers.values_mut() {
                    container.stops_prove_nothing(now.mono);
                }
            }
            Event::Wake => {}
        }
    }

    fn engine_back(&mut self, now: Now) {
        let before = std::mem::replace(&mut self.engine, EngineLink::Up);
        let EngineLink::Gone { instances, .. } = before else { return };
        self.note_engine(now, &instances);
        for (name, machine) in &mut self.services {
            // What was told before the engine went is told to its end.
            if machine.container().is_some() && self.incidents.of(name).is_none() {
                machine.may_be_seen_again(now.mono);
            }
        }
    }

    fn configure(&mut self, now: Now, watchlist: Watchlist, out: &mut Out) {
        self.settings = Settings::of(&watchlist);
        if self.anchors.checks() != watchlist.anchors {
            self.anchors = Anchors::new(now.mono, &watchlist.anchors);
        }
        self.graph = Graph::new(&watchlist.services);
        let gone: Vec<ServiceName> = self
            .services
            .keys()
            .filter(|name| !watchlist.services.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            if let Some(mut machine) = self.services.remove(&name) {
                // What was spent on it is remembered, should it come back.
                machine.forget_outage();
                if let Some(memory) = machine.memory(self.remembered.services.get(&name)) {
                    let record = Record::Service(name.clone(), memory);
                    let change = Change::Keep(Box::new(record));
                    self.remembered.apply(&change);
                    out.changes.push(change);
                }
            }
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
                    let machine = match self.remembered.services.get(&name) {
                        Some(memory) => Machine::recall(now, service, memory.clone(), &mut step),
                        None => Machine::new(now, service),
                    };
                    self.services.insert(name.clone(), machine);
                }
            }
            self.story(&name, step, out);
        }
        let wanted: BTreeSet<&ContainerKey> =
            self.services.values().filter_map(|machine| machine.container()).collect();
        self.containers.retain(|key, _| wanted.contains(key));
    }

    fn container_changed(&mut self, now: Now, key: ContainerKey, change: ContainerChange) {
        let killed_for_memory = change == ContainerChange::OutOfMemory;
        let container = self.containers.entry(key.clone()).or_default();
        let before = container.presence().map(|presence| presence.health.clone());
        container.change(now, change);
        let after = container.presence().map(|presence| presence.health.clone());
        // What the engine's own check says is worth a look, not a verdict.
        if killed_for_memory || (before.is_some() && before != after) {
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
        if flight.spends_host && matches!(report.outcome, ActOutcome::Refused { .. }) {
            self.host.restarts.refund(flight.at);
        }
        if let Place::Container(key) = &flight.place
            && let Some(container) = self.containers.get_mut(key)
        {
            if flight.act.may_stop_container() {
                container.act_ended(now.mono);
            }
            if let Some(instance) = &report.instance
                && flight.act != Act::Stop
            {
                container.runs_now(now, instance);
            }
        }
        let mut report = report;
        let start_timeout = self.start_timeout(&flight.service);
        let started_by = self.started_by(&flight.place, now);
        let Some(machine) = self.services.get_mut(&flight.service) else {
            return;
        };
        report.evidence.facts.extend(started_by);
        let mut step = Step::default();
        if machine.act() == Some(id) {
            machine.acted(now, report, start_timeout, &mut step);
        } else {
            // An operator's stop, or the service was disabled meanwhile.
            let act = if flight.act == Act::Stop { "the stop" } else { "the act before" };
            let words = match &report.outcome {
                ActOutcome::Done { .. } => report.steps.join("; "),
                ActOutcome::Failed(words) => format!("{act} failed: {words}"),
                ActOutcome::CommandOverdue(_) => format!("{act}: its command is still running"),
                ActOutcome::Refused { gate, .. } => format!("{act} was not attempted: {gate}"),
            };
            let label = machine.label();
            step.notes.push(Note { from: label, to: label, reason: words });
            let undone =
                matches!(report.outcome, ActOutcome::Failed(_) | ActOutcome::Refused { .. });
            if flight.act == Act::Stop && undone {
                machine.not_stopped(now, &mut step);
            }
        }
        self.story(&flight.service, step, out);
    }

    /// The windows that are open now.
    fn maintain(&mut self, now: Now, out: &mut Out) {
        let names: Vec<ServiceName> = self.services.keys().cloned().collect();
        for name in names {
            let window = self.windows.iter().find(|window| window.services.contains(&name));
            let mut step = Step::default();
            if let Some(machine) = self.services.get_mut(&name) {
                let reason = window.map(|window| window.reason.clone());
                machine.maintain(now, reason, &mut step);
            }
            self.story(&name, step, out);
        }
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
                let id = self.next_act();
                self.dispatch(now, &name, id, Act::Stop, false, out);
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
            machine.note_overdue(now);
            let mut step = Step::default();
            machine.review(now, &standing, start_timeout, &mut step);
            if step.became_well {
                let healed = step.recovered.is_some();
                well.push((name.clone(), healed));
            }
            self.story(&name, step, out);
        }
        for (name, healed) in well {
            if healed {
                self.cause_may_be_gone(now);
            }
            for dependent in self.graph.dependents(&name).to_vec() {
                if let Some(machine) = self.services.get_mut(&dependent) {
                    machine.dependency_returned(now.mono);
                }
            }
        }
    }

    /// Something was healed that others may have failed because of: they are
    /// touched only if they fail from here on, too.
    fn cause_may_be_gone(&mut self, now: Now) {
        for machine in self.services.values_mut() {
            let lately = machine
                .failing_since()
                .is_some_and(|since| now.mono.since(since.mono) <= gates::ROOT_WAIT);
            if lately {
                machine.confirm_again(now.mono);
            }
        }
    }

    /// Who brought the container up last, for people.
    fn started_by(&self, place: &Place, now: Now) -> Option<String> {
        let Place::Container(key) = place else { return None };
        let (who, at) = self.containers.get(key)?.started_by()?;
        let ago = crate::words::duration(now.mono.since(at.mono));
        Some(format!("container last started {who}, {ago} before"))
    }

    fn next_act(&mut self) -> ActId {
        self.host.next_act += 1;
        ActId(self.host.next_act)
    }

    fn standing(&self, name: &ServiceName, now: Time) -> Standing {
        match self.services.get(name).and_then(Machine::container) {
            None => Standing::Up { instance: self.settings.local.clone(), since: Time::default() },
            Some(key) => match self.containers.get(key).map(|container| container.standing(now)) {
                Some(up @ Standing::Up { .. }) => up,
                // What is not running may be the engine's own going.
                Some(_) if matches!(self.engine, EngineLink::Gone { .. }) => Standing::Unseen,
                Some(standing) => standing,
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

    // ---- looking ----

    fn look(&mut self, now: Now, out: &mut Out) {
        self.anchors.due(now.mono, &mut self.next_look, out);
        for (name, machine) in &mut self.services {
            for (check, number) in machine.due(now.mono, &mut self.next_look) {
                let ticket = Ticket {
                    service: name.clone(),
                    check,
                    number,
                    instance: machine.kept.instance.clone().filter(|_| !machine.is_local()),
                };
                let service = Arc::clone(&machine.service);
                out.actions.push(Action::Look { ticket, service });
            }
        }
    }
}

impl Settings {
    fn of(watchlist: &Watchlist) -> Self {
        Self {
            parallel_actions: watchlist.parallel_actions,
            host_max_restarts: watchlist.host_max_restarts,
            host_window: watchlist.host_window,
            observe: watchlist.observe,
            repeat_interval: watchlist.repeat_interval,
            local: watchlist.local.clone(),
        }
    }
}
