//! Runs jobs where they belong: one try of one run, from its gate to its end
//! (behaviour.md, section 5). When a job is due, tried again or told of is not
//! decided here.

use crate::docker::Engine;
use crate::probe::client::ProbeError;
use crate::probe::wire::{Answer, Op};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use vai_core::model::{
    ContainerKey, ContainerView, HowEnded, Instance, Job, Place, Redactor, RunEnd, RunRequest,
    TryId,
};

/// Where jobs run, as far as running them has to see and reach it.
#[async_trait]
pub trait Places: Send + Sync {
    /// The container behind `key` as last seen; `None` before the first look.
    fn view(&self, key: &ContainerKey) -> Option<ContainerView>;

    /// Performs `op` at `place`, in a container as `user` or as its own.
    ///
    /// # Errors
    /// [`ProbeError::NoAgent`] where no agent may be placed, others where it
    /// did not answer within `deadline`.
    async fn ask(
        &self,
        place: &Place,
        user: Option<&str>,
        op: Op,
        deadline: Duration,
    ) -> Result<Answer, ProbeError>;
}

/// The registry as it is at this moment.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Whether the registry still has this job, unchanged.
    ///
    /// # Errors
    /// What became of it, in words that follow "not run: ".
    async fn still_wanted(&self, job: &Job) -> Result<(), String>;

    /// Takes the secrets of the registry out of text.
    fn redactor(&self) -> Redactor;
}

/// A piece of what a run wrote.
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
        Self { engine, places, registry, mark, local }
    }

    /// Performs a try to its end, however long that takes. `began` is told once
    /// that the command was begun, and where; of a try that a `vai` before this
    /// one had begun, too. After [`stop`](Self::stop) it never returns: it is
    /// to be dropped, and the run goes on by itself.
    pub async fn run(&self, request: &RunRequest, began: impl FnOnce(Instance)) -> RunEnd {
        let _ = (&self.engine, &self.places, &self.registry, &self.mark, request);
        began(self.local.clone());
        RunEnd {
            how: HowEnded::NotBegun("jobs cannot be run yet".to_owned()),
            took: Duration::ZERO,
            bytes: 0,
            tail: String::new(),
            notes: Vec::new(),
        }
    }

    /// Ends a try under way; its [`run`](Self::run) returns
    /// [`HowEnded::Replaced`] soon. Does nothing for any other.
    pub async fn end(&self, id: TryId) {
        let _ = id;
    }

    /// What a try wrote from its byte `from` on, at most 32 KiB, waiting a
    /// moment for it; `None` if no such try is under way or was a moment ago.
    pub async fn output(&self, id: TryId, from: u64) -> Option<Piece> {
        let _ = (id, from);
        None
    }

    /// Removes what is kept of a try in its place. To be called once its end is
    /// stored; until then another `vai` can still find it.
    pub async fn forget(&self, request: &RunRequest) {
        let _ = request;
    }

    /// Begins nothing more, and waits a moment for what is being begun.
    pub async fn stop(&self) {}
}
