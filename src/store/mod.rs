//! What is known and outlives the process: one SQLite file in the state folder,
//! written by one thread.
//!
//! The loop never waits for the disk. It hands each step to the writer, which
//! stores whatever has come meanwhile as one transaction, and whoever must not
//! go before his step is stored waits for that by [`Written`].

mod boot;
mod cause;
mod create;
mod file;
mod history;
mod keep;
mod load;
mod mark;
mod meta;
mod past;
mod pending;
mod rollup;
mod runs;
mod schema;
mod shown;
mod write;
mod writer;

#[cfg(test)]
mod tests;

pub use history::{Raw, RawKind};
pub use keep::{CHECK_CEILING, FIXED_CEILING, JOB_CEILING, SERVICE_CEILING};
pub use past::{JobPast, ReadError, closed_incidents, job_past, job_run};
pub use runs::{DayCount, RunDay};
pub use shown::Shown;
pub use writer::Progress;

use crate::clock;
use boot::{Boot, Continued};
use file::{OpenError, StateFile};
use history::History;
use load::Loaded;
use pending::{News, Weight};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;
use vai_core::dispatch::Reached;
use vai_core::judge::{Delta, Memory};
use vai_core::model::{IncidentId, Now, ServiceName, Time};
use vai_core::words;
use writer::Writer;

/// A disk that has not answered for so long counts as failed.
const HUNG_AFTER: Duration = Duration::from_secs(10);

/// Why `vai` must not go on with this state folder.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It was written by a newer `vai`.
    #[error("{0}")]
    Newer(String),
    /// The writer's thread cannot be started.
    #[error("the thread that stores the state cannot be started: {0}")]
    Thread(#[from] io::Error),
}

/// A state folder as it was found.
#[derive(Debug)]
pub struct Opened {
    /// What the core remembers.
    pub memory: Memory,
    /// Which sink was told of which incident.
    pub told: Vec<Reached>,
    /// Whether the host was booted since.
    pub rebooted: bool,
    /// What the boots before this one add to the boot clock.
    pub clock_base: Duration,
    /// What tells this state file, which numbers the acts, from every other
    /// one.
    pub mark: String,
    /// The text of the last registry without errors.
    pub last_good: Option<String>,
    history: History,
    file: Result<StateFile, Unopened>,
}

/// Why there is no state file.
#[derive(Debug)]
struct Unopened {
    /// In words that say what helps.
    why: String,
    /// How to open it later, unless it is damaged.
    again: Option<Reopen>,
}

/// What a state file that cannot be opened yet has to be, once it can.
#[derive(Debug)]
struct Reopen {
    dir: PathBuf,
    boot: Boot,
    /// The mark of the file of which everything is known already.
    known: Option<String>,
}

/// Stores what the loop hands it.
#[derive(Debug)]
pub struct Store {
    writer: Writer,
    history: History,
    /// The last job that was seen to be stored.
    stored: u64,
    /// Since when what was handed in after it waits.
    waits_since: Option<Time>,
    /// Whether the writer has waited for the disk for too long.
    hung: bool,
}

impl Reopen {
    /// Whether nothing in a file with `loaded` in it is unknown.
    fn knows(&self, loaded: &Loaded) -> bool {
        let is_new = loaded.memory == Memory::default() && loaded.told.is_empty();
        is_new || self.known.as_ref() == Some(&loaded.mark)
    }
}

impl Opened {
    /// Opens the state file in `dir`, which has to be locked. Without one `vai`
    /// goes on in memory: one that is damaged is left alone, one that cannot be
    /// opened is read if it can be, and opened as soon as it can.
    ///
    /// # Errors
    /// It was written by a newer `vai`.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_in(dir, Boot::current())
    }

    fn open_in(dir: &Path, boot: Boot) -> Result<Self, StoreError> {
        match StateFile::open(dir, boot.clone()) {
            Ok((file, loaded)) => {
                let continued = file.continued().clone();
                Ok(Self::of(loaded, &continued, Ok(file)))
            }
            Err(newer @ OpenError::Newer { .. }) => Err(StoreError::Newer(newer.to_string())),
            Err(OpenError::Damaged(why)) => Ok(Self::blank(Unopened { why, again: None })),
            Err(OpenError::Closed(why)) => {
                let (dir, found) = (dir.to_owned(), StateFile::look_into(dir, &boot));
                let known = found.as_ref().map(|(loaded, _)| loaded.mark.clone());
                let unopened = Unopened { why, again: Some(Reopen { dir, boot, known }) };
                Ok(match found {
                    Some((loaded, continued)) => Self::of(loaded, &continued, Err(unopened)),
                    None => Self::blank(unopened),
                })
            }
        }
    }

    fn of(loaded: Loaded, continued: &Continued, file: Result<StateFile, Unopened>) -> Self {
        Self {
            memory: loaded.memory,
            told: loaded.told,
            rebooted: continued.rebooted,
            clock_base: continued.base,
            mark: loaded.mark,
            last_good: loaded.registry,
            history: loaded.history,
            file,
        }
    }

    fn blank(unopened: Unopened) -> Self {
        let loaded = Loaded { mark: mark::random(), ..Loaded::default() };
        Self::of(loaded, &Continued::default(), Err(unopened))
    }
}

impl Store {
    /// Starts the writer; the rest of `opened` is left to be used.
    ///
    /// # Errors
    /// There can be no thread.
    pub fn start(opened: Opened) -> Result<(Self, Memory, Vec<Reached>), StoreError> {
        let Opened { memory, told, history, file, .. } = opened;
        let writer = Writer::start(file)?;
        let mut store = Self { writer, history, stored: 0, waits_since: None, hung: false };
        let still_told: BTreeSet<&IncidentId> = memory
            .incidents()
            .chain(memory.messages().values().map(|notice| &notice.incident))
            .map(|incident| &incident.id)
            .collect();
        let (told, over) = told.into_iter().partition(|it| still_told.contains(&it.incident));
        for Reached { incident, sink, .. } in over {
            store.over(clock::now(), incident, sink);
        }
        Ok((store, memory, told))
    }

    /// Stores one step of the core, after all before it.
    pub fn apply(&mut self, now: Now, delta: Delta) -> Written {
        self.history.apply(&delta, now.wall);
        match pending::weight(&delta) {
            Weight::Nothing => {}
            // Nobody knows for how long it would have to be held in memory.
            Weight::Samples if self.hung => {}
            Weight::Samples => self.writer.hand_in_beside(now, News::Delta(delta)),
            Weight::News => self.hand_in(now, News::Delta(delta)),
        }
        Written { number: self.writer.handed_in(), progress: self.writer.progress().clone() }
    }

    /// Stores that a sink was told of an incident.
    pub fn reached(&mut self, now: Now, told: Reached) {
        self.hand_in(now, News::Reached(told));
    }

    /// Forgets that a sink was told of an incident, for it was told the end.
    pub fn over(&mut self, now: Now, incident: IncidentId, sink: String) {
        self.hand_in(now, News::Over { incident, sink });
    }

    /// Stores the text of a registry without errors, for a start at which
    /// there is none.
    pub fn registry(&mut self, now: Now, text: String) {
        self.hand_in(now, News::Registry(text));
    }

    /// The last results of a check, oldest first: up to 200.
    pub fn results(&self, service: &ServiceName, check: &str) -> impl Iterator<Item = &Raw> {
        self.history.of(service, check)
    }

    /// How far the writer is, now and from now on.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.writer.progress().clone()
    }

    /// Why nothing can be stored at `now`, if so.
    pub fn trouble(&mut self, now: Time) -> Option<String> {
        let (stored, trouble) = {
            let progress = self.writer.progress().borrow();
            (progress.stored, progress.trouble.clone())
        };
        if stored > self.stored {
            self.stored = stored;
            self.waits_since = (stored < self.writer.handed_in()).then_some(now);
        }
        let waits = self.waits_since.map_or(Duration::ZERO, |since| now.since(since));
        self.hung = waits >= HUNG_AFTER;
        let hung = || format!("the disk has not answered for {}", words::duration(waits));
        trouble.or_else(|| self.hung.then(hung))
    }

    /// Stores what is left, the last results of all checks among it, and ends.
    ///
    /// # Errors
    /// It took longer than `within`, or why it could not be stored.
    pub async fn close(mut self, now: Now, within: Duration) -> Result<(), String> {
        let history = Box::new(std::mem::take(&mut self.history));
        self.hand_in(now, News::History(history));
        let last = self.writer.handed_in();
        let mut progress = self.writer.close();
        let ended = async { while progress.changed().await.is_ok() {} };
        let in_time = clock::Deadline::after(within).bound(ended).await.is_some();
        let progress = progress.borrow();
        match &progress.trouble {
            Some(why) => Err(why.clone()),
            None if in_time && progress.stored >= last => Ok(()),
            None => Err(format!("the disk has not answered for {}", words::duration(within))),
        }
    }

    fn hand_in(&mut self, now: Now, news: News) {
        self.writer.hand_in(now, news);
        self.waits_since.get_or_insert(now.mono);
    }
}

/// Tells when a step is stored.
#[derive(Clone, Debug)]
pub struct Written {
    number: u64,
    progress: watch::Receiver<Progress>,
}

impl Written {
    /// Whether there is nothing to wait for: it is stored, or cannot be.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let progress = self.progress.borrow();
        progress.stored >= self.number || progress.trouble.is_some()
    }

    /// Waits until it is stored, for at most `within`.
    ///
    /// # Errors
    /// Why it is not.
    pub async fn wait(mut self, within: Duration) -> Result<(), String> {
        let number = self.number;
        let settled = self
            .progress
            .wait_for(|progress| progress.stored >= number || progress.trouble.is_some());
        match clock::Deadline::after(within).bound(settled).await {
            Some(Ok(progress)) if progress.stored >= number => Ok(()),
            Some(Ok(progress)) => Err(progress.trouble.clone().unwrap_or_default()),
            Some(Err(_)) => Err("the thread that stores the state has died".to_owned()),
            None => Err(format!("the disk has not answered for {}", words::duration(within))),
        }
    }
}
