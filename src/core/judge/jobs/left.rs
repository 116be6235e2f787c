//! Jobs that left the registry while no `vai` was there to see it.

use super::end::record;
use super::memory::{JobMemory, OpenRun, Stage};
use crate::judge::incident::Root;
use crate::judge::{Change, Core, Out, Record};
use crate::model::{Job, JobName, Now, Run, RunOutcome};
use std::collections::BTreeMap;
use std::sync::Arc;

const WHY: &str = "it left the registry while vai was not running";

impl Core {
    /// How they ran is not known any more, so nobody can wait for what is under
    /// way: it has its outcome now.
    pub(super) fn left_meanwhile(
        &mut self,
        now: Now,
        jobs: &BTreeMap<JobName, Arc<Job>>,
        out: &mut Out,
    ) {
        let is_known = |name: &JobName| jobs.contains_key(name) || self.jobs.contains_key(name);
        let remembered = self.remembered.jobs.iter();
        let left = remembered.filter(|(name, kept)| !is_known(name) && !kept.is_over());
        let left: Vec<(JobName, JobMemory)> =
            left.map(|(name, kept)| (name.clone(), kept.clone())).collect();
        for (name, mut kept) in left {
            let runs = std::mem::take(&mut kept.open);
            let runs = runs.iter().map(|run| outcome(now, &name, run));
            out.changes.extend(runs.map(|run| Change::Run(Box::new(run))));
            kept.leave(now);
            self.incidents.settled(&Root::Job(name.clone()), "removed from the registry");
            out.changes.push(Change::JobRemoved(name.clone()));
            let change = Change::Keep(Box::new(Record::Job(name, kept)));
            self.remembered.apply(&change);
            out.changes.push(change);
        }
    }
}

fn outcome(now: Now, name: &JobName, run: &OpenRun) -> Run {
    let (outcome, why) = match &run.stage {
        Stage::Pending { .. } if run.failures.is_empty() => (RunOutcome::Skipped, WHY.to_owned()),
        Stage::Pending { .. } | Stage::Retrying { .. } => {
            let failure = run.failures.last().map_or("", String::as_str);
            (RunOutcome::Failed, format!("{failure}; not tried again: {WHY}"))
        }
        Stage::Running(_) | Stage::Resuming(_) => {
            (RunOutcome::Failed, format!("{WHY}, so nobody saw its end"))
        }
    };
    record(now, name, run, outcome, why, run.last.as_ref())
}
