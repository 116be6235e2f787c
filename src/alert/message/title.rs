//! The line that says it all on a phone.

use super::sheet::{Headline, Tone};
use super::story::tone;
use super::words::{OUT_OF_SIGHT, condition, listed, named, shortened};
use crate::when;
use jiff::tz::TimeZone;
use vai_core::model::{IncidentPhase, Notice, NoticeKind, StateLabel, Subject};

/// A phone shows about two lines of 60; mail programs cut where they like, so
/// what counts stands first.
const LONGEST_REASON: usize = 100;
/// The same for the worst of several.
const SHORT_REASON: usize = 50;
/// Names of each sort in a title about several incidents.
const NAMES_SHOWN: usize = 3;

/// One line about all of `notices`, which come worst first.
pub(super) fn headline(notices: &[Notice], zone: &TimeZone) -> Headline {
    match notices {
        [notice] => Headline {
            word: word(notice),
            rest: format!("{}{}", named(&notice.incident), rest(notice, zone)),
            tone: tone(notice),
        },
        _ => {
            let tone = notices.first().map_or(Tone::Info, tone);
            Headline { word: String::new(), rest: several(notices), tone }
        }
    }
}

/// What follows the name.
fn rest(notice: &Notice, zone: &TimeZone) -> String {
    let incident = &notice.incident;
    let reason = shortened(&incident.reason, LONGEST_REASON);
    if notice.kind == NoticeKind::Info {
        return format!(": {reason}");
    }
    if let IncidentPhase::Closed { at, how } = &incident.phase {
        let was = condition(incident);
        let stretch = when::stretch(incident.since, *at, zone);
        return format!(": was {was} {stretch}{}", after_comma(how));
    }
    let lasting = match notice.kind {
        NoticeKind::Reminder(span) => format!(" for {}", when::span(span)),
        NoticeKind::Joined => format!(" and {} more", incident.failing_with_it().count()),
        NoticeKind::Opened | NoticeKind::Escalated | NoticeKind::Resolved | NoticeKind::Info => {
            String::new()
        }
    };
    let stands = match incident.state {
        StateLabel::GaveUp => ", gave up",
        _ => "",
    };
    format!("{lasting}: {reason}{}{stands}", failed_restarts(incident.failed_attempts))
}

/// `3 DOWN: redis, nginx, web · RESOLVED worker`. The reason of the worst, if
/// that is one alone, stands last: it may be cut.
fn several(notices: &[Notice]) -> String {
    let sorts = sorts(notices);
    let reason = match sorts.first().map(|(_, alike)| alike.as_slice()) {
        Some([one]) if !one.incident.is_over() => {
            let reason = shortened(&one.incident.reason, SHORT_REASON);
            Some(format!("{}: {reason}", one.incident.root))
        }
        _ => None,
    };
    let parts = sorts.iter().map(|(word, alike)| match alike.as_slice() {
        [one] => format!("{word} {}", one.incident.root),
        _ => {
            let names: Vec<&str> = alike.iter().map(|it| it.incident.root.as_str()).collect();
            format!("{} {word}: {}", names.len(), listed(&names, NAMES_SHOWN))
        }
    });
    parts.chain(reason).collect::<Vec<_>>().join(" · ")
}

/// What stands alike together, by its first word.
pub(super) fn sorts(notices: &[Notice]) -> Vec<(String, Vec<&Notice>)> {
    let mut sorts: Vec<(String, Vec<&Notice>)> = Vec::new();
    for notice in notices {
        let word = word(notice);
        match sorts.iter_mut().find(|(sort, _)| *sort == word) {
            Some((_, alike)) => alike.push(notice),
            None => sorts.push((word, vec![notice])),
        }
    }
    sorts
}

/// The first word: how the root stands, in capitals.
fn word(notice: &Notice) -> String {
    if notice.kind == NoticeKind::Info {
        return "INFO".to_owned();
    }
    if notice.incident.is_over() {
        return "RESOLVED".to_owned();
    }
    let word = match condition(&notice.incident) {
        OUT_OF_SIGHT => "UNKNOWN".to_owned(),
        "failing" if notice.incident.subject == Subject::Job => "FAILED".to_owned(),
        "behind" => "MISSED".to_owned(),
        condition => condition.to_uppercase(),
    };
    match notice.kind {
        NoticeKind::Reminder(_) => format!("STILL {word}"),
        NoticeKind::Opened
        | NoticeKind::Escalated
        | NoticeKind::Joined
        | NoticeKind::Resolved
        | NoticeKind::Info => word,
    }
}

fn failed_restarts(count: u32) -> String {
    match count {
        0 => String::new(),
        1 => ", 1 restart failed".to_owned(),
        count => format!(", {count} restarts failed"),
    }
}

fn after_comma(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(", {text}") }
}
