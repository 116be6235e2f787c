use super::budget::Window;
use crate::model::Time;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// So many unclean starts of `vai` in [`UNCLEAN_WITHIN`] end all acting.
const UNCLEAN_STARTS: usize = 3;
/// The window of [`UNCLEAN_STARTS`].
pub(crate) const UNCLEAN_WITHIN: Duration = Duration::from_secs(600);

/// What is remembered of the host and of `vai` itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostMemory {
    /// The daemon runs, or ended without saying so.
    pub(crate) running: bool,
    /// When it was found to have ended without saying so.
    unclean: VecDeque<Time>,
    pub(crate) next_act: u64,
    pub(crate) next_message: u64,
    /// Restarts of things that were still alive.
    pub(crate) restarts: Window,
}

impl HostMemory {
    /// `vai` starts.
    pub(crate) fn started(&mut self, now: Time) {
        self.unclean.retain(|&at| now.since(at) < UNCLEAN_WITHIN);
        if self.running {
            self.unclean.push_back(now);
        }
        self.running = true;
    }

    /// Until when nothing is acted on, because `vai` itself ended too often.
    pub(crate) fn mistrusted_until(&self, now: Time) -> Option<Time> {
        let recent = self.unclean.iter().filter(|&&at| now.since(at) < UNCLEAN_WITHIN);
        let until = self.unclean.back().map(|&last| last + UNCLEAN_WITHIN);
        (recent.count() >= UNCLEAN_STARTS).then_some(until).flatten()
    }
}
