//! The disk: what was stored survives a crash, through JSON as the real store
//! keeps it.

use std::collections::{BTreeMap, BTreeSet};
use vai_core::dispatch::{Delivered, Notified, Reached, Recipient, Told};
use vai_core::judge::{Change, Delta, Memory, Record, RecordKey};
use vai_core::model::{IncidentId, MessageId, Run};

/// What is stored, and what waits while nothing can be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    saved: Memory,
    /// Which sink was told of which incident.
    told: BTreeMap<(IncidentId, Recipient), Reached>,
    /// Who has a message that others wait for.
    delivered: BTreeMap<MessageId, Delivered>,
    unsaved: Vec<Unsaved>,
    /// Outcomes of runs that nobody has taken in yet.
    kept: Vec<Run>,
    pub(crate) fails: bool,
}

#[derive(Clone, Debug)]
enum Unsaved {
    Change(Change),
    Told(Told),
}

impl Disk {
    /// Stores a delta; whether that worked. What could not be stored is when
    /// the disk is back.
    pub(crate) fn store(&mut self, delta: &Delta) -> bool {
        let kept = |change: &&Change| {
            matches!(change, Change::Keep(_) | Change::Forget(_) | Change::Run(_))
        };
        let kept = delta.changes.iter().filter(kept).cloned().map(Unsaved::Change);
        self.unsaved.extend(kept);
        self.write();
        !self.fails
    }

    /// Stores what became of a message.
    pub(crate) fn told(&mut self, told: Told) {
        self.unsaved.push(Unsaved::Told(told));
        self.write();
    }

    pub(crate) fn back(&mut self) {
        self.fails = false;
        self.write();
    }

    /// The outcomes of runs that were stored since this was last asked.
    pub(crate) fn take_kept(&mut self) -> Vec<Run> {
        std::mem::take(&mut self.kept)
    }

    fn write(&mut self) {
        if self.fails {
            return;
        }
        for next in std::mem::take(&mut self.unsaved) {
            match next {
                Unsaved::Change(Change::Run(run)) => self.kept.push(*run),
                Unsaved::Change(change) => {
                    if let Change::Forget(RecordKey::Message(message)) = &change {
                        self.delivered.remove(message);
                    }
                    self.saved.apply(&change);
                }
                Unsaved::Told(Told::Reached(told)) => {
                    let Reached { sink, recipient, .. } = told.clone();
                    let by = Recipient { sink, recipient };
                    self.told.insert((told.incident.clone(), by), told);
                }
                Unsaved::Told(Told::Over { incident, by }) => {
                    self.told.remove(&(incident, by));
                }
                Unsaved::Told(Told::Delivered(delivered)) => {
                    self.delivered.insert(delivered.message, delivered);
                }
                Unsaved::Told(Told::Everybody(_)) => {}
            }
        }
    }

    /// Who was told of incidents that there are still; the rest is forgotten.
    pub(crate) fn still_told(&mut self, memory: &Memory) -> Notified {
        let messages = memory.messages().values().map(|notice| &notice.incident);
        let known: BTreeSet<&IncidentId> =
            memory.incidents().chain(messages).map(|incident| &incident.id).collect();
        self.told.retain(|(incident, _), _| known.contains(incident));
        Notified {
            reached: self.told.values().cloned().collect(),
            delivered: self.delivered.values().cloned().collect(),
        }
    }

    /// The crash of the one who writes: whether anything was lost with it.
    pub(crate) fn crash(&mut self) -> bool {
        !std::mem::take(&mut self.unsaved).is_empty()
    }

    /// What is read back at the next start, or what JSON made of it.
    pub(crate) fn load(&self) -> Result<Memory, String> {
        let mut memory = Memory::default();
        for record in self.saved.records() {
            let text = serde_json::to_string(&record).map_err(|error| error.to_string())?;
            let back: Record =
                serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
            if serde_json::to_string(&back).ok().as_ref() != Some(&text) {
                return Err(format!("a record comes back changed: {text}"));
            }
            memory.keep(back);
        }
        Ok(memory)
    }
}
