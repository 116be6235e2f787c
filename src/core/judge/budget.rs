use crate::model::Time;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// The moments of past restarts, as far back as a ceiling looks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Window {
    spent: VecDeque<Time>,
}

impl Window {
    /// Counts one restart.
    pub(crate) fn spend(&mut self, now: Time) {
        self.spent.push_back(now);
    }

    /// Takes the restart of that moment back: it was refused before anything
    /// was done.
    pub(crate) fn refund(&mut self, at: Time) {
        if let Some(index) = self.spent.iter().rposition(|&spent| spent == at) {
            self.spent.remove(index);
        }
    }

    /// The newest restart in it.
    pub(crate) fn last(&self) -> Option<Time> {
        self.spent.back().copied()
    }

    /// How many fell into the `window` that ends now.
    pub(crate) fn count(&self, now: Time, window: Duration) -> u32 {
        let within = self.spent.iter().filter(|&&at| Self::counts(at, now, window)).count();
        u32::try_from(within).unwrap_or(u32::MAX)
    }

    /// When the next restart fits under `ceiling`; `None` if it fits now.
    pub(crate) fn full_until(&self, now: Time, window: Duration, ceiling: u32) -> Option<Time> {
        let ceiling = usize::try_from(ceiling).unwrap_or(usize::MAX);
        let within: Vec<Time> =
            self.spent.iter().copied().filter(|&at| Self::counts(at, now, window)).collect();
        let over = within.len().checked_sub(ceiling)?;
        Some(within.get(over).map_or(now + window, |&oldest| oldest + window))
    }

    /// Forgets what no window of this length reaches any more.
    pub(crate) fn forget(&mut self, now: Time, window: Duration) {
        while self.spent.front().is_some_and(|&at| !Self::counts(at, now, window)) {
            self.spent.pop_front();
        }
    }

    fn counts(at: Time, now: Time, window: Duration) -> bool {
        now.since(at) < window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(600);

    fn at(second: u64) -> Time {
        Time::from_millis(second * 1000)
    }

    #[test]
    fn a_ceiling_of_three_means_exactly_three_in_any_window() {
        let mut window = Window::default();
        for second in [0, 100, 200] {
            assert_eq!(window.full_until(at(second), WINDOW, 3), None);
            window.spend(at(second));
        }
        assert_eq!(window.full_until(at(201), WINDOW, 3), Some(at(600)));
        assert_eq!(window.full_until(at(599), WINDOW, 3), Some(at(600)));
        assert_eq!(window.full_until(at(600), WINDOW, 3), None);
    }

    #[test]
    fn a_ceiling_lowered_below_what_is_spent_waits_for_the_right_one() {
        let mut window = Window::default();
        for second in [0, 100, 200] {
            window.spend(at(second));
        }
        assert_eq!(window.full_until(at(201), WINDOW, 1), Some(at(800)));
        assert_eq!(window.full_until(at(201), WINDOW, 0), Some(at(801)));
    }

    #[test]
    fn what_no_window_reaches_is_forgotten() {
        let mut window = Window::default();
        for second in [0, 100, 200] {
            window.spend(at(second));
        }
        window.forget(at(700), WINDOW);
        assert_eq!(window.spent, [at(200)]);
    }

    #[test]
    fn a_refused_restart_is_given_back() {
        let mut window = Window::default();
        window.spend(at(0));
        window.refund(at(0));
        assert_eq!(window.count(at(1), WINDOW), 0);
    }
}
