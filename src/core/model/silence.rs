use super::{ContainerKey, JobName, Now, ServiceName};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// What a silence is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SilenceScope {
    /// Every message, those about the engine and `vai` itself included.
    Everything,
    /// One service.
    Service(ServiceName),
    /// One job.
    Job(JobName),
    /// Every service and job of one container, as the registry names it.
    Container(ContainerKey),
}

impl SilenceScope {
    /// The messages that it hides, in words.
    #[must_use]
    pub fn messages(&self) -> String {
        match self {
            Self::Everything => "messages".to_owned(),
            Self::Service(_) | Self::Job(_) | Self::Container(_) => {
                format!("messages about {self}")
            }
        }
    }
}

impl fmt::Display for SilenceScope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => write!(formatter, "everything"),
            Self::Service(name) => write!(formatter, "{name}"),
            Self::Job(name) => write!(formatter, "job {name}"),
            Self::Container(key) => write!(formatter, "container {key}"),
        }
    }
}

/// Hides messages for a while, and nothing else: checks, restarts and records
/// go on (behaviour.md, section 4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// About what.
    pub scope: SilenceScope,
    /// Whichever clock gets there first ends it, so that neither a suspend nor
    /// a clock that is set makes it longer.
    pub until: Now,
    /// Why, in the operator's words; may be empty.
    pub reason: String,
}

impl Silence {
    /// Whether it still hides anything.
    #[must_use]
    pub fn is_in_force(&self, now: Now) -> bool {
        now.mono < self.until.mono && now.wall < self.until.wall
    }
}

/// What an operator can ask for about messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlertRequest {
    /// Somebody looks after an incident, named by its id or its root: no more
    /// reminders until it closes.
    Acknowledge(String),
    /// Hide messages.
    Silence {
        /// About what.
        scope: SilenceScope,
        /// For how long.
        lasts: Duration,
        /// Why; may be empty.
        reason: String,
    },
    /// Hide them no more.
    Unsilence(SilenceScope),
}
