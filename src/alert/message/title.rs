use super::{is_over, when};
use jiff::tz::TimeZone;
use std::borrow::Cow;
use vai_core::model::{Incident, IncidentPhase, Notice, NoticeKind, Severity, StateLabel};

/// A phone shows about two lines of 60; mail programs cut where they like, so
/// what counts stands first.
const LONGEST_REASON: usize = 100;
/// Names of each sort in a title about several incidents.
const NAMES_SHOWN: usize = 3;

/// One line about all of `notices`, which come worst first.
pub(super) fn title(notices: &[Notice], zone: &TimeZone) -> String {
    match notices {
        [notice] => single(notice, zone),
        _ => several(notices),
    }
}

fn single(notice: &Notice, zone: &TimeZone) -> String {
    let incident = &notice.incident;
    let head = format!("{} {}", word(notice), named(incident));
    if notice.kind == NoticeKind::Info {
        return format!("{head}: {}", shortened(&incident.reason));
    }
    if let IncidentPhase::Closed { at, how } = &incident.phase {
        let was = condition(incident);
        let stretch = when::stretch(incident.since, *at, zone);
        return format!("{head}: was {was} {stretch}{}", after_comma(how));
    }
    let lasting = match notice.kind {
        NoticeKind::Reminder(span) => format!(" for {}", when::span(span)),
        NoticeKind::Opened
        | NoticeKind::Escalated
        | NoticeKind::Joined
        | NoticeKind::Resolved
        | NoticeKind::Info => String::new(),
    };
    let gave_up = if incident.state == StateLabel::GaveUp { ", gave up" } else { "" };
    format!(
        "{head}{lasting}: {}{}{gave_up}",
        shortened(&incident.reason),
        failed_restarts(incident.failed_attempts)
    )
}

/// `3 DOWN: redis, nginx, web · 1 RESOLVED: worker`.
fn several(notices: &[Notice]) -> String {
    let mut sorts: Vec<(Cow<'static, str>, Vec<&str>)> = Vec::new();
    for notice in notices {
        let word = word(notice);
        let name = notice.incident.root.as_str();
        match sorts.iter_mut().find(|(sort, _)| *sort == word) {
            Some((_, names)) => names.push(name),
            None => sorts.push((word, vec![name])),
        }
    }
    let parts: Vec<String> = sorts
        .iter()
        .map(|(word, names)| {
            let shown = names[..names.len().min(NAMES_SHOWN)].join(", ");
            let more = match names.len().saturating_sub(NAMES_SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("{} {word}: {shown}{more}", names.len())
        })
        .collect();
    parts.join(" · ")
}

/// The first word: how the root stands, in capitals.
fn word(notice: &Notice) -> Cow<'static, str> {
    if notice.kind == NoticeKind::Info {
        return "INFO".into();
    }
    if is_over(notice) {
        return "RESOLVED".into();
    }
    let word = condition(&notice.incident).to_uppercase();
    match notice.kind {
        NoticeKind::Reminder(_) => format!("STILL {word}").into(),
        NoticeKind::Opened
        | NoticeKind::Escalated
        | NoticeKind::Joined
        | NoticeKind::Resolved
        | NoticeKind::Info => word.into(),
    }
}

/// How the root stands, as a person would say it.
pub(super) fn condition(incident: &Incident) -> &'static str {
    match incident.state {
        StateLabel::Down
        | StateLabel::Healing
        | StateLabel::Verifying
        | StateLabel::GaveUp
        | StateLabel::Blocked
        | StateLabel::Suspect => "down",
        StateLabel::Degraded => "degraded",
        StateLabel::Unknown => "unknown",
        StateLabel::Held => "held",
        StateLabel::Paused => "paused",
        StateLabel::StoppedByHand => "stopped by hand",
        StateLabel::Starting => "starting",
        StateLabel::Maintenance => "in maintenance",
        StateLabel::Disabled => "disabled",
        // The service is well, and yet there is something to tell of it.
        StateLabel::Healthy => match incident.severity {
            Severity::Info => "info",
            Severity::Warning | Severity::Critical => "unstable",
        },
    }
}

/// `redis (services)`, or the name alone for what runs beside vai.
pub(super) fn named(incident: &Incident) -> String {
    if incident.place.is_empty() {
        incident.root.clone()
    } else {
        format!("{} ({})", incident.root, incident.place)
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

/// The first line of `reason`, cut with an ellipsis where it is too long.
pub(super) fn shortened(reason: &str) -> String {
    let line = reason.lines().next().unwrap_or_default();
    match line.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line.to_owned(),
    }
}
