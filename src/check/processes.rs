//! The processes of this process namespace, read from `/proc` without help
//! from any tool.

use crate::clock;
use procfs::ProcError;
use procfs::process::{Process, Stat, all_processes};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::time::Duration;
use vai_core::model::ProcId;

/// A process that lives: no zombie.
#[derive(Clone, Debug)]
pub(crate) struct Living {
    pub(crate) id: ProcId,
    pub(crate) parent: i32,
    /// As the process shows it; empty for a kernel thread.
    pub(crate) args: Vec<String>,
}

impl Living {
    /// The time since its start, in steps of 10 ms.
    pub(crate) fn age(&self) -> Duration {
        age(&self.id)
    }

    /// The host's uptime at its start, rounded down to 10 ms.
    pub(crate) fn started(&self) -> Duration {
        started(&self.id)
    }
}

/// The time since the start of a process, in steps of 10 ms.
pub(crate) fn age(process: &ProcId) -> Duration {
    clock::uptime().saturating_sub(started(process))
}

/// The host's uptime at the start of a process, rounded down to 10 ms.
pub(crate) fn started(process: &ProcId) -> Duration {
    let ticks_per_second = procfs::ticks_per_second().max(1);
    Duration::from_millis(process.start_ticks * 1000 / ticks_per_second)
}

/// All processes at about one moment.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    pub(crate) living: Vec<Living>,
    /// The names of those that are dead and not yet reaped.
    pub(crate) zombies: Vec<String>,
}

impl Processes {
    /// Reads `/proc`. What vanishes meanwhile is left out.
    ///
    /// # Errors
    /// If there is no `/proc` to read.
    pub(crate) fn read() -> io::Result<Self> {
        let mut found = Self::default();
        for process in all_processes().map_err(into_io)? {
            let Ok(stat) = process.and_then(|process| process.stat()) else {
                continue;
            };
            if is_dead(&stat) {
                found.zombies.push(stat.comm);
                continue;
            }
            let Ok(args) = arguments(stat.pid) else {
                continue;
            };
            found.living.push(Living { parent: stat.ppid, id: identity(stat), args });
        }
        Ok(found)
    }

    /// This process, its ancestors, and other instances of it (the agent of
    /// another user): never part of any service.
    pub(crate) fn ourselves(&self) -> HashSet<i32> {
        let by_pid: HashMap<i32, &Living> =
            self.living.iter().map(|each| (each.id.pid, each)).collect();
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        let own_args = by_pid.get(&own).map(|living| &living.args);
        let mut ours: HashSet<i32> = self
            .living
            .iter()
            .filter(|each| Some(&each.args) == own_args)
            .map(|each| each.id.pid)
            .collect();
        let mut next = own;
        while let Some(living) = by_pid.get(&next) {
            ours.insert(next);
            next = living.parent;
        }
        ours
    }

    /// Everything that `root` has started, at any depth, and that did not
    /// detach itself.
    pub(crate) fn descendants(&self, root: i32) -> Vec<&Living> {
        let mut family = HashSet::from([root]);
        let mut found: Vec<&Living> = Vec::new();
        loop {
            let before = found.len();
            for each in &self.living {
                if family.contains(&each.parent) && family.insert(each.id.pid) {
                    found.push(each);
                }
            }
            if found.len() == before {
                return found;
            }
        }
    }
}

/// Whether exactly this process still lives.
pub(crate) fn is_living(id: &ProcId) -> bool {
    living(id.pid).is_some_and(|now| now.start_ticks == id.start_ticks)
}

/// The process of this number, if it is dead and was not taken away.
pub(crate) fn dead(pid: i32) -> Option<ProcId> {
    let stat = Process::new(pid).and_then(|process| process.stat()).ok()?;
    is_dead(&stat).then(|| identity(stat))
}

/// The process of this number, if one lives.
pub(crate) fn living(pid: i32) -> Option<ProcId> {
    let stat = Process::new(pid).and_then(|process| process.stat()).ok()?;
    (!is_dead(&stat)).then(|| identity(stat))
}

fn is_dead(stat: &Stat) -> bool {
    matches!(stat.state, 'Z' | 'X' | 'x')
}

fn identity(stat: Stat) -> ProcId {
    ProcId { pid: stat.pid, start_ticks: stat.starttime, name: stat.comm }
}

/// Not by procfs, which gives up on arguments that are not UTF-8.
fn arguments(pid: i32) -> io::Result<Vec<String>> {
    let raw = fs::read(format!("/proc/{pid}/cmdline"))?;
    Ok(raw
        .split(|&byte| byte == 0)
        .filter(|arg| !arg.is_empty())
        .map(|arg| String::from_utf8_lossy(arg).into_owned())
        .collect())
}

fn into_io(error: ProcError) -> io::Error {
    match error {
        ProcError::Io(error, _) => error,
        other => io::Error::other(other.to_string()),
    }
}
