//! Who is told what, and when, until it has arrived (behaviour.md, section 4).
//!
//! Pure, like the judge: notices and answers of sinks come in with the time,
//! what is to be sent comes out as data. A sink sends once; trying again,
//! sharing messages, order and the fallback are all decided here.

mod outbox;
mod queue;
mod router;
#[cfg(test)]
mod tests;

pub use outbox::{FallenBack, Parcel, Reached, Told};
pub use router::{Route, SinkId};

use crate::model::{MessageId, Notice, NoticeKind, Severity, Time};
use outbox::{News, Outbox};
use queue::{Queue, Timing};
use router::Router;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One way to reach people; `K` says how, two that are equal reach the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Sink<K> {
    /// For logs: `alerts[0] ntfy`.
    pub name: String,
    /// What it is.
    pub kind: K,
    /// Incidents below it are not sent here.
    pub min_severity: Severity,
    /// Whether the end of an incident is told here.
    pub send_resolved: bool,
    /// Why it cannot be used (`${NTFY_TOKEN} is not set`), if so.
    pub held: Option<String>,
}

/// Who is to be told, as the registry says.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan<K> {
    /// Channel name → its sinks.
    pub channels: BTreeMap<String, Vec<Sink<K>>>,
    /// The channels of messages without one of their own.
    pub default: Vec<String>,
    /// The channel that gets what a sink rejects, or did not take in time.
    pub fallback: Option<String>,
    /// How long the opening of an incident waits for others to join it.
    pub group_wait: Duration,
    /// Least time between two messages about what is new in an incident.
    pub group_interval: Duration,
}

/// One message to be sent now; answer with [`Dispatch::sent`].
#[derive(Clone, Debug, PartialEq)]
pub struct Sending {
    /// By which sink.
    pub sink: SinkId,
    /// What it tells.
    pub notices: Vec<Notice>,
    /// Keys of the messages that first told of these incidents there.
    pub follows: Vec<String>,
}

/// Why a sink did not take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It may take it later; how long it asked to be left alone, if it did.
    Passing(Option<Duration>),
    /// It never will.
    Final,
}

/// What became of a message besides arriving.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aftermath {
    /// How many sends in a row had failed before this one.
    pub failures: u32,
    /// What is too old to be tried again.
    pub given_up: Vec<Notice>,
}

/// All that is on its way, to all sinks.
#[derive(Debug)]
pub struct Dispatch<K> {
    plan: Plan<K>,
    router: Router<K>,
    desks: BTreeMap<SinkId, Desk>,
    outbox: Outbox,
    /// What sinks are known to have been told, as it is stored.
    known: Vec<Reached>,
    told: Vec<Told>,
    fallen_back: Vec<FallenBack>,
}

#[derive(Debug)]
struct Desk {
    name: String,
    queue: Queue,
}

impl<K: Clone + PartialEq> Dispatch<K> {
    /// Nothing is on its way; `told` says what sinks were told by a `vai`
    /// before this one.
    pub fn new(plan: Plan<K>, told: Vec<Reached>, now: Time) -> Self {
        let mut dispatch = Self {
            plan: plan.clone(),
            router: Router::new(),
            desks: BTreeMap::new(),
            outbox: Outbox::default(),
            known: told,
            told: Vec::new(),
            fallen_back: Vec::new(),
        };
        dispatch.configure(plan, now);
        dispatch.router.resume(&dispatch.known);
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
        let kept: BTreeSet<SinkId> = usable.iter().map(|route| route.id).collect();
        let gone: Vec<(SinkId, Desk)> =
            self.desks.extract_if(.., |id, _| !kept.contains(id)).collect();
        let mut told_anew: Vec<Notice> = Vec::new();
        for (sink, mut desk) in gone {
            for Parcel { notice, ids, age } in desk.queue.drain() {
                // Whoever was to hear of the end only cannot be reached any more,
                // and two sinks that have gone may both have waited for it.
                if notice.kind != NoticeKind::Resolved && !told_anew.contains(&notice) {
                    told_anew.push(notice.clone());
                    self.tell_anew(&Parcel { notice, ids: ids.clone(), age }, now);
                }
                self.settle(sink, &ids);
            }
        }
    }

    /// Takes something on its way; returns the sinks that are to tell it. None:
    /// it is for the log only.
    pub fn tell(&mut self, parcel: Parcel, now: Time) -> Vec<SinkId> {
        let sinks = self.router.route(&parcel.notice);
        self.hand_out(&parcel, &sinks, now);
        if sinks.is_empty() {
            self.settle(SinkId::default(), &parcel.ids);
        }
        sinks
    }

    /// When [`due`](Self::due) has something to do.
    #[must_use]
    pub fn next_wake(&self) -> Option<Time> {
        let desks = self.desks.values();
        desks.flat_map(|it| [it.queue.next_due(), it.queue.falls_back_at()]).flatten().min()
    }

    /// What is to be sent at `now`. A sink is given one message at a time.
    pub fn due(&mut self, now: Time) -> Vec<Sending> {
        for sink in self.sinks() {
            if let Some(desk) = self.desks.get_mut(&sink) {
                desk.queue.fall_back(now);
            }
            self.take_in(sink, now);
        }
        let mut sendings = Vec::new();
        for (&sink, desk) in &mut self.desks {
            if desk.queue.next_due().is_some_and(|due| due <= now) {
                let notices = desk.queue.take();
                let follows = desk.queue.openings(&notices);
                if !notices.is_empty() {
                    sendings.push(Sending { sink, notices, follows });
                }
            }
        }
        // What nobody wants is done with.
        for sink in self.sinks() {
            self.take_in(sink, now);
        }
        sendings
    }

    /// What became of a [`Sending`], sent as the message `key`.
    pub fn sent(
        &mut self,
        sink: SinkId,
        key: &str,
        result: Result<(), Refusal>,
        now: Time,
    ) -> Aftermath {
        // It left the registry meanwhile; what it had was told anew.
        let Some(desk) = self.desks.get_mut(&sink) else { return Aftermath::default() };
        let mut aftermath = Aftermath { failures: desk.queue.failures(), given_up: Vec::new() };
        match result {
            Ok(()) => desk.queue.delivered(key, now),
            Err(Refusal::Passing(after)) => aftermath.given_up = desk.queue.failed(now, after),
            Err(Refusal::Final) => desk.queue.rejected(),
        }
        self.take_in(sink, now);
        aftermath
    }

    /// What became of messages since this was last asked, to be stored.
    pub fn take_told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }

    /// What fell back since this was last asked.
    pub fn take_fallen_back(&mut self) -> Vec<FallenBack> {
        std::mem::take(&mut self.fallen_back)
    }

    /// From now on nothing waits for company, and every backoff starts afresh.
    pub fn hurry(&mut self) {
        for desk in self.desks.values_mut() {
            desk.queue.hurry();
        }
    }

    /// What has not arrived at a sink.
    pub fn undelivered(&mut self, sink: SinkId) -> Vec<Parcel> {
        self.desks.get_mut(&sink).map_or_else(Vec::new, |desk| desk.queue.drain())
    }

    /// Every sink of the plan, held ones included, in its order.
    #[must_use]
    pub fn routes(&self) -> &[Route<K>] {
        self.router.routes()
    }

    /// How many incidents have news that has not arrived at a sink.
    #[must_use]
    pub fn pending(&self, sink: SinkId) -> usize {
        self.desks.get(&sink).map_or(0, |desk| desk.queue.pending())
    }

    /// The same for what waited for a sink that has gone; others may have it.
    fn tell_anew(&mut self, parcel: &Parcel, now: Time) {
        let mut sinks = self.router.route(&parcel.notice);
        sinks.retain(|&sink| {
            let knows = self.desks.get(&sink).is_some_and(|it| it.queue.knows(&parcel.notice));
            !knows && !self.outbox.was_handed(&parcel.ids, sink)
        });
        self.hand_out(parcel, &sinks, now);
    }

    fn hand_out(&mut self, parcel: &Parcel, sinks: &[SinkId], now: Time) {
        for id in &parcel.ids {
            self.outbox.hand_out(*id, sinks);
        }
        for sink in sinks {
            if let Some(desk) = self.desks.get_mut(sink) {
                desk.queue.push(parcel.clone(), now);
            }
        }
    }

    /// What a sink was told of is known by its name, which says a place in the
    /// registry: one may get the name that another had. So what is known by the
    /// new names comes first, and what nobody of an old name knows is forgotten.
    fn rename(&mut self) {
        let before = self.heard();
        let names: BTreeMap<SinkId, &String> =
            self.router.routes().iter().map(|route| (route.id, &route.sink.name)).collect();
        let mut after: Vec<Reached> = Vec::new();
        for (sink, desk) in &mut self.desks {
            if let Some(&name) = names.get(sink) {
                desk.name.clone_from(name);
                after.extend(desk.queue.heard().map(|heard| heard.by(name)));
            }
        }
        for reached in after.iter().filter(|it| !before.contains(it)) {
            self.note(Told::Reached(reached.clone()));
        }
        for Reached { incident, sink, .. } in before {
            if !after.iter().any(|it| it.incident == incident && it.sink == sink) {
                self.note(Told::Over { incident, sink });
            }
        }
    }

    /// What every sink knows of open incidents.
    fn heard(&self) -> Vec<Reached> {
        let heard = |desk: &Desk| -> Vec<Reached> {
            desk.queue.heard().map(|heard| heard.by(&desk.name)).collect()
        };
        self.desks.values().flat_map(heard).collect()
    }

    /// What became of messages: to be stored, and known from now on.
    fn note(&mut self, told: Told) {
        match &told {
            Told::Reached(new) => {
                self.known.retain(|it| it.incident != new.incident || it.sink != new.sink);
                self.known.push(new.clone());
            }
            Told::Over { incident, sink } => {
                self.known.retain(|it| it.incident != *incident || it.sink != *sink);
            }
            Told::Everybody(_) => {}
        }
        self.told.push(told);
    }

    fn sinks(&self) -> Vec<SinkId> {
        self.desks.keys().copied().collect()
    }

    fn open(&mut self, route: &Route<K>, now: Time) {
        let timing = Timing {
            group_wait: self.plan.group_wait,
            group_interval: self.plan.group_interval,
            send_resolved: route.sink.send_resolved,
        };
        let name = &route.sink.name;
        match self.desks.get_mut(&route.id) {
            Some(desk) => desk.queue.reconfigure(timing),
            None => {
                let mut queue = Queue::new(timing);
                queue.resume(self.known.iter().filter(|it| it.sink == *name), now);
                let desk = Desk { name: name.clone(), queue };
                self.desks.insert(route.id, desk);
            }
        }
    }

    /// Takes in what happened at a sink.
    fn take_in(&mut self, sink: SinkId, now: Time) {
        let Some(desk) = self.desks.get_mut(&sink) else { return };
        let name = desk.name.clone();
        for news in desk.queue.take_news() {
            match news {
                News::Reached(heard) => self.note(Told::Reached(heard.by(&name))),
                News::Over(incident) => {
                    self.note(Told::Over { incident, sink: name.clone() });
                }
                News::FallsBack(parcel) => self.fall_back(sink, *parcel, now),
                News::Settled(ids) => self.settle(sink, &ids),
            }
        }
    }

    /// Tells the fallback what `sink` was not told.
    fn fall_back(&mut self, sink: SinkId, parcel: Parcel, now: Time) {
        let candidates = self.router.fallback(&parcel.notice, sink);
        let (mut told_to, mut known_to) = (Vec::new(), Vec::new());
        for other in candidates {
            let Some(desk) = self.desks.get_mut(&other) else { continue };
            let handed = self.outbox.was_handed(&parcel.ids, other);
            if handed || desk.queue.knows(&parcel.notice) {
                known_to.push(other);
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
                self.outbox.hand_out(*id, &[other]);
            }
            desk.queue.push_now(parcel, now);
            told_to.push(other);
        }
        self.fallen_back.push(FallenBack { sink, notice: parcel.notice, told_to, known_to });
    }

    fn settle(&mut self, sink: SinkId, ids: &[MessageId]) {
        let settled = self.outbox.settle(sink, ids);
        self.told.extend(settled.into_iter().map(Told::Everybody));
    }
}
