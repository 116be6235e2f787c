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
    /// What is stored of it.
    pub(super) fn by(self, Recipient { sink, recipient }: Recipient) -> Reached {
        let Self { incident, opening, severity } = self;
        Reached { incident, sink, recipient, opening, severity }
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
    Settled {
        /// Which.
        ids: Vec<MessageId>,
        /// Whether they arrived.
        arrived: bool,
    },
}

/// A sink, or one of its recipients, that was told of an open incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// The incident.
    pub incident: IncidentId,
    /// The sink's name.
    pub sink: String,
    /// Who of those that it reaches one by one; empty where it has none, and
    /// for all of them where nobody asked for each.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub recipient: String,
    /// The key of the message that first told of it, for what follows it.
    pub opening: String,
    /// How bad it was when it was told last.
    pub severity: Severity,
}

/// A sink, and who of those that it reaches one by one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Recipient {
    /// The sink's name.
    pub sink: String,
    /// Empty where it has no recipients of its own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub recipient: String,
}

/// Who has a message that others still wait for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// The message.
    pub message: MessageId,
    /// Everybody who has it.
    pub to: Vec<Recipient>,
}

/// What a `vai` before this one stored of whom it told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notified {
    /// Who was told of which incident.
    pub reached: Vec<Reached>,
    /// Who has a message that others still wait for.
    pub delivered: Vec<Delivered>,
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
        /// Who need not be told.
        by: Recipient,
    },
    /// A message has reached some of those that it was for, and not all.
    Delivered(Delivered),
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

/// Names a queue: that of a sink, or of one of its recipients.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DeskId {
    pub(super) sink: SinkId,
    /// Empty where the sink has no recipients of its own.
    pub(super) recipient: String,
}

/// Which message is still with whom.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    messages: BTreeMap<MessageId, Whereabouts>,
}

#[derive(Debug, Default)]
struct Whereabouts {
    with: BTreeSet<DeskId>,
    /// Those that are done with it, too.
    ever_with: BTreeSet<DeskId>,
    /// Those where it arrived.
    reached: BTreeSet<DeskId>,
}

/// Where a message is after somebody was done with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// With nobody any more.
    Everywhere(MessageId),
    /// Where it arrived has changed, and others still wait for it.
    Partly(MessageId),
}

impl DeskId {
    /// The recipient's name, if it is that of one.
    pub(super) fn named(&self) -> Option<&String> {
        Some(&self.recipient).filter(|name| !name.is_empty())
    }
}

impl Outbox {
    /// A message is with these too.
    pub(super) fn hand_out(&mut self, id: MessageId, desks: &[DeskId]) {
        let message = self.messages.entry(id).or_default();
        message.with.extend(desks.iter().cloned());
        message.ever_with.extend(desks.iter().cloned());
    }

    /// A message arrived there under a `vai` before this one.
    pub(super) fn resume(&mut self, id: MessageId, desk: DeskId) {
        self.messages.entry(id).or_default().reached.insert(desk);
    }

    /// Whether a desk has, or had, the latest of these messages.
    pub(super) fn was_handed(&self, ids: &[MessageId], desk: &DeskId) -> bool {
        let message = ids.last().and_then(|id| self.messages.get(id));
        message.is_some_and(|it| it.ever_with.contains(desk) || it.reached.contains(desk))
    }

    /// Whether the latest of these messages arrived there.
    pub(super) fn has_reached(&self, ids: &[MessageId], desk: &DeskId) -> bool {
        let message = ids.last().and_then(|id| self.messages.get(id));
        message.is_some_and(|message| message.reached.contains(desk))
    }

    /// The messages that arrived somewhere and are still with somebody, and
    /// where they arrived.
    pub(super) fn partly_delivered(&self) -> impl Iterator<Item = (MessageId, &BTreeSet<DeskId>)> {
        let partly = self.messages.iter().filter(|(_, it)| !it.reached.is_empty());
        partly.map(|(id, message)| (*id, &message.reached))
    }

    /// Where a message arrived.
    pub(super) fn reached(&self, id: MessageId) -> impl Iterator<Item = &DeskId> {
        self.messages.get(&id).into_iter().flat_map(|message| &message.reached)
    }

    /// A desk is done with these messages, which `arrived` there or never will.
    pub(super) fn settle(
        &mut self,
        desk: &DeskId,
        ids: &[MessageId],
        arrived: bool,
    ) -> Vec<Settled> {
        let mut settled = Vec::new();
        for id in ids {
            let Some(message) = self.messages.get_mut(id) else { continue };
            message.with.remove(desk);
            let is_new = arrived && message.reached.insert(desk.clone());
            if message.with.is_empty() {
                self.messages.remove(id);
                settled.push(Settled::Everywhere(*id));
            } else if is_new {
                settled.push(Settled::Partly(*id));
            }
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: MessageId = MessageId(1);
    const SECOND: MessageId = MessageId(2);

    fn desks() -> [DeskId; 2] {
        crate::dispatch::router::two_sinks().map(|sink| DeskId { sink, recipient: String::new() })
    }

    #[test]
    fn a_message_is_done_with_once_nobody_has_it_any_more() {
        let [one, two] = desks();
        let mut outbox = Outbox::default();
        for id in [FIRST, SECOND] {
            outbox.hand_out(id, std::slice::from_ref(&one));
        }
        outbox.hand_out(FIRST, std::slice::from_ref(&two));
        let both = [FIRST, SECOND];
        let done = outbox.settle(&one, &both, true);
        assert_eq!(done, [Settled::Partly(FIRST), Settled::Everywhere(SECOND)]);
        assert!(outbox.has_reached(&[FIRST], &one) && !outbox.has_reached(&[FIRST], &two));
        assert_eq!(outbox.settle(&one, &[SECOND], true), [], "it said so before");
        assert_eq!(outbox.settle(&two, &[FIRST], false), [Settled::Everywhere(FIRST)]);
    }

    #[test]
    fn a_message_moves_from_a_sink_that_goes_to_one_that_stays() {
        let [gone, stays] = desks();
        let mut outbox = Outbox::default();
        outbox.hand_out(FIRST, std::slice::from_ref(&gone));
        outbox.hand_out(FIRST, std::slice::from_ref(&stays));
        assert_eq!(outbox.settle(&gone, &[FIRST], false), []);
        assert_eq!(outbox.settle(&stays, &[FIRST], true), [Settled::Everywhere(FIRST)]);
    }

    #[test]
    fn a_message_for_nobody_is_done_with_at_once() {
        let mut outbox = Outbox::default();
        outbox.hand_out(FIRST, &[]);
        let done = outbox.settle(&DeskId::default(), &[FIRST], false);
        assert_eq!(done, [Settled::Everywhere(FIRST)]);
    }
}
