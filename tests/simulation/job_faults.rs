//! What befalls jobs, and what people do to them.

use crate::jobs::{JobAsk, JobEdit};
use crate::plan::{Ms, What};
use crate::world::{Thing, World};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use vai_core::model::{Duty, Event, Job, JobName, JobRequest, TwoSchedulers};

/// What people did to jobs.
#[derive(Debug, Default)]
pub(crate) struct People {
    /// The windows that are open, and until when.
    pub(crate) maintenance: BTreeMap<String, Ms>,
    /// The jobs that the crontabs of their containers name.
    crontabs: BTreeSet<String>,
}

impl World {
    pub(crate) fn job_befalls(&mut self, what: What) -> crate::Step {
        let now = self.now;
        match what {
            What::RunsFail { job, lasts } => _ = self.runner.fail_until.insert(job, now + lasts),
            What::RunsLast { job, lasts } => _ = self.runner.last_until.insert(job, now + lasts),
            What::JobMarked { job, lasts } => _ = self.runner.marked_until.insert(job, now + lasts),
            What::JobEdited { job, edit, lasts } => {
                self.edit_job(&job, edit);
                self.later(lasts, Thing::JobAsBefore { job });
                self.feed(Event::Wake)?;
                return self.configured();
            }
            What::JobAsked { job, ask } => return self.asks_of_job(&job, ask),
            What::JobMaintenance { job, lasts } => {
                self.people.maintenance.insert(job.clone(), now + lasts);
                self.later(lasts, Thing::JobMaintenanceOver { job });
                return self.maintenance_again();
            }
            What::InCrontab { job, lasts } => {
                self.later(lasts, Thing::OutOfCrontab { job: job.clone() });
                return self.is_in_crontab(&job, true);
            }
            _ => {}
        }
        Ok(())
    }

    fn edit_job(&mut self, name: &str, edit: JobEdit) {
        let name = JobName::from(name);
        if matches!(edit, JobEdit::Remove) {
            self.watchlist.jobs.remove(&name);
            return;
        }
        let Some(job) = self.watchlist.jobs.get_mut(&name) else { return };
        let job: &mut Job = Arc::make_mut(job);
        match edit {
            JobEdit::Remove => {}
            JobEdit::Disable => job.duty = Duty::Disabled,
            JobEdit::Held => job.held = Some("${TOKEN} is not set".into()),
            JobEdit::Schedule(schedule) => job.schedule = schedule,
            JobEdit::Overlap(overlap) => job.overlap = overlap,
            JobEdit::CatchUp(catch_up) => job.catch_up = catch_up,
            JobEdit::MoveTo(place) => job.place = place,
        }
    }

    /// An entry of the registry is what it was at first.
    pub(crate) fn job_is_as_before(&mut self, name: &str) -> crate::Step {
        if let Some(job) = self.plan.jobs.iter().find(|it| it.name.as_str() == name) {
            self.watchlist.jobs.insert(job.name.clone(), Arc::clone(job));
        }
        self.configured()
    }

    fn asks_of_job(&mut self, name: &str, ask: JobAsk) -> crate::Step {
        let name = JobName::from(name);
        let request = match ask {
            JobAsk::Run => JobRequest::Run(name),
            JobAsk::Pause => JobRequest::Pause(name),
            JobAsk::Resume => JobRequest::Resume(name),
        };
        let now = self.clock();
        let answer = self.core.as_ref().map(|core| core.answer_about_job(now, &request));
        if answer.is_some_and(|answer| answer.is_ok()) {
            return self.feed(Event::Job(request));
        }
        Ok(())
    }

    pub(crate) fn job_maintenance_over(&mut self, job: &str) -> crate::Step {
        if self.people.maintenance.get(job).is_some_and(|&until| until <= self.now) {
            self.people.maintenance.remove(job);
            return self.maintenance_again();
        }
        Ok(())
    }

    /// Whether the crontabs in a job's container name it, too.
    pub(crate) fn is_in_crontab(&mut self, job: &str, is: bool) -> crate::Step {
        if is {
            self.people.crontabs.insert(job.to_owned());
        } else {
            self.people.crontabs.remove(job);
        }
        self.read_crontabs()
    }

    /// vai reads them, at its start and again and again.
    pub(crate) fn read_crontabs(&mut self) -> crate::Step {
        if self.plan.jobs.is_empty() {
            return Ok(());
        }
        let found = self.plan.jobs.iter().map(|job| TwoSchedulers {
            job: job.name.clone(),
            found: self
                .people
                .crontabs
                .contains(job.name.as_str())
                .then(|| "/etc/cron.d/all:3".to_owned()),
        });
        self.feed(Event::Crontabs(found.collect()))
    }

    pub(crate) fn crontabs_are_empty(&mut self) -> crate::Step {
        self.people.crontabs.clear();
        self.read_crontabs()
    }

    /// What people paused is theirs to resume; what failed they run again.
    pub(crate) fn release_jobs(&mut self) -> crate::Step {
        let names: Vec<String> = self.plan.jobs.iter().map(|it| it.name.to_string()).collect();
        for name in names {
            self.asks_of_job(&name, JobAsk::Resume)?;
            if self.oracle.is_job_in_trouble(&name) {
                self.asks_of_job(&name, JobAsk::Run)?;
            }
        }
        Ok(())
    }
}
