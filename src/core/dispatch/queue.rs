//! What one sink still has to be told, and when. Pure: time is passed in.

use super::outbox::{Heard, News, Parcel, Reached};
use crate::model::{IncidentId, MessageId, Notice, NoticeKind, Severity, Time};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// First delay after a failed send; doubles with each further one.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// The longest delay, unless the sink asks for a longer one.
const BACKOFF_MOST: Duration = Duration::from_secs(300);
/// What could not be delivered for so long is given up (behaviour.md, 4).
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// What a failing sink was not told after this is told by the fallback.
const FALLS_BACK_AFTER: Duration = Duration::from_secs(3600);
/// The same for what is critical.
const CRITICAL_FALLS_BACK_AFTER: Duration = Duration::from_secs(300);
/// More incidents than this at once are a storm: they come in few messages.
const STORM: usize = 5;
/// What comes after the first message of a storm is collected for this long.
const STORM_WAIT: Duration = Duration::from_secs(120);

/// When things go out at one sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timing {
    /// How long news waits for others to share its message.
    pub(super) group_wait: Duration,
    /// Least time between an incident's message and one about what is new in it.
    pub(super) group_interval: Duration,
    /// Whether the end of an incident that was told is told as well.
    pub(super) send_resolved: bool,
}

/// The queue of one sink. It holds at most one entry per incident, so nothing
/// about an incident can overtake its opening, and what is over before it was
/// told becomes one message.
#[derive(Debug)]
pub(super) struct Queue {
    timing: Timing,
    waiting: Vec<Entry>,
    in_flight: Vec<Entry>,
    told: BTreeMap<IncidentId, Told>,
    failures: u32,
    not_before: Time,
    hurry: bool,
    /// When the last messages arrived, two at most.
    arrived: VecDeque<Time>,
    /// What happened since it was last asked.
    news: Vec<News>,
}

#[derive(Clone, Debug)]
struct Entry {
    notice: Notice,
    ids: Vec<MessageId>,
    /// Before it was queued here.
    age: Duration,
    queued: Time,
    due: Time,
    /// The fallback was told of it.
    fallen_back: bool,
}

/// What a sink last heard about an incident that is not over.
#[derive(Debug)]
struct Told {
    opening: String,
    severity: Severity,
    last: Time,
}

impl Queue {
    /// An empty queue.
    pub(super) fn new(timing: Timing) -> Self {
        Self {
            timing,
            waiting: Vec::new(),
            in_flight: Vec::new(),
            told: BTreeMap::new(),
            failures: 0,
            not_before: Time::default(),
            hurry: false,
            arrived: VecDeque::new(),
            news: Vec::new(),
        }
    }

    /// Goes on from what this sink was told by a `vai` before this one.
    pub(super) fn resume<'a>(&mut self, told: impl Iterator<Item = &'a Reached>, now: Time) {
        for Reached { incident, opening, severity, .. } in told {
            let told = Told { opening: opening.clone(), severity: *severity, last: now };
            self.told.insert(incident.clone(), told);
        }
    }

    /// Takes in one notice for this sink.
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

    /// Everything that this sink was told of and that is not over.
    pub(super) fn heard(&self) -> impl Iterator<Item = Heard> {
        self.told.iter().map(|(incident, told)| told.heard(incident))
    }

    /// When the next message is to be sent: none while one is in flight.
    pub(super) fn next_due(&self) -> Option<Time> {
        if !self.in_flight.is_empty() {
            return None;
        }
        let due = self.waiting.iter().map(|entry| entry.due).min()?;
        let due = if self.is_storm() { self.due_in_storm()? } else { due };
        let due = if self.hurry { Time::default() } else { due };
        Some(due.max(self.not_before))
    }

    /// Takes everything that waits, to be sent as one message; follow it with
    /// [`delivered`](Self::delivered), [`failed`](Self::failed) or
    /// [`rejected`](Self::rejected). Empty if there is nothing to say.
    pub(super) fn take(&mut self) -> Vec<Notice> {
        let mut batch = std::mem::take(&mut self.waiting);
        // An end comes after its beginning: to whom it is new, it begins with it.
        for entry in &mut batch {
            let is_new = !self.told.contains_key(&entry.notice.incident.id);
            if is_new && entry.notice.kind == NoticeKind::Resolved {
                entry.notice.kind = NoticeKind::Opened;
            }
        }
        let (unwanted, wanted) = batch.into_iter().partition(|entry| {
            !self.timing.send_resolved && entry.notice.kind == NoticeKind::Resolved
        });
        self.settle(unwanted);
        self.in_flight = wanted;
        self.in_flight.iter().map(|entry| entry.notice.clone()).collect()
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

    /// What was taken has arrived, as the message named `key`.
    pub(super) fn delivered(&mut self, key: &str, now: Time) {
        self.failures = 0;
        self.not_before = Time::default();
        self.arrived.push_back(now);
        if self.arrived.len() > 2 {
            self.arrived.pop_front();
        }
        let arrived = std::mem::take(&mut self.in_flight);
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
        self.settle(arrived);
    }

    /// What was taken has not arrived: it waits again, together with what came
    /// since, for the backoff or for as long as the sink asked. Returns what is
    /// too old to be tried again.
    pub(super) fn failed(&mut self, now: Time, asked: Option<Duration>) -> Vec<Notice> {
        let backoff = BACKOFF_FIRST.saturating_mul(1 << self.failures.min(16)).min(BACKOFF_MOST);
        self.failures += 1;
        self.not_before = now + backoff.max(asked.unwrap_or_default());
        self.put_back();
        let (kept, expired): (Vec<_>, Vec<Entry>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|entry| entry.age + now.since(entry.queued) < KEPT);
        self.waiting = kept;
        let notices = expired.iter().map(|entry| entry.notice.clone()).collect();
        self.give_up(expired);
        notices
    }

    /// What was taken will never be accepted here; the fallback is told.
    pub(super) fn rejected(&mut self) {
        self.failures = 0;
        self.not_before = Time::default();
        let refused = std::mem::take(&mut self.in_flight);
        self.give_up(refused);
    }

    /// Hands to the fallback what this sink was not told in time.
    pub(super) fn fall_back(&mut self, now: Time) {
        let overdue = |entry: &&mut Entry| entry.falls_back_at().is_some_and(|at| at <= now);
        if self.failures > 0 {
            for entry in self.waiting.iter_mut().chain(&mut self.in_flight).filter(overdue) {
                self.news.push(entry.fall_back());
            }
        }
    }

    /// When [`fall_back`](Self::fall_back) has something to do.
    pub(super) fn falls_back_at(&self) -> Option<Time> {
        let all = self.waiting.iter().chain(&self.in_flight);
        all.filter(|_| self.failures > 0).filter_map(Entry::falls_back_at).min()
    }

    /// Whether this sink knows how the incident of `notice` stands.
    pub(super) fn knows(&self, notice: &Notice) -> bool {
        let severity = notice.incident.severity;
        let told = self.told.get(&notice.incident.id);
        !notice.incident.is_over() && told.is_some_and(|told| told.severity >= severity)
    }

    /// Whether this sink was told of the incident of `notice`, or is to be.
    pub(super) fn hears_of(&self, notice: &Notice) -> bool {
        let id = &notice.incident.id;
        let mut entries = self.waiting.iter().chain(&self.in_flight);
        self.told.contains_key(id) || entries.any(|entry| entry.notice.incident.id == *id)
    }

    /// Applies a changed configuration: what waits is tried anew at once, for
    /// the change may be what mends the sink.
    pub(super) fn reconfigure(&mut self, timing: Timing) {
        self.timing = timing;
        self.failures = 0;
        self.not_before = Time::default();
    }

    /// From now on nothing waits for company, and the backoff starts afresh.
    pub(super) fn hurry(&mut self) {
        self.hurry = true;
        self.failures = 0;
        self.not_before = Time::default();
    }

    /// Takes out everything that has not arrived, what is in flight included.
    pub(super) fn drain(&mut self) -> Vec<Parcel> {
        self.put_back();
        let entries = self.waiting.drain(..);
        entries.map(|Entry { notice, ids, age, .. }| Parcel { notice, ids, age }).collect()
    }

    /// How many incidents have news that has not arrived.
    pub(super) fn pending(&self) -> usize {
        self.waiting.len() + self.in_flight.len()
    }

    /// How many sends in a row have failed.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    fn due(&self, notice: &Notice, now: Time) -> Time {
        let told = self.told.get(&notice.incident.id);
        let worst = notice.incident.severity == Severity::Critical;
        let grouped = now + self.timing.group_wait;
        match (notice.kind, told) {
            (NoticeKind::Escalated, Some(told)) if worst && told.severity < Severity::Critical => {
                now
            }
            (NoticeKind::Escalated, Some(told)) => {
                grouped.max(told.last + self.timing.group_interval)
            }
            (NoticeKind::Escalated, None) if worst => now,
            (NoticeKind::Joined, Some(told)) => grouped.max(told.last + self.timing.group_interval),
            (
                NoticeKind::Opened
                | NoticeKind::Joined
                | NoticeKind::Escalated
                | NoticeKind::Reminder(_)
                | NoticeKind::Resolved
                | NoticeKind::Info,
                _,
            ) => grouped,
        }
    }

    fn is_storm(&self) -> bool {
        let is_new = |entry: &&Entry| !self.told.contains_key(&entry.notice.incident.id);
        self.told.len() + self.waiting.iter().filter(is_new).count() > STORM
    }

    /// In a storm the ends come together, once all is over, and what is new is
    /// collected after the first message: two messages an interval at most.
    fn due_in_storm(&self) -> Option<Time> {
        let ends = |entry: &&Entry| entry.is_end(&self.told);
        let over = self.waiting.iter().filter(ends);
        let all_over = over.clone().count() == self.told.len();
        let end = if all_over {
            over.map(|entry| entry.due).max()
        } else {
            over.map(|entry| entry.queued + self.timing.group_interval).min()
        };
        let rest = self.waiting.iter().filter(|entry| !entry.is_end(&self.told));
        let rest = rest.map(|entry| entry.due).min().map(|due| due.max(self.quiet_until()));
        [end, rest].into_iter().flatten().min()
    }

    /// Until when what is new in a storm is collected.
    fn quiet_until(&self) -> Time {
        let interval = self.timing.group_interval;
        match (self.arrived.front(), self.arrived.back()) {
            (Some(&first), Some(&last))
                if self.arrived.len() == 2 && last.since(first) < interval =>
            {
                first + interval
            }
            (_, Some(&last)) => last + STORM_WAIT.min(interval),
            (_, None) => Time::default(),
        }
    }

    /// There is nothing more to be done about these.
    fn settle(&mut self, entries: Vec<Entry>) {
        for Entry { notice, ids, .. } in entries {
            let incident = notice.incident.id.clone();
            if notice.incident.is_over() && self.told.remove(&incident).is_some() {
                self.news.push(News::Over(incident));
            }
            if !ids.is_empty() {
                self.news.push(News::Settled(ids));
            }
        }
    }

    /// This sink never takes these; the fallback hears of what it was not told.
    fn give_up(&mut self, mut entries: Vec<Entry>) {
        for entry in entries.iter_mut().filter(|entry| !entry.fallen_back) {
            self.news.push(entry.fall_back());
        }
        self.settle(entries);
    }

    fn put_back(&mut self) {
        let newer = std::mem::replace(&mut self.waiting, std::mem::take(&mut self.in_flight));
        for entry in newer {
            self.enqueue(entry);
        }
    }

    fn enqueue(&mut self, newer: Entry) {
        let id = &newer.notice.incident.id;
        match self.waiting.iter_mut().find(|entry| entry.notice.incident.id == *id) {
            Some(older) => older.absorb(newer),
            None => self.waiting.push(newer),
        }
    }
}

impl Told {
    fn heard(&self, incident: &IncidentId) -> Heard {
        let Self { opening, severity, .. } = self;
        Heard { incident: incident.clone(), opening: opening.clone(), severity: *severity }
    }
}

impl Entry {
    fn new(Parcel { notice, ids, age }: Parcel, queued: Time, due: Time) -> Self {
        Self { notice, ids, age, queued, due, fallen_back: false }
    }

    /// Whether it tells the end of what this sink was told of.
    fn is_end(&self, told: &BTreeMap<IncidentId, Told>) -> bool {
        self.notice.incident.is_over() && told.contains_key(&self.notice.incident.id)
    }

    fn falls_back_at(&self) -> Option<Time> {
        let after = match self.notice.incident.severity {
            Severity::Critical => CRITICAL_FALLS_BACK_AFTER,
            Severity::Warning | Severity::Info => FALLS_BACK_AFTER,
        };
        (!self.fallen_back).then(|| self.queued + after.saturating_sub(self.age))
    }

    fn fall_back(&mut self) -> News {
        self.fallen_back = true;
        let Self { notice, ids, age, .. } = self.clone();
        News::FallsBack(Box::new(Parcel { notice, ids, age }))
    }

    /// Becomes the newer state of the incident, still told for the first time
    /// if it was to be.
    fn absorb(&mut self, newer: Self) {
        let kind = match (self.notice.kind, newer.notice.kind) {
            (NoticeKind::Opened, _) => NoticeKind::Opened,
            (NoticeKind::Escalated, NoticeKind::Reminder(_) | NoticeKind::Joined) => {
                NoticeKind::Escalated
            }
            (NoticeKind::Joined, NoticeKind::Reminder(_)) => NoticeKind::Joined,
            (_, newer) => newer,
        };
        self.due = self.due.min(newer.due);
        self.ids.extend(newer.ids);
        // The end goes to the fallback by itself if that knows the beginning.
        self.fallen_back &= newer.fallen_back || newer.notice.incident.is_over();
        let Notice { at, decided, .. } = self.notice;
        self.notice = Notice { kind, at, decided, ..newer.notice };
    }
}

#[cfg(test)]
mod tests;
