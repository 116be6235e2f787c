//! Keys as other tools call them, and fields that stand in the wrong object:
//! nobody who writes one of these means documentation.

use std::collections::BTreeSet;

/// The words of compose, Kubernetes, systemd, Nagios and cron, and the fields
/// that they may mean here, the likeliest one first.
const FOREIGN: [(&str, &[&str]); 45] = [
    ("depends_on", &["dependencies"]),
    ("depends", &["dependencies"]),
    ("requires", &["dependencies"]),
    ("needs", &["dependencies"]),
    ("on_failure", &["on_fail", "notify_on_fail"]),
    ("on_error", &["on_fail", "notify_on_fail"]),
    ("notify", &["notify_on_fail"]),
    ("alert", &["notify_on_fail"]),
    ("on_success", &["notify_on_success"]),
    ("retries", &["max_retries", "failure_threshold", "max_attempts"]),
    ("retry", &["retry_on_failure", "failure_threshold", "max_attempts"]),
    ("attempts", &["max_attempts", "max_retries", "failure_threshold"]),
    ("max_check_attempts", &["failure_threshold"]),
    ("tz", &["timezone"]),
    ("cron_tz", &["timezone"]),
    ("time_zone", &["timezone"]),
    ("zone", &["timezone"]),
    ("cron", &["schedule"]),
    ("when", &["schedule"]),
    ("on_calendar", &["schedule"]),
    ("time_limit", &["timeout_seconds"]),
    ("active_deadline_seconds", &["timeout_seconds"]),
    ("period_seconds", &["interval_seconds"]),
    ("check_interval", &["interval_seconds"]),
    ("every", &["interval_seconds"]),
    ("initial_delay_seconds", &["startup_delay_seconds"]),
    ("initial_delay", &["startup_delay_seconds"]),
    ("start_period", &["start_timeout_seconds"]),
    ("restart_window", &["window_seconds"]),
    ("backoff", &["backoff_initial_seconds"]),
    ("concurrency_policy", &["overlap"]),
    ("env", &["environment"]),
    ("workdir", &["working_dir"]),
    ("cwd", &["working_dir"]),
    ("run_as", &["user"]),
    ("log", &["log_path"]),
    ("logfile", &["log_path"]),
    ("log_file", &["log_path"]),
    ("check", &["health_check"]),
    ("checks", &["health_checks"]),
    ("probe", &["health_check"]),
    ("url", &["endpoint"]),
    ("exec_start", &["restart_cmd"]),
    ("start_command", &["restart_cmd"]),
    ("run_command", &["restart_cmd", "command"]),
];

/// Units that are written out here.
const UNITS: [&str; 4] = ["", "_s", "_sec", "_secs"];

/// Fields of another object, which mean nothing in this one.
#[derive(Clone, Copy)]
pub(super) struct Elsewhere {
    /// The fields.
    pub(super) fields: &'static [&'static str],
    /// Where they belong; absent where they just have to go.
    pub(super) home: Option<&'static str>,
}

/// The field of `known` that somebody means who writes `key`.
pub(super) fn meant(key: &str, known: &BTreeSet<&'static str>) -> Option<&'static str> {
    let key = snake_case(key);
    let find = |wanted: &str| known.get(wanted).copied();
    let spelt = UNITS.iter().find_map(|unit| {
        let bare = key.strip_suffix(unit)?;
        find(bare).or_else(|| find(&format!("{bare}_seconds")))
    });
    spelt.or_else(|| {
        let (_, fields) = FOREIGN.iter().find(|(foreign, _)| *foreign == key)?;
        fields.iter().find_map(|field| find(field))
    })
}

/// `depends_on` for `dependsOn`, `depends-on` and `DEPENDS_ON`.
fn snake_case(key: &str) -> String {
    let mut snake = String::with_capacity(key.len() + 2);
    let mut after_lower = false;
    for letter in key.chars() {
        if letter.is_ascii_uppercase() && after_lower {
            snake.push('_');
        }
        after_lower = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        snake.push(if letter == '-' { '_' } else { letter.to_ascii_lowercase() });
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(key: &str) -> Option<&'static str> {
        let known = BTreeSet::from([
            "command",
            "dependencies",
            "max_retries",
            "notify_on_fail",
            "timeout_seconds",
            "timezone",
        ]);
        meant(key, &known)
    }

    #[test]
    fn the_words_of_others_are_understood() {
        assert_eq!(job("depends_on"), Some("dependencies"));
        assert_eq!(job("dependsOn"), Some("dependencies"));
        assert_eq!(job("timeout"), Some("timeout_seconds"));
        assert_eq!(job("timeoutSec"), Some("timeout_seconds"));
        assert_eq!(job("retries"), Some("max_retries"));
        assert_eq!(job("on-failure"), Some("notify_on_fail"));
        assert_eq!(job("NotifyOnFail"), Some("notify_on_fail"));
        assert_eq!(job("tz"), Some("timezone"));
    }

    #[test]
    fn what_means_nothing_here_is_documentation() {
        for key in ["interval", "owner", "tags", "x", ""] {
            assert_eq!(job(key), None, "{key}");
        }
    }
}
