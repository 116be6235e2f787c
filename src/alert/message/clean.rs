use vai_core::model::{
    Affected, Evidence, EvidenceDetail, Incident, IncidentPhase, Notice, Redactor,
};

/// A copy of `notice` that may leave the program: free text redacted and free
/// of control characters, evidence cut to what both the service and the sink
/// allow. Names stay as they are: without them nobody knows what is meant.
pub(super) fn clean(notice: &Notice, redactor: &Redactor, most: EvidenceDetail) -> Notice {
    // Control characters go first: they could hide a secret from the redactor.
    let text = |text: &str| redactor.redact(&printable(text));
    let line = |text: &str| line(text, redactor);
    let incident = &notice.incident;
    let detail = lesser(notice.detail, most);
    Notice {
        incident: Incident {
            reason: text(&incident.reason),
            history: incident.history.iter().map(|step| text(step)).collect(),
            next: text(&incident.next),
            phase: match &incident.phase {
                IncidentPhase::Open => IncidentPhase::Open,
                IncidentPhase::Closed { at, how } => {
                    IncidentPhase::Closed { at: *at, how: line(how) }
                }
            },
            affected: incident
                .affected
                .iter()
                .map(|it| Affected { reason: line(&it.reason), ..it.clone() })
                .collect(),
            evidence: evidence(&incident.evidence, detail, line),
            ..incident.clone()
        },
        detail,
        ..notice.clone()
    }
}

/// `text` on one line, redacted and without control characters.
pub(crate) fn line(text: &str, redactor: &Redactor) -> String {
    redactor.redact(&printable(text)).replace('\n', " ")
}

fn evidence(
    evidence: &Evidence,
    detail: EvidenceDetail,
    line: impl Fn(&str) -> String,
) -> Evidence {
    match detail {
        EvidenceDetail::Full => Evidence {
            facts: evidence.facts.iter().map(|fact| line(fact)).collect(),
            log_source: line(&evidence.log_source),
            log: evidence.log.iter().map(|entry| line(entry)).collect(),
        },
        EvidenceDetail::Short => Evidence {
            facts: evidence.facts.iter().take(1).map(|fact| line(fact)).collect(),
            ..Evidence::default()
        },
        EvidenceDetail::None => Evidence::default(),
    }
}

/// The one of two that shows less.
fn lesser(a: EvidenceDetail, b: EvidenceDetail) -> EvidenceDetail {
    match (a, b) {
        (EvidenceDetail::None, _) | (_, EvidenceDetail::None) => EvidenceDetail::None,
        (EvidenceDetail::Short, _) | (_, EvidenceDetail::Short) => EvidenceDetail::Short,
        (EvidenceDetail::Full, EvidenceDetail::Full) => EvidenceDetail::Full,
    }
}

/// Without control characters other than line ends: what a check printed must
/// not colour a terminal or forge a mail header.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.next_if_eq(&'[').is_some() => skip_control_sequence(&mut chars),
            '\n' => shown.push(c),
            '\t' => shown.push(' '),
            _ if c.is_control() => {}
            _ => shown.push(c),
        }
    }
    shown.trim().to_owned()
}

/// Skips what follows `ESC [`, up to its final character (ECMA-48, 5.4).
fn skip_control_sequence(chars: &mut impl Iterator<Item = char>) {
    for c in chars {
        if ('@'..='~').contains(&c) {
            break;
        }
    }
}
