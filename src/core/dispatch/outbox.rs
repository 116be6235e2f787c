//! What is on its way: which message is with which sink, and who was told of
//! what. Plain data; what of it outlives the process is stored by the loop.

use super::router::SinkId;
use crate::model::{IncidentId, MessageId, Notice, Severity};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A notice on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Parcel {
    /// What there is to tell.
    pub notice: Notice,
    /// The messages that are done with at a sink once this one is; none if
    /// nobody remembers it.
    pub ids: Vec<MessageId>,
    /// For how long a `vai` before this one tried to deliver it.
    pub age: Duration,
}

impl From<Notice> for Parcel {
    fn from(notice: Notice) -> Self {
        Self { notice, ids: Vec::new(), age: Duration::ZERO }
    }
}

/// What a sink knows of an open incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) incident: IncidentId,
    /// The key of the message that first told of it.
    pub(super) opening: String,
    pub(super) severity: Severity,
}

impl Heard {
    /// What is stored of it, by the name of the sink.
    pub(super) fn by(self, sink: &str) -> Reached {
        let Self { incident, opening, severity } = self;
        Reached { incident, sink: sink.to_owned(), opening, severity }
    }
}

/// What happened at a sink.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum News {
    /// It knows of an open incident, or that it has become worse.
    Reached(Heard),
    /// There is nothing more to tell it of this incident.
    Over(IncidentId),
    /// It does not get this, or not in time: the fallback has to.
    FallsBack(Box<Parcel>),
    /// These arrived, or never will.
    Settled(Vec<MessageId>),
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

/// What became of messages, to be stored.
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

/// What a sink does not get, or not in time.
#[derive(Clone, Debug, PartialEq)]
pub struct FallenBack {
    /// That sink.
    pub sink: SinkId,
    /// What there was to tell.
    pub notice: Notice,
    /// Who is told instead.
    pub told_to: Vec<SinkId>,
    /// Who of the fallback channel has it already.
    pub known_to: Vec<SinkId>,
}

/// Which message is still with which sink.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    messages: BTreeMap<MessageId, Whereabouts>,
}

#[derive(Debug, Default)]
struct Whereabouts {
    with: BTreeSet<SinkId>,
    /// Those that are done with it, too.
    ever_with: BTreeSet<SinkId>,
}

impl Outbox {
    /// A message is with these sinks too.
    pub(super) fn hand_out(&mut self, id: MessageId, sinks: &[SinkId]) {
        let message = self.messages.entry(id).or_default();
        message.with.extend(sinks);
        message.ever_with.extend(sinks);
    }

    /// Whether a sink has, or had, the latest of these messages.
    pub(super) fn was_handed(&self, ids: &[MessageId], sink: SinkId) -> bool {
        let message = ids.last().and_then(|id| self.messages.get(id));
        message.is_some_and(|message| message.ever_with.contains(&sink))
    }

    /// A sink is done with these messages. Those that are with no sink now.
    pub(super) fn settle(&mut self, sink: SinkId, ids: &[MessageId]) -> Vec<MessageId> {
        for id in ids {
            if let Some(message) = self.messages.get_mut(id) {
                message.with.remove(&sink);
            }
        }
        self.messages
            .extract_if(.., |id, message| ids.contains(id) && message.with.is_empty())
            .map(|(id, _)| id)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_done_with_once_every_sink_is() {
        let [first, second] = crate::dispatch::router::two_sinks();
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
        let [gone, stays] = crate::dispatch::router::two_sinks();
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
