//! Durations as people say them.

use std::time::Duration;

/// Begins the reason of an engine that is of no use although it answers; what
/// follows is the call.
pub const REFUSES: &str = "refuses";

/// That the container engine cannot be used, because of `why`.
#[must_use]
pub fn engine_gone(why: &str) -> String {
    if why.starts_with(REFUSES) {
        format!("the container engine {why}")
    } else {
        format!("the container engine does not answer: {why}")
    }
}

/// `80 ms`, `14 s`, `2 min 5 s`, `3 h 10 min`, `2 d 4 h`.
#[must_use]
pub fn duration(span: Duration) -> String {
    let (seconds, millis) = (span.as_secs(), span.subsec_millis());
    match seconds {
        0 => format!("{millis} ms"),
        1..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        format!("{large} {large_unit}")
    } else {
        format!("{large} {large_unit} {small} {small_unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let words = |millis| duration(Duration::from_millis(millis));
        assert_eq!(words(80), "80 ms");
        assert_eq!(words(14_900), "14 s");
        assert_eq!(words(125_000), "2 min 5 s");
        assert_eq!(words(7_200_000), "2 h");
        assert_eq!(words(187_200_000), "2 d 4 h");
    }
}
