//! The main loop of Debian's cron (`cron.c` with the patch for changes of the
//! clocks): it wakes at every minute and says which jobs it runs in it.

use crate::expressions::{Civil, Expression};

/// Changes of the clock by more are corrections, in minutes.
const LARGE: i64 = 3 * 60;

/// Debian's cron, woken at minute after minute.
pub(crate) struct Cron {
    /// The minute that jobs at fixed times have got to, by the zone's clock.
    virtual_time: i64,
}

impl Cron {
    /// It was started a minute before the clock shows `local`, in minutes since
    /// 1970.
    pub(crate) fn started_before(local: i64) -> Self {
        Self { virtual_time: local - 1 }
    }

    /// Whether it runs the job of `expression` now that the zone's clock shows
    /// `running`. `civil` reads such a clock.
    pub(crate) fn runs(
        &mut self,
        expression: &Expression,
        running: i64,
        civil: impl Fn(i64) -> Civil,
    ) -> bool {
        let is_due = |at: i64| expression.matches(civil(at));
        let passed = running - self.virtual_time;
        let skipped = self.virtual_time + 1..=running;
        match passed {
            // A minute later, as nearly always; or a few, each of which counts.
            1..=5 => {
                self.virtual_time = running;
                skipped.into_iter().any(is_due)
            }
            // Forward: wildcards as of now, fixed times for all that was skipped.
            6..=LARGE => {
                self.virtual_time = running;
                if expression.is_wildcard {
                    is_due(running)
                } else {
                    skipped.into_iter().any(is_due)
                }
            }
            // Back: fixed times have been, and wait until the clock has caught up.
            _ if passed > -LARGE && passed <= 0 => expression.is_wildcard && is_due(running),
            // Somebody corrected the clock: from here on anew.
            _ => {
                self.virtual_time = running;
                is_due(running)
            }
        }
    }
}
