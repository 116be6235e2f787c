use crate::model::{Now, Time};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// So many deaths within [`DEATHS_WITHIN`] are told, however fast it came back.
const MANY: usize = 3;
/// The window of [`MANY`], and the time without one that ends it.
pub(crate) const DEATHS_WITHIN: Duration = Duration::from_secs(600);

/// How often what is behind a check ended and was started again by somebody
/// other than `vai`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Deaths {
    /// Those in the window before the last.
    recent: VecDeque<Time>,
    /// Since when there are many of them, and how many.
    many: Option<(Now, u32)>,
}

impl Deaths {
    /// Counts one.
    pub(crate) fn count(&mut self, at: Now) {
        self.settle(at.mono);
        self.recent.retain(|&before| at.mono.since(before) < DEATHS_WITHIN);
        self.recent.push_back(at.mono);
        self.many = match self.many {
            Some((since, count)) => Some((since, count.saturating_add(1))),
            None if self.recent.len() >= MANY => {
                Some((at, u32::try_from(self.recent.len()).unwrap_or(u32::MAX)))
            }
            None => None,
        };
    }

    /// Forgets all once the window passed without another one.
    pub(crate) fn settle(&mut self, now: Time) {
        if self.over_at().is_some_and(|at| now >= at) {
            *self = Self::default();
        }
    }

    /// Since when there are many, and how many.
    pub(crate) fn many(&self) -> Option<(Now, u32)> {
        self.many
    }

    /// When there are no longer many if no further one comes.
    pub(crate) fn over_at(&self) -> Option<Time> {
        self.many.and(self.recent.back()).map(|&last| last + DEATHS_WITHIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u64) -> Now {
        Now { mono: Time::from_millis(minute * 60_000), ..Now::default() }
    }

    #[test]
    fn three_in_ten_minutes_are_many_until_ten_minutes_without_one() {
        let mut deaths = Deaths::default();
        for (minute, many) in [(0, None), (5, None), (9, Some(3)), (18, Some(4))] {
            deaths.count(at(minute));
            assert_eq!(deaths.many().map(|(_, count)| count), many, "minute {minute}");
        }
        deaths.settle(at(27).mono);
        assert_eq!(deaths.many(), Some((at(9), 4)), "one minute short");
        deaths.settle(at(28).mono);
        assert_eq!(deaths.many(), None);
    }

    #[test]
    fn one_every_five_minutes_is_not_many() {
        let mut deaths = Deaths::default();
        for n in 0..20 {
            deaths.count(at(n * 5));
            assert_eq!(deaths.many(), None, "the first of three is ten minutes ago");
        }
    }
}
