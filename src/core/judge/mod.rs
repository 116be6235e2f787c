//! Judgement: from what was seen to what is to be done, without a clock, I/O
//! or async. Machines, one per service, propose; [`Core`] as the arbiter of the
//! whole host admits.

mod acted;
mod arbiter;
mod attention;
mod backoff;
mod budget;
mod comeback;
mod container;
mod deaths;
mod delta;
mod digest;
mod doubt;
mod effort;
mod error_rate;
mod gate;
mod gates;
mod graph;
mod host;
mod incident;
mod jobs;
mod machine;
mod operator;
mod publish;
mod quality;
mod run;
mod services;
mod stability;
mod take_in;
mod tally;
mod trouble;

#[cfg(test)]
mod tests;

use crate::model::{
    Act, ActId, ActOutcome, ActReport, ActRequest, Action, CheckKind, CheckView, ContainerChange,
    ContainerKey, Event, IncidentId, Instance, MaintenanceWindow, MessageId, Notice, Now,
    OperatorError, OperatorRequest, Outcome, Place, Presence, Report, ServiceName, ServiceView,
    Silence, Ticket, Time, Transition, Watchlist,
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
pub use jobs::JobMemory;
use jobs::Jobs;
pub use machine::ServiceMemory;
use machine::{Machine, Note, Proposal, Step};
use services::{Attention, Services};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tally::restarts;

/// Until then a start counts as starting, where the registry and the
/// container's HEALTHCHECK say nothing else.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// What left the registry is remembered for so long, should it come back.
const GONE_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// Everything that is known and decided. It is driven by [`Core::handle`]
/// alone.
#[derive(Clone, Debug)]
pub struct Core {
    settings: Settings,
    services: Services,
    graph: Graph,
    jobs: Jobs,
    /// Whether anything outside the host is watched.
    watches_outside: bool,
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
    /// What was last published of the silences.
    silences_shown: Vec<Silence>,
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
            services: Services::default(),
            graph: Graph::default(),
            jobs: Jobs::default(),
            watches_outside: false,
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
            silences_shown: Vec::new(),
            published: BTreeMap::new(),
            remembered: memory,
        };
        if let Some((since, why)) = core.incidents.engine_gone() {
            core.engine = EngineLink::Gone { since, why, instances: core.instances() };
        }
        let mut out = Out::default();
        let unclean = core.host.started(now);
        core.note_boot(now);
        core.note_restart(now, unclean);
        core.configure(now, watchlist, &mut out);
        core.reconcile(now, &mut out);
        core.forget_acts_of_the_gone(now, &mut out);
        core.forget_the_gone(now, &mut out);
        core.forget_gone_jobs(now, &mut out);
        core.publish(now, &mut out);
        core.show_silences(&mut out);
        core.remember(&mut out);
        (core, Delta { changes: out.changes })
    }

    /// What a service was in the middle of is over once it has left the registry,
    /// also if it left while `vai` was down: should it come back, nobody
    /// carries that on.
    fn forget_acts_of_the_gone(&mut self, now: Now, out: &mut Out) {
        let gone = self.remembered.services.iter().filter(|(name, memory)| {
            !self.services.contains_key(*name) && memory.is_in_the_middle_of_something()
        });
        let gone: Vec<_> = gone.map(|(name, it)| (name.clone(), it.without_outage(now))).collect();
        for (name, memory) in gone {
            self.incidents.recovered(&name, "removed from the registry");
            let change = Change::Keep(Box::new(Record::Service(name, memory)));
            self.remembered.apply(&change);
            out.changes.push(change);
        }
    }

    /// What runs, or ran when it was last seen.
    fn instances(&self) -> BTreeMap<ContainerKey, Instance> {
        let running = self.containers.iter().filter_map(|(key, container)| {
            Some((key.clone(), container.presence()?.instance.clone()))
        });
        running.collect()
    }

    /// What was spent on services that have long left the registry is of no
    /// use any more.
    fn forget_the_gone(&mut self, now: Now, out: &mut Out) {
        let gone = self.remembered.services.iter().filter(|(name, memory)| {
            !self.services.contains_key(*name) && memory.age(now) >= GONE_FOR
        });
        let gone: Vec<ServiceName> = gone.map(|(name, _)| name.clone()).collect();
        for name in gone {
            let change = Change::Forget(RecordKey::Service(name));
            self.remembered.apply(&change);
            out.changes.push(change);
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
        self.review_jobs(now, &mut out);
        self.look(now, &mut out);
        self.end_silences(now);
        self.refresh_incidents(now, &mut out);
        self.tell_comeback(now, &mut out);
        self.tell_restart(now, &mut out);
        self.publish(now, &mut out);
        self.show_silences(&mut out);
        self.remember(&mut out);
        self.rest(now);
        (Delta { changes: out.changes }, out.actions)
    }

    /// Nothing of what was judged in this step changes of itself for a while.
    fn rest(&mut self, now: Now) {
        self.rest_jobs();
        let containers = &self.containers;
        for (_, machine) in self.services.iter_quietly() {
            if machine.attention == Attention::Touched {
                let container = machine.container().and_then(|key| containers.get(key));
                let container = container.and_then(|container| container.next_wake(now.mono));
                let own = [machine.next_look(), machine.next_wake(now.mono), container];
                machine.attention = Attention::QuietUntil(own.into_iter().flatten().min());
            }
        }
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
        let jobs = self.jobs.next_wake(now.mono);
        looks
            .chain(waits)
            .chain(containers)
            .chain(incidents)
            .chain(anchors)
            .chain(host)
            .chain(jobs)
            .min()
    }

    fn review(&mut self, now: Now, out: &mut Out) {
        let mut well = Vec::new();
        for name in self.services.due(now.mono) {
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

    fn look(&mut self, now: Now, out: &mut Out) {
        self.anchors.due(now.mono, &mut self.next_look, out);
        for (name, machine) in self.services.iter_quietly() {
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
