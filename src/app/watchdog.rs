//! Ends a `vai` of which a part is stuck, so that the restart policy of its
//! container starts a new one, and remembers why.

use crate::clock::Pulse;
use crate::show::Vitals;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;
use tracing::error;
use vai_core::words;

/// A part that has not shown that it is alive for so long will not any more.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(60);
/// How often that is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// Who was away so long himself, in a frozen container, knows nothing.
const AWAY: Duration = Duration::from_secs(5);

const LAST_WORDS: &str = "last-words";

/// Watches from a thread of its own, which no runtime can hold up, until it is
/// dropped.
pub(super) struct Watchdog {
    _alive: Sender<()>,
}

impl Watchdog {
    /// Calls `end` with the reason once a part of `vitals` is stuck.
    ///
    /// # Errors
    /// There can be no thread.
    pub(super) fn start(
        vitals: Vitals,
        end: impl FnOnce(String) + Send + 'static,
    ) -> io::Result<Self> {
        let (alive, dropped) = channel::<()>();
        thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
            let mut since = Pulse::new();
            let last = Pulse::new();
            while dropped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                if last.age() >= AWAY {
                    since = Pulse::new();
                }
                last.beat();
                if let Some(reason) = stuck(&vitals, since.age()) {
                    return end(reason);
                }
            }
        })?;
        Ok(Self { _alive: alive })
    }
}

/// What is stuck, as seen by somebody who has watched for so long.
fn stuck(vitals: &Vitals, watched: Duration) -> Option<String> {
    let (part, age) = vitals.parts().stuck(GIVEN_UP_AFTER).next()?;
    (watched >= GIVEN_UP_AFTER)
        .then(|| format!("{part} had been stuck for {}", words::duration(age)))
}

/// Says why and ends the process.
pub(super) fn end(state_dir: &Path, reason: &str) -> ! {
    error!("{reason}: exiting, so that the restart policy starts a new vai");
    leave_last_words(state_dir, reason);
    std::process::exit(1)
}

/// Leaves to the next `vai` why this one ends.
pub(super) fn leave_last_words(state_dir: &Path, words: &str) {
    if let Err(problem) = fs::write(state_dir.join(LAST_WORDS), words) {
        error!("why it ends cannot be left to the next start: {problem}");
    }
}

/// What the `vai` before this one left; it is told once.
pub(super) fn take_last_words(state_dir: &Path) -> Option<String> {
    let path = state_dir.join(LAST_WORDS);
    let words = fs::read_to_string(&path).ok()?;
    fs::remove_file(&path).ok()?;
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const LONG: Duration = Duration::from_secs(61);

    fn vitals(age: Duration) -> Vitals {
        Vitals { deliveries: Arc::new(Pulse::of_age(age)), ..Vitals::default() }
    }

    #[test]
    fn who_was_away_himself_calls_nobody_stuck() {
        assert_eq!(stuck(&vitals(LONG), Duration::from_secs(3)), None);
        assert_eq!(stuck(&vitals(Duration::from_secs(59)), LONG), None);
        let reason = stuck(&vitals(LONG), LONG).unwrap();
        assert_eq!(reason, "the delivery of messages had been stuck for 1 min 1 s");
    }

    #[test]
    fn last_words_are_told_once() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(take_last_words(dir.path()), None);
        leave_last_words(dir.path(), "the loop had been stuck");
        assert_eq!(take_last_words(dir.path()).as_deref(), Some("the loop had been stuck"));
        assert_eq!(take_last_words(dir.path()), None);
    }
}
