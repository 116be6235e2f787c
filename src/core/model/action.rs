use super::{Evidence, Instance, MessageId, Notice, ProcId, RunRequest, Service, Ticket, TryId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// What the core wants done. Actions are data; the edges carry them out and
/// report back as an [`Event`](super::Event).
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Run one check of a service now.
    Look {
        /// Comes back with the result.
        ticket: Ticket,
        /// The service as it was configured when the look was decided.
        service: Arc<Service>,
    },
    /// Start, restart or stop a service.
    Act(Box<ActRequest>),
    /// Run a job, or go on waiting for a run of it.
    Run(Box<RunRequest>),
    /// End a try that is under way: its job was asked to replace it.
    EndRun(TryId),
    /// Tell people. The message is remembered until [`Event::Told`](super::Event)
    /// says that it arrived.
    Tell(MessageId, Box<Notice>),
}

/// Numbers the acts of all runs of `vai` on one state folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActId(pub u64);

/// One act on one service, admitted by the arbiter.
#[derive(Clone, Debug, PartialEq)]
pub struct ActRequest {
    /// Comes back with the report.
    pub id: ActId,
    /// The service as it was configured when the act was decided.
    pub service: Arc<Service>,
    /// The container instance that was judged; the act is refused if it is
    /// another one by now.
    pub instance: Option<Instance>,
    /// What to do.
    pub act: Act,
    /// Processes seen alive behind the service while it was healthy.
    pub processes: Vec<ProcId>,
    /// The act before this one, where it failed: what it started and left
    /// behind is ended first, so that there are never two copies.
    pub supersedes: Option<ActId>,
    /// It belongs to the attempt of the act before, whose command left hung
    /// processes as they were: it is only for those, and refused without them.
    pub follows_at_once: bool,
}

/// What to do with a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Run its `restart_cmd` for the first time in this container instance.
    Start,
    /// Bring it back by this rung.
    Restart(Rung),
    /// An operator's `vai stop`.
    Stop,
}

impl Act {
    /// Whether the container itself may be stopped on the way.
    #[must_use]
    pub fn may_stop_container(&self) -> bool {
        match self {
            Self::Restart(Rung::Container) | Self::Stop => true,
            Self::Start | Self::Restart(Rung::Command | Rung::KillAndCommand) => false,
        }
    }
}

/// One rung of the ladder (behaviour.md, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// `stop_cmd`, then `restart_cmd`; an exited container is started first.
    Command,
    /// End the old process where it still is, then as `Command`.
    KillAndCommand,
    /// Restart the container, or start it where it exited.
    Container,
}

/// What became of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActReport {
    /// How it ended.
    pub outcome: ActOutcome,
    /// The instance that the service is in now, if its container runs.
    pub instance: Option<Instance>,
    /// What was done, step by step, for the log and the message.
    pub steps: Vec<String>,
    /// How long the youngest process has run that was there before the act and
    /// still is. `None` if there is none, if one of them may have been asked to
    /// end, or if the command has not ended.
    pub survivor_age: Option<Duration>,
    /// Taken before acting.
    pub evidence: Evidence,
    /// From the request to the end.
    pub took: Duration,
}

/// How an act ended. None of these says that the service is well: only its
/// check does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActOutcome {
    /// Everything asked for was done.
    Done {
        /// A process that was there before and still is, in words:
        /// `nginx (pid 12) is still there`.
        still_there: Option<String>,
    },
    /// The engine's or the command's own words.
    Failed(String),
    /// The command was left running after its deadline.
    CommandOverdue(Duration),
    /// Nothing was done; which gate forbade it.
    Refused {
        /// In words: `not attempted: <gate>`.
        gate: String,
        /// Somebody stopped this service by hand (a marker file).
        by_hand: bool,
    },
}
