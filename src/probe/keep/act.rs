//! What came from the commands of one act, by descent.

use super::Fate;
use crate::clock;
use crate::probe::run::children_of;
use procfs::process::Process;
use rustix::process::WaitStatus;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::time::Duration;

/// For so long it is looked closely at who comes and goes.
const CLOSELY_FOR: Duration = Duration::from_secs(2);
const CLOSELY: Duration = Duration::from_millis(10);
const WHILE_IT_RUNS: Duration = Duration::from_millis(200);

/// One process as the kernel shows it now, dead or alive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    pub(super) pid: i32,
    pub(super) started: u64,
    session: i32,
    name: String,
    dead: bool,
}

impl Seen {
    pub(super) fn read(pid: i32) -> Option<Self> {
        let stat = Process::new(pid).and_then(|process| process.stat()).ok()?;
        let dead = matches!(stat.state, 'Z' | 'X' | 'x');
        let (started, session) = (stat.starttime, stat.session);
        Some(Self { pid, started, session, name: stat.comm, dead })
    }

    fn began(&self) -> Duration {
        Duration::from_millis(self.started * 1000 / procfs::ticks_per_second().max(1))
    }
}

/// An act whose commands were launched here.
#[derive(Debug)]
pub(super) struct Act {
    pub(super) mark: String,
    launched: Duration,
    /// Programs that were launched and run.
    roots: HashSet<i32>,
    /// The keeper's own session, in which its programs are for a moment.
    foreign: Option<i32>,
    /// Everything of it that may live, its programs included.
    members: HashMap<i32, Seen>,
    /// The sessions that its members were seen in.
    sessions: HashSet<i32>,
    /// How the last of what was left behind ended, as far as that was seen.
    last: Option<(Seen, WaitStatus)>,
    over: bool,
}

impl Act {
    pub(super) fn new(mark: String) -> Self {
        let keeper = i32::try_from(std::process::id()).ok().and_then(Seen::read);
        Self {
            mark,
            foreign: keeper.map(|keeper| keeper.session),
            launched: clock::uptime(),
            roots: HashSet::new(),
            members: HashMap::new(),
            sessions: HashSet::new(),
            last: None,
            over: false,
        }
    }

    /// One of its programs was launched.
    pub(super) fn launched(&mut self, pid: i32) {
        self.launched = clock::uptime();
        self.over = false;
        self.last = None;
        self.roots.insert(pid);
        // It becomes the leader of a session of its own in a moment.
        self.sessions.insert(pid);
        self.members.extend(Seen::read(pid).map(|seen| (pid, seen)));
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// How soon it is to be looked at again, if not only when somebody dies.
    pub(super) fn look_within(&self) -> Option<Duration> {
        if self.over {
            None
        } else if clock::uptime().saturating_sub(self.launched) < CLOSELY_FOR {
            Some(CLOSELY)
        } else {
            (!self.roots.is_empty()).then_some(WHILE_IT_RUNS)
        }
    }

    /// Takes in who came from its members since, and lets go of those that
    /// somebody else took away.
    pub(super) fn grow(&mut self) {
        let mut next: Vec<i32> = self.members.keys().copied().collect();
        while let Some(pid) = next.pop() {
            match Seen::read(pid) {
                Some(seen) if self.is_same(&seen) => self.adopt(seen),
                Some(_) | None => {
                    self.members.remove(&pid);
                    continue;
                }
            }
            for child in children_of(pid).unwrap_or_default() {
                if !self.members.contains_key(&child)
                    && let Some(seen) = Seen::read(child)
                {
                    self.adopt(seen);
                    next.push(child);
                }
            }
        }
    }

    /// A number may have been given to another process.
    fn is_same(&self, seen: &Seen) -> bool {
        self.members.get(&seen.pid).is_some_and(|member| member.started == seen.started)
    }

    pub(super) fn knows(&self, seen: &Seen) -> bool {
        self.is_same(seen)
    }

    /// Whether a process that lost its parent came from this act.
    pub(super) fn is_mine(&self, seen: &Seen) -> bool {
        self.sessions.contains(&seen.session) || (!seen.dead && carries(seen.pid, &self.mark))
    }

    pub(super) fn adopt(&mut self, seen: Seen) {
        if Some(seen.session) != self.foreign {
            self.sessions.insert(seen.session);
        }
        self.members.insert(seen.pid, seen);
    }

    /// A child of the keeper was taken away. Whether it was of this act, and a
    /// program that was launched.
    pub(super) fn ended(&mut self, pid: i32, status: WaitStatus) -> Option<bool> {
        let member = self.members.remove(&pid);
        if self.roots.remove(&pid) {
            return Some(true);
        }
        self.last = Some((member?, status));
        Some(false)
    }

    /// Its fate, once nothing of it lives; once. `strangers` are children of the
    /// keeper that nobody recognised.
    pub(super) fn fate(&mut self, strangers: &HashSet<Seen>) -> Option<Fate> {
        if self.over || !self.roots.is_empty() || !self.members.is_empty() {
            return None;
        }
        self.over = true;
        let is_unclear =
            strangers.iter().any(|stranger| stranger.began() + CLOSELY >= self.launched);
        let failed = self.last.take().filter(|_| !is_unclear);
        Some(Fate { failed: failed.and_then(|(seen, status)| failure(&seen, status)) })
    }
}

/// A signal or another exit code than 0, in words.
fn failure(seen: &Seen, status: WaitStatus) -> Option<String> {
    let Seen { name, pid, .. } = seen;
    match (status.terminating_signal(), status.exit_status()) {
        (Some(signal), _) => Some(format!("{name} (pid {pid}) was ended by signal {signal}")),
        (None, Some(0) | None) => None,
        (None, Some(code)) => Some(format!("{name} (pid {pid}) exited {code}")),
    }
}

fn carries(pid: i32, mark: &str) -> bool {
    let entry = format!("{}={mark}", crate::probe::wire::ACT_VARIABLE);
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|&byte| byte == 0).any(|each| each == entry.as_bytes())
}
