//! When the queue of a sink sends: what waits for company, and what a storm of
//! incidents is collected to.

use super::Queue;
use super::entry::Entry;
use crate::model::{Notice, NoticeKind, Severity, Time};
use std::time::Duration;

/// More incidents than this at once are a storm: they come in few messages.
const STORM: usize = 5;
/// What comes after the first message of a storm is collected for this long.
const STORM_WAIT: Duration = Duration::from_secs(120);
/// A message that takes longer holds up what concerns the same incidents only.
const HOLDS_UP_FOR: Duration = Duration::from_secs(15);
/// So many messages may be on their way to one sink at once.
const MOST_IN_FLIGHT: usize = 4;

/// When things go out at one sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dispatch) struct Timing {
    /// How long news waits for others to share its message.
    pub(in crate::dispatch) group_wait: Duration,
    /// Least time between an incident's message and one about what is new in it.
    pub(in crate::dispatch) group_interval: Duration,
    /// Whether the end of an incident that was told is told as well.
    pub(in crate::dispatch) send_resolved: bool,
}

impl Queue {
    /// When the next message is to be sent: none while too many are in flight.
    pub(in crate::dispatch) fn next_due(&self) -> Option<Time> {
        if self.in_flight.len() >= MOST_IN_FLIGHT {
            return None;
        }
        let due = self.ready().map(Entry::due).min()?;
        if self.hurry {
            // Whoever has little time left does not wait for one that is slow.
            let rested = self.ready().map(Entry::rests_until).min()?;
            return Some(rested.max(self.not_before));
        }
        let due = if self.is_storm() { self.due_in_storm()? } else { due };
        let free = self.in_flight.values().map(|batch| batch.since + HOLDS_UP_FOR).max();
        Some(due.max(self.not_before).max(free.unwrap_or_default()))
    }

    /// Since when something in flight takes so long that it counts as failing,
    /// if it is about the incident of `entry`.
    pub(super) fn held_up_since(&self, entry: &Entry) -> Option<Time> {
        let batches = self.in_flight.values();
        let same = batches.filter(|batch| batch.entries.iter().any(|it| it.is_about_same(entry)));
        same.map(|batch| batch.since + HOLDS_UP_FOR).min()
    }

    /// What waits and may be sent: nothing overtakes what is in flight of the
    /// same incident.
    pub(super) fn ready(&self) -> impl Iterator<Item = &Entry> + Clone {
        self.waiting.iter().filter(|entry| self.held_up_since(entry).is_none())
    }

    pub(super) fn due(&self, notice: &Notice, now: Time) -> Time {
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
        let is_new = |entry: &&Entry| !self.told.contains_key(entry.incident());
        self.told.len() + self.waiting.iter().filter(is_new).count() > STORM
    }

    /// In a storm the ends come together, once all is over, and what is new is
    /// collected after the first message: two messages an interval at most.
    fn due_in_storm(&self) -> Option<Time> {
        let ends = |entry: &&Entry| entry.is_end(&self.told);
        let over = self.ready().filter(ends);
        let all_over = over.clone().count() == self.told.len();
        let end = if all_over {
            over.map(Entry::due).max()
        } else {
            let interval = self.timing.group_interval;
            over.map(|entry| (entry.queued + interval).max(entry.rests_until())).min()
        };
        let rest = self.ready().filter(|entry| !entry.is_end(&self.told));
        let rest = rest.map(Entry::due).min().map(|due| due.max(self.quiet_until()));
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
}
