//! Runs on their way: begun when nothing stands in the way any more, waited
//! for, tried again.

use super::end::Skip;
use super::gates::JobGate;
use super::memory::{OpenRun, Stage, UnderWay};
use crate::judge::{Core, EngineLink, Out};
use crate::model::{Action, Instance, JobName, Now, Place, RunId, RunRequest};
use std::sync::Arc;

impl Core {
    pub(in crate::judge) fn review_jobs(&mut self, now: Now, out: &mut Out) {
        if self.stopping {
            return;
        }
        for name in self.jobs.due(now.mono) {
            let runs = self.jobs.get(&name).map_or_else(Vec::new, |it| it.kept.open.clone());
            for run in runs {
                self.review_run(now, &name, &run, out);
            }
            if let Some(machine) = self.jobs.get_mut(&name) {
                machine.watch_running(now);
            }
            self.forget_if_over(&name, out);
        }
    }

    fn review_run(&mut self, now: Now, name: &JobName, run: &OpenRun, out: &mut Out) {
        match &run.stage {
            Stage::Running(_) => {}
            Stage::Resuming(under_way) => self.resume_run(name, run, under_way, out),
            Stage::Retrying { at } if *at > now.mono => {}
            Stage::Retrying { .. } => match self.gate_of(now, name, run) {
                Ok(()) => self.hand_out(now, name, run.id, out),
                Err(JobGate::Wait(Skip::Asked(why) | Skip::NotAsked(why)))
                | Err(JobGate::Unreachable(why))
                | Err(JobGate::Skip(Skip::Asked(why) | Skip::NotAsked(why))) => {
                    self.no_further_try(now, name, run.id, &why, out);
                }
            },
            Stage::Pending { until } => match self.gate_of(now, name, run) {
                Ok(()) => self.hand_out(now, name, run.id, out),
                Err(JobGate::Skip(skip)) => self.skip(now, name, run.id, skip, out),
                Err(JobGate::Wait(skip)) if *until <= now.mono => {
                    self.skip(now, name, run.id, skip, out);
                }
                Err(JobGate::Unreachable(why)) if *until <= now.mono => {
                    self.miss_run(now, name, run.id, why, out);
                }
                Err(JobGate::Wait(_) | JobGate::Unreachable(_)) => {}
            },
        }
    }

    fn gate_of(&self, now: Now, name: &JobName, run: &OpenRun) -> Result<(), JobGate> {
        self.jobs.get(name).map_or(Ok(()), |machine| self.job_gate(machine, run, now))
    }

    /// Hands out the next try of a run.
    fn hand_out(&mut self, now: Now, name: &JobName, id: RunId, out: &mut Out) {
        let Some(job) = self.jobs.get(name).map(|machine| Arc::clone(&machine.job)) else { return };
        let instance = self.instance_at(&job.place);
        let Some(machine) = self.jobs.get_mut(name) else { return };
        let Some(run) = machine.kept.run_mut(id) else { return };
        run.attempt += 1;
        run.stage = Stage::Running(UnderWay {
            since: now,
            place: job.place.clone(),
            user: job.user.clone(),
            instance: instance.clone(),
            resumed: false,
            replaced: false,
        });
        out.actions.push(Action::Run(Box::new(RunRequest {
            id,
            attempt: run.attempt,
            job,
            scheduled: run.scheduled,
            decided: now.mono,
            instance,
            resumed: false,
        })));
    }

    /// Goes on waiting for a try of a `vai` before this one, once its place can
    /// be looked at.
    fn resume_run(&mut self, name: &JobName, run: &OpenRun, under_way: &UnderWay, out: &mut Out) {
        let Some(machine) = self.jobs.get(name) else { return };
        let job = machine.job_of(under_way);
        // Where a job runs no more, nobody looks by himself any more.
        let is_left = machine.job.place != job.place && matches!(self.engine, EngineLink::Up);
        let unreachable = matches!(self.job_place(&job.place), Err(JobGate::Unreachable(_)));
        if unreachable && !is_left {
            return;
        }
        if let Some(run) = self.jobs.get_mut(name).and_then(|machine| machine.kept.run_mut(run.id))
        {
            run.stage = Stage::Running(under_way.clone());
        }
        out.actions.push(Action::Run(Box::new(RunRequest {
            id: run.id,
            attempt: run.attempt,
            job,
            scheduled: run.scheduled,
            decided: under_way.since.mono,
            instance: under_way.instance.clone(),
            resumed: true,
        })));
        if under_way.replaced {
            out.actions.push(Action::EndRun(run.try_id()));
        }
    }

    /// Ends the try of a run that is under way, for a newer one.
    pub(super) fn replace(&mut self, name: &JobName, id: RunId, out: &mut Out) {
        let Some(machine) = self.jobs.get_mut(name) else { return };
        let Some(run) = machine.kept.run_mut(id) else { return };
        let try_id = run.try_id();
        match &mut run.stage {
            Stage::Running(it) if !it.replaced => {
                it.replaced = true;
                out.actions.push(Action::EndRun(try_id));
            }
            Stage::Resuming(it) => it.replaced = true,
            Stage::Running(_) | Stage::Pending { .. } | Stage::Retrying { .. } => {}
        }
    }

    fn instance_at(&self, place: &Place) -> Option<Instance> {
        match place {
            Place::Local => Some(self.settings.local.clone()),
            Place::Container(key) => Some(self.containers.get(key)?.presence()?.instance.clone()),
        }
    }
}
