//! What came of a try, and of a run: its one outcome.

use super::memory::{OpenRun, Stage};
use crate::judge::{Change, Core, EngineLink, Out, backoff};
use crate::model::{
    HowEnded, Instants, Job, JobName, Notify, Now, Place, Run, RunEnd, RunId, RunOutcome,
    RunReport, SilenceScope, Subject, Time, TryId,
};
use crate::words;
use std::sync::Arc;
use std::time::Duration;

/// Before the second try; doubles with each further one …
const FIRST_RETRY: Duration = Duration::from_secs(10);
/// … up to this.
const LAST_RETRY: Duration = Duration::from_secs(300);

/// Why a run is skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    /// Somebody wants it so, and knows: a pause, a maintenance window.
    Asked(String),
    /// Nobody asked for it; often in a row, it is told.
    NotAsked(String),
}

impl Core {
    /// The edge says something of a try.
    pub(in crate::judge) fn ran(&mut self, now: Now, id: TryId, report: RunReport, out: &mut Out) {
        let mut jobs = self.jobs.iter();
        let Some((name, run)) = jobs.find_map(|(name, machine)| {
            let run = machine.kept.run(id.run)?;
            (run.attempt == id.attempt && run.under_way().is_some()).then_some((name, run))
        }) else {
            return;
        };
        let (name, run) = (name.clone(), run.clone());
        match report {
            RunReport::Began(instance) => {
                let Some(machine) = self.jobs.get_mut(&name) else { return };
                let Some(run) = machine.kept.run_mut(id.run) else { return };
                run.began.get_or_insert(now.wall);
                if let Stage::Running(under_way) = &mut run.stage {
                    under_way.instance = Some(instance);
                }
            }
            RunReport::Ended(end) => self.try_ended(now, &name, &run, end, out),
        }
    }

    fn try_ended(&mut self, now: Now, name: &JobName, run: &OpenRun, end: RunEnd, out: &mut Out) {
        match &end.how {
            HowEnded::Exited(0) => {
                self.conclude(now, name, run.id, RunOutcome::Succeeded, Some(end), out);
            }
            HowEnded::Replaced => {
                self.conclude(now, name, run.id, RunOutcome::Replaced, Some(end), out);
            }
            // What ran once and failed did not come to nothing.
            HowEnded::Refused(why) if !run.failures.is_empty() => {
                self.no_further_try(now, name, run.id, &why.clone(), out);
            }
            HowEnded::Refused(why) => {
                let skip = Skip::Asked(why.clone());
                self.skip(now, name, run.id, skip, out);
            }
            HowEnded::NotBegun(_) if run.makes_room() && run.failures.is_empty() => {
                let skip = Skip::NotAsked("a newer run came first".to_owned());
                self.skip(now, name, run.id, skip, out);
            }
            HowEnded::NotBegun(why) => {
                let resumed = run.under_way().is_some_and(|it| it.resumed);
                let why = why.clone();
                if let Some(until) = self.may_begin_until(run, now, name) {
                    self.change_stage(name, run.id, Stage::Pending { until });
                } else if resumed && !run.failures.is_empty() {
                    self.no_further_try(now, name, run.id, &why, out);
                } else if resumed {
                    self.miss_run(now, name, run.id, why, out);
                } else {
                    self.try_failed(now, name, run.id, end, out);
                }
            }
            HowEnded::Exited(_)
            | HowEnded::Signalled(_)
            | HowEnded::TimedOut { .. }
            | HowEnded::Lost(_) => self.try_failed(now, name, run.id, end, out),
        }
    }

    /// Until when a run may still begin of which certainly no try was begun,
    /// because the engine went away just now or `vai` ended just before it;
    /// `None` if that is not so, or not any more.
    fn may_begin_until(&self, run: &OpenRun, now: Now, name: &JobName) -> Option<Time> {
        let resumed = run.under_way().is_some_and(|it| it.resumed);
        let gone = matches!(self.engine, EngineLink::Gone { .. });
        let machine = self.jobs.get(name)?;
        let left = machine.time_left(run, now);
        ((resumed || gone) && run.failures.is_empty() && !left.is_zero()).then(|| now.mono + left)
    }

    fn change_stage(&mut self, name: &JobName, id: RunId, stage: Stage) {
        if let Some(run) = self.jobs.get_mut(name).and_then(|it| it.kept.run_mut(id)) {
            run.stage = stage;
        }
    }

    /// A try failed: there is another one, or the run failed. What may have run
    /// to its end is not tried again, nor is what a newer run waits for or an
    /// operator watches.
    fn try_failed(&mut self, now: Now, name: &JobName, id: RunId, end: RunEnd, out: &mut Out) {
        let Some(machine) = self.jobs.get_mut(name) else { return };
        let retries = usize::try_from(machine.job.retries).unwrap_or(usize::MAX);
        let scheduled = machine.is_scheduled();
        let Some(run) = machine.kept.run_mut(id) else { return };
        run.failures.push(told(&end));
        let lost = matches!(end.how, HowEnded::Lost(_));
        let wanted = scheduled && !lost && !run.makes_room() && run.scheduled.is_some();
        let again = wanted && run.failures.len() <= retries;
        if again {
            let level = u32::try_from(run.failures.len()).unwrap_or(u32::MAX);
            let salt = format!("{name}/{}/{}", id.0, run.attempt);
            let delay = backoff::delay(level, FIRST_RETRY, LAST_RETRY);
            run.stage = Stage::Retrying { at: now.mono + backoff::jitter(delay, &salt) };
            run.last = Some(end);
        } else {
            self.run_failed(now, name, id, end, out);
        }
    }

    /// There is no further try: the run failed as its last one did.
    fn run_failed(&mut self, now: Now, name: &JobName, id: RunId, end: RunEnd, out: &mut Out) {
        let outcome = match end.how {
            HowEnded::TimedOut { .. } => RunOutcome::TimedOut,
            _ => RunOutcome::Failed,
        };
        self.conclude(now, name, id, outcome, Some(end), out);
    }

    /// A run whose last try failed is not tried again after all.
    pub(super) fn no_further_try(
        &mut self,
        now: Now,
        name: &JobName,
        id: RunId,
        why: &str,
        out: &mut Out,
    ) {
        let Some(run) = self.jobs.get_mut(name).and_then(|it| it.kept.run_mut(id)) else { return };
        let Some(mut end) = run.last.take() else { return };
        end.notes.push(format!("not tried again: {why}"));
        self.run_failed(now, name, id, end, out);
    }

    pub(super) fn skip(&mut self, now: Now, name: &JobName, id: RunId, skip: Skip, out: &mut Out) {
        let Some(machine) = self.jobs.get_mut(name) else { return };
        let Some(run) = machine.kept.run(id).cloned() else { return };
        let (why, asked) = match skip {
            Skip::Asked(why) => (why, true),
            Skip::NotAsked(why) => (why, false),
        };
        if !asked && run.scheduled.is_some() {
            machine.was_skipped(now, &why);
        }
        self.end_unbegun(now, name, &run, RunOutcome::Skipped, why, out);
    }

    pub(super) fn miss_run(
        &mut self,
        now: Now,
        name: &JobName,
        id: RunId,
        why: String,
        out: &mut Out,
    ) {
        let Some(run) = self.jobs.get(name).and_then(|it| it.kept.run(id).cloned()) else { return };
        let outcome =
            if run.scheduled.is_some() { RunOutcome::Missed } else { RunOutcome::Skipped };
        let missed = self.end_unbegun(now, name, &run, outcome, why, out);
        if let (Some(machine), RunOutcome::Missed) = (self.jobs.get_mut(name), outcome) {
            machine.was_missed(now, &missed);
        }
    }

    /// The outcome of a run that no try was begun of.
    fn end_unbegun(
        &mut self,
        now: Now,
        name: &JobName,
        run: &OpenRun,
        outcome: RunOutcome,
        reason: String,
        out: &mut Out,
    ) -> Run {
        let record = Run {
            took: Duration::ZERO,
            bytes: 0,
            tail: String::new(),
            ..record(now, name, run, outcome, reason, None)
        };
        self.end_run(record.clone(), out);
        record
    }

    fn conclude(
        &mut self,
        now: Now,
        name: &JobName,
        id: RunId,
        outcome: RunOutcome,
        end: Option<RunEnd>,
        out: &mut Out,
    ) {
        let Some(machine) = self.jobs.get_mut(name) else { return };
        let Some(run) = machine.kept.run(id).cloned() else { return };
        let reason = end.as_ref().map_or_else(String::new, reason);
        let record = record(now, name, &run, outcome, reason, end.as_ref());
        let by_hand = run.scheduled.is_none();
        let was_in_trouble = machine.trouble().is_some();
        match outcome {
            RunOutcome::Succeeded => machine.succeeded(now, &record),
            RunOutcome::Failed | RunOutcome::TimedOut if !by_hand => {
                machine.failed(now, &record, &run, end.as_ref());
            }
            _ => {}
        }
        let settled = was_in_trouble && machine.trouble().is_none();
        let job = Arc::clone(&machine.job);
        self.end_run(record.clone(), out);
        if settled {
            let took = words::duration(record.took);
            self.job_settled(name, &format!("it ran again and succeeded in {took}"));
        } else if outcome == RunOutcome::Succeeded
            && job.notify_on_success
            && !by_hand
            && !self.is_job_silenced(&job, now)
        {
            self.tell_success(now, &record, job.notify.clone(), out);
        }
    }

    /// The run has its outcome, and nobody waits for it any more.
    fn end_run(&mut self, record: Run, out: &mut Out) {
        if let Some(machine) = self.jobs.get_mut(&record.job) {
            machine.kept.open.retain(|run| run.id != record.id);
            machine.kept.last = Some(Run { tail: String::new(), ..record.clone() });
        }
        out.changes.push(Change::Run(Box::new(record)));
    }

    /// Whether an operator wants to hear nothing of it.
    fn is_job_silenced(&self, job: &Job, now: Now) -> bool {
        let mut silences = self.host.silences.iter().filter(|it| it.is_in_force(now));
        silences.any(|it| match &it.scope {
            SilenceScope::Everything => true,
            SilenceScope::Job(name) => *name == job.name,
            SilenceScope::Container(key) => job.place == Place::Container(key.clone()),
            SilenceScope::Service(_) => false,
        })
    }

    fn tell_success(&mut self, now: Now, record: &Run, notify: Notify, out: &mut Out) {
        let reason = format!("succeeded in {}", words::duration(record.took));
        let since = Now { wall: record.began.unwrap_or(now.wall), ..now };
        let mut notice = self.good_news(Subject::Job, record.job.as_str(), since, now, reason);
        notice.notify = notify;
        self.tell(notice, out);
    }
}

/// How a try ended, in words that follow "failed: "; the time that it took is
/// told beside it.
fn reason(end: &RunEnd) -> String {
    words_of(end, "", "in time")
}

/// The same with the time that it took, where nothing else tells it.
pub(super) fn told(end: &RunEnd) -> String {
    let took = format!("after {}", words::duration(end.took));
    words_of(end, &format!(" {took}"), &took)
}

fn words_of(end: &RunEnd, after: &str, not_done: &str) -> String {
    let how = match &end.how {
        HowEnded::Exited(0) => String::new(),
        HowEnded::Exited(code) => format!("exit {code}{after}"),
        HowEnded::Signalled(signal) => format!("killed by {}{after}", signal_name(*signal)),
        HowEnded::TimedOut { left } if left.is_empty() => {
            format!("it was not done {not_done} and was ended")
        }
        HowEnded::TimedOut { left } => format!(
            "it was not done {not_done} and could not be ended whole: {} is still there",
            left.join(", ")
        ),
        HowEnded::Replaced => "a newer run took its place".to_owned(),
        HowEnded::NotBegun(why) => format!("it could not be begun: {why}"),
        HowEnded::Refused(why) | HowEnded::Lost(why) => why.clone(),
    };
    let all = std::iter::once(&how).chain(&end.notes).filter(|words| !words.is_empty());
    all.map(String::as_str).collect::<Vec<_>>().join("; ")
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "HUP",
        2 => "INT",
        3 => "QUIT",
        6 => "ABRT",
        9 => "KILL",
        11 => "SEGV",
        13 => "PIPE",
        15 => "TERM",
        other => return format!("signal {other}"),
    };
    format!("signal {signal} ({name})")
}

pub(super) fn record(
    now: Now,
    name: &JobName,
    run: &OpenRun,
    outcome: RunOutcome,
    reason: String,
    end: Option<&RunEnd>,
) -> Run {
    Run {
        id: run.id,
        job: name.clone(),
        scheduled: run.scheduled.map(|at| Instants { first: at, last: at, count: 1 }),
        outcome,
        reason,
        began: run.began,
        ended: now.wall,
        took: end.map_or(Duration::ZERO, |end| end.took),
        attempts: run.attempt,
        bytes: end.map_or(0, |end| end.bytes),
        tail: end.map_or_else(String::new, |end| end.tail.clone()),
    }
}
