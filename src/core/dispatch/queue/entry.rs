//! What a queue holds: the news of one incident that has not arrived.

use super::backoff;
use crate::dispatch::outbox::{Heard, News, Parcel};
use crate::model::{IncidentId, MessageId, Notice, NoticeKind, Severity, Time};
use std::collections::BTreeMap;
use std::time::Duration;

/// What could not be delivered for so long is given up (behaviour.md, 4).
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// What a failing sink was not told after this is told by the fallback.
const FALLS_BACK_AFTER: Duration = Duration::from_secs(3600);
/// The same for what is critical.
const CRITICAL_FALLS_BACK_AFTER: Duration = Duration::from_secs(300);

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) notice: Notice,
    pub(super) ids: Vec<MessageId>,
    /// Before it was queued here.
    age: Duration,
    pub(super) queued: Time,
    due: Time,
    /// How often it alone failed, while the sink took something else.
    pub(super) failures: u32,
    /// When it may be tried again after that.
    not_before: Time,
    /// Until when it may still turn out to have arrived.
    doubt_until: Time,
    /// The fallback was told of it.
    pub(super) fallen_back: bool,
}

/// What a sink last heard about an incident that is not over.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) opening: String,
    pub(super) severity: Severity,
    pub(super) last: Time,
}

impl Told {
    pub(super) fn heard(&self, incident: &IncidentId) -> Heard {
        let Self { opening, severity, .. } = self;
        Heard { incident: incident.clone(), opening: opening.clone(), severity: *severity }
    }
}

impl Entry {
    pub(super) fn new(parcel: Parcel, queued: Time, due: Time) -> Self {
        let Parcel { notice, ids, age } = parcel;
        Self {
            notice,
            ids,
            age,
            queued,
            due,
            failures: 0,
            not_before: Time::default(),
            doubt_until: Time::default(),
            fallen_back: false,
        }
    }

    pub(super) fn into_parcel(self) -> Parcel {
        let Self { notice, ids, age, .. } = self;
        Parcel { notice, ids, age }
    }

    pub(super) fn incident(&self) -> &IncidentId {
        &self.notice.incident.id
    }

    pub(super) fn is_about_same(&self, other: &Self) -> bool {
        self.incident() == other.incident()
    }

    /// When it is to be sent, as far as that depends on it alone.
    pub(super) fn due(&self) -> Time {
        self.due.max(self.rests_until())
    }

    /// When it may be tried again.
    pub(super) fn rests_until(&self) -> Time {
        self.not_before.max(self.doubt_until)
    }

    /// It alone was not taken.
    pub(super) fn failed(&mut self, now: Time) {
        self.not_before = now + backoff(self.failures);
        self.failures += 1;
    }

    /// It may have arrived, and rests for at least so long.
    pub(super) fn rest_in_doubt(&mut self, now: Time, rest: Duration) {
        self.failed(now);
        self.doubt_until = now + rest;
    }

    /// Whether it may have arrived.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.doubt_until > Time::default()
    }

    /// It is tried anew, as if it had never failed; what is in doubt stays so.
    pub(super) fn start_afresh(&mut self) {
        self.failures = 0;
        self.not_before = Time::default();
    }

    /// Whether it tells the end of what this sink was told of.
    pub(super) fn is_end(&self, told: &BTreeMap<IncidentId, Told>) -> bool {
        self.notice.incident.is_over() && told.contains_key(self.incident())
    }

    /// When it has been tried for long enough.
    pub(super) fn expires_at(&self) -> Time {
        self.queued + KEPT.saturating_sub(self.age)
    }

    /// When the fallback is told, if there is trouble with it since `trouble`.
    pub(super) fn falls_back_at(&self, trouble: Option<Time>) -> Option<Time> {
        let after = match self.notice.incident.severity {
            Severity::Critical => CRITICAL_FALLS_BACK_AFTER,
            Severity::Warning | Severity::Info => FALLS_BACK_AFTER,
        };
        let due = self.queued + after.saturating_sub(self.age);
        trouble.filter(|_| !self.fallen_back).map(|trouble| due.max(trouble))
    }

    pub(super) fn fall_back(&mut self) -> News {
        self.fallen_back = true;
        News::FallsBack(Box::new(self.clone().into_parcel()))
    }

    /// Becomes the newer state of the incident, still told for the first time
    /// if it was to be.
    pub(super) fn absorb(&mut self, newer: Self) {
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
