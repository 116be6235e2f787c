//! The one writer: a thread that stores what the loop hands it, in order.

use super::file::StateFile;
use super::pending::{Job, News, Pending};
use crate::clock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;
use tokio::sync::watch;
use vai_core::model::{Now, Time};

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
    /// A writer into `file`; where there is none, it only says why.
    pub(super) fn start(file: Result<StateFile, String>) -> std::io::Result<Self> {
        let (jobs, inbox) = channel();
        let trouble = file.as_ref().err().cloned();
        let (shown, progress) = watch::channel(Progress { stored: 0, trouble });
        let thread = Thread { inbox, shown, pending: Pending::default() };
        thread::Builder::new().name("store".to_owned()).spawn(move || thread.run(file.ok()))?;
        Ok(Self { jobs, progress, handed_in: 0 })
    }

    /// Hands in one job; the number that tells when it is stored.
    pub(super) fn hand_in(&mut self, now: Now, news: News) -> u64 {
        self.handed_in += 1;
        // A thread that is gone is seen by `progress` being closed.
        let _ = self.jobs.send(Job { number: self.handed_in, now, news });
        self.handed_in
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

struct Thread {
    inbox: Receiver<Job>,
    shown: watch::Sender<Progress>,
    pending: Pending,
}

impl Thread {
    fn run(mut self, file: Option<StateFile>) {
        let mut file = file;
        let mut retry_at: Option<Time> = None;
        loop {
            let closed = self.take_in(retry_at);
            let Some(open) = &mut file else {
                self.pending = Pending::default();
                if closed {
                    return;
                }
                continue;
            };
            let may_try = closed || retry_at.is_none_or(|at| clock::boot_time() >= at);
            if may_try && self.pending.is_due() {
                match open.commit(&self.pending) {
                    Ok(()) => {
                        self.pending.stored();
                        retry_at = None;
                        self.show(None);
                    }
                    Err(error) => {
                        retry_at = Some(clock::boot_time() + RETRY);
                        self.show(Some(error.why));
                        if error.is_final {
                            file = None;
                        }
                    }
                }
            }
            if closed {
                return;
            }
        }
    }

    /// Waits for a job, or until it is time to try again, and takes in
    /// everything that is there. Whether there will be no more.
    fn take_in(&mut self, retry_at: Option<Time>) -> bool {
        let first = match retry_at {
            None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => self.inbox.recv_timeout(at.since(clock::boot_time())),
        };
        match first {
            Ok(job) => self.pending.take_in(job),
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => return true,
        }
        while let Ok(job) = self.inbox.try_recv() {
            self.pending.take_in(job);
        }
        false
    }

    fn show(&self, trouble: Option<String>) {
        let stored = if trouble.is_none() { self.pending.number } else { 0 };
        self.shown.send_modify(|progress| {
            progress.stored = progress.stored.max(stored);
            progress.trouble = trouble;
        });
    }
}
