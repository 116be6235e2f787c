//! What sinks are known to have been told, as it is stored: by their names,
//! which say a place in the registry.

use super::outbox::{Delivered, DeskId, Reached, Recipient, Told};
use super::plan::Destination;
use super::{Desk, Dispatch, Route};
use crate::model::MessageId;
use std::collections::{BTreeMap, BTreeSet};

impl<K: Destination> Dispatch<K> {
    /// Goes on from what a `vai` before this one stored of whom it told.
    pub(super) fn resume(&mut self, delivered: &[Delivered]) {
        self.router.resume(&self.known);
        self.name_each_recipient();
        for Delivered { message, to } in delivered {
            for Recipient { sink, recipient } in to {
                let routes = self.router.routes().iter();
                for route in routes.filter(|route| route.sink.name == *sink) {
                    let desk = DeskId { sink: route.id, recipient: recipient.clone() };
                    self.outbox.resume(*message, desk);
                }
            }
        }
    }

    /// What an older `vai` stored of a sink as a whole is true of each of its
    /// recipients.
    fn name_each_recipient(&mut self) {
        let mut news = Vec::new();
        for reached in self.known.iter().filter(|it| it.recipient.is_empty()) {
            let route = self.router.routes().iter().find(|it| it.sink.name == reached.sink);
            let recipients = route.map(|route| route.sink.kind.recipients()).unwrap_or_default();
            if !recipients.is_empty() {
                news.extend(
                    recipients
                        .into_iter()
                        .map(|recipient| Told::Reached(Reached { recipient, ..reached.clone() })),
                );
                news.push(Told::Over { incident: reached.incident.clone(), by: by(reached) });
            }
        }
        for told in news {
            self.note(told);
        }
    }

    /// What a desk that is opened now was told before.
    pub(super) fn told_before<'a>(
        known: &'a [Reached],
        sink: &'a str,
        recipient: &'a str,
    ) -> impl Iterator<Item = &'a Reached> {
        let same = move |it: &&Reached| it.recipient.is_empty() || it.recipient == recipient;
        known.iter().filter(move |it| it.sink == sink).filter(same)
    }

    /// One sink may get the name that another had. So what is known by the new
    /// names comes first, and what nobody of an old name knows is forgotten.
    pub(super) fn rename(&mut self) {
        let before = self.heard();
        let mut renamed = false;
        for route in self.router.routes() {
            let desks = self.desks.iter_mut().filter(|(id, _)| id.sink == route.id);
            for (_, desk) in desks.filter(|(_, desk)| desk.name != route.sink.name) {
                desk.name.clone_from(&route.sink.name);
                renamed = true;
            }
        }
        let left: BTreeSet<DeskId> = self.router.routes().iter().flat_map(Route::desks).collect();
        let desks = self.desks.iter().filter(|(id, _)| left.contains(id));
        let after: Vec<Reached> = desks.flat_map(|(id, desk)| heard_by(id, desk)).collect();
        for reached in after.iter().filter(|it| !before.contains(it)) {
            self.note(Told::Reached(reached.clone()));
        }
        for reached in before {
            let by = by(&reached);
            if !after.iter().any(|it| it.incident == reached.incident && self::by(it) == by) {
                self.note(Told::Over { incident: reached.incident, by });
            }
        }
        if renamed {
            let partly: Vec<MessageId> =
                self.outbox.partly_delivered().map(|(message, _)| message).collect();
            partly.into_iter().for_each(|message| self.note_delivered(message));
        }
    }

    /// What every sink knows of open incidents.
    fn heard(&self) -> Vec<Reached> {
        self.desks.iter().flat_map(|(id, desk)| heard_by(id, desk)).collect()
    }

    /// What became of messages: to be stored, and known from now on.
    pub(super) fn note(&mut self, told: Told) {
        match &told {
            Told::Reached(new) => {
                self.known.retain(|it| it.incident != new.incident || by(it) != by(new));
                self.known.push(new.clone());
            }
            Told::Over { incident, by: whom } => {
                self.known.retain(|it| it.incident != *incident || by(it) != *whom);
            }
            Told::Delivered(_) | Told::Everybody(_) => {}
        }
        self.told.push(told);
    }

    /// Where a message has arrived that is still on its way to others.
    pub(super) fn note_delivered(&mut self, message: MessageId) {
        let names: BTreeMap<_, &String> =
            self.router.routes().iter().map(|route| (route.id, &route.sink.name)).collect();
        let named = |desk: &DeskId| {
            let sink = (*names.get(&desk.sink)?).clone();
            Some(Recipient { sink, recipient: desk.recipient.clone() })
        };
        let to = self.outbox.reached(message).filter_map(named).collect();
        self.told.push(Told::Delivered(Delivered { message, to }));
    }
}

/// By whom it is known.
fn by(Reached { sink, recipient, .. }: &Reached) -> Recipient {
    Recipient { sink: sink.clone(), recipient: recipient.clone() }
}

fn heard_by(id: &DeskId, desk: &Desk) -> Vec<Reached> {
    let by = Recipient { sink: desk.name.clone(), recipient: id.recipient.clone() };
    desk.queue.heard().map(|heard| heard.by(by.clone())).collect()
}
