//! What the clock and the registry bring: instants that came, jobs that are
//! new, changed or gone.

use super::JobMachine;
use super::end::Skip;
use super::memory::{OpenRun, Stage};
use crate::judge::{Change, Core, GONE_FOR, Out, Record, RecordKey};
use crate::model::{
    ContainerKey, Duty, Instants, Job, JobName, Now, Overlap, Run, RunId, RunOutcome, Scheduled,
    TwoSchedulers, Wall,
};
use crate::words;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Crontab knows no seconds: what begins within its minute begins in time.
pub(super) const ON_TIME: Duration = Duration::from_secs(60);

impl Core {
    /// What the schedules say has come. While `vai` stops nothing is begun, and
    /// the next one finds it due.
    pub(in crate::judge) fn scheduled(
        &mut self,
        now: Now,
        scheduled: Vec<Scheduled>,
        out: &mut Out,
    ) {
        if self.stopping {
            return;
        }
        for Scheduled { job, earlier, due, until, next } in scheduled {
            let Some(machine) = self.jobs.get_mut(&job).filter(|it| it.is_scheduled()) else {
                continue;
            };
            machine.next = next;
            machine.kept.until = Some(until);
            let heard = std::mem::replace(&mut machine.heard, true);
            let missed = if heard { "the clock was set over it" } else { "vai was not running" };
            let runs = due.filter(|&due| {
                let late = now.wall.since(due);
                late < ON_TIME || late <= machine.job.catch_up
            });
            if let Some(earlier) = earlier {
                self.missed(now, &job, earlier, missed, runs.is_some(), out);
            }
            match (due, runs) {
                (_, Some(due)) => self.decide_run(now, &job, Some(due), out),
                (Some(due), None) => {
                    let instants = Instants { first: due, last: due, count: 1 };
                    self.missed(now, &job, instants, missed, false, out);
                }
                (None, None) => {}
            }
        }
    }

    /// These instants are over. `made_up`: one run makes up for them.
    fn missed(
        &mut self,
        now: Now,
        name: &JobName,
        instants: Instants,
        why: &str,
        made_up: bool,
        out: &mut Out,
    ) {
        let id = self.number_run();
        let Some(machine) = self.jobs.get_mut(name) else { return };
        let run = Run {
            id,
            job: name.clone(),
            scheduled: Some(instants),
            outcome: RunOutcome::Missed,
            reason: why.to_owned(),
            began: None,
            ended: now.wall,
            took: Duration::ZERO,
            attempts: 0,
            bytes: 0,
            tail: String::new(),
        };
        if !made_up {
            machine.was_missed(now, &run);
        }
        machine.kept.last = Some(run.clone());
        out.changes.push(Change::Run(Box::new(run)));
    }

    /// A run of it is wanted now; whether it may begin is decided by its gates.
    pub(super) fn decide_run(
        &mut self,
        now: Now,
        name: &JobName,
        scheduled: Option<Wall>,
        out: &mut Out,
    ) {
        let id = self.number_run();
        let Some(machine) = self.jobs.get_mut(name) else { return };
        let waits = ON_TIME.max(machine.job.catch_up);
        machine.kept.open.push(OpenRun {
            id,
            scheduled,
            decided: now,
            attempt: 0,
            began: None,
            stage: Stage::Pending { until: now.mono + waits },
            failures: Vec::new(),
            last: None,
        });
        self.settle_overlap(now, name, id, out);
    }

    /// What becomes of the runs before it that have no outcome yet, or of it.
    fn settle_overlap(&mut self, now: Now, name: &JobName, id: RunId, out: &mut Out) {
        let Some(machine) = self.jobs.get_mut(name) else { return };
        let overlap = machine.job.overlap;
        if overlap == Overlap::Allow {
            return;
        }
        let before: Vec<OpenRun> =
            machine.kept.open.iter().filter(|run| run.id != id).cloned().collect();
        for run in &before {
            match &run.stage {
                // A try that is only waited for makes room for the next run.
                Stage::Retrying { .. } => {
                    self.no_further_try(now, name, run.id, "the next run came first", out);
                }
                Stage::Pending { .. } if overlap == Overlap::Replace => {
                    let skip = Skip::NotAsked("a newer run came first".to_owned());
                    self.skip(now, name, run.id, skip, out);
                }
                Stage::Running(_) | Stage::Resuming(_) if overlap == Overlap::Replace => {
                    self.replace(name, run.id, out);
                }
                Stage::Running(_) | Stage::Resuming(_) | Stage::Pending { .. } => {
                    let why = match run.under_way() {
                        Some(it) => {
                            let since = words::duration(now.mono.since(it.since.mono));
                            format!("the run before it is still under way, for {since}")
                        }
                        None => "the run before it could not begin yet".to_owned(),
                    };
                    self.skip(now, name, id, Skip::NotAsked(why), out);
                }
            }
        }
    }

    /// The registry in force has these jobs.
    pub(in crate::judge) fn configure_jobs(
        &mut self,
        now: Now,
        jobs: BTreeMap<JobName, Arc<Job>>,
        out: &mut Out,
    ) {
        self.left_meanwhile(now, &jobs, out);
        let gone: Vec<JobName> =
            self.jobs.keys().filter(|name| !jobs.contains_key(*name)).cloned().collect();
        for name in gone {
            self.job_left(now, &name, out);
        }
        for (name, job) in jobs {
            let duty = job.duty;
            match self.jobs.get_mut(&name) {
                Some(machine) => {
                    machine.replace_job(job);
                    machine.kept.gone = None;
                    machine.keep_to_schedule();
                }
                None => {
                    let kept = self.remembered.jobs.get(&name).cloned().unwrap_or_default();
                    self.jobs.machines.insert(name.clone(), JobMachine::new(now, job, kept));
                }
            }
            if duty != Duty::Scheduled {
                self.give_up_waiting(now, &name, "it is not scheduled any more", out);
                self.job_settled(&name, "it is not scheduled any more");
            }
            self.hold(now, &name);
        }
    }

    fn job_left(&mut self, now: Now, name: &JobName, out: &mut Out) {
        self.give_up_waiting(now, name, "it left the registry", out);
        self.job_settled(name, "removed from the registry");
        let Some(machine) = self.jobs.get_mut(name) else { return };
        machine.kept.gone = Some(now);
        machine.keep_to_schedule();
        self.forget_if_over(name, out);
    }

    /// What left the registry stays until its runs have their outcomes.
    pub(super) fn forget_if_over(&mut self, name: &JobName, out: &mut Out) {
        if self.jobs.get(name).is_some_and(|machine| machine.kept.is_over())
            && let Some(machine) = self.jobs.machines.remove(name)
        {
            self.jobs.published.remove(name);
            out.changes.push(Change::JobRemoved(name.clone()));
            let record = Record::Job(name.clone(), machine.kept);
            let change = Change::Keep(Box::new(record));
            self.remembered.apply(&change);
            out.changes.push(change);
        }
    }

    /// What is known of jobs that have long left the registry is of no use.
    pub(in crate::judge) fn forget_gone_jobs(&mut self, now: Now, out: &mut Out) {
        let gone = self.remembered.jobs.iter().filter(|(name, memory)| {
            let long = |at: Now| now.mono.since(at.mono) >= GONE_FOR;
            !self.jobs.contains_key(*name) && memory.gone.is_some_and(long)
        });
        let gone: Vec<JobName> = gone.map(|(name, _)| name.clone()).collect();
        for name in gone {
            let change = Change::Forget(RecordKey::Job(name));
            self.remembered.apply(&change);
            out.changes.push(change);
        }
    }

    /// What waits to begin, or to be tried again, does so no more.
    fn give_up_waiting(&mut self, now: Now, name: &JobName, why: &str, out: &mut Out) {
        let Some(machine) = self.jobs.get(name) else { return };
        for run in machine.kept.open.clone() {
            match run.stage {
                Stage::Pending { .. } => {
                    self.skip(now, name, run.id, Skip::Asked(why.to_owned()), out);
                }
                Stage::Retrying { .. } => self.no_further_try(now, name, run.id, why, out),
                Stage::Running(_) | Stage::Resuming(_) => {}
            }
        }
    }

    /// The crontabs of containers were read.
    pub(in crate::judge) fn found_in_crontabs(&mut self, now: Now, found: Vec<TwoSchedulers>) {
        for TwoSchedulers { job, found } in found {
            let Some(machine) = self.jobs.get_mut(&job) else { continue };
            machine.kept.looked_elsewhere = true;
            if machine.kept.elsewhere != found {
                machine.kept.elsewhere = found;
                self.hold(now, &job);
            }
        }
    }

    /// The maintenance windows that are open now.
    pub(in crate::judge) fn maintain_jobs(&mut self) {
        let windows = &self.windows;
        for machine in self.jobs.values_mut() {
            let window = windows.iter().find(|window| window.jobs.contains(&machine.job.name));
            machine.window = window.map(|window| window.reason.clone());
        }
    }

    /// The containers that jobs run in.
    pub(in crate::judge) fn job_containers(&self) -> impl Iterator<Item = &ContainerKey> {
        self.jobs.values().filter_map(JobMachine::container)
    }

    fn number_run(&mut self) -> RunId {
        self.host.next_run += 1;
        RunId(self.host.next_run)
    }
}
