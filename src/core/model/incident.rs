use super::{EvidenceDetail, Notify, Now, ServiceName, StateLabel, Time, Wall};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How bad an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look today.
    Warning,
    /// Somebody should look now.
    Critical,
}

impl Severity {
    /// The registry's word.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Names an incident; stable over its whole life.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(pub String);

/// One outage with one root cause, from its first confirmed failure to the
/// proof that everything in it is well again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its name.
    pub id: IncidentId,
    /// The root cause, as people call it.
    pub root: String,
    /// What sort of thing that is.
    #[serde(default)]
    pub subject: Subject,
    /// Where the root runs, as the registry names it; empty for local.
    pub place: String,
    /// How bad it is now.
    pub severity: Severity,
    /// How the root stands; once closed, how it stood before it was over.
    pub state: StateLabel,
    /// Restarts that did not heal it.
    pub failed_attempts: u32,
    /// When the failure was first seen.
    pub since: Wall,
    /// Why: the check and its reason.
    pub reason: String,
    /// What vai did and what came of it, oldest first.
    pub history: Vec<String>,
    /// What it will do next, or why it does nothing.
    pub next: String,
    /// What fails or failed because of the root, by name.
    pub affected: Vec<Affected>,
    /// How it stands.
    pub phase: IncidentPhase,
    /// What was gathered before acting.
    pub evidence: Evidence,
    /// Since when somebody looks after it; then there are no reminders.
    #[serde(default)]
    pub acknowledged: Option<Wall>,
}

impl Incident {
    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.phase, IncidentPhase::Closed { .. })
    }

    /// What fails because of the root as things stand; once it is over,
    /// everything that did.
    pub fn failing_with_it(&self) -> impl Iterator<Item = &Affected> {
        let is_over = self.is_over();
        self.affected.iter().filter(move |affected| is_over || !affected.over)
    }
}

/// What sort of thing an incident's root is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A service of the registry, by its name.
    #[default]
    Service,
    /// A container with what runs in it.
    Container,
    /// The container engine.
    Engine,
    /// What `vai` remembers.
    Store,
    /// `vai` itself.
    Vai,
    /// The network that `vai` looks over.
    Network,
    /// The whole host.
    Host,
    /// The registry file.
    Registry,
    /// A notification sink.
    Sink,
    /// A job of the registry, by its name.
    Job,
}

/// A service that fails because of an incident's root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "AffectedRecord")]
pub struct Affected {
    /// Which.
    pub name: ServiceName,
    /// How it stands, or stood before it was well again.
    pub state: StateLabel,
    /// What its own check says; empty if that is not known.
    pub reason: String,
    /// What it depends on directly of what else fails here: the next link of
    /// the chain that ends at the root. None if it declares no such thing.
    pub because: Option<ServiceName>,
    /// It is well again, and others are not yet.
    pub over: bool,
}

impl From<ServiceName> for Affected {
    /// Nothing more is known of it than that it is down.
    fn from(name: ServiceName) -> Self {
        let state = StateLabel::Down;
        Self { name, state, reason: String::new(), because: None, over: false }
    }
}

/// As it is stored. An older state file has the name alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum AffectedRecord {
    Name(ServiceName),
    Told {
        name: ServiceName,
        state: StateLabel,
        reason: String,
        because: Option<ServiceName>,
        over: bool,
    },
}

impl From<AffectedRecord> for Affected {
    fn from(record: AffectedRecord) -> Self {
        match record {
            AffectedRecord::Name(name) => name.into(),
            AffectedRecord::Told { name, state, reason, because, over } => {
                Self { name, state, reason, because, over }
            }
        }
    }
}

/// How an incident stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentPhase {
    /// Not over.
    Open,
    /// Over: when, and how in words ("healed by restart_cmd, 2 attempts").
    Closed {
        /// When it was proven.
        at: Wall,
        /// How it ended.
        how: String,
    },
}

/// What is known about a failing service besides its check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// One fact a line: container state, disk, memory, who restarted it last.
    pub facts: Vec<String>,
    /// Where the log lines are from; empty if there are none.
    pub log_source: String,
    /// The last lines, oldest first.
    pub log: Vec<String>,
}

/// One thing to tell people about one incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The incident as it stands now.
    pub incident: Incident,
    /// Why it is told now.
    pub kind: NoticeKind,
    /// Who is told.
    pub notify: Notify,
    /// How much of the evidence may go out.
    pub detail: EvidenceDetail,
    /// When it was decided, for people.
    pub at: Wall,
    /// The same on the boot clock, which says how old it is; none in what was
    /// stored by a version that did not know.
    #[serde(default)]
    pub decided: Option<Time>,
}

impl Notice {
    /// Tells the default channel of something that nobody has to mend: its
    /// incident, `about` so much, is over at `now`.
    #[must_use]
    pub fn good_to_know(
        id: IncidentId,
        subject: Subject,
        about: &str,
        since: Wall,
        now: Now,
        reason: String,
    ) -> Self {
        Self {
            incident: Incident {
                id,
                root: about.to_owned(),
                subject,
                place: String::new(),
                severity: Severity::Info,
                state: StateLabel::Healthy,
                failed_attempts: 0,
                since,
                reason,
                history: Vec::new(),
                next: String::new(),
                affected: Vec::new(),
                phase: IncidentPhase::Closed { at: now.wall, how: String::new() },
                evidence: Evidence::default(),
                acknowledged: None,
            },
            kind: NoticeKind::Info,
            notify: Notify::Default,
            detail: EvidenceDetail::Full,
            at: now.wall,
            decided: Some(now.mono),
        }
    }
}

/// Numbers the messages of all runs of `vai`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub u64);

/// Why something is told now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// First told.
    Opened,
    /// It became worse.
    Escalated,
    /// More fails because of it than was told.
    Joined,
    /// Still so, for this long.
    Reminder(Duration),
    /// Over.
    Resolved,
    /// Good to know, and nothing that anybody is called about: its incident is
    /// over before it is told.
    Info,
}
