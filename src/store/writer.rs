//! The one writer: a thread that stores what the loop hands it, in order.

use super::file::{OpenError, StateFile, WriteError};
use super::keep::SWEEP_EVERY;
use super::pending::{Job, News, Pending};
use super::write::Extent;
use super::{Reopen, Unopened};
use crate::clock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;
use tokio::sync::watch;
use tracing::warn;
use vai_core::model::{Now, Time, Wall};

/// After a failure it is tried again this often.
const RETRY: Duration = Duration::from_secs(5);

/// How far the writer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last job that was stored.
    pub(super) stored: u64,
    /// Why nothing can be stored, if so.
    pub(super) trouble: Option<String>,
}

/// The loop's end of the writer. Dropping it ends the thread once everything
/// is stored, or cannot be.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Sender<Job>,
    progress: watch::Receiver<Progress>,
    handed_in: u64,
}

impl Writer {
    /// A writer into `file`; where there is none, it says why, and opens it as
    /// soon as it can be opened.
    pub(super) fn start(file: Result<StateFile, Unopened>) -> std::io::Result<Self> {
        let (jobs, inbox) = channel();
        let (file, trouble) = match file {
            Ok(file) => (Place::Open(Box::new(file)), None),
            Err(Unopened { why, again }) => {
                (again.map_or(Place::GivenUp, |again| Place::Closed(Box::new(again))), Some(why))
            }
        };
        let (shown, progress) = watch::channel(Progress { stored: 0, trouble });
        let mut thread = Thread::new(inbox, shown);
        if let Place::Closed(_) = file {
            thread.retry_at = Some(clock::boot_time() + RETRY);
        }
        thread::Builder::new().name("store".to_owned()).spawn(move || thread.run(file))?;
        Ok(Self { jobs, progress, handed_in: 0 })
    }

    /// One that never does anything.
    #[cfg(test)]
    pub(super) fn stuck() -> Self {
        let (jobs, inbox) = channel();
        let (shown, progress) = watch::channel(Progress::default());
        std::mem::forget((inbox, shown));
        Self { jobs, progress, handed_in: 0 }
    }

    /// Hands in what is to be stored at once; it has a number of its own.
    pub(super) fn hand_in(&mut self, now: Now, news: News) {
        self.handed_in += 1;
        self.hand_in_beside(now, news);
    }

    /// Hands in what may wait for something else to be stored.
    pub(super) fn hand_in_beside(&mut self, now: Now, news: News) {
        // A thread that is gone is seen by `progress` being closed.
        let _ = self.jobs.send(Job { number: self.handed_in, now, news });
    }

    /// The last job that was handed in.
    pub(super) fn handed_in(&self) -> u64 {
        self.handed_in
    }

    /// How far it is, now and from now on.
    pub(super) fn progress(&self) -> &watch::Receiver<Progress> {
        &self.progress
    }

    /// Ends it; how far it is then is the last that the receiver shows before
    /// it is closed.
    pub(super) fn close(self) -> watch::Receiver<Progress> {
        self.progress
    }
}

/// Where it is stored.
enum Place {
    Open(Box<StateFile>),
    /// It cannot be opened yet.
    Closed(Box<Reopen>),
    /// Nowhere, to the end.
    GivenUp,
}

struct Thread {
    inbox: Receiver<Job>,
    shown: watch::Sender<Progress>,
    pending: Pending,
    retry_at: Option<Time>,
    /// When what is too old was forgotten last.
    swept: Option<Wall>,
}

impl Thread {
    fn new(inbox: Receiver<Job>, shown: watch::Sender<Progress>) -> Self {
        Self { inbox, shown, pending: Pending::default(), retry_at: None, swept: None }
    }

    fn run(mut self, mut place: Place) {
        loop {
            let closed = self.take_in();
            let is_time = self.retry_at.is_none_or(|at| clock::boot_time() >= at);
            let reopened = match &place {
                Place::Closed(again) if closed || is_time => self.reopen(again),
                _ => None,
            };
            place = reopened.unwrap_or(place);
            match &mut place {
                Place::GivenUp => {
                    self.pending = Pending::default();
                    self.retry_at = None;
                }
                Place::Closed(_) => {}
                Place::Open(file) => {
                    if let Err(WriteError { why, is_final }) = self.store(file, closed) {
                        if is_final {
                            place = Place::GivenUp;
                        } else {
                            self.retry_at = Some(clock::boot_time() + RETRY);
                        }
                        self.show(Some(why));
                    }
                }
            }
            if closed {
                return;
            }
        }
    }

    /// Tries to open the file; `None` if that is no better than it was.
    fn reopen(&mut self, again: &Reopen) -> Option<Place> {
        let trouble = match StateFile::open(&again.dir, again.boot.clone()) {
            Ok((file, loaded)) if again.knows(&loaded) => {
                return Some(Place::Open(Box::new(file)));
            }
            Ok(_) => format!(
                "the state file in {} can be used again, but this vai began without what it                  remembers. It is left as it is; restart vai, which then goes on from it",
                again.dir.display()
            ),
            Err(OpenError::Closed(why)) => {
                self.show(Some(why));
                self.retry_at = Some(clock::boot_time() + RETRY);
                return None;
            }
            Err(final_one) => final_one.to_string(),
        };
        self.show(Some(trouble));
        Some(Place::GivenUp)
    }

    /// Waits for a job, or until it is time to try again, and takes in what is
    /// there. Whether there will be no more.
    fn take_in(&mut self) -> bool {
        let first = match self.retry_at {
            None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => self.inbox.recv_timeout(at.since(clock::boot_time())),
        };
        match first {
            Ok(job) => self.pending.take_in(job),
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => return true,
        }
        while !self.pending.is_full()
            && let Ok(job) = self.inbox.try_recv()
        {
            self.pending.take_in(job);
        }
        false
    }

    fn store(&mut self, file: &mut StateFile, closed: bool) -> Result<(), WriteError> {
        if !closed && self.retry_at.is_some_and(|at| clock::boot_time() < at) {
            return Ok(());
        }
        let failed_before = self.retry_at.take().is_some();
        let due = if closed { Some(Extent::All) } else { self.pending.due() };
        if let Some(extent) = due {
            file.commit(&self.pending, extent)?;
            let lost = self.pending.stored(extent);
            if lost > 0 {
                warn!(
                    "{lost} transitions, closed incidents, runs and statistics were lost meanwhile"
                );
            }
            self.show(None);
        }
        if self.swept.is_none_or(|at| is_long_ago(at, self.pending.wall)) && !closed {
            file.sweep(self.pending.wall)?;
            self.swept = Some(self.pending.wall);
        }
        if failed_before {
            self.show(None);
        }
        Ok(())
    }

    fn show(&self, trouble: Option<String>) {
        let stored = if trouble.is_none() { self.pending.number } else { 0 };
        self.shown.send_modify(|progress| {
            progress.stored = progress.stored.max(stored);
            progress.trouble = trouble;
        });
    }
}

/// Also where the wall clock was set back.
fn is_long_ago(at: Wall, now: Wall) -> bool {
    let since = now.as_millis().abs_diff(at.as_millis());
    u128::from(since) >= SWEEP_EVERY.as_millis()
}
