use super::delta::Change;
use super::graph::Graph;
use super::machine::{Machine, Outage, OutageKind};
use crate::model::{
    ContainerKey, Evidence, EvidenceDetail, FaultKind, Incident, IncidentId, IncidentPhase, Notice,
    NoticeKind, Notify, Now, Place, ServiceName, Severity, StateLabel, Time,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A failure healed within this is not told (behaviour.md, "Notifiable").
const QUIET_HEALING: Duration = Duration::from_secs(60);
/// A container stopped by hand is told after this.
const STOPPED_TOLD_AFTER: Duration = Duration::from_secs(600);
/// The engine may be away this long, to be restarted or upgraded.
const ENGINE_TOLD_AFTER: Duration = Duration::from_secs(30);
/// Warnings are reminded of daily.
const WARNING_REPEAT: Duration = Duration::from_secs(24 * 3600);

/// What an incident is about at bottom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Root {
    Engine,
    Container(ContainerKey),
    Service(ServiceName),
}

/// All open incidents: one per root cause, each failing service in exactly one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Incidents {
    open: BTreeMap<Root, IncidentMemory>,
}

/// What is remembered of an open incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentMemory {
    root: Root,
    incident: Incident,
    members: BTreeSet<ServiceName>,
    confirmed: Time,
    told: Option<Told>,
    notify: Notify,
    detail: EvidenceDetail,
    /// How its root recovered, once it has.
    how: Option<String>,
    /// The state that `next` was written for.
    next_of: Option<(StateLabel, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Told {
    severity: Severity,
    at: Time,
}

/// What the incidents are drawn from.
pub(crate) struct Scene<'a> {
    pub(crate) now: Now,
    pub(crate) services: &'a BTreeMap<ServiceName, Machine>,
    pub(crate) graph: &'a Graph,
    /// Since when the engine does not answer, and why.
    pub(crate) engine_gone: Option<(Now, String)>,
    pub(crate) repeat_interval: Duration,
}

impl Incidents {
    /// Goes on from what was remembered of those that were open.
    pub(crate) fn resume(memory: &BTreeMap<IncidentId, IncidentMemory>) -> Self {
        let open = memory.values().map(|open| (open.root.clone(), open.clone())).collect();
        Self { open }
    }

    /// What is to be remembered of them.
    pub(crate) fn memories(&self) -> impl Iterator<Item = (&IncidentId, &IncidentMemory)> {
        self.open.values().map(|open| (&open.incident.id, open))
    }

    /// How a service's outage ended, for the message about it.
    pub(crate) fn recovered(&mut self, service: &ServiceName, how: &str) {
        for (root, open) in &mut self.open {
            let is_root = match root {
                Root::Service(name) => name == service,
                Root::Container(_) => open.members.contains(service),
                Root::Engine => false,
            };
            if is_root {
                open.how = Some(how.to_owned());
            }
        }
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
                changes.push(Change::Incident(Box::new(open.incident.clone())));
            }
            notices.extend(open.tell(root, scene));
        }
        self.close(scene, changes, notices);
    }

    fn leave(&mut self, scene: &Scene<'_>) {
        for (root, open) in &mut self.open {
            open.members.retain(|name| still_fails(scene, name));
            // What still fails after its root recovered fails by itself.
            if matches!(root, Root::Service(root) if !open.members.contains(root)) {
                open.members.clear();
            }
        }
    }

    fn join(&mut self, scene: &Scene<'_>, changes: &mut Vec<Change>) {
        let needed = scene.services.values().any(|it| it.is_watched() && it.container().is_some());
        let engine_gone = scene
            .engine_gone
            .as_ref()
            .is_some_and(|(since, _)| scene.now.mono.since(since.mono) >= ENGINE_TOLD_AFTER);
        if needed && engine_gone {
            self.open
                .entry(Root::Engine)
                .or_insert_with(|| IncidentMemory::new(&Root::Engine, scene.now));
        }
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
            let open = self
                .open
                .entry(root.clone())
                .or_insert_with(|| IncidentMemory::new(&root, scene.now));
            open.members.insert(name.clone());
            open.incident.since = open.incident.since.min(outage.since.wall);
            self.adopt_dependents(name, &root, scene, changes);
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
                | OutageKind::Broken(FaultKind::ContainerStopped | FaultKind::ContainerMissing) => {
                    return Some(Root::Container(key.clone()));
                }
                OutageKind::Blind | OutageKind::Degraded | OutageKind::Broken(_) => {}
            }
        }
        let dependencies = scene.graph.all_dependencies(name);
        let blamed = self.open.iter().find(|(root, open)| match root {
            Root::Service(root) => dependencies.contains(root) && open.members.contains(root),
            Root::Container(_) => open.members.iter().any(|member| dependencies.contains(member)),
            Root::Engine => false,
        });
        Some(blamed.map_or_else(|| Root::Service(name.clone()), |(root, _)| root.clone()))
    }

    /// A root that was confirmed after what hangs on it takes over the
    /// incidents of the latter that nobody was told about yet.
    fn adopt_dependents(
        &mut self,
        name: &ServiceName,
        root: &Root,
        scene: &Scene<'_>,
        changes: &mut Vec<Change>,
    ) {
        let dependents = scene.graph.all_dependents(name);
        let children: Vec<Root> = self
            .open
            .iter()
            .filter(|(child, open)| {
                *child != root
                    && open.told.is_none()
                    && matches!(child, Root::Service(child) if dependents.contains(child))
            })
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
            let how = format!("it is part of the incident of {name}");
            orphan.incident.phase = IncidentPhase::Closed { at: scene.now.wall, how };
            changes.push(Change::Incident(Box::new(orphan.incident)));
        }
    }

    fn close(&mut self, scene: &Scene<'_>, changes: &mut Vec<Change>, notices: &mut Vec<Notice>) {
        let over = |root: &Root, open: &IncidentMemory| {
            open.members.is_empty() && !(*root == Root::Engine && scene.engine_gone.is_some())
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
            let how = match (&root, open.how.take()) {
                (Root::Engine, _) => "the engine answers again".to_owned(),
                (_, Some(how)) => how,
                (_, None) => "no longer failing".to_owned(),
            };
            open.incident.phase = IncidentPhase::Closed { at: scene.now.wall, how };
            open.incident.next.clear();
            changes.push(Change::Incident(Box::new(open.incident.clone())));
            if open.told.is_some() {
                notices.push(open.notice(NoticeKind::Resolved, scene.now));
            }
        }
    }

    /// When time alone gives something to tell.
    pub(crate) fn next_wake(&self, scene: &Scene<'_>) -> Option<Time> {
        let now = scene.now.mono;
        let told = self.open.values().map(|open| match open.told {
            None => open.confirmed + QUIET_HEALING,
            Some(told) => told.at + repeat(told.severity, scene.repeat_interval),
        });
        let engine = scene.engine_gone.as_ref().map(|(since, _)| since.mono + ENGINE_TOLD_AFTER);
        let stopped = scene.services.values().filter_map(|machine| {
            let outage = machine.kept.outage.as_ref()?;
            (outage.kind == OutageKind::Stopped).then_some(outage.since.mono + STOPPED_TOLD_AFTER)
        });
        told.chain(engine).chain(stopped).filter(|&at| at > now).min()
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
    machine.is_paused() || machine.is_marked_stopped()
}

/// The outage of a service that is anybody's business: nobody wants to be told
/// about what an operator paused or stopped, nor about a deploy.
fn outage<'a>(scene: &Scene<'a>, name: &ServiceName) -> Option<&'a Outage> {
    let machine = scene.services.get(name)?;
    let outage = machine.kept.outage.as_ref()?;
    (!is_silenced(machine) && !is_deploy(scene, outage)).then_some(outage)
}

fn repeat(severity: Severity, critical: Duration) -> Duration {
    match severity {
        Severity::Critical => critical,
        Severity::Warning | Severity::Info => WARNING_REPEAT,
    }
}

impl IncidentMemory {
    /// The incident as it stands.
    #[must_use]
    pub fn incident(&self) -> &Incident {
        &self.incident
    }

    fn new(root: &Root, now: Now) -> Self {
        let (name, place) = match root {
            Root::Engine => ("container engine".to_owned(), String::new()),
            Root::Container(key) => (format!("container {key}"), String::new()),
            Root::Service(name) => (name.to_string(), String::new()),
        };
        let id = format!("{}-{}", name.replace(' ', "-"), now.wall.as_millis() / 1000);
        Self {
            root: root.clone(),
            incident: Incident {
                id: IncidentId(id),
                root: name,
                place,
                severity: Severity::Info,
                since: now.wall,
                reason: String::new(),
                history: Vec::new(),
                next: String::new(),
                state: StateLabel::Down,
                failed_attempts: 0,
                affected: Vec::new(),
                phase: IncidentPhase::Open,
                evidence: Evidence::default(),
            },
            members: BTreeSet::new(),
            confirmed: now.mono,
            told: None,
            notify: Notify::Default,
            detail: EvidenceDetail::Full,
            how: None,
            next_of: None,
        }
    }

    /// Brings the record up to date. Whether it changed.
    fn update(&mut self, root: &Root, scene: &Scene<'_>) -> bool {
        let before = self.incident.clone();
        match root {
            Root::Engine => {
                self.incident.severity = Severity::Critical;
                if let Some((since, why)) = &scene.engine_gone {
                    self.incident.since = since.wall;
                    self.incident.state = StateLabel::Unknown;
                    self.incident.reason.clone_from(why);
                    self.incident.next =
                        "nothing in containers is restarted until it answers".into();
                }
            }
            Root::Container(_) => self.update_from(None, scene),
            Root::Service(name) => self.update_from(Some(name), scene),
        }
        before != self.incident
    }

    fn update_from(&mut self, root: Option<&ServiceName>, scene: &Scene<'_>) {
        let main = root.filter(|root| self.members.contains(*root)).or(self.members.first());
        let Some(main) = main.and_then(|name| scene.services.get(name)) else {
            return;
        };
        let members = || self.members.iter().filter_map(|name| scene.services.get(name));
        let severity = members().map(|machine| severity(machine).min(machine.service.severity));
        self.incident.severity = severity.fold(self.incident.severity, Severity::max);
        if let Some(outage) = &main.kept.outage {
            self.incident.reason.clone_from(&outage.reason);
            self.incident.evidence.clone_from(&outage.evidence);
        }
        self.incident.history = match root {
            Some(_) => main.kept.outage.as_ref().map_or_else(Vec::new, |it| it.history.clone()),
            None => members()
                .filter_map(|machine| Some((machine, machine.kept.outage.as_ref()?)))
                .flat_map(|(machine, it)| {
                    it.history.iter().map(move |line| format!("{}: {line}", machine.service.name))
                })
                .collect(),
        };
        if let (Some(_), Place::Container(key)) = (root, &main.service.place) {
            self.incident.place = key.to_string();
        }
        self.incident.state = main.label();
        self.incident.failed_attempts = main.kept.effort.failed_in_row();
        let next_of = Some((main.label(), main.gate().is_some()));
        if self.next_of != next_of {
            self.next_of = next_of;
            self.incident.next = next(main, scene.now.mono);
        }
        self.incident.affected = affected(root, &self.members, scene);
        self.notify = notify(main, members());
        self.detail = main.service.evidence;
    }

    /// What has to be told about it now, if anything.
    fn tell(&mut self, root: &Root, scene: &Scene<'_>) -> Option<Notice> {
        let now = scene.now.mono;
        let severity = self.incident.severity;
        let mut members = self.members.iter().filter_map(|name| scene.services.get(name));
        if *root != Root::Engine && members.all(is_silenced) {
            return None;
        }
        let kind = match self.told {
            None if self.members.is_empty() && *root != Root::Engine => return None,
            None => {
                let waited = now.since(self.confirmed) >= QUIET_HEALING;
                (waited || self.is_urgent(root, scene)).then_some(NoticeKind::Opened)
            }
            Some(told) if severity > told.severity => Some(NoticeKind::Escalated),
            Some(told) if now.since(told.at) >= repeat(told.severity, scene.repeat_interval) => {
                Some(NoticeKind::Reminder(now.since(self.confirmed)))
            }
            Some(_) => None,
        }?;
        self.told = Some(Told { severity, at: now });
        self.refresh_next(scene);
        Some(self.notice(kind, scene.now))
    }

    /// The times in `next` are as of the message that carries it.
    fn refresh_next(&mut self, scene: &Scene<'_>) {
        let main = self.members.iter().find_map(|name| {
            scene.services.get(name).filter(|it| it.service.name.as_str() == self.incident.root)
        });
        if let Some(machine) = main {
            self.incident.next = next(machine, scene.now.mono);
        }
    }

    /// Whether nothing is being tried that could be waited for.
    fn is_urgent(&self, root: &Root, scene: &Scene<'_>) -> bool {
        *root == Root::Engine
            || self.members.iter().filter_map(|name| scene.services.get(name)).any(|machine| {
                severity(machine) == Severity::Critical
                    || machine.kept.outage.as_ref().is_some_and(|outage| match outage.kind {
                        OutageKind::Degraded | OutageKind::Blind | OutageKind::Stopped => true,
                        OutageKind::Broken(_) => false,
                    })
            })
    }

    fn notice(&self, kind: NoticeKind, now: Now) -> Notice {
        Notice {
            incident: self.incident.clone(),
            kind,
            notify: self.notify.clone(),
            detail: self.detail,
            at: now.wall,
        }
    }
}

/// How bad a service's outage is, before its own ceiling.
fn severity(machine: &Machine) -> Severity {
    match machine.kept.outage.as_ref().map(|outage| outage.kind) {
        None => Severity::Info,
        Some(OutageKind::Broken(_)) => {
            let hopeless = machine.gate().is_some_and(super::gate::Gate::is_final);
            if hopeless || machine.kept.effort.has_given_up() {
                Severity::Critical
            } else {
                Severity::Warning
            }
        }
        Some(OutageKind::Degraded | OutageKind::Blind | OutageKind::Stopped) => Severity::Warning,
    }
}

fn next(machine: &Machine, now: Time) -> String {
    match machine.label() {
        StateLabel::Healing => "it is being restarted".into(),
        StateLabel::Verifying => "waiting for its check to pass".into(),
        StateLabel::Starting => "waiting for it to come up".into(),
        _ => match machine.gate() {
            None => String::new(),
            Some(gate) if gate.leaves_alone() => {
                format!("vai leaves it alone: {}", gate.words(now))
            }
            Some(gate) => gate.words(now),
        },
    }
}

/// What hangs on the root and is not well, and what shares its fate.
fn affected(
    root: Option<&ServiceName>,
    members: &BTreeSet<ServiceName>,
    scene: &Scene<'_>,
) -> Vec<ServiceName> {
    let mut all = members.clone();
    if let Some(root) = root {
        all.extend(scene.graph.all_dependents(root).into_iter().filter(|name| {
            scene
                .services
                .get(name)
                .is_some_and(|machine| !machine.is_well() && !machine.blocks_nobody())
        }));
        all.remove(root);
    }
    all.into_iter().collect()
}

/// Who is told: those of the root, else of the first member that wants to.
fn notify<'a>(main: &Machine, mut members: impl Iterator<Item = &'a Machine>) -> Notify {
    if main.service.notify != Notify::Nobody {
        return main.service.notify.clone();
    }
    members
        .find(|machine| machine.service.notify != Notify::Nobody)
        .map_or(Notify::Nobody, |machine| machine.service.notify.clone())
}
