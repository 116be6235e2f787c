//! Messages on their way: the core's own dispatch, driven as production does,
//! and sinks that take what they are sent, or do not.

use crate::heart;
use crate::plan::{CrashPoint, Ms, SECOND};
use crate::rng::Rng;
use crate::secrets;
use crate::sinks::{self, Address, Edit, Failing, Inbox, Sinks};
use crate::world::{Thing, World};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use vai_core::dispatch::{
    Answer, Dispatch, FallenBack, GivenUp, Notified, Parcel, Refusal, Sending, SinkId, Told,
};
use vai_core::model::{Event, IncidentId, MessageId, Notice, Time};

/// A sink that has not answered by then counts as failed, as a mail server after
/// the end of the mail.
const SEND_DEADLINE: Ms = 600 * SECOND;
/// A message that may have arrived is not sent again for so long.
const DOUBT: Ms = 600 * SECOND;
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
    asked: BTreeMap<(SinkId, Inbox), Ms>,
    /// Until when what may have arrived is not to be sent again.
    doubtful: BTreeMap<(SinkId, Inbox, IncidentId), Ms>,
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
    number: u64,
    sink: SinkId,
    /// Whether its recipients are told one by one.
    named: bool,
    parts: Vec<Part>,
    asked: Ms,
}

/// What one inbox made of some of it.
#[derive(Debug)]
struct Part {
    inbox: Inbox,
    notices: Vec<Notice>,
    result: Result<(), Refusal>,
}

impl Sent {
    fn answer(&self) -> Answer<Refusal> {
        let parts = self.parts.iter();
        match self.parts.as_slice() {
            _ if self.named => {
                Answer::Recipients(parts.map(|it| (it.inbox.to_string(), it.result)).collect())
            }
            [whole] => Answer::Whole(whole.result),
            _ => {
                let each = parts.flat_map(|part| {
                    part.notices.iter().map(|notice| (notice.incident.id.clone(), part.result))
                });
                Answer::Incidents(each.collect())
            }
        }
    }
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
            doubtful: BTreeMap::new(),
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

    /// For how long a sink wants to be left alone, or what is in doubt there.
    fn note_refusal(
        &mut self,
        sink: SinkId,
        inbox: Inbox,
        notices: &[Notice],
        result: Result<(), Refusal>,
        now: Ms,
    ) {
        match result {
            Err(Refusal::Passing(Some(wait))) => {
                self.asked.insert((sink, inbox), now + wait.as_millis() as Ms);
            }
            Err(Refusal::Unknown(rest)) => {
                let until = now + rest.as_millis() as Ms;
                let whose = notices.iter().map(|it| (sink, inbox, it.incident.id.clone()));
                self.doubtful.extend(whose.map(|whose| (whose, until)));
            }
            Ok(()) | Err(Refusal::Passing(None) | Refusal::Final) => {}
        }
    }

    /// vai is gone.
    pub(crate) fn gone(&mut self) {
        self.dispatch = None;
        self.held.clear();
    }

    fn time(&self, now: Ms) -> Time {
        Time::from_millis(now - self.began)
    }

    /// How a message about `notices` to `inbox` ends, and after how long; the
    /// sink may answer for each incident where it has one inbox only.
    fn answer(&mut self, inbox: Inbox, address: &Address, now: Ms) -> (Ms, Response) {
        let quick = self.rng.range(50, 3000);
        let failing = self.failing.get(&inbox).filter(|(_, until)| now < *until);
        let flaps = self.rng.chance(50);
        let picks = address.others.is_empty();
        let busy = Err(Refusal::Passing(None));
        let (takes, result) = match failing.map(|(how, _)| *how) {
            _ if now < self.down_until => (quick, busy),
            Some(Failing::Hangs) => (SEND_DEADLINE, busy),
            Some(Failing::Busy(wait)) => {
                (quick, Err(Refusal::Passing(Some(Duration::from_millis(wait)))))
            }
            Some(Failing::Refuses) => (quick, busy),
            Some(Failing::Flaps) if flaps => (quick, busy),
            Some(Failing::Doubtful) => (quick, Err(Refusal::Unknown(Duration::from_millis(DOUBT)))),
            Some(Failing::Picks) if picks => return (quick, Response::Picks),
            Some(Failing::Rejects) => (quick, Err(Refusal::Final)),
            _ if address.wrong => (quick, Err(Refusal::Final)),
            Some(Failing::Flaps | Failing::Picks) | None => (quick, Ok(())),
        };
        (takes, Response::Whole(result))
    }

    /// What a sink that picks makes of each incident.
    fn picked(&mut self, notices: &[Notice]) -> BTreeMap<IncidentId, Result<(), Refusal>> {
        let mut pick = || match self.rng.range(0, 3) {
            0 => Err(Refusal::Final),
            1 => Err(Refusal::Passing(None)),
            _ => Ok(()),
        };
        notices.iter().map(|notice| (notice.incident.id.clone(), pick())).collect()
    }
}

/// How one inbox answers.
enum Response {
    Whole(Result<(), Refusal>),
    /// Of each incident something else.
    Picks,
}

impl World {
    /// The first messages of a new vai: what the one before it left.
    pub(crate) fn post_starts(
        &mut self,
        told: Notified,
        left: Vec<(MessageId, Notice)>,
    ) -> crate::Step {
        self.post.began = self.now;
        self.post.asked.clear();
        self.post.doubtful.clear();
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
        let stuck = self.heart.is_wrong(heart::Part::Delivery);
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
        for sending in due {
            let Some(address) = addresses.get(&sending.sink) else { continue };
            self.post_sends(sending, address)?;
        }
        self.report()
    }

    fn post_sends(&mut self, sending: Sending, address: &Address) -> crate::Step {
        let Sending { number, sink, recipients, notices, .. } = sending;
        secrets::are_not_sent(self.now, &notices)?;
        let named = recipients.iter().filter_map(|name| name.parse().ok());
        let mut inboxes: Vec<Inbox> = named.collect();
        if inboxes.is_empty() {
            inboxes.push(address.inbox);
        }
        let (mut takes, mut parts) = (0, Vec::new());
        for inbox in inboxes {
            if self.post.asked.get(&(sink, inbox)).is_some_and(|&until| self.now < until) {
                let words = format!("{address:?} asked to be left alone and is not");
                return Err(self.violation("A5", words));
            }
            for notice in &notices {
                let whose = (sink, inbox, notice.incident.id.clone());
                if self.post.doubtful.get(&whose).is_some_and(|&until| self.now < until) {
                    let words = format!("inbox {inbox}: {} may have arrived", whose.2.0);
                    return Err(self.violation("A2", words));
                }
            }
            self.oracle.is_sent(self.now, inbox, &notices);
            let (lasts, response) = self.post.answer(inbox, address, self.now);
            takes = takes.max(lasts);
            match response {
                Response::Whole(result) => {
                    parts.push(Part { inbox, notices: notices.clone(), result });
                }
                Response::Picks => {
                    let picked = self.post.picked(&notices);
                    parts.extend(notices.iter().map(|notice| Part {
                        inbox,
                        notices: vec![notice.clone()],
                        result: picked[&notice.incident.id],
                    }));
                }
            }
        }
        let sent = Sent { number, sink, named: !recipients.is_empty(), parts, asked: self.now };
        let run = self.run;
        self.later(takes, Thing::Sent { sent: Box::new(sent), run });
        Ok(())
    }

    pub(crate) fn sent(&mut self, sent: Sent, run: u32) -> crate::Step {
        let lives = run == self.run;
        let hears = lives && !self.heart.is_wrong(heart::Part::Delivery);
        for Part { inbox, notices, result } in &sent.parts {
            // What was on its way when vai went may have arrived.
            if result.is_ok() && (hears || self.post.rng.chance(50)) {
                self.story.tell(self.now, || {
                    let of = |it: &Notice| format!("{:?} of {}", it.kind, it.incident.id.0);
                    let all: Vec<String> = notices.iter().map(of).collect();
                    format!("inbox {inbox} gets {}", all.join(", "))
                });
                self.oracle.arrived(self.now, *inbox, notices, sent.asked, lives)?;
            }
        }
        if !hears {
            return Ok(());
        }
        let arrived = sent.parts.iter().any(|part| part.result.is_ok());
        if arrived && self.armed.is_some_and(|(point, _)| point == CrashPoint::Arrived) {
            self.dies();
            return Ok(());
        }
        let now = self.post.time(self.now);
        self.post.sent += 1;
        let key = format!("m{}", self.post.sent);
        let Some(dispatch) = &mut self.post.dispatch else { return Ok(()) };
        let sink = sent.sink;
        let is_there = dispatch.routes().iter().any(|it| it.id == sink && it.sink.held.is_none());
        dispatch.sent(sent.number, &key, &sent.answer(), now);
        let given_up = dispatch.take_given_up();
        if sent.parts.iter().all(|part| part.result.is_ok()) {
            self.post.broken.remove(&sink);
        } else {
            self.post.broken.insert(sink);
        }
        for Part { inbox, notices, result } in &sent.parts {
            self.post.note_refusal(sink, *inbox, notices, *result, self.now);
            if is_there {
                let in_part = sent.parts.iter().filter(|it| it.inbox == *inbox).count() > 1;
                self.oracle.answered(self.now, *inbox, notices, in_part, *result);
            }
            if is_there && *result == Err(Refusal::Final) {
                self.oracle.refused(*inbox, notices);
            }
        }
        self.given_up(given_up)?;
        self.report()?;
        self.follow_sinks()
    }

    fn given_up(&mut self, given_up: Vec<GivenUp>) -> crate::Step {
        for GivenUp { sink, recipient, notices } in given_up {
            let Some(dispatch) = &self.post.dispatch else { continue };
            let route = dispatch.routes().iter().find(|route| route.id == sink);
            let own = route.map(|route| route.sink.kind.inbox);
            if let Some(inbox) = recipient.parse().ok().or(own) {
                self.oracle.given_up(self.now, inbox, &notices)?;
            }
        }
        Ok(())
    }

    /// What became of messages is on its way to the loop.
    fn report(&mut self) -> crate::Step {
        let Some(dispatch) = self.working_dispatch() else { return Ok(()) };
        let told = dispatch.take_told();
        let fallen_back = dispatch.take_fallen_back();
        let given_up = dispatch.take_given_up();
        let routes = dispatch.routes().iter();
        let inboxes: BTreeMap<SinkId, Vec<Inbox>> =
            routes.map(|route| (route.id, route.sink.kind.inboxes().collect())).collect();
        if !told.is_empty() {
            self.later(5, Thing::Reported { told, run: self.run });
        }
        for FallenBack { sink, notice, told_to, .. } in fallen_back {
            let Some(all) = inboxes.get(&sink) else { continue };
            let others: Vec<Inbox> =
                told_to.iter().filter_map(|it| inboxes.get(it)).flatten().copied().collect();
            self.story.tell(self.now, || {
                format!("inboxes {others:?} instead of {all:?}: {}", notice.incident.id.0)
            });
            self.oracle.fell_back(self.now, all, &notice, &others)?;
        }
        self.given_up(given_up)
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
                Told::Reached(_) | Told::Over { .. } | Told::Delivered(_) => self.disk.told(told),
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
