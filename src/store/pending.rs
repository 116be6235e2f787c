//! What waits to be written.

use crate::alert::Reached;
use std::collections::BTreeMap;
use vai_core::judge::{Change, Delta, RecordKey};
use vai_core::model::{IncidentId, Now, Time};

/// Names a row of the table `records`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowKey {
    pub(super) kind: &'static str,
    pub(super) key: String,
}

/// The kind of the rows that say who was told of an incident.
pub(super) const TOLD: &str = "told";

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
        /// The sink's name.
        sink: String,
    },
}

/// All jobs that are not stored yet, as one.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// What each row is to become; none where it is to go. Never dropped: there
    /// are no more of them than things that the core knows.
    pub(super) rows: BTreeMap<RowKey, Option<String>>,
    /// The last job in it.
    pub(super) number: u64,
    /// The latest moment in it.
    pub(super) latest: Time,
}

impl Pending {
    /// Adds one job.
    pub(super) fn take_in(&mut self, job: Job) {
        self.number = job.number;
        self.latest = self.latest.max(job.now.mono);
        match job.news {
            News::Delta(delta) => {
                for change in delta.changes {
                    self.change(change);
                }
            }
            News::Reached(told) => {
                let key = told_key(&told.incident, &told.sink);
                self.rows.insert(key, json(&told));
            }
            News::Over { incident, sink } => {
                self.rows.insert(told_key(&incident, &sink), None);
            }
        }
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Keep(record) => _ = self.rows.insert(key_of(&record.key()), json(&*record)),
            Change::Forget(key) => _ = self.rows.insert(key_of(&key), None),
            Change::Service(_)
            | Change::Removed(_)
            | Change::Transition(_)
            | Change::Sampled(_)
            | Change::Incident(_) => {}
        }
    }

    /// Whether there is something to be stored now.
    pub(super) fn is_due(&self) -> bool {
        !self.rows.is_empty()
    }

    /// Everything in it was stored.
    pub(super) fn stored(&mut self) {
        self.rows.clear();
    }
}

/// Plain data with string keys is always JSON.
fn json(value: &impl serde::Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}

fn told_key(incident: &IncidentId, sink: &str) -> RowKey {
    RowKey { kind: TOLD, key: format!("{}\n{sink}", incident.0) }
}

fn key_of(key: &RecordKey) -> RowKey {
    let (kind, key) = match key {
        RecordKey::Host => ("host", String::new()),
        RecordKey::Service(name) => ("service", name.to_string()),
        RecordKey::Container(key) => ("container", key.to_string()),
        RecordKey::Act(id) => ("act", id.0.to_string()),
        RecordKey::Incident(id) => ("incident", id.0.clone()),
        RecordKey::Message(id) => ("message", id.0.to_string()),
    };
    RowKey { kind, key }
}

/// Whether there is anything in a step that outlives the process.
pub(super) fn is_storable(delta: &Delta) -> bool {
    delta.changes.iter().any(|change| match change {
        Change::Keep(_) | Change::Forget(_) => true,
        Change::Service(_)
        | Change::Removed(_)
        | Change::Transition(_)
        | Change::Sampled(_)
        | Change::Incident(_) => false,
    })
}
