//! Wakes whoever waits for the end of a run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Who waits for the end of which run. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RunHints(Arc<Mutex<HashMap<String, Arc<Notify>>>>);

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
        let notify = Arc::clone(self.lock().entry(mark.to_owned()).or_default());
        RunHint { hints: self.clone(), mark: mark.to_owned(), notify }
    }

    pub(in crate::probe) fn over(&self, mark: &str) {
        if let Some(notify) = self.lock().get(mark) {
            notify.notify_one();
        }
    }

    /// Whoever could have told is gone.
    pub(in crate::probe) fn lost(&self) {
        for notify in self.lock().values() {
            notify.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Notify>>> {
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
        self.hints.lock().remove(&self.mark);
    }
}
