//! Wakes whoever waits for the end of a run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Who waits for the end of which run. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RunHints(Arc<Mutex<HashMap<String, Vec<Arc<Notify>>>>>);

/// A place among those who wait, given up when dropped.
#[derive(Debug)]
pub struct RunHint {
    hints: RunHints,
    mark: String,
    notify: Arc<Notify>,
}

impl RunHints {
    /// Waits for hints about the run `mark` from now on.
    #[must_use]
    pub fn expect(&self, mark: &str) -> RunHint {
        let notify = Arc::<Notify>::default();
        self.lock().entry(mark.to_owned()).or_default().push(Arc::clone(&notify));
        RunHint { hints: self.clone(), mark: mark.to_owned(), notify }
    }

    /// The run `mark` may be over.
    pub(in crate::probe) fn over(&self, mark: &str) {
        for waiting in self.lock().get(mark).into_iter().flatten() {
            waiting.notify_one();
        }
    }

    /// Whoever could have told is gone.
    pub(in crate::probe) fn lost(&self) {
        for waiting in self.lock().values().flatten() {
            waiting.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Arc<Notify>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunHint {
    /// The run may be over; at once if it was hinted since the last time.
    pub async fn hinted(&self) {
        self.notify.notified().await;
    }
}

impl Drop for RunHint {
    fn drop(&mut self) {
        let mut hints = self.hints.lock();
        if let Some(waiting) = hints.get_mut(&self.mark) {
            waiting.retain(|other| !Arc::ptr_eq(other, &self.notify));
            if waiting.is_empty() {
                hints.remove(&self.mark);
            }
        }
    }
}
