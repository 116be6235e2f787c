//! Crontab schedules: crontab's five fields, checked one by one by the `cron`
//! crate, whose own dialect differs (seconds first, Sunday is 1).

use super::names::{nearest, one_of};
use super::node::Node;
use super::reader::Problem;
use cron::Schedule;
use jiff::tz::{self, TimeZone};
use std::str::FromStr;

/// The macros of crontab that name a time.
const MACROS: [&str; 7] =
    ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];

const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The five fields in order, each with what is allowed in it and where the
/// `cron` crate takes it.
const FIELDS: [(&str, &str, &str); 5] = [
    ("minute", "0–59", "0 {} * * * *"),
    ("hour", "0–23", "0 * {} * * *"),
    ("day of month", "1–31", "0 * * {} * *"),
    ("month", "1–12 or jan–dec", "0 * * * {} *"),
    ("day of week", "0–7 (0 and 7 are Sunday) or sun–sat", "0 * * * * {}"),
];

/// Reads a crontab schedule, and says which of its fields is wrong.
pub(super) fn schedule(node: &Node<'_>) {
    let Some(text) = node.text() else { return };
    let text = text.trim();
    if text.starts_with('@') {
        return check_macro(node, text);
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        let seconds = fields.len() == 6;
        let help = "minute, hour, day of month, month, day of week; such as \"0 3 * * *\"";
        node.report(
            Problem::error(format!("a schedule has five fields, this one has {}", fields.len()))
                .expected(if seconds {
                    "crontab's five fields, without seconds"
                } else {
                    "crontab's five fields"
                })
                .help(help),
        );
        return;
    }
    for (field, (name, allowed, template)) in fields.iter().zip(FIELDS) {
        if !is_valid(field, name, template) {
            node.report(
                Problem::error(format!("\"{field}\" is not a valid {name}"))
                    .expected(format!("{name}: {allowed}"))
                    .help("also *, lists 1,2, ranges 1-5 and steps */10"),
            );
        }
    }
}

fn check_macro(node: &Node<'_>, text: &str) {
    let lower = text.to_ascii_lowercase();
    if MACROS.contains(&lower.as_str()) {
        return;
    }
    let problem = Problem::error(format!("\"{text}\" is no schedule")).expected(one_of(&MACROS));
    node.report(if lower == "@reboot" {
        problem.help("what has to run at every start is a service with a `restart_cmd`")
    } else {
        problem.did_you_mean(nearest(&lower, MACROS))
    });
}

fn is_valid(field: &str, name: &str, template: &str) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "*,-/".contains(letter);
    if !field.chars().all(allowed) {
        return false;
    }
    let translated =
        if name == "day of week" { days_of_week(field) } else { Some(field.to_owned()) };
    translated.is_some_and(|field| Schedule::from_str(&template.replace("{}", &field)).is_ok())
}

/// A day-of-week field of crontab as a list of the `cron` crate's names.
fn days_of_week(field: &str) -> Option<String> {
    let mut days = Vec::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|&step| step > 0)?),
            None => (part, 1),
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (day(first)?, day(last)?),
            None if range == "*" => (0, 6),
            None => (day(range)?, day(range)?),
        };
        if first > last {
            return None;
        }
        days.extend((first..=last).step_by(step).map(|day| DAYS[day % 7]));
    }
    Some(days.join(","))
}

/// The number of a day, 0 to 7.
fn day(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let named = DAYS.iter().position(|&name| name == lower);
    named.or_else(|| text.parse().ok().filter(|&day| day <= 7))
}

/// Reads the name of a time zone.
pub(super) fn timezone(node: &Node<'_>) {
    let Some(name) = node.text() else { return };
    if TimeZone::get(name).is_err() {
        let known: Vec<String> = tz::db().available().map(|name| name.to_string()).collect();
        node.report(
            Problem::error(format!("there is no time zone \"{name}\""))
                .expected("an IANA name such as \"Europe/Berlin\" or \"UTC\"")
                .did_you_mean(nearest(name, known.iter().map(String::as_str))),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_schedule(text: &str) -> bool {
        let fields: Vec<&str> = text.split_whitespace().collect();
        fields
            .iter()
            .zip(FIELDS)
            .all(|(field, (name, _, template))| is_valid(field, name, template))
    }

    #[test]
    fn crontab_is_understood() {
        for text in [
            "0 3 * * *",
            "*/5 0-23/2 1,15 jan-mar,DEC *",
            "0 0 * * 0",
            "0 0 * * 7",
            "0 0 * * 5-7",
            "0 0 * * sun-tue",
            "0 0 * * mon-FRI/2",
            "0 0 * * */2",
            "59 23 31 12 6",
        ] {
            assert!(is_schedule(text), "{text}");
        }
    }

    #[test]
    fn what_crontab_refuses_is_refused() {
        for text in [
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 13 *",
            "* * * foo *",
            "* * * * 8",
            "* * * * fri-mon",
            "*/0 * * * *",
            "? * * * *",
            "* * L * *",
            "1, * * * *",
            "* * * * 1,",
            "a * * * *",
        ] {
            assert!(!is_schedule(text), "{text}");
        }
    }

    #[test]
    fn sunday_is_0_and_7() {
        assert_eq!(days_of_week("0").unwrap(), "sun");
        assert_eq!(days_of_week("5-7").unwrap(), "fri,sat,sun");
        assert_eq!(days_of_week("*/3").unwrap(), "sun,wed,sat");
    }
}
