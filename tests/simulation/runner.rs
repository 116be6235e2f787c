//! Runs of jobs in their places: begun at most once, and then on their own,
//! whatever becomes of vai.

use crate::jobs::Fate;
use crate::plan::{Ms, Plan, SECOND};
use crate::rng::Rng;
use crate::world::{Thing, World};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use vai_core::model::{
    ContainerStatus, HowEnded, Instance, JobName, Place, RunEnd, RunReport, RunRequest, TryId,
};

/// Who cannot be asked is asked again.
const ASKED_AGAIN: Ms = 2 * SECOND;
/// A run under way is looked at so often where nobody hints.
const LOOKED_AT: Ms = 20 * SECOND;
/// Nobody waits longer than this after a time-out.
const GIVEN_UP: Ms = 130 * SECOND;

/// All tries that were ever begun, and what ails jobs.
#[derive(Debug)]
pub(crate) struct Runner {
    begun: BTreeMap<TryId, Try>,
    /// To be ended before they were begun.
    ended_early: BTreeSet<TryId>,
    pub(crate) fail_until: BTreeMap<String, Ms>,
    pub(crate) last_until: BTreeMap<String, Ms>,
    pub(crate) marked_until: BTreeMap<String, Ms>,
    rng: Rng,
}

#[derive(Debug)]
struct Try {
    job: JobName,
    instance: Instance,
    began: Ms,
    fate: Fate,
    timeout: Ms,
    state: State,
}

#[derive(Debug)]
enum State {
    Alive,
    Over(HowEnded, Ms),
    /// Gone with its place, and nobody wrote down how.
    Gone,
}

impl Runner {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            begun: BTreeMap::new(),
            ended_early: BTreeSet::new(),
            fail_until: BTreeMap::new(),
            last_until: BTreeMap::new(),
            marked_until: BTreeMap::new(),
            rng: Rng::new(plan.seed ^ 0x0072_756e),
        }
    }

    fn ails(all: &BTreeMap<String, Ms>, job: &str, now: Ms) -> bool {
        all.get(job).is_some_and(|&until| until > now)
    }

    fn fate(&mut self, job: &str, now: Ms) -> Fate {
        let fails = Self::ails(&self.fail_until, job, now);
        let drags = Self::ails(&self.last_until, job, now);
        Fate::random(&mut self.rng, fails, drags)
    }

    /// What is in this instance goes with it.
    pub(crate) fn place_ends(&mut self, instance: &Instance) {
        for one in self.begun.values_mut() {
            if one.instance == *instance && matches!(one.state, State::Alive) {
                one.state = State::Gone;
            }
        }
    }

    /// A try of this job that is not over.
    fn lives(&mut self, job: &JobName, now: Ms) -> Option<TryId> {
        self.begun.iter_mut().filter(|(_, it)| it.job == *job).find_map(|(id, one)| {
            one.goes_on(now);
            matches!(one.state, State::Alive).then_some(*id)
        })
    }

    /// Whoever hangs is ended by hand.
    fn mend(&mut self, now: Ms) {
        self.fail_until.clear();
        self.last_until.clear();
        self.marked_until.clear();
        for one in self.begun.values_mut().filter(|it| matches!(it.state, State::Alive)) {
            one.fate = Fate { lasts: now + SECOND - one.began, ..Fate::FINE };
        }
    }
}

impl Try {
    /// When it ends, and how.
    fn end(&self) -> (Ms, HowEnded) {
        let by_itself = self.began + self.fate.lasts;
        let by_force = self.began + self.timeout;
        if by_itself <= by_force {
            (by_itself, HowEnded::Exited(self.fate.code))
        } else if self.fate.stuck {
            (by_itself, HowEnded::TimedOut { left: vec!["sleep (pid 7)".to_owned()] })
        } else {
            (by_force + SECOND, HowEnded::TimedOut { left: Vec::new() })
        }
    }

    fn goes_on(&mut self, now: Ms) {
        let (at, how) = self.end();
        if at <= now && matches!(self.state, State::Alive) {
            self.state = State::Over(how, at);
        }
    }
}

impl World {
    /// A run is handed out.
    pub(crate) fn run_handed_out(&mut self, request: Box<RunRequest>, stored: bool) {
        let run = self.run;
        let takes = self.runner.rng.range(5, 1500);
        if request.resumed {
            self.later(takes, Thing::RunResumed { request, run });
        } else if stored {
            self.later(takes, Thing::RunGate { request, run });
        } else {
            self.run_not_begun(&request, "its intent could not be stored");
        }
    }

    /// Looks again, right before it is begun.
    pub(crate) fn run_gate(&mut self, request: Box<RunRequest>) {
        let job = &request.job;
        if self.runner.ended_early.contains(&request.try_id()) {
            return self.run_ended(&request, HowEnded::Replaced);
        }
        if self.watchlist.jobs.get(&job.name) != Some(job) {
            let why = "the registry changed".to_owned();
            return self.run_ended(&request, HowEnded::Refused(why));
        }
        if Runner::ails(&self.runner.marked_until, job.name.as_str(), self.now) {
            let why = "paused by a marker file".to_owned();
            return self.run_ended(&request, HowEnded::Refused(why));
        }
        if let Err(why) = self.place_of_run(&job.place) {
            return self.run_not_begun(&request, &why);
        }
        let takes = self.runner.rng.range(1, 60);
        let run = self.run;
        self.later(takes, Thing::RunBegins { request, run });
    }

    /// Its place begins it. vai may be gone meanwhile: what it asked for is done
    /// all the same, or was not asked for any more.
    pub(crate) fn run_begins(&mut self, request: &RunRequest, run: u32) -> crate::Step {
        if run != self.run && self.runner.rng.chance(50) {
            return Ok(());
        }
        let instance = match self.place_of_run(&request.job.place) {
            Ok(instance) => instance,
            Err(why) => {
                self.run_not_begun(request, &why);
                return Ok(());
            }
        };
        let other = self.runner.lives(&request.job.name, self.now);
        self.oracle.run_begins(self.now, request, other)?;
        let fate = match self.mended {
            true => Fate::FINE,
            false => self.runner.fate(request.job.name.as_str(), self.now),
        };
        let id = request.try_id();
        let (job, timeout) = (request.job.name.clone(), request.job.timeout.as_millis() as Ms);
        let (began, state) = (self.now, State::Alive);
        self.story.tell(self.now, || format!("{id:?} of {} begins: {fate:?}", request.job.name));
        self.runner
            .begun
            .insert(id, Try { job, instance: instance.clone(), began, fate, timeout, state });
        self.later(5, Thing::Ran { id, report: RunReport::Began(instance), run });
        self.watch_run(request, run);
        if self.runner.ended_early.contains(&id) {
            self.later(1, Thing::RunIsReplaced { id, run });
        }
        Ok(())
    }

    /// Looks for what a vai before this one decided.
    pub(crate) fn run_resumed(&mut self, request: Box<RunRequest>) {
        let run = self.run;
        let there = self.place_of_run(&request.job.place);
        let may_come = there.is_err() && request.instance.is_none() && !self.is_given_up(&request);
        if may_come || self.is_lost_sight_of(&request.job.place) {
            return self.later(ASKED_AGAIN, Thing::RunResumed { request, run });
        }
        let expected = request.instance.as_ref();
        let Some(there) = there.ok().filter(|it| expected.is_none_or(|expected| expected == it))
        else {
            return self.run_ended(&request, gone_with_its_place());
        };
        let known = self.runner.begun.get(&request.try_id());
        if known.is_none_or(|known| known.instance != there) {
            return self.run_not_begun(&request, "vai ended before it was begun");
        }
        let (id, report) = (request.try_id(), RunReport::Began(there));
        self.later(1, Thing::Ran { id, report, run });
        self.watch_run(&request, run);
    }

    /// Looks at a try that was begun until it is over.
    pub(crate) fn run_looked_at(&mut self, request: Box<RunRequest>) {
        let (now, run) = (self.now, self.run);
        let hidden = self.is_lost_sight_of(&request.job.place);
        let Some(one) = self.runner.begun.get_mut(&request.try_id()) else { return };
        one.goes_on(now);
        let took = Duration::from_millis(now - one.began);
        match (&one.state, hidden) {
            (_, true) => self.later(ASKED_AGAIN, Thing::RunLookedAt { request, run }),
            (State::Alive, false) => self.watch_run(&request, run),
            (State::Gone, false) => {
                self.run_ended(&request, gone_with_its_place());
            }
            (State::Over(how, at), false) => {
                let took = took.min(Duration::from_millis(at - one.began));
                let report = ended(how.clone(), took);
                self.later(1, Thing::Ran { id: request.try_id(), report, run });
            }
        }
    }

    fn watch_run(&mut self, request: &RunRequest, run: u32) {
        let hint = self.runner.rng.range(1, 400);
        let Some(one) = self.runner.begun.get(&request.try_id()) else { return };
        let (ends, _) = one.end();
        let next = (ends.saturating_sub(self.now) + hint).min(LOOKED_AT);
        self.later(next, Thing::RunLookedAt { request: Box::new(request.clone()), run });
    }

    /// A try is to make room for another run.
    pub(crate) fn run_is_replaced(&mut self, id: TryId) {
        let (now, run) = (self.now, self.run);
        let Some(one) = self.runner.begun.get_mut(&id) else {
            self.runner.ended_early.insert(id);
            return;
        };
        one.goes_on(now);
        let in_place = one.instance.clone();
        if !matches!(one.state, State::Alive) {
            return;
        }
        if one.fate.stuck || !self.answers(&in_place) {
            self.later(ASKED_AGAIN, Thing::RunIsReplaced { id, run });
        } else if let Some(one) = self.runner.begun.get_mut(&id) {
            one.state = State::Over(HowEnded::Replaced, now);
        }
    }

    /// The instance that runs there, or why nothing can be begun.
    fn place_of_run(&self, place: &Place) -> Result<Instance, String> {
        let Place::Container(key) = place else { return Ok(self.watchlist.local.clone()) };
        if !self.engine_up {
            return Err("the engine does not answer".to_owned());
        }
        match self.containers.get(key.as_str()) {
            Some(it) if it.runs() => Ok(it.instance()),
            _ => Err(format!("{key} does not run")),
        }
    }

    /// Whether what goes on there cannot be seen now, and will be.
    fn is_lost_sight_of(&self, place: &Place) -> bool {
        let Place::Container(key) = place else { return false };
        let paused = ContainerStatus::Paused;
        let container = self.containers.get(key.as_str());
        !self.engine_up || container.is_some_and(|it| !it.removed && it.status == paused)
    }

    fn answers(&self, instance: &Instance) -> bool {
        *instance == self.watchlist.local
            || (self.engine_up
                && self.containers.values().any(|it| it.runs() && it.instance() == *instance))
    }

    fn is_given_up(&self, request: &RunRequest) -> bool {
        let waited = self.clock().mono.since(request.decided).as_millis() as Ms;
        waited > request.job.timeout.as_millis() as Ms + GIVEN_UP
    }

    fn run_not_begun(&mut self, request: &RunRequest, why: &str) {
        self.run_ended(request, HowEnded::NotBegun(why.to_owned()));
    }

    fn run_ended(&mut self, request: &RunRequest, how: HowEnded) {
        let report = ended(how, Duration::ZERO);
        self.later(1, Thing::Ran { id: request.try_id(), report, run: self.run });
    }

    /// What ails jobs is mended.
    pub(crate) fn runs_mended(&mut self) {
        self.runner.mend(self.now);
    }
}

fn gone_with_its_place() -> HowEnded {
    HowEnded::Lost("its container was restarted while it ran".to_owned())
}

fn ended(how: HowEnded, took: Duration) -> RunReport {
    RunReport::Ended(RunEnd { how, took, bytes: 0, tail: String::new(), notes: Vec::new() })
}
