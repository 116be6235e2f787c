//! The tries under way, and those that ended a moment ago.

use super::{ASK_WITHIN, Piece, Runner};
use crate::clock::Deadline;
use crate::probe::run::{RunHint, RunOp, Written};
use crate::probe::wire::Answer;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use vai_core::model::{Job, RunRequest, TryId};

/// Tries that are over and still known.
const REMEMBERED: usize = 256;

/// Whoever looks on is answered by then, with nothing if need be …
const PIECE_WITHIN: Duration = Duration::from_secs(1);

/// … and meanwhile it is looked so often.
const LOOK_EVERY: Duration = Duration::from_millis(150);

/// Who looks on and has not seen the end by then is not waited for.
const SEEN_WITHIN: Duration = Duration::from_secs(3);

/// All of them.
#[derive(Default)]
pub(super) struct Tries(Mutex<BTreeMap<TryId, Arc<Try>>>);

/// One of them.
pub(super) struct Try {
    pub(super) job: Arc<Job>,
    pub(super) mark: String,
    /// It is to be ended for another one.
    pub(super) replaced: CancellationToken,
    /// It may be over.
    pub(super) hint: RunHint,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// There are run files of it.
    kept: bool,
    over: bool,
    /// Somebody wants to see its output to the end …
    looked_on: bool,
    /// … and has.
    seen: CancellationToken,
}

impl Tries {
    /// One more is under way.
    pub(super) fn enter(&self, request: &RunRequest, mark: String, hint: RunHint) -> Arc<Try> {
        let entered = Arc::new(Try {
            job: Arc::clone(&request.job),
            mark,
            replaced: CancellationToken::new(),
            hint,
            state: Mutex::default(),
        });
        let mut tries = self.lock();
        let over = tries.iter().filter(|(_, one)| one.lock().over).map(|(id, _)| *id);
        let over: Vec<TryId> = over.collect();
        for id in over.iter().take(over.len().saturating_sub(REMEMBERED)) {
            tries.remove(id);
        }
        tries.insert(request.try_id(), Arc::clone(&entered));
        entered
    }

    pub(super) fn get(&self, id: TryId) -> Option<Arc<Try>> {
        self.lock().get(&id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TryId, Arc<Try>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Try {
    /// There are run files of it, which are to be removed in the end.
    pub(super) fn set_kept(&self) {
        self.lock().kept = true;
    }

    pub(super) fn is_kept(&self) -> bool {
        self.lock().kept
    }

    pub(super) fn set_over(&self) {
        self.lock().over = true;
    }

    /// Waits a moment for whoever looks on to see the end of its output.
    pub(super) async fn seen(&self) {
        let seen = {
            let state = self.lock();
            if !state.looked_on {
                return;
            }
            state.seen.clone()
        };
        Deadline::after(SEEN_WITHIN).bound(seen.cancelled()).await;
    }

    /// What it wrote from byte `from` on, once there is something.
    pub(super) async fn piece(&self, runner: &Runner, from: u64) -> Option<Piece> {
        let deadline = Deadline::after(PIECE_WITHIN);
        self.lock().looked_on = true;
        loop {
            let over = self.lock().over;
            let piece = self.ask_for_piece(runner, from).await;
            if over {
                self.lock().seen.cancel();
                return piece.map(|piece| Piece { over, ..piece });
            }
            let piece = piece.unwrap_or(Piece { next: from, ..Piece::default() });
            if !piece.text.is_empty() || deadline.left().is_zero() {
                return Some(piece);
            }
            sleep(LOOK_EVERY.min(deadline.left())).await;
        }
    }

    async fn ask_for_piece(&self, runner: &Runner, from: u64) -> Option<Piece> {
        if !self.is_kept() {
            return None;
        }
        match runner.ask(self, RunOp::Output(from), ASK_WITHIN).await {
            Ok(Answer::Written(Written { text, from: begin, next })) => {
                Some(Piece { text, lost: begin.saturating_sub(from), next, over: false })
            }
            Ok(_) | Err(_) => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
