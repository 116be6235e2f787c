//! Noticing an edit of the registry or the env file, however it is saved.
//!
//! Events of the parent folders make it quick; a poll of the content makes it
//! sure: a bind-mounted file, a network file system and a symlink swap of a
//! folder further up show no event. Modification times prove nothing and are
//! not looked at.

use super::load::env_path;
use crate::clock;
use notify::{EventKind, RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

/// Only content unchanged for this long counts (registry.md, "Loading").
const SETTLED: Duration = Duration::from_millis(300);

/// A file that is away comes back within this: a checkout, a copy over it or a
/// mount that is made anew removes it for a moment.
const AWAY: Duration = Duration::from_secs(5);

/// How often the content is looked at without an event.
const POLL: Duration = Duration::from_secs(1);

/// How long events are gathered. The debouncer wakes up this often for ever, be
/// there events or not, and what is read has to settle anyway.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// What a path held when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A file of text.
    Text(String),
    /// Nothing is there.
    Absent,
    /// Something is there and cannot be read as text; why.
    Unreadable(String),
}

impl Content {
    async fn read(path: &Path) -> Self {
        match tokio::fs::read(path).await {
            Ok(bytes) if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") => {
                Self::Unreadable("it is UTF-16: save it as UTF-8".to_owned())
            }
            Ok(bytes) => String::from_utf8(bytes).map_or_else(
                |error| {
                    let at = error.utf8_error().valid_up_to();
                    Self::Unreadable(format!("it is not UTF-8 from byte {at} on"))
                },
                Self::Text,
            ),
            Err(error) if error.kind() == ErrorKind::NotFound => Self::Absent,
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }
}

/// All that a configuration is made from, as it stood on disk at one moment.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The registry.
    pub registry: Content,
    /// Where the env file is looked for.
    pub env_path: PathBuf,
    /// The env file.
    pub env_file: Content,
    /// Whether everybody can read the env file.
    pub env_world_readable: bool,
}

impl Snapshot {
    /// Whether a file is away that `before` had at the same place.
    fn has_lost(&self, before: &Self) -> bool {
        let lost =
            |now: &Content, before: &Content| *now == Content::Absent && *before != Content::Absent;
        lost(&self.registry, &before.registry)
            || (self.env_path == before.env_path && lost(&self.env_file, &before.env_file))
    }
}

impl std::fmt::Debug for Snapshot {
    /// Both files may hold secrets, so only their place is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("env_path", &self.env_path).finish_non_exhaustive()
    }
}

/// The registry on disk.
#[derive(Clone, Debug)]
pub struct Source {
    registry: PathBuf,
}

impl Source {
    /// The registry at `registry` and the env file that it names.
    #[must_use]
    pub fn new(registry: PathBuf) -> Self {
        Self { registry }
    }

    /// The registry's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.registry
    }

    /// What is on disk right now, settled or not. Right before an act it is
    /// compared with what is applied.
    pub async fn read_now(&self) -> Snapshot {
        let registry = Content::read(&self.registry).await;
        let source = match &registry {
            Content::Text(text) => text.as_str(),
            Content::Absent | Content::Unreadable(_) => "",
        };
        let env_path = env_path(source, &self.registry);
        let env_file = Content::read(&env_path).await;
        let metadata = tokio::fs::metadata(&env_path).await;
        let mode = metadata.map_or(0, |metadata| metadata.permissions().mode());
        Snapshot { registry, env_path, env_file, env_world_readable: mode & 0o004 != 0 }
    }

    /// What is on disk once nobody is writing it; within 3 s in any case.
    pub async fn read_settled(&self) -> Snapshot {
        let mut now = self.read_now().await;
        for _ in 0..10 {
            sleep(SETTLED).await;
            let later = self.read_now().await;
            if later == now {
                break;
            }
            now = later;
        }
        now
    }

    /// Sends every settled content that differs from the one before, the first
    /// one from `known`, until `shutdown`.
    pub async fn watch(
        &self,
        known: Snapshot,
        settled: mpsc::Sender<Snapshot>,
        shutdown: CancellationToken,
    ) {
        let mut folders = Folders::new();
        let mut sent = known;
        let mut poll = interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            folders.watch([self.registry.as_path(), sent.env_path.as_path()]);
            let now = tokio::select! {
                now = self.next_settled(&sent, &mut poll, &folders.touched) => now,
                () = shutdown.cancelled() => break,
            };
            tokio::select! {
                result = settled.send(now.clone()) => if result.is_err() { break },
                () = shutdown.cancelled() => break,
            }
            sent = now;
        }
        folders.stop().await;
    }

    /// The next content that is not `sent` and stays as it is; a file that is
    /// away has to stay away for longer.
    async fn next_settled(
        &self,
        sent: &Snapshot,
        poll: &mut tokio::time::Interval,
        touched: &Notify,
    ) -> Snapshot {
        loop {
            tokio::select! {
                () = touched.notified() => {}
                _ = poll.tick() => {}
            }
            let mut now = self.read_now().await;
            let mut since = clock::instant();
            while now != *sent {
                sleep(SETTLED).await;
                let later = self.read_now().await;
                if later != now {
                    now = later;
                    since = clock::instant();
                } else if !now.has_lost(sent) || since.elapsed() >= AWAY {
                    return now;
                }
            }
        }
    }
}

/// Watches the folders that the files are in: a file of its own cannot be
/// watched across a rename.
struct Folders {
    debouncer: Option<Debouncer<RecommendedWatcher, RecommendedCache>>,
    watched: BTreeSet<PathBuf>,
    touched: Arc<Notify>,
}

impl Folders {
    fn new() -> Self {
        let touched = Arc::new(Notify::new());
        let wake = Arc::clone(&touched);
        let on_events = move |result: DebounceEventResult| {
            // Reading the files makes events of its own.
            let only_reads = |kind: &EventKind| {
                matches!(kind, EventKind::Access(access)
                    if !matches!(access, notify::event::AccessKind::Close(
                        notify::event::AccessMode::Write)))
            };
            if !result.is_ok_and(|events| events.iter().all(|event| only_reads(&event.kind))) {
                wake.notify_one();
            }
        };
        let debouncer = new_debouncer(DEBOUNCE, Some(DEBOUNCE), on_events)
            .inspect_err(|error| {
                tracing::warn!(%error, "no file events; edits are found once a second");
            })
            .ok();
        Self { debouncer, watched: BTreeSet::new(), touched }
    }

    /// Watches the folders of `files`, and no longer those of others. One that
    /// does not exist yet is left to the poll.
    fn watch<const N: usize>(&mut self, files: [&Path; N]) {
        let Some(debouncer) = &mut self.debouncer else {
            return;
        };
        let wanted: BTreeSet<PathBuf> = files.into_iter().map(folder_of).collect();
        for gone in self.watched.difference(&wanted) {
            if let Err(error) = debouncer.unwatch(gone) {
                tracing::debug!(%error, folder = %gone.display(), "the folder was gone already");
            }
        }
        self.watched.retain(|folder| wanted.contains(folder));
        for folder in wanted {
            if self.watched.contains(&folder) {
                continue;
            }
            match debouncer.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(folder);
                }
                Err(error) => {
                    tracing::debug!(%error, folder = %folder.display(), "no file events from here");
                }
            }
        }
    }

    async fn stop(self) {
        if let Some(debouncer) = self.debouncer {
            let joined = tokio::task::spawn_blocking(move || debouncer.stop()).await;
            if let Err(error) = joined {
                tracing::warn!(%error, "the file watcher did not stop cleanly");
            }
        }
    }
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}
