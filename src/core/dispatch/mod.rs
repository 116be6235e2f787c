//! Who is told what, and when, until it has arrived (behaviour.md, section 4).
//!
//! Pure, like the judge: notices and answers of sinks come in with the time,
//! what is to be sent comes out as data. A sink sends once; trying again,
//! sharing messages, order and the fallback are all decided here. A sink that
//! reaches several people one by one has a queue for each of them, so that what
//! becomes of one holds up no other.

mod answer;
mod known;
mod outbox;
mod plan;
mod queue;
mod router;
#[cfg(test)]
mod tests;

pub use answer::{Answer, GivenUp, Refusal, Sending};
pub use outbox::{Delivered, FallenBack, Notified, Parcel, Reached, Recipient, Told};
pub use plan::{Destination, Plan, Sink};
pub use router::{Route, SinkId};

use crate::model::{IncidentId, MessageId, Notice, NoticeKind, Time};
use outbox::{DeskId, News, Outbox, Settled};
use queue::{Queue, Timing};
use router::Router;
use std::collections::{BTreeMap, BTreeSet};

/// All that is on its way, to all sinks.
#[derive(Debug)]
pub struct Dispatch<K> {
    plan: Plan<K>,
    router: Router<K>,
    desks: BTreeMap<DeskId, Desk>,
    outbox: Outbox,
    /// What sinks are known to have been told, as it is stored.
    known: Vec<Reached>,
    told: Vec<Told>,
    fallen_back: Vec<FallenBack>,
    given_up: Vec<GivenUp>,
    last_sending: u64,
}

/// Where what one sink, or one of its recipients, is to be told waits.
#[derive(Debug)]
struct Desk {
    /// Of the sink.
    name: String,
    queue: Queue,
}

impl<K: Destination> Dispatch<K> {
    /// Nothing is on its way; `before` says what sinks were told by a `vai`
    /// before this one.
    pub fn new(plan: Plan<K>, before: Notified, now: Time) -> Self {
        let mut dispatch = Self {
            plan: plan.clone(),
            router: Router::new(),
            desks: BTreeMap::new(),
            outbox: Outbox::default(),
            known: before.reached,
            told: Vec::new(),
            fallen_back: Vec::new(),
            given_up: Vec::new(),
            last_sending: 0,
        };
        dispatch.configure(plan, now);
        dispatch.resume(&before.delivered);
        dispatch
    }

    /// Applies a changed plan. What waits for a sink that is still there stays
    /// with it; what waits for one that has gone is told anew through the sinks
    /// that there are now.
    pub fn configure(&mut self, plan: Plan<K>, now: Time) {
        self.router.reconfigure(&plan);
        self.plan = plan;
        self.rename();
        let usable: Vec<Route<K>> = self.router.usable().cloned().collect();
        for route in &usable {
            self.open(route, now);
        }
        let kept: BTreeSet<DeskId> = usable.iter().flat_map(Route::desks).collect();
        let gone: Vec<(DeskId, Desk)> =
            self.desks.extract_if(.., |id, _| !kept.contains(id)).collect();
        let mut told_anew: Vec<Notice> = Vec::new();
        for (id, mut desk) in gone {
            for parcel in desk.queue.drain() {
                // Whoever was to hear of the end only cannot be reached any more,
                // and two sinks that have gone may both have waited for it.
                let Parcel { notice, ids, .. } = &parcel;
                if notice.kind != NoticeKind::Resolved && !told_anew.contains(notice) {
                    told_anew.push(notice.clone());
                    self.tell_anew(&parcel, now);
                }
                self.settle(&id, ids, false);
            }
        }
    }

    /// Takes something on its way; returns the sinks that are to tell it. None:
    /// it is for the log only, or those that it is for have it already.
    pub fn tell(&mut self, parcel: Parcel, now: Time) -> Vec<SinkId> {
        let sinks = self.router.route(&parcel.notice);
        let mut desks = self.desks_of(&sinks);
        desks.retain(|desk| !self.outbox.has_reached(&parcel.ids, desk));
        self.hand_out(&parcel, &desks, now);
        if desks.is_empty() {
            self.settle(&DeskId::default(), &parcel.ids, false);
        }
        let mut sinks: Vec<SinkId> = desks.into_iter().map(|desk| desk.sink).collect();
        sinks.dedup();
        sinks
    }

    /// When [`due`](Self::due) has something to do.
    #[must_use]
    pub fn next_wake(&self) -> Option<Time> {
        let queues = self.desks.values().map(|desk| &desk.queue);
        queues.flat_map(|it| [it.next_due(), it.falls_back_at(), it.expires_at()]).flatten().min()
    }

    /// What is to be sent at `now`. Those who are to be told the same share a
    /// message.
    pub fn due(&mut self, now: Time) -> Vec<Sending> {
        for id in self.desk_ids() {
            if let Some(desk) = self.desks.get_mut(&id) {
                let notices = desk.queue.expire(now);
                desk.queue.fall_back(now);
                if !notices.is_empty() {
                    let DeskId { sink, recipient } = id.clone();
                    self.given_up.push(GivenUp { sink, recipient, notices });
                }
            }
            self.take_in(&id, now);
        }
        let mut sendings: Vec<Sending> = Vec::new();
        for (id, desk) in &mut self.desks {
            if desk.queue.next_due().is_some_and(|due| due <= now) {
                self.last_sending += 1;
                let number = self.last_sending;
                let notices = desk.queue.take(number, now);
                let follows = desk.queue.openings(&notices);
                let recipients = Vec::from_iter(id.named().cloned());
                let new = Sending { number, sink: id.sink, recipients, notices, follows };
                share(new, &mut sendings, &mut desk.queue);
            }
        }
        // What nobody wants is done with.
        for id in self.desk_ids() {
            self.take_in(&id, now);
        }
        sendings
    }

    /// What a sink made of the [`Sending`] of that number, sent as the message
    /// `key`. Returns how many sends in a row had failed before it.
    pub fn sent(&mut self, number: u64, key: &str, answer: &Answer<Refusal>, now: Time) -> u32 {
        let mut failures = 0;
        // Where it left the registry meanwhile, what it had was told anew.
        for id in self.desk_ids() {
            let Some(desk) = self.desks.get_mut(&id) else { continue };
            if desk.queue.is_sending(number) {
                failures = failures.max(desk.queue.failures());
                let of = |incident: &IncidentId| answer.of(&id.recipient, incident);
                desk.queue.answered(number, key, of, now);
                self.take_in(&id, now);
            }
        }
        failures
    }

    /// What became of messages since this was last asked, to be stored.
    pub fn take_told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }

    /// What fell back since this was last asked.
    pub fn take_fallen_back(&mut self) -> Vec<FallenBack> {
        std::mem::take(&mut self.fallen_back)
    }

    /// What was tried for too long since this was last asked.
    pub fn take_given_up(&mut self) -> Vec<GivenUp> {
        std::mem::take(&mut self.given_up)
    }

    /// From now on nothing waits for company, and every backoff starts afresh.
    pub fn hurry(&mut self) {
        for desk in self.desks.values_mut() {
            desk.queue.hurry();
        }
    }

    /// What has not arrived at a sink, or not at all of its recipients.
    pub fn undelivered(&mut self, sink: SinkId) -> Vec<Parcel> {
        let mut parcels: Vec<Parcel> = Vec::new();
        for (_, desk) in self.desks.iter_mut().filter(|(id, _)| id.sink == sink) {
            for parcel in desk.queue.drain() {
                if parcels.iter().all(|it| it.notice.incident.id != parcel.notice.incident.id) {
                    parcels.push(parcel);
                }
            }
        }
        parcels
    }

    /// Every sink of the plan, held ones included, in its order.
    #[must_use]
    pub fn routes(&self) -> &[Route<K>] {
        self.router.routes()
    }

    /// How many incidents have news that has not arrived at a sink, or not at
    /// all of its recipients.
    #[must_use]
    pub fn pending(&self, sink: SinkId) -> usize {
        let desks = self.desks.iter().filter(|(id, _)| id.sink == sink);
        let pending: BTreeSet<&IncidentId> =
            desks.flat_map(|(_, desk)| desk.queue.pending()).collect();
        pending.len()
    }

    /// When a sink, or one of its recipients, is sent something next.
    #[must_use]
    pub fn next_try(&self, sink: SinkId) -> Option<Time> {
        let desks = self.desks.iter().filter(|(id, _)| id.sink == sink);
        desks.filter_map(|(_, desk)| desk.queue.next_due()).min()
    }

    /// The same for what waited for a sink that has gone; others may have it.
    fn tell_anew(&mut self, parcel: &Parcel, now: Time) {
        let sinks = self.router.route(&parcel.notice);
        let mut desks = self.desks_of(&sinks);
        desks.retain(|id| {
            let knows = self.desks.get(id).is_some_and(|it| it.queue.knows(&parcel.notice));
            !knows && !self.outbox.was_handed(&parcel.ids, id)
        });
        self.hand_out(parcel, &desks, now);
    }

    fn hand_out(&mut self, parcel: &Parcel, desks: &[DeskId], now: Time) {
        for id in &parcel.ids {
            self.outbox.hand_out(*id, desks);
        }
        for id in desks {
            if let Some(desk) = self.desks.get_mut(id) {
                desk.queue.push(parcel.clone(), now);
            }
        }
    }

    fn desk_ids(&self) -> Vec<DeskId> {
        self.desks.keys().cloned().collect()
    }

    fn desks_of(&self, sinks: &[SinkId]) -> Vec<DeskId> {
        let desks = |sink| self.desks.keys().filter(move |id| id.sink == sink).cloned();
        sinks.iter().flat_map(|sink| desks(*sink)).collect()
    }

    fn open(&mut self, route: &Route<K>, now: Time) {
        let timing = Timing {
            group_wait: self.plan.group_wait,
            group_interval: self.plan.group_interval,
            send_resolved: route.sink.send_resolved,
        };
        let name = &route.sink.name;
        for id in route.desks() {
            match self.desks.get_mut(&id) {
                Some(desk) => desk.queue.reconfigure(timing),
                None => {
                    let mut queue = Queue::new(timing);
                    queue.resume(Self::told_before(&self.known, name, &id.recipient), now);
                    self.desks.insert(id, Desk { name: name.clone(), queue });
                }
            }
        }
    }

    /// Takes in what happened at a desk.
    fn take_in(&mut self, id: &DeskId, now: Time) {
        let Some(desk) = self.desks.get_mut(id) else { return };
        let by = Recipient { sink: desk.name.clone(), recipient: id.recipient.clone() };
        for news in desk.queue.take_news() {
            match news {
                News::Reached(heard) => self.note(Told::Reached(heard.by(by.clone()))),
                News::Over(incident) => self.note(Told::Over { incident, by: by.clone() }),
                News::FallsBack(parcel) => self.fall_back(id, *parcel, now),
                News::Settled { ids, arrived } => self.settle(id, &ids, arrived),
            }
        }
    }

    /// Tells the fallback what a sink was not told, unless one of those that it
    /// reaches was told, or may still be.
    fn fall_back(&mut self, id: &DeskId, parcel: Parcel, now: Time) {
        let mut colleagues = self.desks.iter().filter(|(it, _)| it.sink == id.sink && *it != id);
        let is_told = colleagues.any(|(it, Desk { queue, .. })| {
            self.outbox.has_reached(&parcel.ids, it)
                || queue.knows(&parcel.notice)
                || queue.tries(&parcel.notice)
        });
        if is_told {
            return;
        }
        let candidates = self.router.fallback(&parcel.notice, id.sink);
        let (mut told_to, mut known_to) = (Vec::new(), Vec::new());
        for other in self.desks_of(&candidates) {
            let Some(desk) = self.desks.get_mut(&other) else { continue };
            let handed = self.outbox.was_handed(&parcel.ids, &other);
            if handed || desk.queue.knows(&parcel.notice) {
                known_to.push(other.sink);
                continue;
            }
            let mut parcel = parcel.clone();
            // It begins with what is new to it, so that no end comes first.
            match parcel.notice.kind {
                _ if !desk.queue.hears_of(&parcel.notice) => {
                    parcel.notice.kind = NoticeKind::Opened;
                }
                NoticeKind::Opened => parcel.notice.kind = NoticeKind::Escalated,
                _ => {}
            }
            for id in &parcel.ids {
                self.outbox.hand_out(*id, std::slice::from_ref(&other));
            }
            desk.queue.push_now(parcel, now);
            told_to.push(other.sink);
        }
        told_to.dedup();
        known_to.dedup();
        let (sink, notice) = (id.sink, parcel.notice);
        self.fallen_back.push(FallenBack { sink, notice, told_to, known_to });
    }

    fn settle(&mut self, desk: &DeskId, ids: &[MessageId], arrived: bool) {
        for settled in self.outbox.settle(desk, ids, arrived) {
            match settled {
                Settled::Everywhere(id) => self.told.push(Told::Everybody(id)),
                Settled::Partly(id) => self.note_delivered(id),
            }
        }
    }
}

/// Adds `new` to `sendings`, to one that tells others of its sink the same if
/// there is one. Nothing to tell is no message.
fn share(new: Sending, sendings: &mut Vec<Sending>, queue: &mut Queue) {
    let Sending { number, notices, .. } = &new;
    if notices.is_empty() {
        return;
    }
    let same = sendings
        .iter_mut()
        .find(|it| it.sink == new.sink && it.notices == new.notices && it.follows == new.follows);
    match same {
        Some(sending) => {
            queue.join(*number, sending.number);
            sending.recipients.extend(new.recipients);
        }
        None => sendings.push(new),
    }
}
