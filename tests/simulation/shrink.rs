//! A shorter history that breaks the same invariant.

use crate::campaign::verdict;
use crate::plan::{HOUR, Plan};

/// So many shorter histories are tried.
const MOST_TRIES: u32 = 150;

/// Drops faults, services and time as long as `invariant` is still broken.
pub(crate) fn shrink(plan: &Plan, invariant: &str) -> Plan {
    let mut shrinking = Shrinking { best: plan.clone(), invariant, tries: MOST_TRIES };
    shrinking.drop_faults();
    shrinking.drop_services();
    shrinking.drop_jobs();
    shrinking.drop_faults();
    shrinking.drop_time();
    shrinking.best
}

struct Shrinking<'a> {
    best: Plan,
    invariant: &'a str,
    tries: u32,
}

impl Shrinking<'_> {
    fn attempt(&mut self, plan: Plan) -> bool {
        if self.tries == 0 {
            return false;
        }
        self.tries -= 1;
        let fails = verdict(&plan).is_err_and(|violation| violation.invariant == self.invariant);
        if fails {
            self.best = plan;
        }
        fails
    }

    /// In halves, quarters, … until single ones.
    fn drop_faults(&mut self) {
        let mut size = self.best.faults.len().div_ceil(2);
        while size > 0 {
            let mut start = 0;
            while start < self.best.faults.len() {
                let mut plan = self.best.clone();
                let end = (start + size).min(plan.faults.len());
                plan.faults.drain(start..end);
                if !self.attempt(plan) {
                    start += size;
                }
            }
            size /= 2;
        }
    }

    fn drop_services(&mut self) {
        let mut index = self.best.services.len();
        while index > 0 {
            index -= 1;
            if self.best.services.len() == 1 {
                return;
            }
            let mut plan = self.best.clone();
            let gone = plan.services.remove(index);
            for service in &mut plan.services {
                service.needs.retain(|it| it != gone.name());
                let service = std::sync::Arc::make_mut(&mut service.service);
                service.dependencies.retain(|it| *it != gone.service.name);
            }
            self.attempt(plan);
        }
    }

    fn drop_jobs(&mut self) {
        let mut index = self.best.jobs.len();
        while index > 0 {
            index -= 1;
            let mut plan = self.best.clone();
            plan.jobs.remove(index);
            self.attempt(plan);
        }
    }

    fn drop_time(&mut self) {
        let last = self.best.faults.iter().map(|fault| fault.at).max().unwrap_or(0);
        let plan = Plan { busy: (last + HOUR).min(self.best.busy), ..self.best.clone() };
        self.attempt(plan);
    }
}
