//! One incident for services that keep incidents of their own.

use jiff::Timestamp;
use vai_core::model::{Notice, NoticeKind, Severity, Wall};

/// What is to be done about an incident at a service that keeps its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Open it there, or say how it stands now.
    Open,
    /// It was told of there and is over.
    Close,
    /// It is over before it was ever told of there: it is opened, so that
    /// people learn of it, and closed.
    OpenAndClose,
}

impl Step {
    /// What `notice` asks for.
    pub(super) fn of(notice: &Notice) -> Self {
        match notice.kind {
            _ if !notice.incident.is_over() => Self::Open,
            NoticeKind::Resolved => Self::Close,
            NoticeKind::Opened
            | NoticeKind::Escalated
            | NoticeKind::Joined
            | NoticeKind::Reminder(_)
            | NoticeKind::Info => Self::OpenAndClose,
        }
    }

    /// Whether it is opened or kept open.
    pub(super) fn opens(self) -> bool {
        self != Self::Close
    }

    /// Whether it ends.
    pub(super) fn closes(self) -> bool {
        self != Self::Open
    }
}

/// The severity that an incident may be open with at a service that takes one
/// of another severity for another one: the judge lets it only grow. Without a
/// warning that ends and something critical that begins, such a service would
/// tell nobody that it has become worse.
pub(super) fn outgrown(notice: &Notice) -> Option<Severity> {
    let told_before = !matches!(notice.kind, NoticeKind::Opened | NoticeKind::Info);
    let critical = notice.incident.severity == Severity::Critical;
    (told_before && critical).then_some(Severity::Warning)
}

/// `redis (services): connection refused`, the same as long as the reason is.
pub(super) fn summary(notice: &Notice) -> String {
    let incident = &notice.incident;
    let reason = incident.reason.lines().next().unwrap_or_default();
    match incident.place.as_str() {
        "" => format!("{}: {reason}", incident.root),
        place => format!("{} ({place}): {reason}", incident.root),
    }
}

/// What is known about an incident besides its summary: label and text.
pub(super) fn details(notice: &Notice) -> Vec<(String, String)> {
    let incident = &notice.incident;
    let affected: Vec<&str> = incident.failing_with_it().map(|it| it.name.as_str()).collect();
    let evidence = &incident.evidence;
    let source = match evidence.log_source.as_str() {
        "" => "the log",
        source => source,
    };
    let next = if notice.incident.is_over() { "" } else { &incident.next };
    let details = [
        ("Why".to_owned(), incident.reason.clone()),
        ("What vai did".to_owned(), incident.history.join("\n")),
        ("What comes next".to_owned(), next.to_owned()),
        ("Fails with it".to_owned(), affected.join(", ")),
        ("Evidence".to_owned(), evidence.facts.join("\n")),
        (format!("Last lines of {source}"), evidence.log.join("\n")),
    ];
    details.into_iter().filter(|(_, text)| !text.is_empty()).collect()
}

/// All of [`details`] as one text.
pub(super) fn description(notice: &Notice) -> String {
    let details = details(notice).into_iter();
    let paragraphs = details.map(|(label, text)| match text.contains('\n') {
        true => format!("{label}:\n{text}\n"),
        false => format!("{label}: {text}\n"),
    });
    paragraphs.collect()
}

/// The incident's id, in at most `longest` bytes: its end, which tells it from
/// all others.
pub(super) fn key(notice: &Notice, longest: usize) -> &str {
    let id = notice.incident.id.0.as_str();
    &id[id.ceil_char_boundary(id.len().saturating_sub(longest))..]
}

/// `2026-11-23T11:01:05Z`, for machines.
pub(super) fn rfc3339(wall: Wall) -> String {
    Timestamp::from_millisecond(wall.as_millis()).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::testing::notice;
    use vai_core::model::IncidentId;

    #[test]
    fn a_long_id_keeps_the_end_that_makes_it_unique() {
        let mut opened = notice("redis", NoticeKind::Opened, Severity::Critical);
        assert_eq!(key(&opened, 255), "redis");
        opened.incident.id = IncidentId(format!("{}-1795431665-7", "é".repeat(200)));
        let key = key(&opened, 64);
        assert!(key.len() <= 64 && key.ends_with("é-1795431665-7"), "{key}");
    }

    #[test]
    fn what_became_worse_is_no_warning_any_more() {
        let outgrown = |kind, severity| outgrown(&notice("redis", kind, severity));
        assert_eq!(outgrown(NoticeKind::Opened, Severity::Critical), None);
        assert_eq!(outgrown(NoticeKind::Escalated, Severity::Critical), Some(Severity::Warning));
        assert_eq!(outgrown(NoticeKind::Resolved, Severity::Critical), Some(Severity::Warning));
        assert_eq!(outgrown(NoticeKind::Resolved, Severity::Warning), None);
    }

    #[test]
    fn what_is_over_before_it_was_told_is_opened_and_closed() {
        let mut opened = notice("redis", NoticeKind::Opened, Severity::Critical);
        assert_eq!(Step::of(&opened), Step::Open);
        let resolved = notice("redis", NoticeKind::Resolved, Severity::Critical);
        assert_eq!(Step::of(&resolved), Step::Close);
        opened.incident.phase = resolved.incident.phase;
        assert_eq!(Step::of(&opened), Step::OpenAndClose);
        assert!(Step::of(&opened).opens() && Step::of(&opened).closes());
    }
}
