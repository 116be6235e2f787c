//! When checks are due: at a fixed rate, spread over the interval by a stable
//! hash of the check's name (behaviour.md, section 1).

use crate::model::Time;
use std::time::Duration;

/// The next tick strictly after `after` of a check that runs every `interval`.
///
/// Ticks lie at the same offset of the boot clock whatever happens, so a
/// restart of `vai` or a reload does not bunch the checks together, and missed
/// ticks are never made up.
#[must_use]
pub fn next_tick(after: Time, interval: Duration, key: &str) -> Time {
    let interval = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
    let offset = stable_hash(key) % interval;
    let elapsed = after.as_millis();
    let ticks = match elapsed.checked_sub(offset) {
        Some(since_first) => since_first / interval + 1,
        None => 0,
    };
    Time::from_millis(offset.saturating_add(ticks.saturating_mul(interval)))
}

/// The first look at something new: soon, but not everything in the same
/// instant.
#[must_use]
pub fn first_look(now: Time, interval: Duration, key: &str) -> Time {
    const WITHIN_MILLIS: u64 = 1000;
    let within = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).clamp(1, WITHIN_MILLIS);
    now + Duration::from_millis(stable_hash(key) % within)
}

/// FNV-1a: the same on every machine and in every version.
pub(crate) fn stable_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn ticks_are_one_interval_apart_and_do_not_drift() {
        let first = next_tick(Time::from_millis(1_000_000), MINUTE, "redis/tcp");
        let late = next_tick(first + Duration::from_millis(59_999), MINUTE, "redis/tcp");
        assert_eq!(late, first + MINUTE);
        assert_eq!(next_tick(first, MINUTE, "redis/tcp"), first + MINUTE);
    }

    #[test]
    fn ticks_before_the_first_offset_exist() {
        let tick = next_tick(Time::from_millis(0), MINUTE, "redis/tcp");
        assert!(tick <= Time::from_millis(60_000));
    }

    #[test]
    fn many_checks_spread_over_the_interval() {
        let mut quarters = [0; 4];
        for i in 0..400 {
            let tick = next_tick(Time::from_millis(60_000), MINUTE, &format!("service-{i}/http"));
            quarters[usize::try_from((tick.as_millis() % 60_000) / 15_000).unwrap()] += 1;
        }
        assert!(quarters.iter().all(|&n| (60..=140).contains(&n)), "{quarters:?}");
    }

    #[test]
    fn the_first_look_comes_within_a_second() {
        let now = Time::from_millis(5000);
        assert!(first_look(now, MINUTE, "a").since(now) < Duration::from_secs(1));
    }
}
