//! J1: every scheduled instant ends as exactly one of run, skipped or missed,
//! and is kept; what is begun is begun once, and only when it may.

use super::known::Known;
use super::restarts::are_well;
use super::timetable::Timetable;
use super::{Heard, Violation};
use crate::plan::{Ms, SECOND};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use vai_core::judge::Change;
use vai_core::model::{
    Action, Event, HowEnded, JobName, JobRequest, JobView, Now, Overlap, Place, Run, RunId,
    RunOutcome, RunReport, RunRequest, Scheduled, TryId, Wall,
};

/// The longest wait for the next try, and what takes a moment.
const RETRY_WAIT: Ms = 400 * SECOND;
/// So long after a beat could have been, everything was heard.
const HEARD_BY: Ms = 10 * SECOND;
/// What does not end is told by then, after its time-out.
const OVERDUE_BY: Ms = 75 * SECOND;

pub(crate) struct Jobs {
    remembered: Remembered,
    /// The same before a start that could not be stored.
    before_start: Option<Remembered>,
    /// The windows that are open.
    maintenance: BTreeSet<JobName>,
    store_failed: bool,
    views: BTreeMap<JobName, JobView>,
    /// Every try that was ever begun, whatever vai knows of it.
    begun: BTreeMap<TryId, (JobName, Option<Wall>)>,
    kept: BTreeSet<RunId>,
    /// Since when nothing was set, stopped or lost.
    undisturbed: Ms,
}

/// What outlives vai.
#[derive(Clone, Debug, Default)]
pub(super) struct Remembered {
    timetable: Timetable,
    paused: BTreeSet<JobName>,
    in_crontabs: BTreeSet<JobName>,
    in_flight: BTreeMap<TryId, Flight>,
    runs: BTreeMap<RunId, Note>,
    /// Jobs whose last run failed.
    failing: BTreeSet<JobName>,
}

#[derive(Clone, Debug)]
struct Flight {
    job: JobName,
    at: Ms,
    timeout: Ms,
}

/// What is known of a run that has no outcome yet.
#[derive(Clone, Debug, Default)]
struct Note {
    scheduled: Option<Wall>,
    job: Option<JobName>,
    attempts: u32,
    failures: u32,
    lost: bool,
    /// It is to make room for another one.
    replaced: bool,
    last: Ms,
}

impl Jobs {
    pub(super) fn new(known: &Known) -> Self {
        let mut remembered = Remembered::default();
        remembered.timetable.configured(&known.watchlist.jobs);
        Self {
            remembered,
            before_start: None,
            maintenance: BTreeSet::new(),
            store_failed: false,
            views: BTreeMap::new(),
            begun: BTreeMap::new(),
            kept: BTreeSet::new(),
            undisturbed: 0,
        }
    }

    /// What a crash leaves, if nothing is stored from now on.
    pub(super) fn remembered(&self) -> Remembered {
        self.before_start.clone().unwrap_or_else(|| self.remembered.clone())
    }

    /// Everything is stored.
    pub(super) fn stored(&mut self) {
        self.before_start = None;
    }

    pub(super) fn crashed(&mut self, saved: Option<Remembered>, lossy: bool) {
        let before_start = self.before_start.take().filter(|_| lossy);
        if let Some(saved) = saved.or(before_start) {
            self.remembered = saved;
        }
        self.remembered.timetable.crashed();
        self.maintenance.clear();
        self.views.clear();
        self.store_failed = false;
    }

    pub(super) fn started(&mut self, now: Ms, known: &Known, stored: bool) {
        self.before_start = (!stored).then(|| self.remembered.clone());
        self.undisturbed = now;
        self.configured(known);
    }

    pub(super) fn disturbed(&mut self, now: Ms) {
        self.undisturbed = self.undisturbed.max(now);
    }

    /// How many instants came.
    pub(super) fn instants(&self) -> u64 {
        self.remembered.timetable.counted
    }

    fn configured(&mut self, known: &Known) {
        let jobs = &known.watchlist.jobs;
        self.remembered.timetable.configured(jobs);
        let scheduled = |name: &JobName| {
            jobs.get(name).is_some_and(|it| it.duty == vai_core::model::Duty::Scheduled)
        };
        self.remembered.failing.retain(scheduled);
    }

    pub(super) fn clock_shows(&mut self, now: Ms, wall: Wall, told: &[Scheduled]) -> crate::Step {
        self.remembered.timetable.clock_shows(wall, told).map_err(|words| violated(now, words))
    }

    pub(super) fn follow(&mut self, now: Ms, heard: &Heard<'_>, known: &Known) -> crate::Step {
        if let Some(event) = heard.event {
            self.hear(now, Wall::from_millis(heard.wall), event, known);
        }
        for change in &heard.delta.changes {
            match change {
                Change::Job(view) => _ = self.views.insert(view.name.clone(), (**view).clone()),
                Change::JobRemoved(name) => {
                    self.views.remove(name);
                    self.remembered.failing.remove(name);
                }
                Change::Run(run) => self.ended(now, run)?,
                _ => {}
            }
        }
        for run in heard.kept {
            if !self.kept.insert(run.id) {
                return Err(violated(now, format!("{:?} was kept before", run.id)));
            }
            self.remembered.timetable.kept(run).map_err(|words| violated(now, words))?;
        }
        for action in heard.actions {
            match action {
                Action::Run(request) => self.handed_out(now, request, known)?,
                Action::EndRun(id) => {
                    self.remembered.runs.entry(id.run).or_default().replaced = true;
                }
                _ => {}
            }
        }
        self.belong(now, heard)
    }

    fn hear(&mut self, now: Ms, wall: Wall, event: &Event, known: &Known) {
        let remembered = &mut self.remembered;
        match event {
            Event::Configured(_) => self.configured(known),
            Event::Scheduled(told) => remembered.timetable.took_in(now, wall, told),
            Event::Maintenance(windows) => {
                self.maintenance = windows.iter().flat_map(|it| it.jobs.clone()).collect();
            }
            Event::Crontabs(found) => {
                for it in found {
                    remembered.in_crontabs.remove(&it.job);
                    remembered.in_crontabs.extend(it.found.is_some().then(|| it.job.clone()));
                }
            }
            Event::Job(JobRequest::Pause(name)) => _ = remembered.paused.insert(name.clone()),
            Event::Job(JobRequest::Resume(name)) => _ = remembered.paused.remove(name),
            Event::StoreFailed(_) => self.store_failed = true,
            Event::StoreBack => {
                self.store_failed = false;
                self.disturbed(now);
            }
            Event::Ran { id, report: RunReport::Ended(end) } => self.try_ended(now, *id, &end.how),
            _ => {}
        }
    }

    fn try_ended(&mut self, now: Ms, id: TryId, how: &HowEnded) {
        self.remembered.in_flight.remove(&id);
        let note = self.remembered.runs.entry(id.run).or_default();
        note.last = now;
        match how {
            HowEnded::Exited(0) | HowEnded::NotBegun(_) => {}
            HowEnded::Exited(_) | HowEnded::Signalled(_) | HowEnded::TimedOut { .. } => {
                note.failures += 1;
            }
            HowEnded::Replaced => note.replaced = true,
            HowEnded::Refused(_) | HowEnded::Lost(_) => note.lost = true,
        }
    }

    /// A run has its outcome.
    fn ended(&mut self, now: Ms, run: &Run) -> crate::Step {
        self.remembered.runs.remove(&run.id);
        self.remembered.in_flight.retain(|id, _| id.run != run.id);
        let was_begun = self.begun.keys().any(|id| id.run == run.id);
        let failing = &mut self.remembered.failing;
        match run.outcome {
            RunOutcome::Skipped | RunOutcome::Missed if was_begun => {
                return Err(violated(now, format!("{run:?} was begun")));
            }
            RunOutcome::Succeeded => _ = failing.remove(&run.job),
            RunOutcome::Failed | RunOutcome::TimedOut if run.scheduled.is_some() => {
                failing.insert(run.job.clone());
            }
            _ => {}
        }
        Ok(())
    }

    /// A1 of jobs: who failed is in an open incident until it succeeds.
    fn belong(&self, now: Ms, heard: &Heard<'_>) -> crate::Step {
        for change in &heard.delta.changes {
            let Change::Run(run) = change else { continue };
            let Some(view) = self.views.get(&run.job) else { continue };
            let failing = self.remembered.failing.contains(&run.job);
            if failing && view.incident.is_none() && heard.event.is_some() {
                let words = format!("{} failed and is in no incident: {run:?}", run.job);
                return Err(Violation { invariant: "A1", at: now, words });
            }
        }
        Ok(())
    }

    fn handed_out(&mut self, now: Ms, request: &RunRequest, known: &Known) -> crate::Step {
        let (id, job) = (request.try_id(), &request.job);
        let refuse = |words: String| Err(violated(now, format!("{id:?} of {}: {words}", job.name)));
        if !request.resumed {
            if let Err(words) = self.may_begin(request, known) {
                return refuse(words);
            }
            let note = self.remembered.runs.entry(id.run).or_default();
            if note.attempts >= id.attempt || self.kept.contains(&id.run) {
                return refuse(format!("it was handed out before: {note:?}"));
            }
            if note.replaced || note.lost {
                return refuse(format!("it is not to be tried again: {note:?}"));
            }
            let retries = if request.scheduled.is_some() { job.retries } else { 0 };
            if note.failures > retries {
                return refuse(format!("it may be tried again {retries} times: {note:?}"));
            }
        }
        let note = self.remembered.runs.entry(id.run).or_default();
        note.attempts = id.attempt;
        note.scheduled = request.scheduled;
        note.job = Some(job.name.clone());
        let timeout = millis(job.timeout);
        self.remembered.in_flight.insert(id, Flight { job: job.name.clone(), at: now, timeout });
        Ok(())
    }

    fn may_begin(&self, request: &RunRequest, known: &Known) -> Result<(), String> {
        let job = &request.job;
        if self.store_failed {
            return Err("nothing can be stored".into());
        }
        if matches!(job.place, Place::Container(_)) && !known.engine_up {
            return Err("the engine does not answer".into());
        }
        let other = self.remembered.in_flight.iter().find(|(_, it)| it.job == job.name);
        if let Some((other, _)) = other
            && job.overlap != Overlap::Allow
        {
            return Err(format!("{other:?} is under way"));
        }
        if request.scheduled.is_none() {
            return Ok(());
        }
        if self.remembered.paused.contains(&job.name) {
            return Err("an operator paused it".into());
        }
        if job.held.is_some() || self.remembered.in_crontabs.contains(&job.name) {
            return Err("it is held".into());
        }
        if self.maintenance.contains(&job.name) {
            return Err("it is in maintenance".into());
        }
        are_well(&job.dependencies, known)
    }

    /// Its place really begins it. `other` is another try of its job that lives.
    pub(super) fn begins(
        &mut self,
        now: Ms,
        request: &RunRequest,
        other: Option<TryId>,
    ) -> crate::Step {
        let (id, job) = (request.try_id(), &request.job);
        let violated = |words: &str| Err(violated(now, format!("{id:?} of {}: {words}", job.name)));
        if self.begun.insert(id, (job.name.clone(), request.scheduled)).is_some() {
            return violated("it was begun before");
        }
        if let Some(at) = request.scheduled {
            let of_it = self.begun.iter().filter(|(_, it)| **it == (job.name.clone(), Some(at)));
            let runs: BTreeSet<RunId> = of_it.map(|(id, _)| id.run).collect();
            if runs.len() > self.remembered.timetable.times(&job.name, at) as usize {
                return violated("another run of the same instant was begun before");
            }
        }
        match other {
            Some(other) if job.overlap != Overlap::Allow => {
                violated(&format!("{other:?} is still there"))
            }
            _ => Ok(()),
        }
    }

    /// What time alone breaks.
    pub(super) fn audit(&mut self, now: Ms, clock: Now, known: &Known) -> crate::Step {
        if self.store_failed || now < self.undisturbed + HEARD_BY {
            return Ok(());
        }
        let heard = Wall::from_millis(clock.wall.as_millis() - HEARD_BY as i64);
        if let Some((name, at)) = self.remembered.timetable.unheard(heard) {
            return Err(violated(now, format!("nobody was told that {at:?} of {name} came")));
        }
        self.nothing_waits(now, known)?;
        for (id, flight) in &self.remembered.in_flight {
            let since = flight.at.max(self.undisturbed) + flight.timeout + OVERDUE_BY;
            let view = self.views.get(&flight.job);
            if now > since && view.is_some_and(|it| it.incident.is_none()) {
                return Err(violated(now, format!("{id:?} does not end, in no incident")));
            }
        }
        Ok(())
    }

    /// What came has its outcome, is being run, or has still time to begin.
    fn nothing_waits(&self, now: Ms, known: &Known) -> crate::Step {
        for (name, at, since) in self.remembered.timetable.owed() {
            let runs =
                self.remembered.runs.iter().filter(|(_, note)| {
                    note.job.as_ref() == Some(name) && note.scheduled == Some(at)
                });
            let runs: Vec<(&RunId, &Note)> = runs.collect();
            let in_flight = |id: &RunId| self.remembered.in_flight.keys().any(|it| it.run == *id);
            if runs.iter().any(|(id, _)| in_flight(id)) {
                continue;
            }
            let last = runs.iter().map(|(_, note)| note.last).max().unwrap_or(0);
            let catch_up = known.watchlist.jobs.get(name).map_or(0, |it| millis(it.catch_up));
            let waits = catch_up.max(60 * SECOND) + RETRY_WAIT;
            if now > since.max(last).max(self.undisturbed) + waits {
                return Err(violated(now, format!("{at:?} of {name} came and has no outcome")));
            }
        }
        Ok(())
    }

    /// All that came has its outcome.
    pub(super) fn at_the_end(&self, now: Ms) -> crate::Step {
        match self.remembered.timetable.owed().next() {
            None => Ok(()),
            Some((name, at, _)) => Err(violated(now, format!("{at:?} of {name} has no outcome"))),
        }
    }

    pub(super) fn is_in_trouble(&self, name: &str) -> bool {
        self.views.get(&JobName::from(name)).is_some_and(|it| it.incident.is_some())
    }
}

fn violated(now: Ms, words: String) -> Violation {
    Violation { invariant: "J1", at: now, words }
}

fn millis(span: Duration) -> Ms {
    span.as_millis() as Ms
}
