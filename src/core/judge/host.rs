use super::budget::Window;
use super::digest::Healed;
use crate::model::{ActId, Now, Silence, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
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
    /// When it was found to have ended without saying so, in the
    /// [`UNCLEAN_WITHIN`] before the last of them.
    unclean: VecDeque<Now>,
    next_act: u64,
    /// Numbers the runs of jobs.
    pub(crate) next_run: u64,
    pub(crate) next_message: u64,
    pub(crate) last_incident: u64,
    /// The boot that it was last seen in.
    pub(crate) boot: Option<String>,
    /// When the engine or the host came back.
    pub(crate) event: Option<Time>,
    /// What is to be told once everything is up again after that.
    pub(crate) comeback: Option<Comeback>,
    /// Restarts of things that were still alive.
    pub(crate) restarts: Window,
    /// The registry on disk cannot be put in force.
    pub(crate) registry: Option<Failing>,
    /// Notification sinks that take nothing, by name.
    pub(crate) sinks: BTreeMap<String, Failing>,
    /// What was healed without telling since the last digest, by root.
    pub(crate) healed: BTreeMap<String, Healed>,
    /// `vai` was restarted without having been stopped, and nobody was told.
    pub(crate) restart: Option<Failing>,
    /// When that was told last.
    pub(crate) restart_told: Option<Time>,
    /// What hides messages.
    pub(crate) silences: Vec<Silence>,
    /// What `vai` said when it ended itself.
    pub(crate) last_words: Option<String>,
}

/// Something of `vai`'s own that does not work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failing {
    pub(crate) since: Now,
    /// In words, as of now.
    pub(crate) why: String,
}

impl Failing {
    /// What `was` becomes with what is known now.
    pub(crate) fn go_on(was: Option<Self>, now: Now, why: Option<String>) -> Option<Self> {
        let since = was.map_or(now, |was| was.since);
        why.map(|why| Self { since, why })
    }
}

/// The engine or the host was away, and everything with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Comeback {
    /// In words, as a sentence goes on after "the host".
    pub(crate) what: String,
    pub(crate) at: Now,
}

impl HostMemory {
    /// A number for one more act.
    pub(crate) fn number_act(&mut self) -> ActId {
        self.next_act += 1;
        ActId(self.next_act)
    }

    /// `vai` starts. Whether it had ended without being stopped.
    pub(crate) fn started(&mut self, now: Now) -> bool {
        self.unclean.retain(|at| now.mono.since(at.mono) < UNCLEAN_WITHIN);
        let unclean = std::mem::replace(&mut self.running, true);
        if unclean {
            self.unclean.push_back(now);
        }
        unclean
    }

    /// Until when nothing is acted on, because `vai` itself ended too often.
    pub(crate) fn mistrusted_until(&self, now: Time) -> Option<Time> {
        Some(self.mistrusted_since(now)?.mono + UNCLEAN_WITHIN)
    }

    /// Since when that is so.
    pub(crate) fn mistrusted_since(&self, now: Time) -> Option<Now> {
        let last = self.unclean.back().copied()?;
        let often = self.unclean.len() >= UNCLEAN_STARTS;
        (often && now.since(last.mono) < UNCLEAN_WITHIN).then_some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Now {
        Now { mono: Time::from_millis(second * 1000), ..Now::default() }
    }

    fn ended_at(seconds: [u64; 3]) -> HostMemory {
        let mut host = HostMemory { running: true, ..HostMemory::default() };
        for second in seconds {
            assert!(host.started(at(second)));
        }
        host
    }

    #[test]
    fn three_unclean_starts_in_ten_minutes_are_too_many_for_ten_minutes() {
        let host = ended_at([100, 300, 699]);
        assert_eq!(host.mistrusted_until(at(699).mono), Some(at(1299).mono));
        assert_eq!(host.mistrusted_since(at(1298).mono), Some(at(699)));
        assert_eq!(host.mistrusted_until(at(1299).mono), None);
    }

    #[test]
    fn three_unclean_starts_in_ten_minutes_and_a_second_are_not() {
        let host = ended_at([100, 300, 700]);
        assert_eq!(host.mistrusted_until(at(700).mono), None);
    }
}
