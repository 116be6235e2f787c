//! Jobs: what is run by the clock, and what came of each run (behaviour.md,
//! section 5).

use super::{Instance, JobName, Notify, Place, Secret, ServiceName, Time, Wall};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// A job as the registry describes it, with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its key in the registry.
    pub name: JobName,
    /// Whose it is.
    pub duty: Duty,
    /// The schedule and its zone as they stand in the registry. Another text is
    /// another schedule: what was due by the one before is over.
    pub schedule: String,
    /// Where it runs.
    pub place: Place,
    /// Run in its place by `bash -c` where bash exists, else `sh -c`.
    pub command: String,
    /// `None` is the container's own.
    pub user: Option<String>,
    /// `None` is the container's own.
    pub working_dir: Option<String>,
    /// Extra environment.
    pub environment: Vec<(String, Secret)>,
    /// Its output is appended to this file, in its place.
    pub log_path: Option<String>,
    /// A run is ended after this.
    pub timeout: Duration,
    /// What becomes of a run that is due while another one is under way.
    pub overlap: Overlap,
    /// A run that was missed is made up for if it is at most so late.
    pub catch_up: Duration,
    /// How often a run that failed is tried again.
    pub retries: u32,
    /// Services that have to be healthy for it to run.
    pub dependencies: Vec<ServiceName>,
    /// Who is told.
    pub notify: Notify,
    /// Whether each success is told, too.
    pub notify_on_success: bool,
    /// Why it cannot be run (`${NAME} is not set`), if so.
    pub held: Option<String>,
}

impl Job {
    /// A job of the clock with what holds where the registry is silent
    /// (registry.md, "Cron jobs").
    #[must_use]
    pub fn new(name: &str, place: Place, schedule: &str, command: &str) -> Self {
        Self {
            name: name.into(),
            duty: Duty::Scheduled,
            schedule: schedule.to_owned(),
            place,
            command: command.to_owned(),
            user: None,
            working_dir: None,
            environment: Vec::new(),
            log_path: None,
            timeout: Duration::from_secs(3600),
            overlap: Overlap::Forbid,
            catch_up: Duration::ZERO,
            retries: 0,
            dependencies: Vec::new(),
            notify: Notify::Default,
            notify_on_success: false,
            held: None,
        }
    }
}

/// Whether `vai` runs a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// It does.
    Scheduled,
    /// `"enabled": false`: known and shown, run by hand only.
    Disabled,
    /// Without a container, or with `"host"`: somebody else runs it.
    Documentation,
}

/// What becomes of a run that is due while another one of its job is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// It is skipped.
    Forbid,
    /// Both run.
    Allow,
    /// The one under way is ended.
    Replace,
}

/// Numbers the runs of all runs of `vai` on one state folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

/// What the schedule of a job says has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// The job.
    pub job: JobName,
    /// The instants that came since it was looked at last, but the last of
    /// them, if there were more than one.
    pub earlier: Option<Instants>,
    /// The last one that came since then, if any did.
    pub due: Option<Wall>,
    /// From here on instants are new. Earlier than before if the clock was set
    /// back so far that they come again.
    pub until: Wall,
    /// The next one, for people; none if it never comes.
    pub next: Option<Wall>,
}

/// Scheduled instants of a job, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instants {
    /// The first of them.
    pub first: Wall,
    /// The last of them.
    pub last: Wall,
    /// How many, both included.
    pub count: u32,
}

/// One try of one run, admitted by the core.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRequest {
    /// The run. Its number and `attempt` name this try for good: handed out
    /// twice, it is begun once and then only waited for.
    pub id: RunId,
    /// Counted from 1.
    pub attempt: u32,
    /// The job as it was configured when the run was decided.
    pub job: Arc<Job>,
    /// The instant that it is for; none: an operator asked.
    pub scheduled: Option<Wall>,
    /// When this try was decided.
    pub decided: Time,
    /// The container instance that ran when it was decided, or in which it was
    /// begun, where that is known.
    pub instance: Option<Instance>,
    /// A `vai` before this one decided it, and may have begun it: it is looked
    /// for and waited for, and not begun any more.
    pub resumed: bool,
}

impl RunRequest {
    /// Which try of which run it is.
    #[must_use]
    pub fn try_id(&self) -> TryId {
        TryId { run: self.id, attempt: self.attempt }
    }
}

/// Names one try of one run, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TryId {
    /// The run.
    pub run: RunId,
    /// Counted from 1.
    pub attempt: u32,
}

/// What the edge says of a try.
#[derive(Clone, Debug, PartialEq)]
pub enum RunReport {
    /// It has begun, in this instance.
    Began(Instance),
    /// It is over.
    Ended(RunEnd),
}

/// How a try ended, and what is left of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunEnd {
    /// How.
    pub how: HowEnded,
    /// From its beginning to its end.
    pub took: Duration,
    /// How much it wrote, in bytes.
    pub bytes: u64,
    /// The end of what it wrote, 4 KiB at most.
    pub tail: String,
    /// What else there is to know, in sentences: that its output could not be
    /// written to its log, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HowEnded {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal that was not ours, of this number.
    Signalled(i32),
    /// It took longer than it may; its whole session was ended.
    TimedOut {
        /// What outlived even KILL, in words.
        left: Vec<String>,
    },
    /// It was ended because its job was asked to end it.
    Replaced,
    /// Nothing was begun; which gate forbade it, in words.
    Refused(String),
    /// It was not begun, which is certain; why, in the engine's or the system's
    /// own words.
    NotBegun(String),
    /// It was begun, or may have been, and nobody saw its end; why.
    Lost(String),
}

/// One run, or several scheduled instants with one fate: what there is to keep
/// of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// The job.
    pub job: JobName,
    /// The instants that it answers for; none: an operator asked.
    pub scheduled: Option<Instants>,
    /// What became of it.
    pub outcome: RunOutcome,
    /// In words: `exit 1`, `redis is down`.
    pub reason: String,
    /// When its first try was begun.
    pub began: Option<Wall>,
    /// When its outcome was clear.
    pub ended: Wall,
    /// How long its last try took.
    pub took: Duration,
    /// How many tries it had.
    pub attempts: u32,
    /// What its last try wrote, in bytes.
    pub bytes: u64,
    /// The end of that.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail: String,
}

/// What became of a run: exactly one for each scheduled instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// It ran and exited 0.
    Succeeded,
    /// It ran, or should have, and did not succeed.
    Failed,
    /// It took longer than it may and was ended.
    TimedOut,
    /// It was ended for a newer run of its job.
    Replaced,
    /// It was not wanted at that moment: overlap, pause, maintenance, a gate.
    Skipped,
    /// Nobody was there to run it in time.
    Missed,
}

impl RunOutcome {
    /// The word for it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
            Self::Replaced => "replaced",
            Self::Skipped => "skipped",
            Self::Missed => "missed",
        }
    }
}

/// How a job stands, for show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobView {
    /// Its name.
    pub name: JobName,
    /// Where it runs, as the registry names it; empty for local.
    pub container: String,
    /// Its schedule, as in the registry.
    pub schedule: String,
    /// Whether it is run by the clock.
    pub state: JobState,
    /// Why, where `state` wants a reason.
    pub reason: String,
    /// When it is due next, if ever.
    pub next: Option<Wall>,
    /// Since when runs are under way, and how far each has come.
    pub running: Vec<RunningView>,
    /// The last run that is over, without its output.
    pub last: Option<Run>,
    /// The median of its last successes, once there are enough to say.
    pub usually: Option<Duration>,
    /// The open incident about it.
    pub incident: Option<String>,
}

/// A run under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunningView {
    /// Its number.
    pub id: RunId,
    /// When its first try was decided.
    pub since: Wall,
    /// Which try it is at.
    pub attempt: u32,
    /// Whether that is under way, or still waited for.
    pub waits: bool,
}

/// Whether a job is run by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It is.
    Scheduled,
    /// Something forbids it.
    Held,
    /// Somebody paused it.
    Paused,
    /// The registry turned it off.
    Disabled,
    /// It is listed only.
    Documentation,
}

impl JobState {
    /// The word for it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Held => "held",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
            Self::Documentation => "documentation",
        }
    }
}

/// A job that the crontabs of its own container name as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TwoSchedulers {
    /// The job.
    pub job: JobName,
    /// `<file>:<line>` in its place; none: in no crontab there.
    pub found: Option<String>,
}

/// What an operator can ask of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobRequest {
    /// Run it now, whatever its schedule says.
    Run(JobName),
    /// Run it by the clock no more.
    Pause(JobName),
    /// End a pause.
    Resume(JobName),
}

impl JobRequest {
    /// The job asked about.
    #[must_use]
    pub fn job(&self) -> &JobName {
        match self {
            Self::Run(name) | Self::Pause(name) | Self::Resume(name) => name,
        }
    }
}
