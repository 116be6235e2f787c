//! Runs of jobs where they run: each under a supervisor of its own, a process
//! that outlives the agent and the orchestrator, ends what takes too long, and
//! leaves in a run file what came of it.

mod family;
mod folder;
mod here;
mod hints;
mod log;
mod output;
mod record;
mod ring;
mod supervise;

pub(super) use family::{children, children_of};
pub(super) use folder::make as make_folder;
pub use here::{Runs, Supervisors};
pub use hints::{RunHint, RunHints};
pub(super) use record::world;
pub use supervise::supervise;

use serde::{Deserialize, Serialize};
use std::time::Duration;
use vai_core::model::{RunEnd, Secret, wire};

/// The environment variable that everything has which a run started.
pub const RUN_VARIABLE: &str = "VAI_RUN";

/// Between TERM and KILL (behaviour.md, section 5).
pub const GRACE: Duration = Duration::from_secs(10);

/// What is asked about one run, named by its mark: the state file that numbers
/// runs, the run, the try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOp {
    /// Begin it, unless it was begun already.
    Begin(Box<Begin>),
    /// How does it stand?
    Look,
    /// End it, with all that came from it.
    Replace,
    /// What it wrote from this byte on.
    Output(u64),
    /// Its end is known: remove what is kept of it.
    Forget,
}

/// How a run is begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// For the log: `backup: run 17, try 1`.
    pub title: String,
    /// Passed to the shell as written.
    pub command: String,
    /// In the orchestrator's own place; an agent is the user already.
    pub user: Option<String>,
    /// `None` is the place's own.
    pub working_dir: Option<String>,
    /// Beside the place's own.
    #[serde(with = "wire::pairs")]
    pub environment: Vec<(String, Secret)>,
    /// The output is appended to this file.
    pub log_path: Option<String>,
    /// The run is ended after this.
    pub timeout: Duration,
    /// Between TERM and KILL.
    pub grace: Duration,
}

/// How a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// There is no trace of it.
    Unknown,
    /// It is under way.
    UnderWay,
    /// It is over.
    Over(Box<RunEnd>),
}

/// A piece of what a run wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Whole lines, as far as there are any.
    pub text: String,
    /// Where it begins: later than asked for if what was before is kept no
    /// more.
    pub from: u64,
    /// Where it ends.
    pub next: u64,
}
