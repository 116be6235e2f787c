use super::backoff;
use super::budget::Window;
use super::gate::Gate;
use crate::model::{Recovery, Rung, Time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// So much time without a failure forgets the ladder and the delays.
const RESET_AFTER: Duration = Duration::from_secs(600);
/// A service that healed and fell again waits no longer than this.
const AFTER_HEALING: Duration = Duration::from_secs(60);
/// Nothing is given up sooner after the first failed attempt.
const GIVES_UP_AFTER: Duration = Duration::from_secs(180);
/// The slow retry after giving up doubles up to this.
const SLOWEST_RETRY: Duration = Duration::from_secs(1800);

/// What vai has spent on healing one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Effort {
    window: Window,
    /// Verdicts since the reset: how far the delay has grown.
    level: u32,
    /// Failed attempts since the reset: how far up the ladder.
    rung: usize,
    failed_in_row: u32,
    /// When the first of these failed.
    failed_first: Option<Time>,
    not_before: Option<Time>,
    well_since: Option<Time>,
    gave_up: Option<SlowRetry>,
    /// Asked again soon anyway.
    #[serde(skip)]
    refused: Option<Gate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct SlowRetry {
    next: Time,
    delay: Duration,
}

impl Effort {
    /// The service is well.
    pub(crate) fn well(&mut self, now: Time) {
        self.well_since.get_or_insert(now);
        self.failed_in_row = 0;
        self.failed_first = None;
        self.gave_up = None;
        self.refused = None;
    }

    /// The service fails, whether confirmed or not, or cannot be seen: what
    /// follows are no passes.
    pub(crate) fn failing(&mut self, now: Time) {
        if let Some(since) = self.well_since.take()
            && now.since(since) >= RESET_AFTER
        {
            self.level = 0;
            self.rung = 0;
            self.not_before = None;
        }
    }

    /// Which rung is next; `None` for an empty ladder.
    pub(crate) fn rung(&self, recovery: &Recovery) -> Option<Rung> {
        recovery.ladder.get(self.rung).or(recovery.ladder.last()).copied()
    }

    /// Whether the rung after the next one does the same after ending what is
    /// left, so that both can be one attempt.
    pub(crate) fn may_kill_next(&self, recovery: &Recovery) -> bool {
        let after = recovery.ladder.get(self.rung.saturating_add(1)).or(recovery.ladder.last());
        self.rung(recovery) == Some(Rung::Command) && after == Some(&Rung::KillAndCommand)
    }

    /// The attempt under way went on with the next rung.
    pub(crate) fn went_on(&mut self) {
        self.rung = self.rung.saturating_add(1);
    }

    /// A restart is dispatched.
    pub(crate) fn spend(&mut self, now: Time, recovery: &Recovery) {
        self.window.forget(now, recovery.window);
        self.window.spend(now);
        self.refused = None;
    }

    /// It was refused before anything was done.
    pub(crate) fn refused(&mut self, gate: Gate) {
        if let Some(last) = self.window.last() {
            self.window.refund(last);
        }
        self.refused = Some(gate);
    }

    /// A start was refused, which had spent nothing.
    pub(crate) fn start_refused(&mut self, gate: Gate) {
        self.refused = Some(gate);
    }

    /// An attempt healed.
    pub(crate) fn healed(&mut self, now: Time, recovery: &Recovery, salt: &str) {
        self.level = self.level.saturating_add(1);
        let delay = self.delay(recovery).min(AFTER_HEALING);
        self.not_before = Some(now + backoff::jitter(delay, salt).min(AFTER_HEALING));
        self.well(now);
    }

    /// An attempt failed. Whether that was one too many.
    pub(crate) fn failed(&mut self, now: Time, recovery: &Recovery, salt: &str) -> bool {
        self.level = self.level.saturating_add(1);
        self.rung = self.rung.saturating_add(1);
        self.failed_in_row = self.failed_in_row.saturating_add(1);
        self.not_before = Some(now + backoff::jitter(self.delay(recovery), salt));
        let first = *self.failed_first.get_or_insert(now);
        let long = now.since(first) >= GIVES_UP_AFTER || self.has_given_up();
        if self.failed_in_row < recovery.max_attempts || !long {
            return false;
        }
        let delay = match self.gave_up {
            None => recovery.retry_after_give_up,
            Some(SlowRetry { delay, .. }) => (delay * 2).min(SLOWEST_RETRY.max(delay)),
        };
        self.gave_up = Some(SlowRetry { next: now + delay, delay });
        true
    }

    fn delay(&self, recovery: &Recovery) -> Duration {
        backoff::delay(self.level, recovery.backoff_initial, recovery.backoff_max)
    }

    /// What the delays and the ceiling forbid at `now`.
    pub(crate) fn gate(&self, now: Time, recovery: &Recovery) -> Option<Gate> {
        if let Some(gate) = self.refusal(now) {
            return Some(gate);
        }
        if let Some(SlowRetry { next, .. }) = self.gave_up
            && now < next
        {
            return Some(Gate::GaveUp(next));
        }
        if self.gave_up.is_none()
            && let Some(until) = self.not_before.filter(|&until| now < until)
        {
            return Some(Gate::Backoff(until));
        }
        let (max, window) = (recovery.max_restarts, recovery.window);
        self.window.full_until(now, window, max).map(|until| Gate::Ceiling { until, max, window })
    }

    /// A refusal that has not been asked again yet.
    pub(crate) fn refusal(&self, now: Time) -> Option<Gate> {
        self.refused.clone().filter(|gate| gate.until().is_some_and(|until| now < until))
    }

    pub(crate) fn has_given_up(&self) -> bool {
        self.gave_up.is_some()
    }

    /// A dependency came back: the slow retry need not be waited for.
    pub(crate) fn retry_now(&mut self, now: Time) {
        if let Some(slow) = &mut self.gave_up {
            slow.next = now;
        }
    }

    /// An operator wants it started: what failed before does not count.
    pub(crate) fn forgive(&mut self) {
        self.failed_in_row = 0;
        self.failed_first = None;
        self.gave_up = None;
        self.not_before = None;
        self.refused = None;
    }

    pub(crate) fn failed_in_row(&self) -> u32 {
        self.failed_in_row
    }

    pub(crate) fn restarts(&self, now: Time, window: Duration) -> u32 {
        self.window.count(now, window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recovery() -> Recovery {
        Recovery {
            ladder: vec![Rung::Command, Rung::KillAndCommand],
            alert_only: None,
            start_container: true,
            max_attempts: 3,
            max_restarts: 5,
            window: Duration::from_secs(600),
            backoff_initial: Duration::from_secs(10),
            backoff_max: Duration::from_secs(300),
            retry_after_give_up: Duration::from_secs(300),
            command_timeout: Duration::from_secs(30),
            stop_timeout: None,
        }
    }

    fn at(second: u64) -> Time {
        Time::from_millis(second * 1000)
    }

    fn waits(effort: &Effort, now: Time) -> Duration {
        effort.gate(now, &recovery()).and_then(|gate| gate.until()).unwrap_or(now).since(now)
    }

    #[test]
    fn the_first_restart_waits_for_nothing() {
        assert_eq!(Effort::default().gate(at(5), &recovery()), None);
    }

    #[test]
    fn failed_attempts_climb_the_ladder_and_end_in_giving_up() {
        let (mut effort, recovery) = (Effort::default(), recovery());
        assert_eq!(effort.rung(&recovery), Some(Rung::Command));
        assert!(!effort.failed(at(0), &recovery, "s"));
        assert!((10..=13).contains(&waits(&effort, at(0)).as_secs()));
        assert_eq!(effort.rung(&recovery), Some(Rung::KillAndCommand));
        assert!(!effort.failed(at(90), &recovery, "s"));
        assert!((20..=25).contains(&waits(&effort, at(90)).as_secs()));
        assert!(effort.failed(at(180), &recovery, "s"));
        assert_eq!(effort.rung(&recovery), Some(Rung::KillAndCommand));
        assert_eq!(effort.gate(at(180), &recovery), Some(Gate::GaveUp(at(480))));
    }

    #[test]
    fn nothing_is_given_up_within_three_minutes_of_the_first_failed_attempt() {
        let (mut effort, recovery) = (Effort::default(), recovery());
        for second in [0, 20, 60, 120, 179] {
            assert!(!effort.failed(at(second), &recovery, "s"), "{second}");
        }
        assert!(effort.failed(at(180), &recovery, "s"));

        // Who was well in between begins anew.
        effort.well(at(300));
        for second in [400, 410, 579] {
            assert!(!effort.failed(at(second), &recovery, "s"), "{second}");
        }
        assert!(effort.failed(at(580), &recovery, "s"));
    }

    #[test]
    fn a_rung_that_belongs_to_its_attempt_spends_and_delays_nothing() {
        let (mut effort, recovery) = (Effort::default(), recovery());
        effort.spend(at(0), &recovery);
        assert!(effort.may_kill_next(&recovery));
        effort.went_on();
        assert!(!effort.may_kill_next(&recovery), "one rung follows at once, no more");
        assert_eq!(effort.restarts(at(5), recovery.window), 1);
        assert_eq!(effort.gate(at(5), &recovery), None);
        effort.failed(at(60), &recovery, "s");
        assert_eq!(effort.failed_in_row(), 1);

        let container = Recovery { ladder: vec![Rung::Command, Rung::Container], ..recovery };
        assert!(!Effort::default().may_kill_next(&container), "a container never follows");
    }

    #[test]
    fn slow_retries_double_to_half_an_hour() {
        let (mut effort, recovery) = (Effort::default(), recovery());
        let mut delays = Vec::new();
        for attempt in 0..8 {
            let now = at(attempt * 90);
            if effort.failed(now, &recovery, "s") {
                delays.push(waits(&effort, now).as_secs());
            }
            assert_eq!(effort.has_given_up(), attempt >= 2);
        }
        assert_eq!(delays, [300, 600, 1200, 1800, 1800, 1800]);
    }

    #[test]
    fn healed_and_fallen_again_waits_at_most_a_minute() {
        let (mut effort, recovery) = (Effort::default(), recovery());
        for _ in 0..10 {
            effort.healed(at(0), &recovery, "s");
        }
        effort.failing(at(1));
        assert!(waits(&effort, at(0)) <= AFTER_HEALING);
        assert_eq!(effort.gate(at(60), &recovery), None);
    }

    #[test]
    fn ten_minutes_of_passes_reset_the_ladder_but_no_window() {
        let (mut effort, recovery) = (Effort::default(), recovery());
        effort.spend(at(0), &recovery);
        effort.failed(at(0), &recovery, "s");
        effort.spend(at(20), &recovery);
        effort.healed(at(20), &recovery, "s");
        effort.failing(at(619));
        assert_eq!(effort.rung(&recovery), Some(Rung::KillAndCommand), "one second short");
        effort.well(at(620));
        effort.failing(at(1220));
        assert_eq!(effort.rung(&recovery), Some(Rung::Command));
        assert_eq!(effort.restarts(at(599), recovery.window), 2);
    }

    #[test]
    fn time_in_which_nothing_was_seen_is_no_time_of_passes() {
        let (mut effort, recovery) = (Effort::default(), recovery());
        effort.failed(at(0), &recovery, "s");
        effort.well(at(10));
        effort.failing(at(300));
        effort.well(at(900));
        effort.failing(at(1000));
        assert_eq!(effort.rung(&recovery), Some(Rung::KillAndCommand));
    }

    #[test]
    fn a_returning_dependency_ends_the_slow_wait_but_not_the_ceiling() {
        let (mut effort, recovery) = (Effort::default(), recovery());
        for attempt in 0..5 {
            effort.spend(at(attempt * 60), &recovery);
            effort.failed(at(attempt * 60), &recovery, "s");
        }
        assert!(effort.has_given_up());
        effort.retry_now(at(250));
        assert!(matches!(effort.gate(at(250), &recovery), Some(Gate::Ceiling { .. })));
        assert_eq!(effort.gate(at(600), &recovery), None);
    }
}
