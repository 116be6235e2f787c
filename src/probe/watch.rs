//! Tells the death of a process within milliseconds.

use super::pidfd::PidFd;
use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use vai_core::model::ProcId;

/// Every watched process costs a descriptor.
const WATCHED_LIMIT: usize = 32;

/// A watched process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// Under which name it was watched.
    pub watch: String,
    /// Which.
    pub process: ProcId,
}

/// Watches processes under names. Dropping it ends all watches.
#[derive(Debug)]
pub struct Watcher {
    deaths: mpsc::Sender<Death>,
    watches: Mutex<HashMap<String, Watch>>,
}

type Watch = HashMap<ProcId, AbortOnDropHandle<()>>;

impl Watcher {
    /// `deaths` gets each death once. A receiver that does not keep up holds
    /// up only the telling.
    #[must_use]
    pub fn new(deaths: mpsc::Sender<Death>) -> Self {
        Self { deaths, watches: Mutex::default() }
    }

    /// Watches `processes` under `name`, at most 32 of them, instead of those
    /// watched under it before. Where the kernel has no pidfds (before 5.3)
    /// nothing is watched. Needs a tokio runtime.
    pub fn watch(&self, name: &str, processes: &[ProcId]) {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = watches.remove(name).unwrap_or_default();
        let wanted = processes.iter().take(WATCHED_LIMIT);
        let watch: Watch = wanted
            .filter_map(|process| {
                let kept = before.remove_entry(process);
                kept.or_else(|| Some((process.clone(), self.wait_for(name, process)?)))
            })
            .collect();
        if !watch.is_empty() {
            watches.insert(name.to_owned(), watch);
        }
    }

    /// Watches nothing under `name` any more.
    pub fn unwatch(&self, name: &str) {
        self.watch(name, &[]);
    }

    fn wait_for(&self, name: &str, process: &ProcId) -> Option<AbortOnDropHandle<()>> {
        let held = match PidFd::open(process) {
            Ok(held) => Some(held),
            // It died between the look and this watch.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => return None,
        };
        let deaths = self.deaths.clone();
        let death = Death { watch: name.to_owned(), process: process.clone() };
        Some(AbortOnDropHandle::new(tokio::spawn(async move {
            if let Some(held) = held
                && held.ended().await.is_err()
            {
                return;
            }
            // Nobody listens any more: then nobody needs to know.
            let _ = deaths.send(death).await;
        })))
    }
}
