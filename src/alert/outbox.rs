//! What is on its way: which message is with which sink, and who was told of
//! what. Plain data; what of it outlives the process is stored by the loop.

use super::router::SinkId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use vai_core::model::{IncidentId, MessageId, Notice, Severity};

/// A notice for one sink.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parcel {
    /// What there is to tell.
    pub(super) notice: Notice,
    /// The messages that are done with at this sink once this one is.
    pub(super) ids: Vec<MessageId>,
    /// For how long a `vai` before this one tried to deliver it.
    pub(super) age: Duration,
}

impl From<Notice> for Parcel {
    fn from(notice: Notice) -> Self {
        Self { notice, ids: Vec::new(), age: Duration::ZERO }
    }
}

/// What happened at a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It knows of an open incident, or that it has become worse.
    Reached {
        incident: IncidentId,
        /// The key of the message that first told of it.
        opening: String,
        severity: Severity,
    },
    /// There is nothing more to tell it of this incident.
    Over(IncidentId),
    /// These arrived, or never will.
    Settled(Vec<MessageId>),
}

/// What a sink's task reports; for [`Alerter::take_in`](super::Alerter::take_in).
#[derive(Debug)]
pub struct Report {
    pub(super) sink: SinkId,
    pub(super) name: String,
    pub(super) news: News,
}

/// A sink that was told of an open incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// The incident.
    pub incident: IncidentId,
    /// The sink's name.
    pub sink: String,
    /// The key of the message that first told of it, for what follows it.
    pub opening: String,
    /// How bad it was when it was told last.
    pub severity: Severity,
}

/// What has to be stored of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A sink knows of an open incident.
    Reached(Reached),
    /// A sink need not be told anything of an incident any more.
    Over {
        /// The incident.
        incident: IncidentId,
        /// The sink's name.
        sink: String,
    },
    /// A message has reached every sink that it was for, or was given up there.
    Everybody(MessageId),
}

/// Which message is still with which sink.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    with: BTreeMap<MessageId, BTreeSet<SinkId>>,
}

impl Outbox {
    /// A message is with these sinks too.
    pub(super) fn hand_out(&mut self, id: MessageId, sinks: &[SinkId]) {
        self.with.entry(id).or_default().extend(sinks);
    }

    /// A sink is done with these messages. Those that are with no sink now.
    pub(super) fn settle(&mut self, sink: SinkId, ids: &[MessageId]) -> Vec<MessageId> {
        for id in ids {
            if let Some(sinks) = self.with.get_mut(id) {
                sinks.remove(&sink);
            }
        }
        self.with
            .extract_if(.., |id, sinks| ids.contains(id) && sinks.is_empty())
            .map(|(id, _)| id)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_done_with_once_every_sink_is() {
        let [first, second] = crate::alert::router::two_sinks();
        let [one, two] = [1, 2].map(MessageId);
        let mut outbox = Outbox::default();
        outbox.hand_out(one, &[first, second]);
        outbox.hand_out(two, &[first]);
        assert_eq!(outbox.settle(first, &[one, two]), [two]);
        assert_eq!(outbox.settle(first, &[one, two]), [], "it said so before");
        assert_eq!(outbox.settle(second, &[one]), [one]);
    }

    #[test]
    fn a_message_moves_from_a_sink_that_goes_to_one_that_stays() {
        let [gone, stays] = crate::alert::router::two_sinks();
        let one = MessageId(1);
        let mut outbox = Outbox::default();
        outbox.hand_out(one, &[gone]);
        outbox.hand_out(one, &[stays]);
        assert_eq!(outbox.settle(gone, &[one]), []);
        assert_eq!(outbox.settle(stays, &[one]), [one]);
    }

    #[test]
    fn a_message_for_nobody_is_done_with_at_once() {
        let mut outbox = Outbox::default();
        outbox.hand_out(MessageId(1), &[]);
        assert_eq!(outbox.settle(SinkId::default(), &[MessageId(1)]), [MessageId(1)]);
    }
}
