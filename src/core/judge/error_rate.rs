//! The error rate of a check: failures that were too short to be confirmed, and
//! are too many to be chance.

use serde::{Deserialize, Serialize};

/// The rate is taken over this many samples at most.
const WINDOW: u32 = 100;
/// Fewer samples than this are no rate.
const MIN_SAMPLES: u32 = 20;
/// Percent of failures from which on a service is degraded.
const MIN_PERCENT: u32 = 5;
/// Failures in a row are one spell, which may have one cause.
const MIN_SPELLS: u32 = 3;
/// Passes in a row that end it.
const PASSES_TO_END: u32 = 20;

/// The last samples of one check in one container instance.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ErrorRate {
    /// The newest in the lowest bit; set: a failure.
    failures: u128,
    /// How many bits of them are in use.
    samples: u32,
    is_high: bool,
}

/// One pass more where nothing failed is no change that has to be stored.
impl PartialEq for ErrorRate {
    fn eq(&self, other: &Self) -> bool {
        (self.failures, self.is_high) == (other.failures, other.is_high)
            && (self.failures == 0 || self.samples == other.samples)
    }
}

impl ErrorRate {
    pub(super) fn count(&mut self, failed: bool) {
        self.failures = (self.failures << 1 | u128::from(failed)) & ((1 << WINDOW) - 1);
        self.samples = (self.samples + 1).min(WINDOW);
        // A spell that goes on may still be confirmed, and is told as that.
        if failed {
            return;
        }
        if self.is_high {
            // What was told is not told again.
            if self.failures.trailing_zeros() >= PASSES_TO_END {
                *self = Self { samples: PASSES_TO_END, ..Self::default() };
            }
        } else {
            let spells = (self.failures & !(self.failures >> 1)).count_ones();
            let failures = self.failures.count_ones();
            self.is_high = self.samples >= MIN_SAMPLES
                && spells >= MIN_SPELLS
                && failures * 100 >= self.samples * MIN_PERCENT;
        }
    }

    /// The failures in a row that were counted last are told in another way;
    /// where the rate was high, all those before them were told as well.
    pub(super) fn forget_told(&mut self) {
        if self.is_high {
            *self = Self::default();
        } else {
            let told = self.failures.trailing_ones();
            self.failures >>= told;
            self.samples = self.samples.saturating_sub(told);
        }
    }

    /// How many of how many samples failed, where that is too many.
    pub(super) fn excess(&self) -> Option<(u32, u32)> {
        let going_on = self.failures.trailing_ones();
        let failures = self.failures.count_ones() - going_on;
        self.is_high.then_some((failures, self.samples - going_on))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rate: &mut ErrorRate, results: impl IntoIterator<Item = bool>) {
        results.into_iter().for_each(|failed| rate.count(failed));
    }

    /// `spells` times one failure and `passes` passes.
    fn spells(spells: usize, passes: usize) -> impl Iterator<Item = bool> {
        let one = std::iter::once(true).chain(std::iter::repeat_n(false, passes));
        std::iter::repeat_n(one, spells).flatten()
    }

    #[test]
    fn twenty_samples_are_the_fewest() {
        let mut rate = ErrorRate::default();
        count(&mut rate, spells(3, 1));
        count(&mut rate, [false; 13]);
        assert_eq!(rate.excess(), None, "19 samples");
        count(&mut rate, [false]);
        assert_eq!(rate.excess(), Some((3, 20)));
    }

    #[test]
    fn two_long_spells_are_no_rate_and_a_third_makes_one_when_it_is_over() {
        let mut rate = ErrorRate::default();
        count(&mut rate, [true; 10]);
        count(&mut rate, [false; 10]);
        count(&mut rate, [true; 10]);
        count(&mut rate, [false; 10]);
        count(&mut rate, [true; 5]);
        assert_eq!(rate.excess(), None);
        count(&mut rate, [false]);
        assert_eq!(rate.excess(), Some((25, 46)));
        count(&mut rate, [true; 2]);
        assert_eq!(rate.excess(), Some((25, 46)), "it may yet be confirmed");
    }

    #[test]
    fn less_than_one_in_twenty_is_chance() {
        let mut rate = ErrorRate::default();
        count(&mut rate, [false; WINDOW as usize]);
        count(&mut rate, spells(4, 10));
        assert_eq!(rate.excess(), None);
        count(&mut rate, spells(1, 1));
        assert_eq!(rate.excess(), Some((5, 100)));
    }

    #[test]
    fn twenty_passes_in_a_row_end_it_and_what_was_told_is_not_told_again() {
        let mut rate = ErrorRate::default();
        count(&mut rate, spells(3, 9));
        assert_eq!(rate.excess(), Some((3, 30)));
        count(&mut rate, [false; 10]);
        assert!(rate.excess().is_some(), "19 passes");
        count(&mut rate, [false]);
        assert_eq!(rate.excess(), None);
        count(&mut rate, spells(2, 1));
        assert_eq!(rate.excess(), None);
        count(&mut rate, spells(1, 1));
        assert_eq!(rate.excess(), Some((3, 26)));
    }

    #[test]
    fn what_is_told_otherwise_does_not_count() {
        let mut rate = ErrorRate::default();
        count(&mut rate, spells(2, 15));
        count(&mut rate, [true; 3]);
        rate.forget_told();
        count(&mut rate, [false]);
        assert_eq!(rate.excess(), None, "two spells are left");
        count(&mut rate, spells(1, 1));
        assert_eq!(rate.excess(), Some((3, 35)));
        count(&mut rate, [true; 3]);
        rate.forget_told();
        count(&mut rate, spells(2, 20));
        assert_eq!(rate.excess(), None, "those before were told, too");
    }
}
