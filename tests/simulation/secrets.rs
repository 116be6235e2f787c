//! S1: what is secret stands in the registry, in what checks and commands
//! print, and in what sinks answer; at the edges it is taken out, and nothing
//! that the core says has a byte of it.

use crate::oracle::Violation;
use crate::plan::{Ms, Plan};
use std::sync::Arc;
use vai_core::judge::{Change, Delta};
use vai_core::model::{ActOutcome, Evidence, Notice, Redactor, Report, Secret};

/// Of one service's own registry entry.
const PASSWORD: &str = "sesame";
/// Of a sink's address.
const TOKEN: &str = "tk_9dfe";

/// What the registry knows to be secret.
pub(crate) fn redactor() -> Redactor {
    Redactor::new([PASSWORD, TOKEN].map(Secret::from))
}

/// A plan whose services have a secret wherever they may have one.
pub(crate) fn initiated(mut plan: Plan) -> Plan {
    for plan in &mut plan.services {
        let service = Arc::make_mut(&mut plan.service);
        for command in [&mut service.restart_cmd, &mut service.stop_cmd].into_iter().flatten() {
            command.push_str(PASSWORD);
        }
        service.environment = vec![("PASSWORD".to_owned(), Secret::from(PASSWORD))];
    }
    plan
}

/// A check that quotes the answer of its target, as the edge hands it on.
pub(crate) fn looked(report: Report) -> Report {
    let outcome = report.outcome.map_words(|words| redactor().redact(&quoted(words, PASSWORD)));
    Report { outcome, ..report }
}

/// An act whose command says what it was called with, as the edge hands it on.
pub(crate) fn acted(outcome: ActOutcome) -> ActOutcome {
    let shown = |words: String| redactor().redact(&quoted(&words, PASSWORD));
    match outcome {
        ActOutcome::Failed(words) => ActOutcome::Failed(shown(words)),
        ActOutcome::NotStarted(words) => ActOutcome::NotStarted(shown(words)),
        ActOutcome::Refused { gate, by_hand } => ActOutcome::Refused { gate, by_hand },
        done @ (ActOutcome::Done { .. } | ActOutcome::CommandOverdue(_)) => done,
    }
}

/// What was seen before an act, as the edge hands it on.
pub(crate) fn seen() -> Evidence {
    let shown = |words: &str| redactor().redact(&quoted(words, PASSWORD));
    Evidence {
        facts: vec![shown("its health check said")],
        log_source: "/var/log/it.log".to_owned(),
        log: vec![shown("AUTH failed"), shown("giving up")],
    }
}

/// What a sink answers, which quotes its address, as the edge hands it on.
pub(crate) fn answered() -> String {
    redactor().redact(&quoted("answered 401 at https://ntfy.example.com/", TOKEN))
}

fn quoted(words: &str, secret: &str) -> String {
    format!("{words} {secret}")
}

/// Nothing that is shown, stored or told has a secret in it.
pub(crate) fn are_kept(now: Ms, delta: &Delta) -> crate::Step {
    for change in &delta.changes {
        let words = match change {
            // Of the shape that is stored: `Debug` may hide what that has.
            Change::Keep(record) => serde_json::to_string(record).unwrap_or_default(),
            shown => format!("{shown:?}"),
        };
        is_kept(now, &words)?;
    }
    Ok(())
}

/// The same of what a sink is handed.
pub(crate) fn are_not_sent(now: Ms, notices: &[Notice]) -> crate::Step {
    notices.iter().try_for_each(|notice| is_kept(now, &format!("{notice:?}")))
}

fn is_kept(now: Ms, words: &str) -> crate::Step {
    if [PASSWORD, TOKEN].iter().any(|secret| words.contains(secret)) {
        return Err(Violation { invariant: "S1", at: now, words: words.to_owned() });
    }
    Ok(())
}
