use crate::model::{Now, Time};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
/// Healed so often in a day is unstable.
const A_DAY: usize = 3;
/// Healed so often in a week is unstable.
const A_WEEK: usize = 5;

/// How often a service had to be healed (behaviour.md, "Unstable").
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Stability {
    /// When it was healed, in the last week; the newest [`A_WEEK`] of them.
    heals: VecDeque<Time>,
    /// Since when it is unstable, and how often it was healed.
    unstable: Option<(Now, u32)>,
    /// Its last failure or healing.
    troubled: Option<Time>,
}

impl Stability {
    /// It was healed.
    pub(crate) fn healed(&mut self, at: Now) {
        let now = at.mono;
        self.over(now);
        self.heals.push_back(now);
        while self.heals.len() > A_WEEK {
            self.heals.pop_front();
        }
        if let Some((_, count)) = &mut self.unstable {
            *count = count.saturating_add(1);
        } else {
            let (day, week) = (self.within(now, DAY), self.within(now, WEEK));
            if day >= A_DAY || week >= A_WEEK {
                self.unstable = Some((at, u32::try_from(week).unwrap_or(u32::MAX)));
            }
        }
    }

    /// It failed.
    pub(crate) fn failed(&mut self, now: Time) {
        self.settle(now);
        self.troubled = Some(now);
    }

    /// A failure of it ended.
    pub(crate) fn over(&mut self, now: Time) {
        self.troubled = Some(now);
    }

    /// A clean day ends it.
    pub(crate) fn settle(&mut self, now: Time) {
        if self.clean_at().is_some_and(|at| now >= at) {
            self.unstable = None;
            self.heals.clear();
        }
    }

    /// Since when it is unstable and how often it was healed, if it is.
    pub(crate) fn unstable(&self) -> Option<(Now, u32)> {
        self.unstable
    }

    /// When a clean day will be over, while it is unstable.
    pub(crate) fn clean_at(&self) -> Option<Time> {
        self.unstable.and(self.troubled).map(|at| at + DAY)
    }

    fn within(&self, now: Time, span: Duration) -> usize {
        self.heals.iter().filter(|&&at| now.since(at) < span).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(hours: u64) -> Now {
        Now { mono: hour(hours), ..Now::default() }
    }

    fn count(stability: &Stability) -> Option<u32> {
        stability.unstable().map(|(_, count)| count)
    }

    fn hour(hours: u64) -> Time {
        Time::from_millis(hours * 3_600_000)
    }

    #[test]
    fn three_in_a_day_are_unstable_until_a_clean_day() {
        let mut stability = Stability::default();
        for at in [0, 10, 23] {
            assert_eq!(count(&stability), None);
            stability.healed(now(at));
        }
        assert_eq!(count(&stability), Some(3));
        stability.healed(now(40));
        assert_eq!(count(&stability), Some(4));
        stability.settle(hour(63));
        assert_eq!(count(&stability), Some(4), "one hour short");
        stability.settle(hour(64));
        assert_eq!(count(&stability), None);
    }

    #[test]
    fn five_in_a_week_are_unstable_and_four_are_not() {
        let mut stability = Stability::default();
        for day in 0..5 {
            assert_eq!(count(&stability), None, "{day}");
            stability.healed(now(day * 30));
        }
        assert_eq!(count(&stability), Some(5));
    }

    #[test]
    fn a_failure_without_a_healing_ends_a_clean_day_as_well() {
        let mut stability = Stability::default();
        for at in [0, 10, 23] {
            stability.healed(now(at));
        }
        stability.failed(hour(40));
        stability.settle(hour(63));
        assert_eq!(count(&stability), Some(3), "one hour short");
        stability.settle(hour(64));
        assert_eq!(count(&stability), None);
    }

    #[test]
    fn the_third_a_day_after_the_first_is_no_news() {
        let mut stability = Stability::default();
        for at in [0, 12, 24] {
            stability.healed(now(at));
        }
        assert_eq!(count(&stability), None);
    }

    #[test]
    fn once_a_day_and_a_half_is_no_news() {
        let mut stability = Stability::default();
        for n in 0..20 {
            stability.healed(now(n * 48));
            assert_eq!(count(&stability), None, "{n}");
        }
    }
}
