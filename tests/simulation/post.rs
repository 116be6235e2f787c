//! Messages on their way: the core's own dispatch, driven as production does,
//! and sinks that take what they are sent, or do not.

use crate::heart::Part;
use crate::plan::{CrashPoint, Ms, SECOND};
use crate::rng::Rng;
use crate::secrets;
use crate::sinks::{self, Address, Edit, Failing, Inbox, Sinks};
use crate::world::{Thing, World};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use vai_core::dispatch::{Dispatch, FallenBack, Parcel, Reached, Refusal, Sending, SinkId, Told};
use vai_core::model::{Event, MessageId, Notice, Time};

/// A sink that has not answered by then counts as failed.
const SEND_DEADLINE: Ms = 15 * SECOND;
/// A message waits no longer than this to be stored.
const STORED_WITHIN: Ms = 10 * SECOND;

/// Everything between the core and people.
#[derive(Debug)]
pub(crate) struct Post {
    /// None while vai is down.
    dispatch: Option<Dispatch<Address>>,
    /// When vai started.
    began: Ms,
    /// The registry's sinks as they are now.
    pub(crate) sinks: Sinks,
    edits: BTreeSet<Edit>,
    failing: BTreeMap<Inbox, (Failing, Ms)>,
    /// Nobody can be reached before.
    down_until: Ms,
    /// Messages that are not stored yet, and how long they wait for it.
    held: VecDeque<(Ms, MessageId, Notice)>,
    /// Until when a sink asked to be left alone.
    asked: BTreeMap<SinkId, Ms>,
    /// Sinks that did not take what they were sent last.
    broken: BTreeSet<SinkId>,
    /// Their names, as the core knows them.
    said: BTreeSet<String>,
    /// When each message was first sent on its way.
    first: BTreeMap<MessageId, Ms>,
    rng: Rng,
    sent: u64,
}

/// A send that ends.
#[derive(Debug)]
pub(crate) struct Sent {
    sink: SinkId,
    inbox: Inbox,
    notices: Vec<Notice>,
    asked: Ms,
    result: Result<(), Refusal>,
}

impl Post {
    pub(crate) fn new(sinks: Sinks, seed: u64) -> Self {
        Self {
            dispatch: None,
            began: 0,
            sinks,
            edits: BTreeSet::new(),
            failing: BTreeMap::new(),
            down_until: 0,
            held: VecDeque::new(),
            asked: BTreeMap::new(),
            broken: BTreeSet::new(),
            said: BTreeSet::new(),
            first: BTreeMap::new(),
            rng: Rng::new(seed ^ 0x0905),
            sent: 0,
        }
    }

    /// When it has something to do.
    pub(crate) fn next_wake(&self) -> Option<Ms> {
        let due = self.dispatch.as_ref().and_then(Dispatch::next_wake);
        let due = due.map(|due| self.began + due.as_millis());
        due.into_iter().chain(self.held.front().map(|(until, ..)| *until)).min()
    }

    pub(crate) fn fails(&mut self, inbox: Inbox, how: Failing, until: Ms) {
        self.failing.insert(inbox, (how, until));
    }

    pub(crate) fn nobody_until(&mut self, until: Ms) {
        self.down_until = until;
    }

    /// vai is gone.
    pub(crate) fn gone(&mut self) {
        self.dispatch = None;
        self.held.clear();
    }

    fn time(&self, now: Ms) -> Time {
        Time::from_millis(now - self.began)
    }

    /// How a message to `address` ends, and after how long.
    fn answer(&mut self, address: &Address, now: Ms) -> (Ms, Result<(), Refusal>) {
        let quick = self.rng.range(50, 3000);
        let failing = self.failing.get(&address.inbox).filter(|(_, until)| now < *until);
        let flaps = self.rng.chance(50);
        match failing.map(|(how, _)| *how) {
            _ if now < self.down_until => (quick, Err(Refusal::Passing(None))),
            Some(Failing::Hangs) => (SEND_DEADLINE, Err(Refusal::Passing(None))),
            Some(Failing::Busy(wait)) => {
                (quick, Err(Refusal::Passing(Some(Duration::from_millis(wait)))))
            }
            Some(Failing::Refuses) => (quick, Err(Refusal::Passing(None))),
            Some(Failing::Flaps) if flaps => (quick, Err(Refusal::Passing(None))),
            Some(Failing::Rejects) => (quick, Err(Refusal::Final)),
            _ if address.wrong => (quick, Err(Refusal::Final)),
            Some(Failing::Flaps) | None => (quick, Ok(())),
        }
    }
}

impl World {
    /// The first messages of a new vai: what the one before it left.
    pub(crate) fn post_starts(
        &mut self,
        told: Vec<Reached>,
        left: Vec<(MessageId, Notice)>,
    ) -> crate::Step {
        self.post.began = self.now;
        self.post.asked.clear();
        self.post.broken.clear();
        self.post.said.clear();
        let dispatch = Dispatch::new(self.post.sinks.clone(), told, Time::default());
        self.post.dispatch = Some(dispatch);
        for (id, notice) in left {
            let first = self.post.first.get(&id).copied().unwrap_or(self.now);
            let age = Duration::from_millis(self.now - first);
            self.tell(Parcel { notice, ids: vec![id], age });
        }
        self.report()
    }

    /// What hands messages out, unless that is stuck.
    fn working_dispatch(&mut self) -> Option<&mut Dispatch<Address>> {
        let stuck = self.heart.is_wrong(Part::Delivery);
        self.post.dispatch.as_mut().filter(|_| !stuck)
    }

    /// Takes a message on its way, once it is stored.
    pub(crate) fn send(&mut self, id: MessageId, notice: Notice) -> crate::Step {
        self.post.first.insert(id, self.now);
        self.post.held.push_back((self.now + STORED_WITHIN, id, notice));
        self.release_stored()
    }

    fn release_stored(&mut self) -> crate::Step {
        let stored = !self.disk.fails;
        while let Some((_, id, notice)) =
            self.post.held.pop_front_if(|(until, ..)| stored || *until <= self.now)
        {
            self.tell(Parcel { notice, ids: vec![id], age: Duration::ZERO });
        }
        self.report()
    }

    fn tell(&mut self, parcel: Parcel) {
        let now = self.post.time(self.now);
        if let Some(dispatch) = self.working_dispatch() {
            dispatch.tell(parcel, now);
        }
    }

    /// Sends what is due.
    pub(crate) fn post_wakes(&mut self) -> crate::Step {
        self.release_stored()?;
        let now = self.post.time(self.now);
        let Some(dispatch) = self.working_dispatch() else { return Ok(()) };
        let due = dispatch.due(now);
        let mut addresses = BTreeMap::new();
        for route in dispatch.routes() {
            addresses.insert(route.id, route.sink.kind.clone());
        }
        for Sending { sink, notices, .. } in due {
            let Some(address) = addresses.get(&sink) else { continue };
            if self.post.asked.get(&sink).is_some_and(|&until| self.now < until) {
                let words = format!("{address:?} asked to be left alone and is not");
                return Err(self.violation("A5", words));
            }
            secrets::are_not_sent(self.now, &notices)?;
            let (takes, result) = self.post.answer(address, self.now);
            let sent = Sent { sink, inbox: address.inbox, notices, asked: self.now, result };
            let run = self.run;
            self.later(takes, Thing::Sent { sent: Box::new(sent), run });
        }
        self.report()
    }

    pub(crate) fn sent(&mut self, sent: Sent, run: u32) -> crate::Step {
        let Sent { sink, inbox, notices, asked, result } = sent;
        let lives = run == self.run;
        let hears = lives && !self.heart.is_wrong(Part::Delivery);
        // What was on its way when vai went may have arrived.
        if result.is_ok() && (hears || self.post.rng.chance(50)) {
            self.story.tell(self.now, || {
                let of = |it: &Notice| format!("{:?} of {}", it.kind, it.incident.id.0);
                let all: Vec<String> = notices.iter().map(of).collect();
                format!("inbox {inbox} gets {}", all.join(", "))
            });
            self.oracle.arrived(self.now, inbox, &notices, asked, lives)?;
        }
        if !hears {
            return Ok(());
        }
        if result.is_ok() && self.armed.is_some_and(|(point, _)| point == CrashPoint::Arrived) {
            self.dies();
            return Ok(());
        }
        let now = self.post.time(self.now);
        self.post.sent += 1;
        let key = format!("m{}", self.post.sent);
        let Some(dispatch) = &mut self.post.dispatch else { return Ok(()) };
        let is_there = dispatch.routes().iter().any(|it| it.id == sink && it.sink.held.is_none());
        let aftermath = dispatch.sent(sink, &key, result, now);
        match result {
            Ok(()) => _ = self.post.broken.remove(&sink),
            Err(refusal) => {
                _ = self.post.broken.insert(sink);
                if let Refusal::Passing(Some(wait)) = refusal {
                    self.post.asked.insert(sink, self.now + wait.as_millis() as Ms);
                }
            }
        }
        if is_there {
            self.oracle.answered(self.now, inbox, result);
        }
        if is_there && result == Err(Refusal::Final) {
            self.oracle.refused(inbox, &notices);
        }
        self.oracle.given_up(self.now, inbox, &aftermath.given_up)?;
        self.report()?;
        self.follow_sinks()
    }

    /// What became of messages is on its way to the loop.
    fn report(&mut self) -> crate::Step {
        let Some(dispatch) = self.working_dispatch() else { return Ok(()) };
        let told = dispatch.take_told();
        let fallen_back = dispatch.take_fallen_back();
        let routes = dispatch.routes().iter();
        let inboxes: BTreeMap<SinkId, Inbox> =
            routes.map(|route| (route.id, route.sink.kind.inbox)).collect();
        if !told.is_empty() {
            self.later(5, Thing::Reported { told, run: self.run });
        }
        for FallenBack { sink, notice, told_to, .. } in fallen_back {
            let Some(inbox) = inboxes.get(&sink) else { continue };
            let others: Vec<Inbox> =
                told_to.iter().filter_map(|it| inboxes.get(it)).copied().collect();
            self.story.tell(self.now, || {
                format!("inboxes {others:?} instead of {inbox}: {}", notice.incident.id.0)
            });
            self.oracle.fell_back(self.now, *inbox, &notice, &others)?;
        }
        Ok(())
    }

    /// The loop stores what became of messages.
    pub(crate) fn reported(&mut self, told: Vec<Told>) -> crate::Step {
        if self.core.is_none() {
            return Ok(());
        }
        let run = self.run;
        let of_message = told.iter().any(|it| matches!(it, Told::Everybody(_)));
        for (index, told) in told.into_iter().enumerate() {
            let crashes = |(point, _)| point == CrashPoint::Reported(index);
            if of_message && self.armed.is_some_and(crashes) {
                self.dies();
            }
            if self.run != run {
                return Ok(());
            }
            self.oracle.names_are_stored();
            match told {
                Told::Everybody(id) => self.feed(Event::Told(id))?,
                Told::Reached(_) | Told::Over { .. } => self.disk.told(told),
            }
        }
        Ok(())
    }

    /// Hands over which sinks took nothing when they were tried last.
    fn follow_sinks(&mut self) -> crate::Step {
        let Some(dispatch) = &self.post.dispatch else { return Ok(()) };
        let routes = dispatch.routes().iter();
        let broken = routes.filter(|route| self.post.broken.contains(&route.id));
        let broken: BTreeSet<String> = broken.map(|route| route.sink.name.clone()).collect();
        let said = std::mem::replace(&mut self.post.said, broken.clone());
        for name in said.symmetric_difference(&broken) {
            let failing = broken.contains(name).then(secrets::answered);
            self.feed(Event::Sink { name: name.clone(), failing })?;
        }
        Ok(())
    }

    /// Somebody edits the sinks, or takes an edit back.
    pub(crate) fn sinks_edited(&mut self, edit: Edit, done: bool) -> crate::Step {
        if self.disk.fails {
            // Nobody saves a file on a full disk.
            if !done {
                self.later(30 * SECOND, Thing::SinksAsBefore { edit });
            }
            return Ok(());
        }
        if done {
            self.post.edits.insert(edit);
        } else {
            self.post.edits.remove(&edit);
        }
        self.sinks_reloaded()
    }

    /// Everything that failed or was edited is as it was at first.
    pub(crate) fn sinks_mended(&mut self) -> crate::Step {
        self.post.edits.clear();
        self.post.failing.clear();
        self.post.down_until = self.now;
        self.sinks_reloaded()
    }

    fn sinks_reloaded(&mut self) -> crate::Step {
        self.post.sinks = sinks::edited(&self.plan.sinks, &self.post.edits);
        if self.core.is_none() {
            return Ok(());
        }
        let now = self.post.time(self.now);
        // A loop whose messages are stuck gets stuck with them.
        let sinks = self.post.sinks.clone();
        let Some(dispatch) = self.working_dispatch() else { return Ok(()) };
        dispatch.configure(sinks, now);
        self.post.asked.clear();
        self.oracle.sinks_are(&self.post.sinks, None);
        self.report()?;
        self.feed(Event::Wake)?;
        self.configured()?;
        self.follow_sinks()
    }

    /// Messages that are still on their way.
    pub(crate) fn undelivered(&self) -> usize {
        let Some(dispatch) = &self.post.dispatch else { return 0 };
        dispatch.routes().iter().map(|route| dispatch.pending(route.id)).sum()
    }
}
