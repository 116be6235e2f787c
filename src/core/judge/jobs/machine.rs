use super::due::ON_TIME;
use super::memory::{JobMemory, OpenRun, Stage, UnderWay};
use crate::model::{ContainerKey, Duty, Job, Now, Overlap, Place, Time, Wall};
use std::sync::Arc;
use std::time::Duration;

/// A try that has not ended so long after its time-out never will by itself:
/// ending it takes 12 s at most.
pub(super) const OVERDUE_AFTER: Duration = Duration::from_secs(60);

/// Crontabs that nobody could read by then hold up no run.
const CRONTABS_WITHIN: Duration = Duration::from_secs(15);

/// One job.
#[derive(Clone, Debug)]
pub(crate) struct JobMachine {
    pub(super) job: Arc<Job>,
    pub(super) kept: JobMemory,
    /// When it is due next.
    pub(super) next: Option<Wall>,
    /// What its schedule says was heard in this run of `vai`: what is missed
    /// from here on is not missed for want of it.
    pub(super) heard: bool,
    /// The maintenance window that it is in; its reason.
    pub(super) window: Option<String>,
    /// It was changed in this step, or is new.
    pub(super) touched: bool,
}

impl JobMachine {
    pub(super) fn new(now: Now, job: Arc<Job>, mut kept: JobMemory) -> Self {
        kept.gone = None;
        for run in &mut kept.open {
            if let Stage::Running(mut under_way) = run.stage.clone() {
                under_way.resumed = true;
                run.stage = Stage::Resuming(under_way);
            }
        }
        let mut machine = Self { job, kept, next: None, heard: false, window: None, touched: true };
        machine.wait_anew(now);
        machine.keep_to_schedule();
        machine
    }

    /// Its entry in the registry is read anew.
    pub(super) fn replace_job(&mut self, job: Arc<Job>) {
        if self.job.place != job.place || self.job.command != job.command {
            self.kept.looked_elsewhere = false;
        }
        self.job = job;
    }

    /// Until when a run of it waits for the crontabs of its container to be
    /// read: that it is in none of them is not known yet.
    pub(super) fn waits_for_crontabs(&self, run: &OpenRun) -> Option<Time> {
        (!self.kept.looked_elsewhere).then_some(run.decided.mono + CRONTABS_WITHIN)
    }

    /// Another schedule is another beginning: what was due by the one before is
    /// over.
    pub(super) fn keep_to_schedule(&mut self) {
        if !self.is_scheduled() || self.kept.schedule != self.job.schedule {
            self.kept.until = None;
            self.next = None;
        }
        self.kept.schedule.clone_from(&self.job.schedule);
    }

    /// Runs that could not begin yet: how long they may still wait is told by
    /// the wall clock, as their instant is.
    fn wait_anew(&mut self, now: Now) {
        let left: Vec<Duration> =
            self.kept.open.iter().map(|run| self.time_left(run, now)).collect();
        for (run, left) in self.kept.open.iter_mut().zip(left) {
            if let Stage::Pending { until } = &mut run.stage {
                *until = now.mono + left;
            }
        }
    }

    /// How long a run may still wait to begin.
    pub(super) fn time_left(&self, run: &OpenRun, now: Now) -> Duration {
        let since = run.scheduled.unwrap_or(run.decided.wall);
        ON_TIME.max(self.job.catch_up).saturating_sub(now.wall.since(since))
    }

    pub(super) fn is_scheduled(&self) -> bool {
        self.job.duty == Duty::Scheduled && self.kept.gone.is_none()
    }

    pub(crate) fn container(&self) -> Option<&ContainerKey> {
        match &self.job.place {
            Place::Local => None,
            Place::Container(key) => Some(key),
        }
    }

    /// It, as it was when this try began: it may have been moved since, or be
    /// run as somebody else.
    pub(super) fn job_of(&self, under_way: &UnderWay) -> Arc<Job> {
        let UnderWay { place, user, .. } = under_way;
        if self.job.place == *place && self.job.user == *user {
            return Arc::clone(&self.job);
        }
        Arc::new(Job { place: place.clone(), user: user.clone(), ..(*self.job).clone() })
    }

    /// Why it is not run by the clock until somebody mends that.
    pub(super) fn held(&self) -> Option<String> {
        match (&self.job.held, &self.kept.elsewhere) {
            (Some(why), _) => Some(why.clone()),
            (None, Some(place)) => Some(format!("also in {place}")),
            (None, None) => None,
        }
    }

    /// Whether another run of it is under way that `run` must not overlap.
    pub(super) fn overlaps(&self, run: &OpenRun) -> bool {
        self.job.overlap != Overlap::Allow
            && self.kept.open.iter().any(|it| it.id != run.id && it.under_way().is_some())
    }

    pub(super) fn needs_review(&self, now: Time) -> bool {
        self.touched
            || self.kept.open.iter().any(|run| run.under_way().is_none() || is_resuming(run))
            || self.next_wake(Time::default()).is_some_and(|at| at <= now)
    }

    /// When time alone gives something to do after `now`.
    pub(super) fn next_wake(&self, now: Time) -> Option<Time> {
        let waits = self.kept.open.iter().flat_map(|run| match &run.stage {
            Stage::Pending { until } => [Some(*until), self.waits_for_crontabs(run)],
            Stage::Retrying { at } => [Some(*at), None],
            Stage::Running(it) => [Some(self.overdue_at(it.since)), self.slow_at(it.since)],
            Stage::Resuming(it) => [Some(self.overdue_at(it.since)), None],
        });
        waits.flatten().filter(|&at| at > now).min()
    }

    pub(super) fn overdue_at(&self, since: Now) -> Time {
        since.mono + self.job.timeout + OVERDUE_AFTER
    }

    pub(super) fn slow_at(&self, since: Now) -> Option<Time> {
        self.kept.slow_after().map(|span| since.mono + span)
    }
}

fn is_resuming(run: &OpenRun) -> bool {
    matches!(run.stage, Stage::Resuming(_))
}
