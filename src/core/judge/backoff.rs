use crate::plan::stable_hash;
use std::time::Duration;

/// The delay after the `level`-th verdict in a row, before jitter: `initial`
/// doubling with each further one, at most `max`. Level 0 waits not at all.
pub(crate) fn delay(level: u32, initial: Duration, max: Duration) -> Duration {
    match level.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => {
            let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
            initial.saturating_mul(factor).min(max)
        }
    }
}

/// `delay` with 0–25 % added, so that services that failed together do not
/// come back together. `salt` makes it differ; the same salt gives the same.
pub(crate) fn jitter(delay: Duration, salt: &str) -> Duration {
    let percent = u32::try_from(stable_hash(salt) % 26).unwrap_or(0);
    delay + delay / 100 * percent
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);
    const CAP: Duration = Duration::from_secs(300);

    #[test]
    fn delays_double_up_to_the_cap() {
        let delays: Vec<u64> = (0..8).map(|level| delay(level, TEN, CAP).as_secs()).collect();
        assert_eq!(delays, [0, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(delay(u32::MAX, TEN, CAP), CAP);
    }

    #[test]
    fn jitter_adds_at_most_a_quarter_and_takes_nothing_away() {
        for salt in 0..200 {
            let jittered = jitter(TEN, &salt.to_string());
            assert!(jittered >= TEN && jittered <= TEN + TEN / 4, "{jittered:?}");
        }
        let same = (0..200).filter(|salt| jitter(TEN, &salt.to_string()) == TEN).count();
        assert!(same < 30, "{same} of 200 are not moved at all");
    }
}
