//! Ends processes that stand behind a service: never one that has become
//! another, never one that is no longer behind it.

use super::pidfd::PidFd;
use super::started;
use super::wire::Answer;
use crate::check::processes::{Processes, is_living};
use crate::check::words::plain;
use crate::check::{self, blocking};
use crate::clock::Deadline;
use rustix::process::Signal;
use std::collections::HashSet;
use std::io;
use std::time::Duration;
use vai_core::model::{CheckKind, ProcId};

/// After KILL only a process stuck in the kernel is still there.
const KILL_WITHIN: Duration = Duration::from_secs(2);

/// For reading the environment of all processes.
const FOUND_WITHIN: Duration = Duration::from_secs(1);

/// Ends those of `processes` that live and are behind one of `behind`, and
/// their workers with them: TERM and CONT, after `grace` KILL.
pub(super) async fn end(processes: Vec<ProcId>, behind: &[CheckKind], grace: Duration) -> Answer {
    let all = match tokio::task::spawn_blocking(Processes::read).await {
        Ok(Ok(all)) => all,
        Ok(Err(error)) => return Answer::Failed(format!("no /proc: {}", plain(&error))),
        Err(error) => return Answer::Failed(error.to_string()),
    };
    let mut current = HashSet::new();
    for kind in behind {
        current.extend(check::behind(kind).await);
    }
    let ours = all.ourselves();
    let mut ending = Ending::default();
    for process in processes.into_iter().filter(is_living) {
        if process.pid == 1 {
            ending.leave(process, "it is the container's first process");
        } else if ours.contains(&process.pid) {
            ending.leave(process, "it is vai itself, or vai runs under it");
        } else if !current.contains(&process) {
            ending.leave(process, "it is no longer behind the check");
        } else {
            let workers: Vec<ProcId> = all
                .descendants(process.pid)
                .into_iter()
                .map(|each| &each.id)
                // Others may have a life of their own: an open login, a job.
                .filter(|worker| worker.name == process.name || current.contains(worker))
                .filter(|worker| !ours.contains(&worker.pid))
                .cloned()
                .collect();
            ending.take(process);
            for worker in workers {
                ending.take(worker);
            }
        }
    }
    ending.carry_out(grace).await;
    Answer::Ended { ended: ending.ended, left: ending.left }
}

/// Ends what has `entry` in its environment and all that came from it, and what
/// is behind one of `behind`, began after `since` and shows no environment.
pub(super) async fn end_started(
    entry: String,
    since: Option<Duration>,
    behind: &[CheckKind],
    grace: Duration,
) -> Answer {
    let mut candidates = HashSet::new();
    for kind in behind {
        candidates.extend(check::behind(kind).await);
    }
    let found = blocking::run("proc", Deadline::after(FOUND_WITHIN), move || {
        started::by(&entry, since, &candidates)
    });
    let found = match found.await {
        Some(Ok(found)) => found,
        Some(Err(error)) => return Answer::Failed(format!("no /proc: {}", plain(&error))),
        None => return Answer::Failed("/proc does not answer".to_owned()),
    };
    let mut ending = Ending::default();
    for process in found {
        ending.take(process);
    }
    ending.carry_out(grace).await;
    Answer::Ended { ended: ending.ended, left: ending.left }
}

#[derive(Default)]
struct Ending {
    targets: Vec<(ProcId, PidFd)>,
    ended: Vec<ProcId>,
    left: Vec<(ProcId, String)>,
}

impl Ending {
    fn leave(&mut self, process: ProcId, why: &str) {
        self.left.push((process, why.to_owned()));
    }

    fn take(&mut self, process: ProcId) {
        if self.targets.iter().any(|(taken, _)| *taken == process) {
            return;
        }
        match PidFd::open(&process) {
            Ok(held) => self.targets.push((process, held)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.leave(process, &plain(&error)),
        }
    }

    async fn carry_out(&mut self, grace: Duration) {
        self.signal(Signal::TERM);
        // A stopped process only sees the TERM once it goes on.
        self.signal(Signal::CONT);
        self.wait(grace).await;
        self.signal(Signal::KILL);
        self.wait(KILL_WITHIN).await;
        for (process, _) in std::mem::take(&mut self.targets) {
            self.leave(process, "it does not even heed KILL");
        }
    }

    fn signal(&mut self, signal: Signal) {
        for (process, held) in std::mem::take(&mut self.targets) {
            match held.signal(signal) {
                Ok(()) => self.targets.push((process, held)),
                Err(error) => self.leave(process, &plain(&error)),
            }
        }
    }

    /// Waits until all targets ended, at most `span` for all of them.
    async fn wait(&mut self, span: Duration) {
        let deadline = Deadline::after(span);
        for (process, held) in std::mem::take(&mut self.targets) {
            match deadline.bound(held.ended()).await {
                Some(Ok(())) => self.ended.push(process),
                Some(Err(_)) | None => self.targets.push((process, held)),
            }
        }
    }
}
