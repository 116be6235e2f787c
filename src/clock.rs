//! The one place that reads a clock.
#![allow(
    clippy::disallowed_methods,
    reason = "everything else is handed the time, so that tests can set it"
)]

use rustix::time::{ClockId, clock_gettime};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep_until};
use vai_core::model::{Now, Time, Wall};

/// The host's boot clock and wall clock at this moment.
#[must_use]
pub fn now() -> Now {
    Now {
        mono: boot_time(),
        wall: wall(),
    }
}

/// The host's boot clock, which no suspend stops and nobody sets.
#[must_use]
pub fn boot_time() -> Time {
    let spec = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(spec.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(spec.tv_nsec).unwrap_or(0);
    Time::from_millis(seconds * 1000 + nanos / 1_000_000)
}

/// The wall clock.
#[must_use]
pub fn wall() -> Wall {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
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
