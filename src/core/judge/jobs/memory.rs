use super::trouble::Troubles;
use crate::model::{Instance, Now, Place, Run, RunEnd, RunId, Time, TryId, Wall};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// So many of the last successes say how long a job usually takes.
const SAMPLES: usize = 20;
/// With fewer nothing is said.
const ENOUGH: usize = 5;

/// What is remembered of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobMemory {
    /// The schedule that `until` is of.
    pub(super) schedule: String,
    /// Scheduled instants after this are new.
    pub(super) until: Option<Wall>,
    /// An operator paused it.
    pub(super) paused: Option<Now>,
    /// Its runs without an outcome, oldest first.
    pub(super) open: Vec<OpenRun>,
    /// The last run with one, without its output.
    pub(super) last: Option<Run>,
    /// How long the last successes took, oldest first.
    took: VecDeque<Duration>,
    /// Instants in a row that were skipped although nobody had asked for it.
    pub(super) skipped: u32,
    pub(super) troubles: Troubles,
    /// Where the crontabs of its own container name it, if they do.
    pub(super) elsewhere: Option<String>,
    /// That was looked for, of the job as it is.
    pub(super) looked_elsewhere: bool,
    /// When it left the registry.
    pub(super) gone: Option<Now>,
}

/// A run that has no outcome yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct OpenRun {
    pub(super) id: RunId,
    /// The instant that it answers for; none: an operator asked.
    pub(super) scheduled: Option<Wall>,
    pub(super) decided: Now,
    /// Numbers its tries; 0 before the first.
    pub(super) attempt: u32,
    /// When its first try was begun.
    pub(super) began: Option<Wall>,
    pub(super) stage: Stage,
    /// What came of each try that failed, oldest first.
    pub(super) failures: Vec<String>,
    /// The end of the last of them.
    pub(super) last: Option<RunEnd>,
}

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// It may begin as soon as nothing stands in the way, until then.
    Pending { until: Time },
    /// A try is under way.
    Running(UnderWay),
    /// A `vai` before this one began a try, and where that runs was not seen
    /// yet.
    Resuming(UnderWay),
    /// The next try is due then.
    Retrying { at: Time },
}

/// A try under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct UnderWay {
    /// When it was handed out.
    pub(super) since: Now,
    /// Where it runs, wherever its job would run by now.
    pub(super) place: Place,
    /// As whom it runs, if not as the place's own: what is kept of it there is
    /// that user's.
    pub(super) user: Option<String>,
    /// The instance that it is in, or was meant for.
    pub(super) instance: Option<Instance>,
    /// A `vai` before this one handed it out.
    pub(super) resumed: bool,
    /// A newer run waits for its end.
    pub(super) replaced: bool,
}

impl OpenRun {
    pub(super) fn try_id(&self) -> TryId {
        TryId { run: self.id, attempt: self.attempt }
    }

    /// Whether a newer run waits for its end.
    pub(super) fn makes_room(&self) -> bool {
        self.under_way().is_some_and(|it| it.replaced)
    }

    /// The try under way, if one is.
    pub(super) fn under_way(&self) -> Option<&UnderWay> {
        match &self.stage {
            Stage::Running(it) | Stage::Resuming(it) => Some(it),
            Stage::Pending { .. } | Stage::Retrying { .. } => None,
        }
    }
}

impl JobMemory {
    pub(super) fn run_mut(&mut self, id: RunId) -> Option<&mut OpenRun> {
        self.open.iter_mut().find(|run| run.id == id)
    }

    pub(super) fn run(&self, id: RunId) -> Option<&OpenRun> {
        self.open.iter().find(|run| run.id == id)
    }

    /// Whether it left the registry and has nothing left to do.
    pub(super) fn is_over(&self) -> bool {
        self.gone.is_some() && self.open.is_empty()
    }

    /// It left the registry: should it come back, that is another beginning.
    pub(super) fn leave(&mut self, now: Now) {
        self.gone.get_or_insert(now);
        self.until = None;
        self.troubles.clear();
    }

    pub(super) fn succeeded_in(&mut self, took: Duration) {
        self.took.push_back(took);
        while self.took.len() > SAMPLES {
            self.took.pop_front();
        }
    }

    /// The median of its last successes, once there are enough to say.
    pub(super) fn usually(&self) -> Option<Duration> {
        if self.took.len() < ENOUGH {
            return None;
        }
        let mut sorted: Vec<Duration> = self.took.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }

    /// Beyond this it is much slower than usual.
    pub(super) fn slow_after(&self) -> Option<Duration> {
        const TIMES: u32 = 3;
        /// What takes milliseconds may as well take seconds once.
        const AT_LEAST: Duration = Duration::from_secs(10);
        self.usually().map(|usual| (usual * TIMES).max(AT_LEAST))
    }
}
