//! What is said between the orchestrator and an agent: length-prefixed JSON
//! frames over the agent's standard input and output.

use super::run::{RunOp, RunState, Written};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use vai_core::model::{CheckKind, ProcId, Report};

/// Raised with every change that an older agent would misunderstand.
pub const PROTOCOL: u32 = 4;

/// The environment variable that everything has which an act started.
pub const ACT_VARIABLE: &str = "VAI_ACT";

/// A frame may be no longer, in bytes.
pub const MAX_FRAME: usize = 1 << 20;

/// From the orchestrator to the agent. Any frame keeps the agent alive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Comes back with the answer.
    pub id: u64,
    /// What to do.
    pub op: Op,
}

/// One operation, performed where the service runs: by the agent inside a
/// container, or by the orchestrator itself for its own place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Nothing; keeps the agent alive and proves that it answers.
    Ping,
    /// Look once.
    Check {
        /// At what.
        kind: Box<CheckKind>,
        /// For how long.
        timeout: Duration,
        /// Where given, the processes seen behind a passing check are watched
        /// under this name, instead of those watched under it before, and the
        /// death of one is told by [`Frame::Died`].
        watch: Option<String>,
    },
    /// Watch nothing under this name any more.
    Unwatch(String),
    /// End those of `processes` that still live (same pid and start time) and
    /// are still behind one of `behind`: TERM and CONT, after `grace` KILL.
    End {
        /// The processes seen alive before.
        processes: Vec<ProcId>,
        /// The `process`, `http` and `tcp` checks they were seen behind.
        behind: Vec<CheckKind>,
        /// Between TERM and KILL.
        grace: Duration,
    },
    /// End what an act started and left behind, with all that came from it:
    /// TERM and CONT, after `grace` KILL.
    EndStarted {
        /// [`ACT_VARIABLE`] in its environment.
        mark: String,
        /// The host's uptime when the act began, where that is known: since then a process that
        /// is behind one of `behind` and has overwritten its environment, as
        /// redis and nginx do for their titles, is taken for one of it.
        since: Option<Duration>,
        /// The `process`, `http` and `tcp` checks of the service.
        behind: Vec<CheckKind>,
        /// Between TERM and KILL.
        grace: Duration,
    },
    /// Who is behind these checks right now: owners of the port, matches of
    /// the pattern.
    Behind(Vec<CheckKind>),
    /// The last lines of a file.
    Tail {
        /// Absolute path.
        path: String,
        /// At most so many lines, 4 KiB in all.
        lines: usize,
    },
    /// Free disk and memory, one fact a line.
    Facts,
    /// Whether a file exists.
    Exists(String),
    /// The lines of the crontabs that run something.
    Crontabs,
    /// About a run of a job.
    Run {
        /// Which.
        mark: String,
        /// What.
        op: RunOp,
    },
}

/// From the agent to the orchestrator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// The first frame of every agent.
    Hello {
        /// [`PROTOCOL`] of the agent.
        protocol: u32,
    },
    /// The answer to one request.
    Answer {
        /// Of which.
        id: u64,
        /// What came of it.
        answer: Answer,
    },
    /// A watched process ended.
    Died {
        /// Under which name it was watched.
        watch: String,
        /// Which.
        process: ProcId,
    },
    /// A run that was begun or looked at here is over.
    Over {
        /// Which.
        mark: String,
    },
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Done, nothing to say.
    Done,
    /// To `Check`.
    Report(Report),
    /// To `End` and `EndStarted`: what was ended and what could not be, in words.
    Ended {
        /// Gone by TERM or KILL.
        ended: Vec<ProcId>,
        /// Still there, and why.
        left: Vec<(ProcId, String)>,
    },
    /// To `Behind`.
    Processes(Vec<ProcId>),
    /// To `Tail` and `Facts`.
    Lines(Vec<String>),
    /// To `Exists`.
    Exists(bool),
    /// To `Crontabs`.
    Crontabs(Crontabs),
    /// To `Begin` and `Look` about a run.
    Run(RunState),
    /// To `Output` of a run.
    Written(Written),
    /// The operation could not be performed; why.
    Failed(String),
}

/// What is scheduled at a place by somebody else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crontabs {
    /// In the order of the files.
    pub lines: Vec<CrontabLine>,
    /// What could not be read, or not to its end, and why: what is missing from
    /// `lines` may stand there.
    pub unreadable: Vec<String>,
}

/// A line of a crontab that runs something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrontabLine {
    /// Absolute path.
    pub file: String,
    /// Counted from 1.
    pub number: u32,
    /// Schedule, user where the file has one, and command.
    pub text: String,
}
