//! What tells the processes of one act from all others.

use crate::clock;
use crate::probe::wire::ACT_VARIABLE;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use vai_core::model::ActId;

/// Acts whose beginning is remembered; only the last of a service is asked for.
const REMEMBERED: usize = 4096;

/// Marks what acts start. Acts are numbered by the state file, so a mark is
/// the number behind what tells that file from others.
pub(super) struct Marks {
    file: String,
    began: Mutex<BTreeMap<ActId, Duration>>,
}

impl Marks {
    pub(super) fn new(file: String) -> Self {
        Self { file, began: Mutex::default() }
    }

    /// The mark of an act.
    pub(super) fn of(&self, act: ActId) -> String {
        format!("{}-{}", self.file, act.0)
    }

    /// The variable in the environment of what an act starts from now on.
    pub(super) fn variable(&self, act: ActId) -> (&'static str, String) {
        let mut began = self.lock();
        began.entry(act).or_insert_with(clock::uptime);
        while began.len() > REMEMBERED {
            began.pop_first();
        }
        (ACT_VARIABLE, self.of(act))
    }

    /// The host's uptime when an act of this run of vai began to start things.
    pub(super) fn began(&self, act: ActId) -> Option<Duration> {
        self.lock().get(&act).copied()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ActId, Duration>> {
        self.began.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
