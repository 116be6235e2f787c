//! Runs jobs where they belong: one try of one run, from its gate to its end
//! (behaviour.md, section 5). When a job is due, tried again or told of is not
//! decided here.

mod gate;
mod inside;
mod outside;
mod tries;

use crate::docker::Engine;
use crate::probe::client::ProbeError;
use crate::probe::run::{RunHints, RunOp, RunState};
use crate::probe::wire::{Answer, Op};
use async_trait::async_trait;
use gate::Inspections;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tries::{Tries, Try};
use vai_core::model::{
    ContainerKey, ContainerView, HowEnded, Instance, Job, Place, Redactor, RunEnd, RunRequest,
    TryId,
};

/// For what is quick where anybody answers at all.
const ASK_WITHIN: Duration = Duration::from_secs(10);

/// For what is being begun when `vai` stops.
const BEGINS_END_WITHIN: Duration = Duration::from_secs(2);

/// Where jobs run, as far as running them has to see and reach it.
#[async_trait]
pub trait Places: Send + Sync {
    /// The container behind `key` as last seen; `None` before the first look.
    fn view(&self, key: &ContainerKey) -> Option<ContainerView>;

    /// Performs `op` at `place`, in a container as `user` or as its own.
    ///
    /// # Errors
    /// [`ProbeError::NoAgent`] where no agent may be placed,
    /// [`ProbeError::Unreached`] if nobody was asked, others if the answer did
    /// not come.
    async fn ask(
        &self,
        place: &Place,
        user: Option<&str>,
        op: Op,
        deadline: Duration,
    ) -> Result<Answer, ProbeError>;

    /// Wakes whoever waits for the end of a run.
    fn run_hints(&self) -> &RunHints;
}

/// The registry as it is at this moment.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Whether the registry still has this job, unchanged. One that an operator
    /// asked for may be disabled: that is not asked here.
    ///
    /// # Errors
    /// What became of it, in words: `it was removed from the registry a moment
    /// ago`.
    async fn still_wanted(&self, job: &Job) -> Result<(), String>;

    /// Takes the secrets of the registry out of text.
    fn redactor(&self) -> Redactor;
}

/// A piece of what a try wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// What it wrote, as far as it is still kept; secrets are taken out.
    pub text: String,
    /// How many bytes before `text` are kept no more.
    pub lost: u64,
    /// Where the next piece begins: to be asked for next.
    pub next: u64,
    /// Nothing will come after it.
    pub over: bool,
}

/// Runs jobs. Any number run at once.
pub struct Runner {
    engine: Arc<dyn Engine>,
    places: Arc<dyn Places>,
    registry: Arc<dyn Registry>,
    mark: String,
    local: Instance,
    tries: Tries,
    inspections: Inspections,
    /// Places for runs by a command of the engine, each of which costs it.
    execs: Semaphore,
    begins: TaskTracker,
    stopping: CancellationToken,
}

impl Runner {
    /// Runs through these. `mark` tells the state file that numbers the runs
    /// from every other one, `local` is the instance of [`Place::Local`].
    pub fn new(
        engine: Arc<dyn Engine>,
        places: Arc<dyn Places>,
        registry: Arc<dyn Registry>,
        mark: String,
        local: Instance,
    ) -> Self {
        Self {
            engine,
            places,
            registry,
            mark,
            local,
            tries: Tries::default(),
            inspections: Inspections::default(),
            execs: Semaphore::new(outside::PARALLEL),
            begins: TaskTracker::new(),
            stopping: CancellationToken::new(),
        }
    }

    /// Performs a try to its end, however long that takes. `began` is told once
    /// that the command was begun, and where; of a try that a `vai` before this
    /// one had begun, too. After [`stop`](Self::stop) it never returns: it is
    /// to be dropped, and the run goes on by itself.
    pub async fn run(&self, request: &RunRequest, began: impl FnOnce(Instance)) -> RunEnd {
        let mark = self.mark_of(request.try_id());
        // From before its beginning, or its end could be missed.
        let hint = self.places.run_hints().expect(&mark);
        let one = self.tries.enter(request, mark, hint);
        let end = match request.resumed {
            true => inside::resume(self, request, &one, began).await,
            false => self.begin(request, &one, began).await,
        };
        one.set_over();
        redacted(end, &self.registry.redactor())
    }

    /// Ends a try under way; its [`run`](Self::run) returns
    /// [`HowEnded::Replaced`] soon. Does nothing for any other.
    pub async fn end(&self, id: TryId) {
        if let Some(one) = self.tries.get(id) {
            one.replaced.cancel();
        }
    }

    /// What a try wrote from its byte `from` on, at most 32 KiB, waiting a
    /// moment for it. `None` if no such try is under way or was a moment ago:
    /// then its end says what there is to say.
    pub async fn output(&self, id: TryId, from: u64) -> Option<Piece> {
        let one = self.tries.get(id)?;
        let piece = one.piece(self, from).await?;
        Some(Piece { text: self.registry.redactor().redact(&piece.text), ..piece })
    }

    /// Removes what is kept of a try in its place, a moment later if somebody
    /// looks on. To be called once its end is stored; until then another `vai`
    /// can still find it.
    pub async fn forget(&self, request: &RunRequest) {
        if let Some(one) = self.tries.get(request.try_id())
            && one.is_kept()
        {
            one.seen().await;
            // What cannot be removed now is removed when it is old.
            let _ = self.ask(&one, RunOp::Forget, ASK_WITHIN).await;
        }
    }

    /// Begins nothing more, and waits a moment for what is being begun.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.begins.close();
        // What is not begun by then is found by the next vai, or was not begun.
        let _ = timeout(BEGINS_END_WITHIN, self.begins.wait()).await;
    }

    async fn begin(&self, request: &RunRequest, one: &Try, began: impl FnOnce(Instance)) -> RunEnd {
        if self.stopping.is_cancelled() {
            return pending().await;
        }
        let begin = self.begins.token();
        let scene = match gate::pass(self, request).await {
            Ok(scene) => scene,
            Err(how) => return ended(how),
        };
        if one.replaced.is_cancelled() {
            return ended(HowEnded::Replaced);
        }
        match inside::begin(self, request, one, &scene).await {
            inside::Beginning::Begun(state, instance) => {
                drop(begin);
                if !was_not_begun(&state) {
                    began(instance.clone());
                }
                inside::wait(self, request, one, &instance, Some(state)).await
            }
            inside::Beginning::Not(how) => ended(how),
            inside::Beginning::NoAgent(why) => {
                drop(begin);
                outside::run(self, request, one, &scene, &why, began).await
            }
        }
    }

    async fn ask(&self, one: &Try, op: RunOp, deadline: Duration) -> Result<Answer, ProbeError> {
        let op = Op::Run { mark: one.mark.clone(), op };
        // Beside vai the supervisor becomes the user; an agent is it already.
        let user = one.job.user.as_deref().filter(|_| one.job.place != Place::Local);
        self.places.ask(&one.job.place, user, op, deadline).await
    }

    fn mark_of(&self, id: TryId) -> String {
        format!("{}-{}-{}", self.mark, id.run.0, id.attempt)
    }
}

/// The supervisor was there, the command was not.
fn was_not_begun(state: &RunState) -> bool {
    matches!(state, RunState::Over(end) if matches!(end.how, HowEnded::NotBegun(_)))
}

/// How a try is called in the log of its job.
fn title(request: &RunRequest) -> String {
    format!("{}: run {}, try {}", request.job.name, request.id.0, request.attempt)
}

/// The end of what was not begun, or not seen.
fn ended(how: HowEnded) -> RunEnd {
    RunEnd { how, took: Duration::ZERO, bytes: 0, tail: String::new(), notes: Vec::new() }
}

fn redacted(end: RunEnd, redactor: &Redactor) -> RunEnd {
    let lines = |lines: Vec<String>| lines.iter().map(|line| redactor.redact(line)).collect();
    RunEnd {
        how: match end.how {
            HowEnded::TimedOut { left } => HowEnded::TimedOut { left: lines(left) },
            HowEnded::Refused(why) => HowEnded::Refused(redactor.redact(&why)),
            HowEnded::NotBegun(why) => HowEnded::NotBegun(redactor.redact(&why)),
            HowEnded::Lost(why) => HowEnded::Lost(redactor.redact(&why)),
            how @ (HowEnded::Exited(_) | HowEnded::Signalled(_) | HowEnded::Replaced) => how,
        },
        tail: redactor.redact(&end.tail),
        notes: lines(end.notes),
        ..end
    }
}
