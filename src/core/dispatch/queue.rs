//! What one sink, or one of its recipients, still has to be told, and when.
//! Pure: time is passed in.

mod entry;
mod pace;

pub(super) use pace::Timing;

use super::answer::Refusal;
use super::outbox::{Heard, News, Parcel, Reached};
use crate::model::{IncidentId, Notice, NoticeKind, Time};
use entry::{Entry, Told};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// First delay after a failed send; doubles with each further one.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// The longest delay, unless the sink asks for a longer one.
const BACKOFF_MOST: Duration = Duration::from_secs(300);

/// The longest wait that a sink may ask for: one that asks for a week would
/// otherwise never be tried again.
const ASKED_MOST: Duration = Duration::from_secs(3600);

/// The queue of one sink, or of one of its recipients. It holds at most one
/// entry per incident, so nothing about an incident can overtake its opening,
/// and what is over before it was told becomes one message.
#[derive(Debug)]
pub(super) struct Queue {
    timing: Timing,
    waiting: Vec<Entry>,
    /// What is being sent, by the number of the message.
    in_flight: BTreeMap<u64, Batch>,
    told: BTreeMap<IncidentId, Told>,
    failures: u32,
    not_before: Time,
    hurry: bool,
    /// When the last messages arrived, two at most.
    arrived: VecDeque<Time>,
    /// What happened since it was last asked.
    news: Vec<News>,
}

/// What shares a message that is being sent.
#[derive(Debug)]
struct Batch {
    since: Time,
    entries: Vec<Entry>,
}

impl Queue {
    /// An empty queue.
    pub(super) fn new(timing: Timing) -> Self {
        Self {
            timing,
            waiting: Vec::new(),
            in_flight: BTreeMap::new(),
            told: BTreeMap::new(),
            failures: 0,
            not_before: Time::default(),
            hurry: false,
            arrived: VecDeque::new(),
            news: Vec::new(),
        }
    }

    /// Goes on from what was told by a `vai` before this one.
    pub(super) fn resume<'a>(&mut self, told: impl Iterator<Item = &'a Reached>, now: Time) {
        for Reached { incident, opening, severity, .. } in told {
            let told = Told { opening: opening.clone(), severity: *severity, last: now };
            self.told.insert(incident.clone(), told);
        }
    }

    /// Takes in one notice.
    pub(super) fn push(&mut self, parcel: impl Into<Parcel>, now: Time) {
        let parcel = parcel.into();
        let due = self.due(&parcel.notice, now);
        self.enqueue(Entry::new(parcel, now, due));
    }

    /// The same for what has waited long enough at another sink.
    pub(super) fn push_now(&mut self, parcel: Parcel, now: Time) {
        self.enqueue(Entry::new(parcel, now, now));
    }

    /// What happened since this was last asked, oldest first.
    pub(super) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// Everything that was told here and that is not over.
    pub(super) fn heard(&self) -> impl Iterator<Item = Heard> {
        self.told.iter().map(|(incident, told)| told.heard(incident))
    }

    /// Takes everything that may be sent, as the message `number`; follow it
    /// with [`answered`](Self::answered). Empty if there is nothing to say.
    pub(super) fn take(&mut self, number: u64, now: Time) -> Vec<Notice> {
        let ready: BTreeSet<IncidentId> = self
            .ready()
            .filter(|entry| entry.rests_until() <= now)
            .map(|entry| entry.incident().clone())
            .collect();
        let (mut batch, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|entry| ready.contains(entry.incident()));
        self.waiting = waiting;
        // An end comes after its beginning: to whom it is new, it begins with it.
        for entry in &mut batch {
            let is_new = !self.told.contains_key(entry.incident());
            if is_new && entry.notice.kind == NoticeKind::Resolved {
                entry.notice.kind = NoticeKind::Opened;
            }
        }
        let (unwanted, wanted): (Vec<_>, Vec<_>) = batch.into_iter().partition(|entry| {
            !self.timing.send_resolved && entry.notice.kind == NoticeKind::Resolved
        });
        self.settle(unwanted, false);
        let notices = wanted.iter().map(|entry| entry.notice.clone()).collect();
        if !wanted.is_empty() {
            self.in_flight.insert(number, Batch { since: now, entries: wanted });
        }
        notices
    }

    /// Whether the message `number` is in flight.
    pub(super) fn is_sending(&self, number: u64) -> bool {
        self.in_flight.contains_key(&number)
    }

    /// What was taken as the message `number` is part of the message `other`.
    pub(super) fn join(&mut self, number: u64, other: u64) {
        if let Some(batch) = self.in_flight.remove(&number) {
            self.in_flight.insert(other, batch);
        }
    }

    /// The keys of the messages that first told of these incidents.
    pub(super) fn openings(&self, notices: &[Notice]) -> Vec<String> {
        let mut keys: Vec<String> = notices
            .iter()
            .filter_map(|notice| self.told.get(&notice.incident.id))
            .map(|told| told.opening.clone())
            .collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// What became of each incident in the message `number`, which was sent as
    /// `key`. What has not arrived waits again, together with what came since.
    pub(super) fn answered(
        &mut self,
        number: u64,
        key: &str,
        answer: impl Fn(&IncidentId) -> Result<(), Refusal>,
        now: Time,
    ) {
        let Some(Batch { entries, .. }) = self.in_flight.remove(&number) else { return };
        let (mut arrived, mut refused, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        let mut unknown = Vec::new();
        let mut asked = None;
        for entry in entries {
            match answer(entry.incident()) {
                Ok(()) => arrived.push(entry),
                Err(Refusal::Final) => refused.push(entry),
                Err(Refusal::Unknown(rest)) => unknown.push((entry, rest)),
                Err(Refusal::Passing(after)) => {
                    asked = asked.max(after);
                    failed.push(entry);
                }
            }
        }
        let takes_something = !arrived.is_empty() || !refused.is_empty();
        self.back_off(takes_something, &mut failed, asked, now);
        if !arrived.is_empty() {
            self.arrived(arrived, key, now);
        }
        self.give_up(refused);
        failed.extend(unknown.into_iter().map(|(mut entry, rest)| {
            entry.rest_in_doubt(now, rest);
            entry
        }));
        self.put_back(failed);
    }

    /// What failed while something else was taken, now or before, waits by
    /// itself; else it is the sink that fails, and everything waits.
    fn back_off(
        &mut self,
        takes_something: bool,
        failed: &mut [Entry],
        asked: Option<Duration>,
        now: Time,
    ) {
        let alone = takes_something || failed.iter().all(|entry| entry.failures > 0);
        if alone {
            failed.iter_mut().for_each(|entry| entry.failed(now));
        }
        if takes_something {
            self.failures = 0;
            self.not_before = Time::default();
        } else if !alone {
            self.not_before = now + backoff(self.failures);
            self.failures += 1;
        }
        if let Some(asked) = asked {
            self.not_before = self.not_before.max(now + asked.min(ASKED_MOST));
        }
    }

    fn arrived(&mut self, arrived: Vec<Entry>, key: &str, now: Time) {
        self.arrived.push_back(now);
        if self.arrived.len() > 2 {
            self.arrived.pop_front();
        }
        for Entry { notice, .. } in arrived.iter().filter(|entry| !entry.notice.incident.is_over())
        {
            let severity = notice.incident.severity;
            let incident = &notice.incident.id;
            let told = self.told.entry(incident.clone()).or_insert_with(|| Told {
                opening: key.to_owned(),
                severity,
                last: now,
            });
            told.severity = severity;
            told.last = now;
            self.news.push(News::Reached(told.heard(incident)));
        }
        self.settle(arrived, true);
    }

    /// Gives up what has been tried for long enough, and returns it.
    pub(super) fn expire(&mut self, now: Time) -> Vec<Notice> {
        let failing = self.failures > 0;
        let is_over =
            |entry: &mut Entry| (failing || entry.failures > 0) && entry.expires_at() <= now;
        let expired: Vec<Entry> = self.waiting.extract_if(.., is_over).collect();
        let notices = expired.iter().map(|entry| entry.notice.clone()).collect();
        self.give_up(expired);
        notices
    }

    /// When [`expire`](Self::expire) has something to do.
    pub(super) fn expires_at(&self) -> Option<Time> {
        let failing = self.failures > 0;
        let tried = self.waiting.iter().filter(|entry| failing || entry.failures > 0);
        tried.map(Entry::expires_at).min()
    }

    /// Hands to the fallback what was not told in time.
    pub(super) fn fall_back(&mut self, now: Time) {
        let overdue: BTreeSet<(bool, IncidentId)> = self
            .fallbacks()
            .filter(|(.., at)| *at <= now)
            .map(|(is_waiting, entry, _)| (is_waiting, entry.incident().clone()))
            .collect();
        let in_flight = self.in_flight.values_mut().flat_map(|batch| &mut batch.entries);
        let waiting = self.waiting.iter_mut().map(|entry| (true, entry));
        for (is_waiting, entry) in waiting.chain(in_flight.map(|entry| (false, entry))) {
            if overdue.contains(&(is_waiting, entry.incident().clone())) {
                self.news.push(entry.fall_back());
            }
        }
    }

    /// When [`fall_back`](Self::fall_back) has something to do.
    pub(super) fn falls_back_at(&self) -> Option<Time> {
        self.fallbacks().map(|(.., at)| at).min()
    }

    /// Whether it waits, what it is, and when the fallback is told of it.
    fn fallbacks(&self) -> impl Iterator<Item = (bool, &Entry, Time)> {
        let in_flight = self.in_flight.values().flat_map(|batch| &batch.entries);
        let waiting = self.waiting.iter().map(|entry| (true, entry));
        let all = waiting.chain(in_flight.map(|entry| (false, entry)));
        all.filter_map(|(is_waiting, entry)| {
            let fails = self.failures > 0 || entry.failures > 0 || entry.is_in_doubt();
            let trouble = if fails { Some(Time::default()) } else { self.held_up_since(entry) };
            entry.falls_back_at(trouble).map(|at| (is_waiting, entry, at))
        })
    }

    /// Whether it is known here how the incident of `notice` stands.
    pub(super) fn knows(&self, notice: &Notice) -> bool {
        let severity = notice.incident.severity;
        let told = self.told.get(&notice.incident.id);
        !notice.incident.is_over() && told.is_some_and(|told| told.severity >= severity)
    }

    /// Whether the incident of `notice` was told here, or is to be.
    pub(super) fn hears_of(&self, notice: &Notice) -> bool {
        let id = &notice.incident.id;
        self.told.contains_key(id) || self.undelivered().any(|entry| entry.incident() == id)
    }

    /// Whether it is being tried to tell of the incident of `notice` here, and
    /// the fallback was not told instead.
    pub(super) fn tries(&self, notice: &Notice) -> bool {
        let mut left = self.undelivered().filter(|entry| !entry.fallen_back);
        left.any(|entry| *entry.incident() == notice.incident.id)
    }

    /// Applies a changed configuration: what waits is tried anew at once, for
    /// the change may be what mends the sink.
    pub(super) fn reconfigure(&mut self, timing: Timing) {
        self.timing = timing;
        self.start_afresh();
    }

    /// From now on nothing waits for company, and the backoff starts afresh.
    pub(super) fn hurry(&mut self) {
        self.hurry = true;
        self.start_afresh();
    }

    fn start_afresh(&mut self) {
        self.failures = 0;
        self.not_before = Time::default();
        self.waiting.iter_mut().for_each(Entry::start_afresh);
    }

    /// Takes out everything that has not arrived, what is in flight included.
    pub(super) fn drain(&mut self) -> Vec<Parcel> {
        let in_flight = std::mem::take(&mut self.in_flight);
        self.put_back(in_flight.into_values().flat_map(|batch| batch.entries).collect());
        self.waiting.drain(..).map(Entry::into_parcel).collect()
    }

    /// The incidents with news that has not arrived.
    pub(super) fn pending(&self) -> impl Iterator<Item = &IncidentId> {
        self.undelivered().map(Entry::incident)
    }

    /// How many sends in a row have failed.
    pub(super) fn failures(&self) -> u32 {
        self.failures.max(self.waiting.iter().map(|entry| entry.failures).max().unwrap_or(0))
    }

    fn undelivered(&self) -> impl Iterator<Item = &Entry> {
        let in_flight = self.in_flight.values().flat_map(|batch| &batch.entries);
        self.waiting.iter().chain(in_flight)
    }

    /// There is nothing more to be done about these, which arrived or did not.
    fn settle(&mut self, entries: Vec<Entry>, arrived: bool) {
        for Entry { notice, ids, .. } in entries {
            let incident = notice.incident.id.clone();
            if notice.incident.is_over() && self.told.remove(&incident).is_some() {
                self.news.push(News::Over(incident));
            }
            if !ids.is_empty() {
                self.news.push(News::Settled { ids, arrived });
            }
        }
    }

    /// These are never taken here; the fallback hears of what was not told.
    fn give_up(&mut self, mut entries: Vec<Entry>) {
        for entry in entries.iter_mut().filter(|entry| !entry.fallen_back) {
            self.news.push(entry.fall_back());
        }
        self.settle(entries, false);
    }

    /// What was in flight waits again, before what came since.
    fn put_back(&mut self, entries: Vec<Entry>) {
        let newer = std::mem::replace(&mut self.waiting, entries);
        for entry in newer {
            self.enqueue(entry);
        }
    }

    fn enqueue(&mut self, newer: Entry) {
        match self.waiting.iter_mut().find(|entry| entry.is_about_same(&newer)) {
            Some(older) => older.absorb(newer),
            None => self.waiting.push(newer),
        }
    }
}

/// The delay after a send that failed, when `failures` before it had.
fn backoff(failures: u32) -> Duration {
    BACKOFF_FIRST.saturating_mul(1 << failures.min(16)).min(BACKOFF_MOST)
}

#[cfg(test)]
mod tests;
