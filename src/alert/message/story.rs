//! From notices to what a message says: the one place that finds the words.

use super::Context;
use super::causes::affected;
use super::sheet::{Part, Sheet, Story, Tone};
use super::title::{headline, sorts};
use super::words::{begun, condition, listed, named};
use crate::when;
use std::slice;
use std::time::Duration;
use vai_core::model::{
    Incident, IncidentPhase, Notice, NoticeKind, Severity, StateLabel, Subject, Wall,
};

/// Up to so many incidents are told in full; more get a line each.
const IN_FULL: usize = 5;
/// Up to so many incidents get a line each; of the others the names are told.
const IN_LINES: usize = 20;
/// Names of the others; the rest is counted.
const NAMES_SHOWN: usize = 500;
/// A message that comes so much after its news says so.
const LATE: Duration = Duration::from_secs(120);
/// Steps of a long story: so many of its beginning and of its end.
const FIRST_STEPS: usize = 2;
const LAST_STEPS: usize = 6;

/// What is down and since when, why, what vai did and what came of it, what it
/// will do next, what hangs on it, the evidence, and where to see more
/// (behaviour.md, section 4).
pub(super) fn sheet(notices: &[Notice], context: &Context<'_>) -> Sheet {
    let stories = match notices {
        [notice] => vec![Story { headline: None, parts: story(notice, context) }],
        _ if notices.len() <= IN_FULL => notices
            .iter()
            .map(|notice| Story {
                headline: Some(headline(slice::from_ref(notice), context.zone)),
                parts: story(notice, context),
            })
            .collect(),
        _ => vec![Story { headline: None, parts: many(notices, context) }],
    };
    Sheet { preface: late(notices, context), stories, more: (context.command)(&more(notices)) }
}

/// How loud a message about this is.
pub(super) fn tone(notice: &Notice) -> Tone {
    match notice.incident.severity {
        _ if notice.incident.is_over() && notice.kind != NoticeKind::Info => Tone::Over,
        Severity::Critical => Tone::Critical,
        Severity::Warning => Tone::Warning,
        Severity::Info => Tone::Info,
    }
}

/// `This message is late: it was written at 12:03:00 on …, 14 min ago, because
/// the mail server did not answer.`
fn late(notices: &[Notice], context: &Context<'_>) -> Option<String> {
    let decided = notices.iter().map(|notice| notice.at).min()?;
    let ago = when::between(decided, context.now);
    let written = match notices {
        [_] => "it was written",
        _ => "the oldest of it was written",
    };
    let because = match context.delay {
        Some(why) => format!(", because {why}"),
        None => String::new(),
    };
    (ago >= LATE).then(|| {
        let at = when::time_and_day(decided, context.zone);
        let ago = when::span(ago);
        format!("This message is late: {written} at {at}, {ago} ago{because}.")
    })
}

/// A line each, then names, then a number.
fn many(notices: &[Notice], context: &Context<'_>) -> Vec<Part> {
    let since = |notice: &Notice| match notice.incident.phase {
        IncidentPhase::Open if notice.kind != NoticeKind::Info => {
            format!(" (since {})", when::time(notice.incident.since, context.zone))
        }
        IncidentPhase::Open | IncidentPhase::Closed { .. } => String::new(),
    };
    let line =
        |notice: &Notice| headline(slice::from_ref(notice), context.zone).line() + &since(notice);
    let (told, left) = notices.split_at(notices.len().min(IN_LINES));
    let label = format!("{} at once, the worst first", notices.len());
    let mut parts = vec![Part::List(label, told.iter().map(line).collect())];
    parts.extend(sorts(left).into_iter().map(|(word, alike)| {
        let mut names: Vec<&str> = alike.iter().map(|it| it.incident.root.as_str()).collect();
        names.sort_unstable();
        Part::Fact(format!("And {word}"), listed(&names, NAMES_SHOWN))
    }));
    parts
}

/// Everything about one incident, without the command that shows more.
fn story(notice: &Notice, context: &Context<'_>) -> Vec<Part> {
    let incident = &notice.incident;
    if notice.kind == NoticeKind::Info {
        return news(incident, context);
    }
    let over = notice.incident.is_over();
    let mut parts = vec![Part::Said(opening(notice, context))];
    parts.extend(fact("Why", &incident.reason));
    parts.extend(steps(incident));
    if !over {
        parts.extend(fact("What comes next", &incident.next));
    }
    parts.extend(affected(incident));
    // Whoever already had the evidence with the opening needs it no more.
    if notice.kind != NoticeKind::Resolved {
        parts.extend(evidence(incident));
    }
    parts
}

/// What is good to know, and when it was.
fn news(incident: &Incident, context: &Context<'_>) -> Vec<Part> {
    let (what, details) = incident.reason.split_once('\n').unwrap_or((&incident.reason, ""));
    let mut said = vec![format!("{}: {what}.", named(incident))];
    let since = when::time_and_day(incident.since, context.zone);
    let took = match incident.phase {
        IncidentPhase::Open => Duration::ZERO,
        IncidentPhase::Closed { at, .. } => when::between(incident.since, at),
    };
    said.push(if took < Duration::from_secs(1) {
        format!("That was at {since}.")
    } else {
        format!("It began at {since} and took {}.", when::span(took))
    });
    let details: Vec<String> = details.lines().map(str::to_owned).collect();
    let list = (!details.is_empty()).then(|| Part::List("In detail".to_owned(), details));
    [Part::Said(said)].into_iter().chain(list).collect()
}

fn opening(notice: &Notice, context: &Context<'_>) -> Vec<String> {
    let incident = &notice.incident;
    let mut said = match &incident.phase {
        IncidentPhase::Closed { at, how } => ended(notice, *at, how, context),
        IncidentPhase::Open => vec![standing(notice, context)],
    };
    if notice.kind == NoticeKind::Escalated && !notice.incident.is_over() {
        said.push(match incident.severity {
            Severity::Critical => "It is critical now.".to_owned(),
            Severity::Warning | Severity::Info => "It has become worse.".to_owned(),
        });
    }
    if notice.kind == NoticeKind::Joined && !notice.incident.is_over() {
        said.push("More fails because of it than you were told.".to_owned());
    }
    if incident.state == StateLabel::GaveUp && !notice.incident.is_over() {
        said.push("vai could not heal it: somebody has to look.".to_owned());
    }
    said
}

/// How it stands, and since when.
fn standing(notice: &Notice, context: &Context<'_>) -> String {
    let incident = &notice.incident;
    let name = begun(incident);
    let since = when::time_and_day(incident.since, context.zone);
    match notice.kind {
        NoticeKind::Reminder(span) => {
            let was = condition(incident);
            format!("{name} is still {was}, for {} now: since {since}.", when::span(span))
        }
        NoticeKind::Opened
        | NoticeKind::Escalated
        | NoticeKind::Joined
        | NoticeKind::Resolved
        | NoticeKind::Info => format!("{name} has been {} since {since}.", condition(incident)),
    }
}

/// That it is over, how, and how long it took.
fn ended(notice: &Notice, at: Wall, how: &str, context: &Context<'_>) -> Vec<String> {
    let incident = &notice.incident;
    let name = begun(incident);
    let how = if how.is_empty() { String::new() } else { format!(": {how}") };
    let until = when::until(incident.since, at, context.zone);
    let since = when::time_and_day(incident.since, context.zone);
    let lasted = when::span(when::between(incident.since, at));
    let was = condition(incident);
    let mut said = vec![
        format!("{name} is well again since {until}{how}."),
        format!("It was {was} for {lasted}, from {since}."),
    ];
    if notice.kind != NoticeKind::Resolved {
        let only = "It was over before it could be told; this is the only message about it.";
        said.push(only.to_owned());
    }
    said
}

/// What vai did, of a long story the beginning and the end.
fn steps(incident: &Incident) -> Option<Part> {
    let label = "What vai did".to_owned();
    // An attempt ends with the words of the step that it failed at.
    let after = incident.history.iter().skip(1).map(Some).chain([None]);
    let steps: Vec<String> = incident
        .history
        .iter()
        .zip(after)
        .filter(|(step, after)| !after.is_some_and(|after| after.ends_with(step.as_str())))
        .map(|(step, _)| step.clone())
        .collect();
    // Where nothing can be done, `next` says why.
    let waits = matches!(incident.state, StateLabel::Down | StateLabel::Blocked | StateLabel::Held);
    let is_service = matches!(incident.subject, Subject::Service | Subject::Container);
    if steps.is_empty() {
        let nothing = waits && is_service && !incident.is_over();
        return nothing.then(|| Part::Fact(label, "nothing so far".to_owned()));
    }
    let Some(left) = steps.len().checked_sub(FIRST_STEPS + LAST_STEPS).filter(|left| *left > 1)
    else {
        return Some(Part::List(label, steps));
    };
    let mut shown = steps[..FIRST_STEPS].to_vec();
    shown.push("…".to_owned());
    shown.extend_from_slice(&steps[FIRST_STEPS + left..]);
    Some(Part::List(label, shown))
}

fn evidence(incident: &Incident) -> Vec<Part> {
    let evidence = &incident.evidence;
    let mut parts = Vec::new();
    if !evidence.facts.is_empty() {
        parts.push(Part::Known("Evidence".to_owned(), evidence.facts.clone()));
    }
    if !evidence.log.is_empty() {
        let source = if evidence.log_source.is_empty() { "the log" } else { &evidence.log_source };
        parts.push(Part::Output(format!("Last lines of {source}"), evidence.log.clone()));
    }
    parts
}

/// A label and a text; nothing if it is empty.
fn fact(label: &str, what: &str) -> Option<Part> {
    (!what.is_empty()).then(|| Part::Fact(label.to_owned(), what.to_owned()))
}

/// What `vai` is asked for to show more.
fn more(notices: &[Notice]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match notices {
        [Notice { incident, .. }] => match incident.subject {
            Subject::Service if incident.root.chars().all(plain) => {
                format!("status {}", incident.root)
            }
            Subject::Job if incident.root.chars().all(plain) => {
                format!("jobs history {}", incident.root)
            }
            Subject::Registry => "validate".to_owned(),
            Subject::Job => "jobs".to_owned(),
            Subject::Service
            | Subject::Container
            | Subject::Engine
            | Subject::Store
            | Subject::Vai
            | Subject::Network
            | Subject::Sink
            | Subject::Host => "status".to_owned(),
        },
        _ => "status".to_owned(),
    }
}
