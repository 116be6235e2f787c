//! Schedules and time zones as they stand in the registry.

use super::names::nearest;
use super::node::Node;
use super::reader::Problem;
use crate::schedule::{Crontab, CrontabError};
use jiff::tz::{self, TimeZone};

/// Reads a crontab schedule, and says what of it is wrong.
pub(super) fn schedule(node: &Node<'_>) -> Option<Crontab> {
    match node.text()?.parse::<Crontab>() {
        Ok(schedule) => {
            if !schedule.comes_true() {
                node.report(
                    Problem::warning("this schedule never comes true")
                        .expected("none of its months has such a day"),
                );
            }
            Some(schedule)
        }
        Err(wrong) => {
            for error in wrong {
                node.report(problem(&error));
            }
            None
        }
    }
}

fn problem(error: &CrontabError) -> Problem {
    let problem = Problem::error(error.to_string()).expected(error.expected());
    match error.help() {
        Some(help) => problem.help(help),
        None => problem,
    }
}

/// Reads the name of a time zone.
pub(super) fn timezone(node: &Node<'_>) -> Option<TimeZone> {
    let name = node.text()?;
    let zone = TimeZone::get(name).ok();
    if zone.is_none() {
        let known: Vec<String> = tz::db().available().map(|name| name.to_string()).collect();
        node.report(
            Problem::error(format!("there is no time zone \"{name}\""))
                .expected("an IANA name such as \"Europe/Berlin\" or \"UTC\"")
                .did_you_mean(nearest(name, known.iter().map(String::as_str))),
        );
    }
    zone
}
