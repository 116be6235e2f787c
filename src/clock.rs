//! The one place that reads a clock.
#![allow(
    clippy::disallowed_methods,
    reason = "everything else is handed the time, so that tests can set it"
)]

use rustix::time::{ClockId, clock_gettime};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep_until, timeout_at};
use vai_core::model::{Now, Time, Wall};

/// The host's boot clock and wall clock at this moment.
#[must_use]
pub fn now() -> Now {
    Now { mono: boot_time(), wall: wall() }
}

/// What the boots before this one add to the boot clock, in milliseconds.
static BASE: AtomicU64 = AtomicU64::new(0);

/// Lets the boot clock go on from `base`, where the one of the boot before
/// ended. To be called once, before anybody reads it.
pub fn set_base(base: Duration) {
    BASE.store(u64::try_from(base.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// The host's boot clock, which no suspend stops and nobody sets, continued
/// over the boots that the state folder knows.
#[must_use]
pub fn boot_time() -> Time {
    Time::from_millis(BASE.load(Ordering::Relaxed)) + uptime()
}

/// For how long the host has been up, suspends included.
#[must_use]
pub fn uptime() -> Duration {
    let spec = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(spec.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(spec.tv_nsec).unwrap_or(0);
    Duration::from_millis(seconds * 1000 + nanos / 1_000_000)
}

/// When a part of `vai` last showed that it is alive, by a clock that stands
/// still while the host is suspended.
#[derive(Debug)]
pub struct Pulse(AtomicU64);

impl Pulse {
    /// It shows that for the first time now.
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicU64::new(awake_millis()))
    }

    /// It is alive.
    pub fn beat(&self) {
        self.0.store(awake_millis(), Ordering::Relaxed);
    }

    /// How long ago that was.
    #[must_use]
    pub fn age(&self) -> Duration {
        Duration::from_millis(awake_millis().saturating_sub(self.0.load(Ordering::Relaxed)))
    }

    /// One that was last alive so long ago.
    #[cfg(test)]
    pub fn of_age(age: Duration) -> Self {
        let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        Self(AtomicU64::new(awake_millis().saturating_sub(age)))
    }
}

impl Default for Pulse {
    fn default() -> Self {
        Self::new()
    }
}

fn awake_millis() -> u64 {
    let spec = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(spec.tv_sec).unwrap_or(0);
    seconds * 1000 + u64::try_from(spec.tv_nsec).unwrap_or(0) / 1_000_000
}

/// The wall clock.
#[must_use]
pub fn wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The runtime's own clock, for timers that a test may pause.
#[must_use]
pub fn instant() -> Instant {
    Instant::now()
}

/// Waits until the boot clock shows `at`.
pub async fn sleep_until_time(at: Time) {
    let left = at.since(boot_time());
    sleep_until(Instant::now() + left).await;
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A moment by which something has to end, handed down through its steps.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: Instant,
    span: Duration,
}

impl Deadline {
    /// `span` from this moment; more than a year counts as one.
    #[must_use]
    pub fn after(span: Duration) -> Self {
        let at = Instant::now() + span.min(YEAR);
        Self { at, span }
    }

    /// The time that was given in all.
    #[must_use]
    pub fn span(self) -> Duration {
        self.span
    }

    /// What is left of it.
    #[must_use]
    pub fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// An earlier deadline, `parts` of which fit into what is left.
    #[must_use]
    pub fn share(self, parts: u32) -> Self {
        let at = Instant::now() + self.left() / parts.max(1);
        Self { at, ..self }
    }

    /// Waits for `work`; `None` if the deadline comes first.
    pub async fn bound<T>(self, work: impl Future<Output = T>) -> Option<T> {
        timeout_at(self.at, work).await.ok()
    }
}
