//! How the notification sinks stand, and which of them take nothing.

use crate::alert::SinkStatus;
use crate::show::SinkView;
use std::collections::BTreeMap;

/// How the sinks stand, as it is shown.
pub(super) fn views(status: Vec<SinkStatus>) -> Vec<SinkView> {
    let view = |status| {
        let SinkStatus { name, held, pending, last_sent, last_error, next_try } = status;
        SinkView { name, held, pending, last_sent, last_error, next_try }
    };
    status.into_iter().map(view).collect()
}

/// The sinks that took nothing when they were tried last, and why; `before` is
/// what was known of that. It stays true until a sink was tried again or has
/// left the registry, however many runs of `vai` that takes.
pub(super) fn failing(
    before: &BTreeMap<String, String>,
    status: Vec<SinkStatus>,
) -> BTreeMap<String, String> {
    let failing =
        status.into_iter().filter_map(|SinkStatus { name, last_sent, last_error, .. }| {
            let known = || before.get(&name).filter(|_| last_sent.is_none()).cloned();
            let why = last_error.or_else(known)?;
            Some((name, why))
        });
    failing.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vai_core::model::Wall;

    const NAME: &str = "alerts[0] email";

    fn one(why: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(NAME.to_owned(), why.to_owned())])
    }

    fn status(last_sent: Option<Wall>, last_error: Option<&str>) -> Vec<SinkStatus> {
        let last_error = last_error.map(str::to_owned);
        vec![SinkStatus { name: NAME.to_owned(), last_sent, last_error, ..SinkStatus::default() }]
    }

    #[test]
    fn what_was_found_before_stays_true_until_the_sink_was_tried_again() {
        let before = one("connection refused");
        assert_eq!(failing(&before, status(None, None)), before);
        assert_eq!(failing(&before, status(None, Some("no answer"))), one("no answer"));
        assert_eq!(failing(&before, status(Some(Wall::default()), None)), BTreeMap::new());
    }

    #[test]
    fn a_sink_that_has_left_or_was_never_tried_does_not_fail() {
        assert_eq!(failing(&one("connection refused"), Vec::new()), BTreeMap::new());
        assert_eq!(failing(&BTreeMap::new(), status(None, None)), BTreeMap::new());
    }
}
