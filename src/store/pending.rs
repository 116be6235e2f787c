//! What waits to be written.

use super::history::{History, cut};
use super::keep::{REASON, TAIL};
use super::rollup::{self, Slot, SlotKey};
use super::write::Extent;
use std::collections::{BTreeMap, VecDeque};
use vai_core::dispatch::{Delivered, Reached, Recipient};
use vai_core::judge::{Change, Delta, RecordKey, Sample};
use vai_core::model::{
    Incident, IncidentId, IncidentPhase, MessageId, Now, Run, Time, Transition, Wall,
};

/// While nothing can be stored, the oldest of what is more than this is lost.
const TRANSITIONS: usize = 10_000;
/// The same for closed incidents.
const CLOSED: usize = 1_000;
/// The same for runs of jobs.
const RUNS: usize = 1_000;
/// The same for five minutes of a check: 100 checks for 16 hours.
const SLOTS: usize = 20_000;

/// Names a row of the table `records`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowKey {
    pub(super) kind: &'static str,
    pub(super) key: String,
}

/// The kind of the rows that say who was told of an incident.
pub(super) const TOLD: &str = "told";
/// The kind of the rows that say who has a message that others wait for.
pub(super) const DELIVERED: &str = "delivered";

/// One step of the loop that has something to store.
#[derive(Debug)]
pub(super) struct Job {
    /// Counts the jobs.
    pub(super) number: u64,
    /// When it was.
    pub(super) now: Now,
    /// What there is to store.
    pub(super) news: News,
}

/// What a job brings.
#[derive(Debug)]
pub(super) enum News {
    /// A step of the core.
    Delta(Delta),
    /// A sink was told of an incident.
    Reached(Reached),
    /// A sink need not be told anything of an incident any more.
    Over {
        /// The incident.
        incident: IncidentId,
        /// Who need not be told.
        by: Recipient,
    },
    /// A message has reached some of those that it is for.
    Delivered(Delivered),
    /// The text of a registry without errors.
    Registry(String),
    /// The last results of all checks, at the end.
    History(Box<History>),
}

/// A transition and when it was.
#[derive(Debug)]
pub(super) struct Happened {
    pub(super) at: Wall,
    pub(super) transition: Transition,
}

/// An incident that is over.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) id: IncidentId,
    pub(super) at: Wall,
    pub(super) json: String,
}

/// All jobs that are not stored yet, as one.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// What each row is to become; none where it is to go. Never dropped: there
    /// are no more of them than things that the core knows.
    pub(super) rows: BTreeMap<RowKey, Option<String>>,
    pub(super) transitions: VecDeque<Happened>,
    pub(super) closed: VecDeque<Closed>,
    pub(super) runs: VecDeque<Run>,
    pub(super) slots: BTreeMap<SlotKey, Slot>,
    pub(super) registry: Option<String>,
    pub(super) history: Option<Box<History>>,
    /// The last job in it.
    pub(super) number: u64,
    /// The latest moment in it.
    pub(super) latest: Time,
    /// When the last job was.
    pub(super) wall: Wall,
    /// How many transitions, closed incidents, runs and slots were lost.
    pub(super) lost: u64,
}

impl Pending {
    /// Adds one job.
    pub(super) fn take_in(&mut self, job: Job) {
        self.number = job.number;
        self.latest = self.latest.max(job.now.mono);
        self.wall = job.now.wall;
        match job.news {
            News::Delta(delta) => {
                for change in delta.changes {
                    self.change(change);
                }
            }
            News::Reached(told) => {
                let key = told_key(&told.incident, &told.sink, &told.recipient);
                self.rows.insert(key, json(&told));
            }
            News::Over { incident, by: Recipient { sink, recipient } } => {
                self.rows.insert(told_key(&incident, &sink, &recipient), None);
            }
            News::Delivered(delivered) => {
                self.rows.insert(delivered_key(delivered.message), json(&delivered));
            }
            News::Registry(text) => self.registry = Some(text),
            News::History(history) => self.history = Some(history),
        }
        self.bound();
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Keep(record) => _ = self.rows.insert(key_of(&record.key()), json(&*record)),
            Change::Forget(key) => {
                self.rows.insert(key_of(&key), None);
                if let RecordKey::Message(message) = key {
                    self.rows.insert(delivered_key(message), None);
                }
            }
            Change::Transition(mut transition) => {
                transition.reason.truncate(cut(&transition.reason, REASON).len());
                self.transitions.push_back(Happened { at: self.wall, transition });
            }
            Change::Sampled(sample) => self.sampled(&sample),
            Change::Incident(incident) => self.incident(&incident),
            Change::Run(mut run) => {
                run.reason.truncate(cut(&run.reason, REASON).len());
                let over = run.tail.len().saturating_sub(TAIL);
                run.tail.drain(..run.tail.ceil_char_boundary(over));
                self.runs.push_back(*run);
            }
            Change::Service(_)
            | Change::Removed(_)
            | Change::Silences(_)
            | Change::Job(_)
            | Change::JobRemoved(_) => {}
        }
    }

    fn sampled(&mut self, sample: &Sample) {
        let key = SlotKey {
            number: rollup::number(self.wall),
            service: sample.service.clone(),
            check: sample.check.clone(),
        };
        self.slots.entry(key).or_default().add(sample);
    }

    /// One that is open is in the records.
    fn incident(&mut self, incident: &Incident) {
        if let (IncidentPhase::Closed { at, .. }, Some(json)) = (&incident.phase, json(incident)) {
            self.closed.push_back(Closed { id: incident.id.clone(), at: *at, json });
        }
    }

    fn bound(&mut self) {
        while self.transitions.len() > TRANSITIONS && self.transitions.pop_front().is_some() {
            self.lost += 1;
        }
        while self.closed.len() > CLOSED && self.closed.pop_front().is_some() {
            self.lost += 1;
        }
        while self.runs.len() > RUNS && self.runs.pop_front().is_some() {
            self.lost += 1;
        }
        while self.slots.len() > SLOTS && self.slots.pop_first().is_some() {
            self.lost += 1;
        }
    }

    /// Whether it should be stored before more is taken in.
    pub(super) fn is_full(&self) -> bool {
        self.transitions.len() > TRANSITIONS / 2
            || self.closed.len() > CLOSED / 2
            || self.runs.len() > RUNS / 2
            || self.slots.len() > SLOTS / 2
    }

    /// What is to be stored now, if anything: statistics once their five
    /// minutes are over.
    pub(super) fn due(&self) -> Option<Extent> {
        let over = |key: &SlotKey| key.number != rollup::number(self.wall);
        if self.history.is_some() || self.slots.keys().next().is_some_and(over) {
            return Some(Extent::All);
        }
        let waits = !self.rows.is_empty()
            || !self.transitions.is_empty()
            || !self.closed.is_empty()
            || !self.runs.is_empty()
            || self.registry.is_some();
        waits.then_some(Extent::WithoutSlots)
    }

    /// So much of it was stored. How much was lost before.
    pub(super) fn stored(&mut self, extent: Extent) -> u64 {
        self.rows.clear();
        self.transitions.clear();
        self.closed.clear();
        self.runs.clear();
        self.registry = None;
        if extent == Extent::All {
            self.slots.clear();
            self.history = None;
        }
        std::mem::take(&mut self.lost)
    }
}

/// Plain data with string keys is always JSON.
pub(super) fn json(value: &impl serde::Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}

fn told_key(incident: &IncidentId, sink: &str, recipient: &str) -> RowKey {
    let key = match recipient {
        "" => format!("{}\n{sink}", incident.0),
        recipient => format!("{}\n{sink}\n{recipient}", incident.0),
    };
    RowKey { kind: TOLD, key }
}

fn delivered_key(message: MessageId) -> RowKey {
    RowKey { kind: DELIVERED, key: message.0.to_string() }
}

fn key_of(key: &RecordKey) -> RowKey {
    let (kind, key) = match key {
        RecordKey::Host => ("host", String::new()),
        RecordKey::Service(name) => ("service", name.to_string()),
        RecordKey::Container(key) => ("container", key.to_string()),
        RecordKey::Job(name) => ("job", name.to_string()),
        RecordKey::Act(id) => ("act", id.0.to_string()),
        RecordKey::Incident(id) => ("incident", id.0.clone()),
        RecordKey::Message(id) => ("message", id.0.to_string()),
    };
    RowKey { kind, key }
}

/// What a step has for the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// Nothing.
    Nothing,
    /// Statistics, which wait for company.
    Samples,
    /// What is to be stored at once.
    News,
}

/// What `delta` has for the store.
pub(super) fn weight(delta: &Delta) -> Weight {
    let each = delta.changes.iter().map(|change| match change {
        Change::Keep(_) | Change::Forget(_) | Change::Transition(_) | Change::Run(_) => {
            Weight::News
        }
        Change::Incident(incident) if incident.is_over() => Weight::News,
        Change::Sampled(_) => Weight::Samples,
        Change::Service(_)
        | Change::Removed(_)
        | Change::Silences(_)
        | Change::Job(_)
        | Change::JobRemoved(_)
        | Change::Incident(_) => Weight::Nothing,
    });
    each.max().unwrap_or(Weight::Nothing)
}
