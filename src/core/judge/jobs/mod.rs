//! Jobs: every scheduled instant gets exactly one outcome, whatever happens to
//! the clock, the container, the engine or `vai` (behaviour.md, section 5).
//! When an instant comes is not known here: it is an event.

mod ask;
mod due;
mod end;
mod gates;
mod left;
mod machine;
mod memory;
mod review;
mod show;
mod trouble;

use super::incident::{Root, Trouble};
use super::{Change, Core, Out, Record};
use crate::model::{JobName, JobView, Time, Wall};
pub(super) use machine::JobMachine;
pub use memory::JobMemory;
use std::collections::BTreeMap;
use std::ops::Deref;

/// The machines of all jobs. Whoever is handed one to change it has touched
/// it, as with [`Services`](super::services::Services).
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs {
    machines: BTreeMap<JobName, JobMachine>,
    /// What was last published of each.
    published: BTreeMap<JobName, JobView>,
}

impl Deref for Jobs {
    type Target = BTreeMap<JobName, JobMachine>;

    fn deref(&self) -> &Self::Target {
        &self.machines
    }
}

impl Jobs {
    fn get_mut(&mut self, name: &JobName) -> Option<&mut JobMachine> {
        let machine = self.machines.get_mut(name)?;
        machine.touched = true;
        Some(machine)
    }

    fn values_mut(&mut self) -> impl Iterator<Item = &mut JobMachine> {
        for machine in self.machines.values_mut() {
            machine.touched = true;
        }
        self.machines.values_mut()
    }

    /// Those that have to be looked at now.
    fn due(&self, now: Time) -> Vec<JobName> {
        let due = self.machines.iter().filter(|(_, machine)| machine.needs_review(now));
        due.map(|(name, _)| name.clone()).collect()
    }

    /// When time alone changes something.
    pub(super) fn next_wake(&self, now: Time) -> Option<Time> {
        self.machines.values().filter_map(|machine| machine.next_wake(now)).min()
    }

    /// What is wrong with each of them.
    pub(super) fn troubles(&self) -> impl Iterator<Item = Trouble> {
        self.machines.values().filter_map(JobMachine::trouble)
    }
}

impl Core {
    /// From where on scheduled instants of a job are new, as far as that is
    /// remembered of its schedule.
    #[must_use]
    pub fn scheduled_until(&self, name: &JobName) -> Option<Wall> {
        self.jobs.get(name)?.kept.until
    }

    /// Hands out what has to be remembered of jobs.
    pub(super) fn remember_jobs(&self, records: &mut Vec<Record>) {
        for (name, machine) in self.jobs.iter().filter(|(_, machine)| machine.touched) {
            if self.remembered.jobs.get(name) != Some(&machine.kept) {
                records.push(Record::Job(name.clone(), machine.kept.clone()));
            }
        }
    }

    /// Shows the jobs that changed, and rests them.
    pub(super) fn publish_jobs(&mut self, out: &mut Out) {
        let mut jobs = std::mem::take(&mut self.jobs);
        for (name, machine) in jobs.machines.iter().filter(|(_, machine)| machine.touched) {
            let incident = self.incidents.under(&Root::Job(name.clone()));
            let view = machine.view(incident.map(|id| id.0.clone()));
            if jobs.published.get(name) != Some(&view) {
                out.changes.push(Change::Job(Box::new(view.clone())));
                jobs.published.insert(name.clone(), view);
            }
        }
        self.jobs = jobs;
    }

    pub(super) fn rest_jobs(&mut self) {
        for machine in self.jobs.machines.values_mut() {
            machine.touched = false;
        }
    }
}
