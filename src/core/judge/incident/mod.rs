//! Incidents: one per root cause, each failing service in exactly one
//! (behaviour.md, section 4).

mod record;

use super::delta::Change;
use super::graph::Graph;
use super::host::Failing;
use super::jobs::JobMachine;
use super::machine::{Machine, Outage, OutageKind};
use crate::model::{
    ContainerKey, Evidence, FaultKind, Incident, IncidentId, IncidentPhase, JobName, Notice,
    NoticeKind, Notify, Now, Place, ServiceName, Severity, Silence, StateLabel, Subject, Time,
};
pub use record::IncidentMemory;
use record::repeat;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A failure healed within this is not told (behaviour.md, "Notifiable").
const QUIET_HEALING: Duration = Duration::from_secs(60);
/// A container stopped by hand is told after this.
const STOPPED_TOLD_AFTER: Duration = Duration::from_secs(600);
/// The engine may be away this long, to be restarted or upgraded.
pub(crate) const ENGINE_TOLD_AFTER: Duration = Duration::from_secs(30);
/// A notification sink may be away this long.
pub(crate) const SINK_TOLD_AFTER: Duration = Duration::from_secs(24 * 3600);
/// What fails within this of each other is one incident.
const TOGETHER: Duration = Duration::from_secs(120);
/// What failed with a root may take so long to come back after it.
const LOOKED_AT_AGAIN: Duration = Duration::from_secs(120);
/// Warnings are reminded of daily.
const WARNING_REPEAT: Duration = Duration::from_secs(24 * 3600);

/// What an incident is about at bottom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Root {
    /// The container engine does not answer.
    Engine,
    /// Nothing can be stored.
    Store,
    /// `vai` itself ends unexpectedly.
    Vai,
    /// The registry on disk cannot be put in force.
    Registry,
    /// A notification sink takes nothing.
    Sink(String),
    /// So much fails over the network that it may be us.
    Network,
    /// A service has to be healed, or restarted by its supervisor, again and again.
    Unstable(ServiceName),
    /// A job does not run as it should.
    Job(JobName),
    Container(ContainerKey),
    Service(ServiceName),
}

impl Root {
    /// What people call it.
    fn name(&self) -> String {
        match self {
            Self::Engine => "container engine".to_owned(),
            Self::Store => "state of vai".to_owned(),
            Self::Vai => "vai itself".to_owned(),
            Self::Registry => "registry".to_owned(),
            Self::Sink(name) => format!("notification sink {name}"),
            Self::Network => "network of vai".to_owned(),
            Self::Container(key) => format!("container {key}"),
            Self::Job(name) => name.to_string(),
            Self::Unstable(name) | Self::Service(name) => name.to_string(),
        }
    }

    fn subject(&self) -> Subject {
        match self {
            Self::Engine => Subject::Engine,
            Self::Store => Subject::Store,
            Self::Vai => Subject::Vai,
            Self::Registry => Subject::Registry,
            Self::Sink(_) => Subject::Sink,
            Self::Network => Subject::Network,
            Self::Container(_) => Subject::Container,
            Self::Job(_) => Subject::Job,
            Self::Unstable(_) | Self::Service(_) => Subject::Service,
        }
    }

    /// Whether people are told again and again while it lasts: a job speaks
    /// again when it runs.
    fn is_reminded_of(&self) -> bool {
        !matches!(self, Self::Job(_))
    }

    /// Whether it is known from elsewhere than from its failing members.
    fn is_of_host(&self) -> bool {
        match self {
            Self::Engine
            | Self::Store
            | Self::Vai
            | Self::Registry
            | Self::Sink(_)
            | Self::Network
            | Self::Job(_)
            | Self::Unstable(_) => true,
            Self::Container(_) | Self::Service(_) => false,
        }
    }
}

/// Something wrong that is no failing service.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) root: Root,
    pub(crate) since: Now,
    pub(crate) severity: Severity,
    pub(crate) state: StateLabel,
    pub(crate) place: String,
    pub(crate) reason: String,
    pub(crate) next: String,
    pub(crate) notify: Notify,
    /// What was tried, oldest first.
    pub(crate) history: Vec<String>,
    pub(crate) evidence: Evidence,
}

/// All open incidents: one per root cause, each failing service in exactly one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Incidents {
    open: BTreeMap<Root, IncidentMemory>,
    /// Numbers those of all runs of `vai`.
    last: u64,
    /// What was over before anybody was told, since it was last asked for.
    quiet: Vec<Quiet>,
}

/// An incident that was healed without a message.
#[derive(Clone, Debug)]
pub(crate) struct Quiet {
    /// The root's name.
    pub(crate) root: String,
    /// Since it was confirmed.
    pub(crate) lasted: Duration,
}

/// What the incidents are drawn from.
pub(crate) struct Scene<'a> {
    pub(crate) now: Now,
    pub(crate) services: &'a BTreeMap<ServiceName, Machine>,
    pub(crate) graph: &'a Graph,
    /// Since when the engine does not answer.
    pub(crate) engine_gone: Option<Now>,
    /// The notification sinks that take nothing.
    pub(crate) sinks: &'a BTreeMap<String, Failing>,
    pub(crate) troubles: Vec<Trouble>,
    /// Where jobs run.
    pub(crate) jobs: &'a BTreeMap<JobName, JobMachine>,
    /// What hides messages.
    pub(crate) silences: &'a [Silence],
    /// When the engine came back, or the host.
    pub(crate) host_event: Option<Time>,
    pub(crate) repeat_interval: Duration,
}

impl Scene<'_> {
    fn trouble(&self, root: &Root) -> Option<&Trouble> {
        self.troubles.iter().find(|trouble| trouble.root == *root)
    }
}

impl Incidents {
    /// Goes on from what was remembered of those that were open.
    pub(crate) fn resume(memory: &BTreeMap<IncidentId, IncidentMemory>, last: u64) -> Self {
        let open = memory.values().map(|open| (open.root.clone(), open.clone())).collect();
        Self { open, last, quiet: Vec::new() }
    }

    /// Since when the engine does not answer, and why, as far as its open
    /// incident tells: only what is seen of the engine ends it, not a start.
    pub(crate) fn engine_gone(&self) -> Option<(Now, String)> {
        let open = self.open.get(&Root::Engine)?;
        Some((open.lasts_since(ENGINE_TOLD_AFTER), open.incident.reason.clone()))
    }

    /// Takes a number for one that is never open.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// What is open by this id, or under this name.
    pub(crate) fn find(&self, name: &str) -> impl Iterator<Item = &Incident> {
        self.named(name).filter_map(|root| self.open.get(root)).map(|open| &open.incident)
    }

    /// Somebody looks after what is open by this id, or under this name: what is
    /// down may be unstable as well.
    pub(crate) fn acknowledge(&mut self, name: &str, now: Now, changes: &mut Vec<Change>) {
        let roots: Vec<Root> = self.named(name).cloned().collect();
        for root in roots {
            let Some(open) = self.open.get_mut(&root) else { continue };
            open.incident.acknowledged.get_or_insert(now.wall);
            changes.push(Change::Incident(Box::new(open.incident.clone())));
        }
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &Root> {
        let is_it = move |incident: &Incident| incident.id.0 == name || incident.root == name;
        let open = self.open.iter().filter(move |(_, open)| is_it(&open.incident));
        open.map(|(root, _)| root)
    }

    /// The number of the last one opened.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// What was healed without a message since this was last asked.
    pub(crate) fn take_quiet(&mut self) -> Vec<Quiet> {
        std::mem::take(&mut self.quiet)
    }

    /// What is to be remembered of them.
    pub(crate) fn memories(&self) -> impl Iterator<Item = (&IncidentId, &IncidentMemory)> {
        self.open.values().map(|open| (&open.incident.id, open))
    }

    /// How a service's outage ended, for the message about it.
    pub(crate) fn recovered(&mut self, service: &ServiceName, how: &str) {
        for (root, open) in &mut self.open {
            let its_own = matches!(root, Root::Service(name) if name == service);
            let of_its_container = matches!(root, Root::Container(_));
            if its_own || (of_its_container && open.members.contains(service)) {
                open.how = Some(how.to_owned());
            }
        }
    }

    /// What is known from elsewhere than from failing members is over; how, for
    /// the message about it.
    pub(crate) fn settled(&mut self, root: &Root, how: &str) {
        if let Some(open) = self.open.get_mut(root) {
            open.how = Some(how.to_owned());
        }
    }

    /// The open incident of this root.
    pub(crate) fn under(&self, root: &Root) -> Option<&IncidentId> {
        self.open.get(root).map(|open| &open.incident.id)
    }

    /// The incident that a service belongs to.
    pub(crate) fn of(&self, service: &ServiceName) -> Option<&IncidentId> {
        self.open.values().find(|open| open.members.contains(service)).map(|open| &open.incident.id)
    }

    /// Opens, updates and closes, so that every confirmed failure is in exactly
    /// one incident.
    pub(crate) fn refresh(
        &mut self,
        scene: &Scene<'_>,
        changes: &mut Vec<Change>,
        notices: &mut Vec<Notice>,
    ) {
        self.leave(scene);
        self.join(scene, changes);
        for (root, open) in &mut self.open {
            if open.update(root, scene) {
                open.shown = true;
                changes.push(Change::Incident(Box::new(open.incident.clone())));
            }
            notices.extend(open.tell(root, scene));
        }
        self.close(scene, changes, notices);
    }

    fn leave(&mut self, scene: &Scene<'_>) {
        for (root, open) in &mut self.open {
            open.members.retain(|name| still_fails(scene, name));
            // What still fails a while after its root recovered fails by itself.
            let root_is_well = match root {
                Root::Service(root) => !open.members.contains(root),
                Root::Network => scene.trouble(root).is_none(),
                Root::Engine
                | Root::Store
                | Root::Vai
                | Root::Registry
                | Root::Sink(_)
                | Root::Job(_)
                | Root::Unstable(_)
                | Root::Container(_) => false,
            };
            if !root_is_well {
                open.root_well = None;
            } else if *open.root_well.get_or_insert(scene.now.mono) + LOOKED_AT_AGAIN
                <= scene.now.mono
            {
                open.members.clear();
            }
        }
    }

    fn join(&mut self, scene: &Scene<'_>, changes: &mut Vec<Change>) {
        for trouble in &scene.troubles {
            self.open(&trouble.root, scene);
        }
        self.gather_in_network(scene, changes);
        for name in scene.services.keys() {
            let Some(outage) = outage(scene, name) else {
                continue;
            };
            if self.of(name).is_some() {
                continue;
            }
            let Some(root) = self.root_for(name, outage, scene) else {
                continue;
            };
            let open = self.open(&root, scene);
            open.members.insert(name.clone());
            open.incident.since = open.incident.since.min(outage.since.wall);
            let dependents = scene.graph.all_dependents(name);
            let is_child = |child: &Root, _: &IncidentMemory| matches!(child, Root::Service(child) if dependents.contains(child));
            self.adopt(is_child, &root, scene, changes);
            self.take_over(name, &root, scene, changes);
        }
    }

    fn open(&mut self, root: &Root, scene: &Scene<'_>) -> &mut IncidentMemory {
        let last = &mut self.last;
        self.open.entry(root.clone()).or_insert_with(|| {
            *last += 1;
            IncidentMemory::new(root, *last, scene.now)
        })
    }

    /// While it may be the network, everything that fails over it is one
    /// incident, unless it was told before.
    fn gather_in_network(&mut self, scene: &Scene<'_>, changes: &mut Vec<Change>) {
        if scene.trouble(&Root::Network).is_some() {
            let over_network = |name: &ServiceName| {
                scene.services.get(name).is_some_and(Machine::fails_over_network)
            };
            let is_part = |child: &Root, open: &IncidentMemory| {
                matches!(child, Root::Service(_)) && open.members.iter().all(over_network)
            };
            self.adopt(is_part, &Root::Network, scene, changes);
        }
    }

    /// Who joins others without being named by them is the root after all if
    /// its death was seen, or others depend on it, and theirs was not and none
    /// do; unless people were told otherwise.
    fn take_over(
        &mut self,
        name: &ServiceName,
        root: &Root,
        scene: &Scene<'_>,
        changes: &mut Vec<Change>,
    ) {
        let Root::Service(old) = root else { return };
        let weight = |name: &ServiceName| {
            let outage = scene.services.get(name).and_then(|it| it.kept.outage.as_ref());
            let proven = outage.is_some_and(|outage| outage.proven);
            (proven, !scene.graph.dependents(name).is_empty())
        };
        let untold = self.open.get(root).is_some_and(|open| open.told.is_none());
        if !untold || weight(name) <= weight(old) {
            return;
        }
        let new = Root::Service(name.clone());
        if let Some(mut open) = self.open.remove(root) {
            open.incident.root = new.name();
            open.root = new.clone();
            if open.shown {
                changes.push(Change::Incident(Box::new(open.incident.clone())));
            }
            self.open.insert(new, open);
        }
    }

    /// Where a failure belongs; `None` if it is the engine's, which is told in
    /// its own time.
    fn root_for(&self, name: &ServiceName, outage: &Outage, scene: &Scene<'_>) -> Option<Root> {
        let place = scene.services.get(name).map(|machine| &machine.service.place);
        if let Some(Place::Container(key)) = place {
            match outage.kind {
                OutageKind::Blind if scene.engine_gone.is_some() => return None,
                OutageKind::Stopped
                | OutageKind::Broken(
                    FaultKind::ContainerStopped
                    | FaultKind::ContainerMissing
                    | FaultKind::CrashLoop,
                ) => {
                    return Some(Root::Container(key.clone()));
                }
                OutageKind::Blind | OutageKind::Degraded | OutageKind::Broken(_) => {}
            }
        }
        // It was well for a moment, and others that failed with it are not yet.
        let own = Root::Service(name.clone());
        if self.open.contains_key(&own) {
            return Some(own);
        }
        let dependencies = scene.graph.all_dependencies(name);
        let blamed = self.open.iter().find(|(root, open)| {
            let is_blamed = |member: &ServiceName| dependencies.contains(member);
            match root {
                Root::Service(root) => is_blamed(root) && open.members.contains(root),
                root => !root.is_of_host() && open.members.iter().any(is_blamed),
            }
        });
        if let Some((root, _)) = blamed {
            return Some(root.clone());
        }
        let over_network = scene.services.get(name).is_some_and(Machine::fails_over_network);
        if over_network && scene.trouble(&Root::Network).is_some() {
            return Some(Root::Network);
        }
        let together = self.failed_together(name, outage, scene);
        Some(together.unwrap_or(own))
    }

    /// The incident of what failed within the same two minutes in the same
    /// container, or after the same event of the host (behaviour.md, 4).
    fn failed_together(
        &self,
        name: &ServiceName,
        outage: &Outage,
        scene: &Scene<'_>,
    ) -> Option<Root> {
        let OutageKind::Broken(_) = outage.kind else { return None };
        let confirmed = outage.confirmed.mono;
        let after_event = |at: Time| {
            scene.host_event.is_some_and(|event| at >= event && at.since(event) <= TOGETHER)
        };
        let place = &scene.services.get(name)?.service.place;
        let found = self.open.keys().find(|root| {
            let Root::Service(root) = root else { return false };
            let Some(machine) = scene.services.get(root) else { return false };
            let Some(other) = &machine.kept.outage else { return false };
            let OutageKind::Broken(_) = other.kind else { return false };
            let at = other.confirmed.mono;
            let same_place =
                matches!(place, Place::Container(_)) && machine.service.place == *place;
            let at_once = confirmed.since(at) <= TOGETHER && at.since(confirmed) <= TOGETHER;
            at_once && (same_place || (after_event(at) && after_event(confirmed)))
        });
        found.cloned()
    }

    /// Takes the incidents that nobody was told about yet and that `is_part`
    /// names into the one of `root`.
    fn adopt(
        &mut self,
        is_part: impl Fn(&Root, &IncidentMemory) -> bool,
        root: &Root,
        scene: &Scene<'_>,
        changes: &mut Vec<Change>,
    ) {
        let children: Vec<Root> = self
            .open
            .iter()
            .filter(|(child, open)| **child != *root && open.told.is_none() && is_part(child, open))
            .map(|(child, _)| child.clone())
            .collect();
        for child in children {
            let Some(mut orphan) = self.open.remove(&child) else {
                continue;
            };
            if let Some(open) = self.open.get_mut(root) {
                open.members.extend(orphan.members);
                open.incident.since = open.incident.since.min(orphan.incident.since);
            }
            let how = format!("it is part of the incident of {}", root.name());
            orphan.incident.phase = IncidentPhase::Closed { at: scene.now.wall, how };
            if orphan.shown {
                changes.push(Change::Incident(Box::new(orphan.incident)));
            }
        }
    }

    fn close(&mut self, scene: &Scene<'_>, changes: &mut Vec<Change>, notices: &mut Vec<Notice>) {
        let over = |root: &Root, open: &IncidentMemory| {
            open.members.is_empty() && !(root.is_of_host() && scene.trouble(root).is_some())
        };
        let closed: Vec<Root> = self
            .open
            .iter()
            .filter(|(root, open)| over(root, open))
            .map(|(root, _)| root.clone())
            .collect();
        for root in closed {
            let Some(mut open) = self.open.remove(&root) else {
                continue;
            };
            let healed = open.how.is_some();
            let how = match (&root, open.how.take()) {
                (Root::Engine, _) => "the engine answers again".to_owned(),
                (Root::Store, _) => "it is stored again".to_owned(),
                (Root::Vai, _) => "it has run for a while".to_owned(),
                (Root::Registry, _) => "the registry on disk is in force".to_owned(),
                (Root::Sink(_), _) => "messages arrive there again".to_owned(),
                (Root::Network, _) => "what is seen over it does not fail at once".to_owned(),
                (Root::Unstable(_), _) => "it ran long enough without a failure".to_owned(),
                (_, Some(how)) => how,
                (_, None) => "no longer failing".to_owned(),
            };
            open.incident.phase = IncidentPhase::Closed { at: scene.now.wall, how };
            open.incident.next.clear();
            changes.push(Change::Incident(Box::new(open.incident.clone())));
            if open.told.is_some() {
                notices.push(open.notice(NoticeKind::Resolved, scene.now));
            } else if healed && open.notify != Notify::Nobody && !root.is_of_host() {
                let lasted = scene.now.mono.since(open.confirmed);
                self.quiet.push(Quiet { root: open.incident.root, lasted });
            }
        }
    }

    /// When time alone gives something to tell.
    pub(crate) fn next_wake(&self, scene: &Scene<'_>) -> Option<Time> {
        let now = scene.now.mono;
        let told = self.open.values().map(|open| match open.told {
            None => open.confirmed + QUIET_HEALING,
            Some(ref told) => told.at + repeat(told.severity, scene.repeat_interval),
        });
        let silences = scene.silences.iter().map(|it| it.until.mono);
        let joined = self.open.values().filter_map(IncidentMemory::tells_joined_at);
        let sinks = scene.sinks.values().map(|it| it.since.mono + SINK_TOLD_AFTER);
        let engine = scene.engine_gone.map(|since| since.mono + ENGINE_TOLD_AFTER);
        let stopped = scene.services.values().filter_map(|machine| {
            let outage = machine.kept.outage.as_ref()?;
            (outage.kind == OutageKind::Stopped).then_some(outage.since.mono + STOPPED_TOLD_AFTER)
        });
        let alone = self.open.values().filter_map(|open| Some(open.root_well? + LOOKED_AT_AGAIN));
        told.chain(alone)
            .chain(engine)
            .chain(silences)
            .chain(joined)
            .chain(sinks)
            .chain(stopped)
            .filter(|&at| at > now)
            .min()
    }
}

/// Whether a member of an incident stays one. A pause or a marker file silences
/// an incident and does not end it.
fn still_fails(scene: &Scene<'_>, name: &ServiceName) -> bool {
    let Some(machine) = scene.services.get(name) else { return false };
    machine.kept.outage.as_ref().is_some_and(|outage| !is_deploy(scene, outage))
}

fn is_deploy(scene: &Scene<'_>, outage: &Outage) -> bool {
    outage.kind == OutageKind::Stopped
        && scene.now.mono.since(outage.since.mono) < STOPPED_TOLD_AFTER
}

fn is_silenced(machine: &Machine) -> bool {
    machine.is_paused() || machine.is_marked_stopped() || machine.maintenance().is_some()
}

/// The outage of a service that is anybody's business: nobody wants to be told
/// about what an operator paused or stopped, nor about a deploy.
fn outage<'a>(scene: &Scene<'a>, name: &ServiceName) -> Option<&'a Outage> {
    let machine = scene.services.get(name)?;
    let outage = machine.kept.outage.as_ref()?;
    (!is_silenced(machine) && !is_deploy(scene, outage)).then_some(outage)
}
