//! Calls that the kernel may never return from: a file system whose server is
//! gone, the `/proc` entry of a stuck process.

use crate::clock::Deadline;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Calls of one lane that may be stuck at a time, so that a dead file system
/// costs two threads and not one more with every look at it.
const LANE_WIDTH: usize = 2;

static LANES: LazyLock<Mutex<HashMap<String, Arc<Semaphore>>>> = LazyLock::new(Mutex::default);

/// Runs `call` on a thread of its own; `None` if it is not done by `deadline`.
/// A call that is overdue is left to itself: nothing can interrupt it.
pub(crate) async fn run<T: Send + 'static>(
    lane: &str,
    deadline: Deadline,
    call: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let lane = {
        let mut lanes = LANES.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.entry(lane.to_owned());
        Arc::clone(lane.or_insert_with(|| Arc::new(Semaphore::new(LANE_WIDTH))))
    };
    let permit = deadline.bound(lane.acquire_owned()).await?.ok()?;
    let call = spawn_blocking(move || {
        let result = call();
        drop(permit);
        result
    });
    deadline.bound(call).await?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[tokio::test]
    async fn stuck_calls_hold_up_their_own_lane_only_and_no_longer_than_the_deadline() {
        let short = Deadline::after(Duration::from_millis(50));
        let mut stuck = Vec::new();
        for _ in 0..LANE_WIDTH + 1 {
            let (release, wait) = mpsc::channel::<()>();
            stuck.push(release);
            let result = run("dead", short, move || wait.recv().is_ok()).await;
            assert_eq!(result, None);
        }
        let soon = Deadline::after(Duration::from_secs(5));
        assert_eq!(run("alive", soon, || 7).await, Some(7));

        drop(stuck);
        assert_eq!(run("dead", soon, || 8).await, Some(8));
    }
}
