use super::{QUIET_HEALING, Root, Scene, WARNING_REPEAT, is_silenced};
use crate::judge::gate::Gate;
use crate::judge::jobs::JobMachine;
use crate::judge::machine::{Machine, Outage, OutageKind};
use crate::model::{
    Affected, Evidence, EvidenceDetail, FaultKind, Incident, IncidentId, IncidentPhase, Notice,
    NoticeKind, Notify, Now, Place, ServiceName, Severity, SilenceScope, StateLabel, Time,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// What is remembered of an open incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentMemory {
    pub(super) root: Root,
    pub(super) incident: Incident,
    pub(super) members: BTreeSet<ServiceName>,
    pub(super) confirmed: Time,
    pub(super) told: Option<Told>,
    pub(super) notify: Notify,
    pub(super) detail: EvidenceDetail,
    /// It was handed out as open.
    #[serde(default = "yes")]
    pub(super) shown: bool,
    /// Since when its root is well, while others in it are not yet.
    #[serde(default)]
    pub(super) root_well: Option<Time>,
    /// How its root recovered, once it has.
    pub(super) how: Option<String>,
    /// The state that `next` was written for.
    pub(super) next_of: Option<(StateLabel, bool)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) severity: Severity,
    pub(super) at: Time,
    /// Who was named as failing because of it.
    #[serde(default)]
    pub(super) named: BTreeSet<ServiceName>,
    /// What is new was told once since the opening: the bound on messages
    /// (behaviour.md, section 4) allows no more.
    #[serde(default)]
    pub(super) updated: bool,
}

/// What joins an incident is told together, so long after it was told of.
const JOINED_AFTER: Duration = Duration::from_secs(300);

pub(super) fn repeat(severity: Severity, critical: Duration) -> Duration {
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

    /// Since when what it is about lasts, if that was to last for `told_after`
    /// before it was opened.
    pub(super) fn lasts_since(&self, told_after: Duration) -> Now {
        let millis = u64::try_from(told_after.as_millis()).unwrap_or(u64::MAX);
        let mono = Time::from_millis(self.confirmed.as_millis().saturating_sub(millis));
        Now { mono, wall: self.incident.since }
    }

    /// The `number`-th incident of all, of `root`.
    pub(super) fn new(root: &Root, number: u64, now: Now) -> Self {
        let name = root.name();
        let seconds = now.wall.as_millis() / 1000;
        let id = format!("{}-{seconds}-{number}", name.replace(' ', "-"));
        Self {
            root: root.clone(),
            incident: Incident {
                id: IncidentId(id),
                root: name,
                subject: root.subject(),
                place: String::new(),
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
                acknowledged: None,
            },
            members: BTreeSet::new(),
            confirmed: now.mono,
            told: None,
            notify: Notify::Default,
            detail: EvidenceDetail::Full,
            shown: false,
            root_well: None,
            how: None,
            next_of: None,
        }
    }

    /// Brings the record up to date. Whether it changed.
    pub(super) fn update(&mut self, root: &Root, scene: &Scene<'_>) -> bool {
        let before = self.incident.clone();
        match root {
            Root::Container(_) => self.update_from(None, scene),
            Root::Service(name) => self.update_from(Some(name), scene),
            Root::Engine
            | Root::Store
            | Root::Vai
            | Root::Registry
            | Root::Sink(_)
            | Root::Network
            | Root::Job(_)
            | Root::Unstable(_) => {
                if let Some(trouble) = scene.trouble(root) {
                    self.incident.severity = trouble.severity;
                    self.incident.since = self.incident.since.min(trouble.since.wall);
                    self.incident.state = trouble.state;
                    self.incident.reason.clone_from(&trouble.reason);
                    self.incident.next.clone_from(&trouble.next);
                    self.incident.place.clone_from(&trouble.place);
                    self.update_affected(None, scene);
                    self.notify = trouble.notify.clone();
                    self.incident.history.clone_from(&trouble.history);
                    self.incident.evidence.clone_from(&trouble.evidence);
                }
            }
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
        if root.is_some_and(|root| !self.members.contains(root)) {
            // What there was to tell of the root stays; others take longer.
            self.incident.next =
                "it does not fail any more; what failed with it still does".to_owned();
            self.next_of = None;
            self.update_affected(root, scene);
            return;
        }
        if let Some(outage) = &main.kept.outage {
            self.incident.reason.clone_from(&outage.reason);
            self.incident.evidence.clone_from(&outage.evidence);
        }
        self.incident.history = match root {
            Some(_) => main.kept.outage.as_ref().map_or_else(Vec::new, Outage::history),
            None => members()
                .filter_map(|machine| Some((machine, machine.kept.outage.as_ref()?)))
                .flat_map(|(machine, it)| {
                    let name = &machine.service.name;
                    it.history().into_iter().map(move |line| format!("{name}: {line}"))
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
        self.notify = notify(main, members());
        self.detail = main.service.evidence;
        self.update_affected(root, scene);
    }

    /// What hangs on the root and is not well, what shares its fate, and what
    /// of both is well again, by name. What is known of one stays as it was told until
    /// it stands otherwise: a reason with a figure in it is another at each look.
    fn update_affected(&mut self, root: Option<&ServiceName>, scene: &Scene<'_>) {
        let failing = affected(root, &self.members, scene);
        let all = &mut self.incident.affected;
        all.retain(|it| Some(&it.name) != root);
        for it in all.iter_mut() {
            it.over = !failing.contains(&it.name);
        }
        for name in &failing {
            let Some(machine) = scene.services.get(name) else { continue };
            let place = |name: &ServiceName| all.binary_search_by(|it| it.name.cmp(name));
            let because = scene
                .graph
                .dependencies(name)
                .iter()
                .find(|&it| Some(it) == root || failing.contains(it) || place(it).is_ok());
            let state = machine.standing();
            let at = place(name);
            if let Ok(at) = at
                && all[at].state == state
                && all[at].because.as_ref() == because
            {
                continue;
            }
            let (reason, because) = (machine.complaint(), because.cloned());
            let it = Affected { name: name.clone(), state, reason, because, over: false };
            match at {
                Ok(at) => all[at] = it,
                Err(at) => all.insert(at, it),
            }
        }
    }

    /// What has to be told about it now, if anything.
    pub(super) fn tell(&mut self, root: &Root, scene: &Scene<'_>) -> Option<Notice> {
        let now = scene.now.mono;
        let severity = self.incident.severity;
        let mut members = self.members.iter().filter_map(|name| scene.services.get(name));
        if !root.is_of_host() && members.all(is_silenced) {
            return None;
        }
        if self.is_hidden(root, scene) {
            return None;
        }
        let kind = match &self.told {
            None => {
                let waited = now.since(self.confirmed) >= QUIET_HEALING;
                (waited || self.is_urgent(root, scene)).then_some(NoticeKind::Opened)
            }
            Some(told) if severity > told.severity => Some(NoticeKind::Escalated),
            Some(_) if self.tells_joined_at().is_some_and(|at| at <= now) => {
                Some(NoticeKind::Joined)
            }
            Some(told)
                if root.is_reminded_of()
                    && self.incident.acknowledged.is_none()
                    && now.since(told.at) >= repeat(told.severity, scene.repeat_interval) =>
            {
                Some(NoticeKind::Reminder(now.since(self.confirmed)))
            }
            Some(_) => None,
        }?;
        let updated = self.told.as_ref().is_some_and(|told| told.updated)
            || matches!(kind, NoticeKind::Escalated | NoticeKind::Joined);
        let named = self.incident.failing_with_it().map(|it| it.name.clone()).collect();
        self.told = Some(Told { severity, at: now, named, updated });
        self.refresh_next(scene);
        Some(self.notice(kind, scene.now))
    }

    /// When it is to be told that more fails because of it, if so: once, and
    /// where it cannot become worse, which is told with whom it concerns.
    pub(super) fn tells_joined_at(&self) -> Option<Time> {
        let told = self.told.as_ref()?;
        let worst = told.severity == Severity::Critical;
        let joined = || self.incident.failing_with_it().any(|it| !told.named.contains(&it.name));
        (worst && !told.updated && joined()).then(|| told.at + JOINED_AFTER)
    }

    /// Whether an operator wants no messages about it now.
    fn is_hidden(&self, root: &Root, scene: &Scene<'_>) -> bool {
        let hides = |scope: &SilenceScope| scene.silences.iter().any(|it| it.scope == *scope);
        let is_hidden = |name: &ServiceName| {
            let machine = scene.services.get(name);
            let container = machine.and_then(Machine::container);
            hides(&SilenceScope::Service(name.clone()))
                || container.is_some_and(|key| hides(&SilenceScope::Container(key.clone())))
        };
        hides(&SilenceScope::Everything)
            || match root {
                Root::Unstable(name) => is_hidden(name),
                Root::Job(name) => {
                    let machine = scene.jobs.get(name);
                    let container = machine.and_then(JobMachine::container);
                    hides(&SilenceScope::Job(name.clone()))
                        || container.is_some_and(|it| hides(&SilenceScope::Container(it.clone())))
                }
                Root::Engine
                | Root::Store
                | Root::Vai
                | Root::Registry
                | Root::Sink(_)
                | Root::Network => false,
                Root::Container(_) | Root::Service(_) => {
                    !self.members.is_empty() && self.members.iter().all(is_hidden)
                }
            }
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
        root.is_of_host()
            || self.members.iter().filter_map(|name| scene.services.get(name)).any(|machine| {
                severity(machine) == Severity::Critical
                    || machine.kept.outage.as_ref().is_some_and(|outage| match outage.kind {
                        OutageKind::Degraded | OutageKind::Blind | OutageKind::Stopped => true,
                        OutageKind::Broken(_) => false,
                    })
            })
    }

    pub(super) fn notice(&self, kind: NoticeKind, now: Now) -> Notice {
        Notice {
            incident: self.incident.clone(),
            kind,
            notify: self.notify.clone(),
            detail: self.detail,
            at: now.wall,
            decided: Some(now.mono),
        }
    }
}

fn yes() -> bool {
    true
}

/// How bad a service's outage is, before its own ceiling.
fn severity(machine: &Machine) -> Severity {
    match machine.kept.outage.as_ref().map(|outage| outage.kind) {
        None => Severity::Info,
        Some(OutageKind::Broken(FaultKind::CrashLoop)) => Severity::Critical,
        Some(OutageKind::Broken(_)) => {
            let hopeless = machine.gate().is_some_and(Gate::is_final);
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
        label => match machine.gate() {
            None => match label {
                StateLabel::Degraded => {
                    "nothing is restarted for this; vai goes on checking".into()
                }
                StateLabel::Unknown => "nothing is restarted unseen; vai goes on looking".into(),
                StateLabel::StoppedByHand => "vai leaves it alone until somebody starts it".into(),
                // The arbiter has not refused it yet: it does not ask so soon.
                _ => {
                    let waits = machine.kept.effort.gate(now, &machine.service.recovery);
                    waits.map_or_else(String::new, |gate| gate.words(now))
                }
            },
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
) -> BTreeSet<ServiceName> {
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
    all
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
