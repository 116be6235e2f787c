//! How each sink stands: what it took last, why it did not take the last, and
//! when it is tried again.

use crate::alert::sinks::SendError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vai_core::dispatch::{Answer, Refusal, SinkId};
use vai_core::model::{Notice, Wall};

/// How a sink stands, for `vai status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkStatus {
    /// Its name: `alerts[0] ntfy`.
    pub name: String,
    /// Why it is not used, if so.
    pub held: Option<String>,
    /// Incidents with news that has not arrived, or not at all recipients.
    pub pending: usize,
    /// When a message last arrived.
    pub last_sent: Option<Wall>,
    /// Why the last try failed; none if it arrived.
    pub last_error: Option<String>,
    /// When what has not arrived is sent, or tried again.
    pub next_try: Option<Wall>,
}

/// Why something was not taken, in words without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) refusal: Refusal,
    pub(super) reason: String,
}

impl Failure {
    pub(super) fn new(error: &SendError, words: impl Fn(&str) -> String) -> Self {
        Self { refusal: error.refusal(), reason: words(&error.to_string()) }
    }
}

/// What became alike: of which incidents, for which recipients.
pub(super) struct Outcome {
    pub(super) recipients: Vec<String>,
    pub(super) notices: Vec<Notice>,
    pub(super) result: Result<(), Failure>,
}

/// Sorts out what became of a message to `recipients` about `notices`.
pub(super) fn outcomes(
    answer: &Answer<Failure>,
    recipients: &[String],
    notices: &[Notice],
) -> Vec<Outcome> {
    let untried = || {
        let reason = "not tried, since what came before it was not taken".to_owned();
        Err(Failure { refusal: Refusal::Passing(None), reason })
    };
    let whole = |recipients: &[String], notices: &[Notice], result: &Result<(), Failure>| Outcome {
        recipients: recipients.to_vec(),
        notices: notices.to_vec(),
        result: result.clone(),
    };
    let mut outcomes: Vec<Outcome> = Vec::new();
    match answer {
        Answer::Whole(result) => outcomes.push(whole(recipients, notices, result)),
        Answer::Recipients(each) => {
            for recipient in recipients {
                let result = each.get(recipient).cloned().unwrap_or_else(untried);
                match outcomes.iter_mut().find(|outcome| outcome.result == result) {
                    Some(same) => same.recipients.push(recipient.clone()),
                    None => {
                        outcomes.push(whole(std::slice::from_ref(recipient), notices, &result));
                    }
                }
            }
        }
        Answer::Incidents(each) => {
            for notice in notices {
                let result = each.get(&notice.incident.id).cloned().unwrap_or_else(untried);
                match outcomes.iter_mut().find(|outcome| outcome.result == result) {
                    Some(same) => same.notices.push(notice.clone()),
                    None => {
                        outcomes.push(whole(recipients, std::slice::from_ref(notice), &result));
                    }
                }
            }
        }
    }
    outcomes
}

/// When the last message arrived at each sink, or at each of its recipients,
/// and why the last try failed.
#[derive(Debug, Default)]
pub(super) struct Standings {
    each: BTreeMap<(SinkId, String), Standing>,
}

#[derive(Clone, Debug, Default)]
struct Standing {
    last_sent: Option<Wall>,
    last_error: Option<String>,
}

impl Standings {
    /// Takes in what became of one message. Returns whether any reason is new
    /// for those that it is about.
    pub(super) fn take_in(&mut self, sink: SinkId, outcomes: &[Outcome], now: Wall) -> Vec<bool> {
        let before = self.each.clone();
        let known = |whom: &(SinkId, String)| before.get(whom)?.last_error.as_deref();
        let mut news = Vec::new();
        let mut touched: Vec<(SinkId, String)> = Vec::new();
        for outcome in outcomes {
            let whom = match outcome.recipients.as_slice() {
                [] => vec![(sink, String::new())],
                named => named.iter().map(|name| (sink, name.clone())).collect(),
            };
            let reason = outcome.result.as_ref().err().map(|failure| failure.reason.clone());
            news.push(whom.iter().any(|it| known(it) != reason.as_deref()));
            for whom in whom {
                let standing = self.each.entry(whom.clone()).or_default();
                if outcome.result.is_ok() {
                    standing.last_sent = Some(now);
                }
                // Of several parts that are taken or not, the failing one counts.
                let is_first = !touched.contains(&whom);
                if is_first || (standing.last_error.is_none() && reason.is_some()) {
                    standing.last_error.clone_from(&reason);
                }
                touched.push(whom);
            }
        }
        news
    }

    /// When something last arrived at a sink.
    pub(super) fn last_sent(&self, sink: SinkId) -> Option<Wall> {
        self.of(sink).filter_map(|(_, standing)| standing.last_sent).max()
    }

    /// Why the last try at a sink failed: the same for all of `recipients`, or
    /// for whom what.
    pub(super) fn last_error(&self, sink: SinkId, recipients: &[String]) -> Option<String> {
        let is_there = |name: &str| name.is_empty() || recipients.iter().any(|it| it == name);
        let errors: Vec<(&str, &str)> = self
            .of(sink)
            .filter(|(name, _)| is_there(name))
            .filter_map(|(name, standing)| Some((name, standing.last_error.as_deref()?)))
            .collect();
        let (_, first) = errors.first()?;
        if errors.len() >= recipients.len() && errors.iter().all(|(_, error)| error == first) {
            return Some((*first).to_owned());
        }
        let named = errors.iter().map(|(name, error)| format!("{name}: {error}"));
        Some(named.collect::<Vec<_>>().join("; "))
    }

    fn of(&self, sink: SinkId) -> impl Iterator<Item = (&str, &Standing)> {
        let all = self.each.iter().filter(move |((it, _), _)| *it == sink);
        all.map(|((_, name), standing)| (name.as_str(), standing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::testing::notice;
    use vai_core::model::{NoticeKind, Severity};

    fn busy(reason: &str) -> Result<(), Failure> {
        Err(Failure { refusal: Refusal::Passing(None), reason: reason.to_owned() })
    }

    fn people() -> [String; 3] {
        ["ann", "bob", "cid"].map(str::to_owned)
    }

    #[test]
    fn a_sink_says_for_whom_it_fails_unless_that_is_everybody() {
        let (sink, notices) =
            (SinkId::default(), [notice("redis", NoticeKind::Opened, Severity::Critical)]);
        let all = people();
        let answer = |bob: Result<(), Failure>, rest: Result<(), Failure>| {
            let each = all
                .iter()
                .map(|it| (it.clone(), if it == "bob" { bob.clone() } else { rest.clone() }));
            Answer::Recipients(each.collect())
        };
        let mut standings = Standings::default();
        let mut take_in = |answer| {
            let news = standings.take_in(sink, &outcomes(&answer, &all, &notices), Wall::default());
            (standings.last_error(sink, &all), news)
        };
        let alone = Some("bob: mailbox full".to_owned());
        assert_eq!(
            take_in(answer(busy("mailbox full"), Ok(()))),
            (alone.clone(), vec![false, true])
        );
        assert_eq!(take_in(answer(busy("mailbox full"), Ok(()))), (alone, vec![false, false]));
        let all_of_them = Some("away".to_owned());
        assert_eq!(take_in(answer(busy("away"), busy("away"))), (all_of_them, vec![true]));
        assert_eq!(take_in(answer(Ok(()), Ok(()))), (None, vec![true]));
        assert_eq!(standings.last_sent(sink), Some(Wall::default()));
    }

    #[test]
    fn what_was_not_tried_is_no_success_and_parts_that_fail_count() {
        let notices = ["a", "b"].map(|name| notice(name, NoticeKind::Opened, Severity::Critical));
        let only_a = Answer::Incidents([(notices[0].incident.id.clone(), Ok(()))].into());
        let outcomes = outcomes(&only_a, &[], &notices);
        let results: Vec<bool> = outcomes.iter().map(|it| it.result.is_ok()).collect();
        assert_eq!(results, [true, false]);
        let mut standings = Standings::default();
        standings.take_in(SinkId::default(), &outcomes, Wall::default());
        assert!(standings.last_error(SinkId::default(), &[]).is_some());
        assert!(standings.last_sent(SinkId::default()).is_some());
    }
}
