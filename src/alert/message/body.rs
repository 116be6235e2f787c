use super::title::{condition, named, shortened, title};
use super::{Context, is_over, when};
use std::fmt::Write as _;
use std::slice;
use std::time::Duration;
use vai_core::model::{Incident, IncidentPhase, Notice, NoticeKind, Severity};

/// Up to so many incidents are told in full; more get a line each.
const IN_FULL: usize = 5;
/// Up to so many incidents get a line each; the rest is counted.
const IN_LINES: usize = 100;
/// A message that comes so much after its news says so.
const LATE: Duration = Duration::from_secs(120);

/// What is down and since when, why, what vai did and what came of it, what it
/// will do next, what hangs on it, the evidence, and where to see more
/// (behaviour.md, section 4).
pub(super) fn body(notices: &[Notice], context: &Context<'_>) -> String {
    let mut text = String::new();
    if let Some(decided) = notices.iter().map(|notice| notice.at).min()
        && when::between(decided, context.now) >= LATE
    {
        _ = write!(
            text,
            "This message is late: it was due at {}.\n\n",
            when::time_and_day(decided, context.zone)
        );
    }
    text + &match notices {
        [notice] => format!("{}{}", story(notice, context), more(&notice.incident)),
        _ if notices.len() <= IN_FULL => in_full(notices, context),
        _ => lines(notices, context),
    }
}

fn in_full(notices: &[Notice], context: &Context<'_>) -> String {
    let mut text = String::new();
    for notice in notices {
        let heading = title(slice::from_ref(notice), context.zone);
        _ = write!(text, "== {heading}\n\n{}\n", story(notice, context));
    }
    text + "More: vai status\n"
}

fn lines(notices: &[Notice], context: &Context<'_>) -> String {
    let mut text = String::new();
    for notice in notices.iter().take(IN_LINES) {
        let heading = title(slice::from_ref(notice), context.zone);
        let since = match notice.incident.phase {
            IncidentPhase::Open => {
                let since = when::time(notice.incident.since, context.zone);
                format!(" (since {since})")
            }
            IncidentPhase::Closed { .. } => String::new(),
        };
        _ = writeln!(text, "- {heading}{since}");
    }
    if let Some(left) = notices.len().checked_sub(IN_LINES).filter(|left| *left > 0) {
        _ = writeln!(text, "- and {left} more");
    }
    text + "\nMore: vai status\n"
}

/// Everything about one incident, without the command that shows more.
fn story(notice: &Notice, context: &Context<'_>) -> String {
    let incident = &notice.incident;
    if notice.kind == NoticeKind::Info {
        let at = when::time_and_day(incident.since, context.zone);
        return format!("{}: {}\nSince {at}.\n", named(incident), incident.reason);
    }
    let over = is_over(notice);
    let mut text = opening(notice, context);
    text.push('\n');
    labelled(&mut text, "Why", &incident.reason);
    match incident.history.as_slice() {
        [] if over => {}
        [] => text.push_str("What vai did: nothing yet\n"),
        steps => {
            text.push_str("What vai did:\n");
            for step in steps {
                _ = writeln!(text, "  - {}", indented(step, "    "));
            }
        }
    }
    if !over {
        labelled(&mut text, "What comes next", &incident.next);
    }
    if !incident.affected.is_empty() {
        let names: Vec<&str> = incident.affected.iter().map(|name| name.as_str()).collect();
        let label = if over { "Failed with it" } else { "Fails with it" };
        labelled(&mut text, label, &names.join(", "));
    }
    // Whoever already had the evidence with the opening needs it no more.
    if notice.kind != NoticeKind::Resolved {
        evidence(&mut text, incident);
    }
    text
}

fn opening(notice: &Notice, context: &Context<'_>) -> String {
    let incident = &notice.incident;
    let name = named(incident);
    let was = condition(incident);
    let since = when::time_and_day(incident.since, context.zone);
    match (&incident.phase, notice.kind) {
        (IncidentPhase::Closed { at, how }, kind) => {
            let lasted = when::span(when::between(incident.since, *at));
            let how = if how.is_empty() { String::new() } else { format!(": {how}") };
            let only = if kind == NoticeKind::Resolved {
                ""
            } else {
                "It was over before it could be told; this is the only message about it.\n"
            };
            format!(
                "{name} is well again since {}{how}.\nIt was {was} for {lasted}, from {since}.\n{only}",
                when::time(*at, context.zone)
            )
        }
        (IncidentPhase::Open, NoticeKind::Reminder(span)) => {
            let span = when::span(span);
            format!("{name} is still {was}, for {span} now: since {since}.\n")
        }
        (IncidentPhase::Open, NoticeKind::Escalated) => {
            let grave = match incident.severity {
                Severity::Critical => "It is critical now.",
                Severity::Warning | Severity::Info => "It has become worse.",
            };
            format!("{name} has been {was} since {since}.\n{grave}\n")
        }
        (IncidentPhase::Open, NoticeKind::Joined) => {
            format!("{name} has been {was} since {since}, and more fails with it now.\n")
        }
        (IncidentPhase::Open, NoticeKind::Opened | NoticeKind::Resolved | NoticeKind::Info) => {
            format!("{name} has been {was} since {since}.\n")
        }
    }
}

fn evidence(text: &mut String, incident: &Incident) {
    let evidence = &incident.evidence;
    if !evidence.facts.is_empty() {
        text.push_str("\nEvidence:\n");
        for fact in &evidence.facts {
            _ = writeln!(text, "  {fact}");
        }
    }
    if !evidence.log.is_empty() {
        let source = if evidence.log_source.is_empty() { "the log" } else { &evidence.log_source };
        _ = writeln!(text, "\nLast lines of {source}:");
        for line in &evidence.log {
            _ = writeln!(text, "  | {line}");
        }
    }
}

/// A label and a text, whose further lines are indented; nothing if it is
/// empty.
fn labelled(text: &mut String, label: &str, what: &str) {
    if !what.is_empty() {
        _ = writeln!(text, "{label}: {}", indented(what, "  "));
    }
}

fn indented(text: &str, by: &str) -> String {
    text.replace('\n', &format!("\n{by}"))
}

/// The command that shows more. The engine and the host are no services, so
/// `vai status` takes no such name.
fn more(incident: &Incident) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name = shortened(&incident.root);
    if incident.root.chars().all(plain) {
        format!("\nMore: vai status {name}\n")
    } else {
        "\nMore: vai status\n".to_owned()
    }
}
