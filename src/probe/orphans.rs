//! What lost its parent falls to this process and is taken away when it is
//! dead, even in a container whose first process takes away nothing.

use super::run::children;
use crate::check::processes;
use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, wait, waitpid};
use std::collections::HashSet;
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use vai_core::model::ProcId;

/// Whoever waits for a child of its own has taken it away by the second look.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// From now on everything that came from this process, at any depth, stays its
/// family.
pub fn adopt() {
    // On a kernel without it the container's first process stays responsible.
    let _ = set_child_subreaper(Some(getpid()));
}

/// Takes away dead orphans, for ever. For a process whose own children are
/// waited for as soon as they are dead; needs a tokio runtime.
pub async fn collect() -> Infallible {
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = HashSet::new();
    loop {
        look.tick().await;
        let dead: HashSet<ProcId> = children().into_iter().filter_map(processes::dead).collect();
        for pid in dead.intersection(&seen).filter_map(|orphan| Pid::from_raw(orphan.pid)) {
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
        seen = dead;
    }
}

/// Takes away all the dead, and says who they were. Only for whoever waits for
/// no child in another way.
pub(super) fn collect_all() -> impl Iterator<Item = (Pid, rustix::process::WaitStatus)> {
    std::iter::from_fn(|| wait(WaitOptions::NOHANG).ok().flatten())
}
