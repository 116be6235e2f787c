//! The keeper itself: one thread that waits for orders and for the dead.

use super::act::{Act, Seen};
use super::{Address, Order, READY, Reply, packet};
use crate::check::words::plain;
use crate::clock;
use crate::probe::orphans;
use crate::probe::run::children;
use crate::probe::wire::ACT_VARIABLE;
use nix::sys::signal::{SigSet, Signal as Blocked};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::net::sockopt::socket_peercred;
use rustix::process::WaitStatus;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// A keeper that was just begun is given its first order by then.
const LEAVE_AFTER: Duration = Duration::from_secs(60);

/// No wait is longer.
const WAKE_WITHIN: Duration = Duration::from_secs(30);

/// A keeper that holds its lock listens in a moment.
const CONNECT_TRIES: u32 = 100;
const CONNECT_AGAIN: Duration = Duration::from_millis(20);

/// Acts that are over and remembered for whoever asks late.
const REMEMBERED: usize = 64;

/// Sees to it that there is a keeper, by becoming it if need be; says so on
/// standard output, and there what becomes of the act `mark`.
///
/// # Errors
/// If no keeper can be had here.
pub fn keep(mark: &str) -> io::Result<()> {
    let address = Address::own()?;
    let lock = File::options().create(true).truncate(false).write(true).open(&address.lock)?;
    match lock.try_lock() {
        Ok(()) => {
            let mut keeper = Keeper::new(&address, mark)?;
            say(READY);
            keeper.run();
            // Who comes now finds nobody, and the lock free.
            fs::remove_file(&address.socket)
        }
        Err(TryLockError::WouldBlock) => watch(&address, mark),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Passes on what the keeper says, until whoever listens is gone.
fn watch(address: &Address, mark: &str) -> io::Result<()> {
    let mut tries = 0;
    let socket = loop {
        match packet::connect_to(&address.socket) {
            Err(error) if tries >= CONNECT_TRIES => return Err(error),
            Err(_) => tries += 1,
            Ok(socket) => break socket,
        }
        thread::sleep(CONNECT_AGAIN);
    };
    packet::send(&socket, &Order::Watch(mark.to_owned()), &[])?;
    say(READY);
    let stdin = io::stdin();
    loop {
        let mut sources = [PollFd::new(&socket, PollFlags::IN), PollFd::new(&stdin, PollFlags::IN)];
        poll(&mut sources, None)?;
        let [said, left] = sources.map(|source| !source.revents().is_empty());
        if said {
            match packet::receive::<Reply>(&socket)? {
                Some((reply, _)) => say_reply(&reply),
                None => return Ok(()),
            }
        }
        if left && stdin.lock().read(&mut [0; 64])? == 0 {
            return Ok(());
        }
    }
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    // Whoever listened may be gone.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn say_reply(reply: &Reply) {
    if let Ok(line) = serde_json::to_string(reply) {
        say(&line);
    }
}

/// Somebody at the other end of a connection.
struct Peer {
    socket: OwnedFd,
    role: Role,
}

enum Role {
    New,
    /// Waits for the end of the program of this number.
    Launcher(i32),
    /// Waits for the end of what this act left behind.
    Watcher(String),
}

struct Keeper {
    listener: OwnedFd,
    signals: SignalFd,
    peers: Vec<Peer>,
    acts: Vec<Act>,
    /// Children that came from no act.
    strangers: HashSet<Seen>,
    /// The act that standard output is told about.
    mark: String,
    /// When there was last somebody to be here for.
    needed: Duration,
}

impl Keeper {
    fn new(address: &Address, mark: &str) -> io::Result<Self> {
        orphans::adopt();
        let listener = packet::listen_at(&address.socket)?;
        let mut signals = SigSet::empty();
        // Those that ask it to leave are not for it: it stays while it is needed.
        for signal in [Blocked::SIGCHLD, Blocked::SIGTERM, Blocked::SIGHUP, Blocked::SIGINT] {
            signals.add(signal);
        }
        signals.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self {
            listener,
            signals: SignalFd::with_flags(&signals, flags)?,
            peers: Vec::new(),
            acts: Vec::new(),
            strangers: HashSet::new(),
            mark: mark.to_owned(),
            needed: clock::uptime(),
        })
    }

    fn run(&mut self) {
        loop {
            self.wait();
            while let Ok(Some(_)) = self.signals.read_signal() {}
            while let Some(socket) = packet::accept(&self.listener) {
                if is_one_of_us(&socket) {
                    self.peers.push(Peer { socket, role: Role::New });
                }
            }
            self.hear();
            self.look_after();
            if !self.peers.is_empty() || !children().is_empty() {
                self.needed = clock::uptime();
            } else if clock::uptime().saturating_sub(self.needed) >= LEAVE_AFTER {
                return;
            }
        }
    }

    fn wait(&self) {
        let soon = self.acts.iter().filter_map(Act::look_within).min();
        let timeout = Timespec::try_from(soon.unwrap_or(WAKE_WITHIN)).ok();
        let mut sources = vec![
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::new(&self.listener, PollFlags::IN),
        ];
        sources.extend(self.peers.iter().map(|peer| PollFd::new(&peer.socket, PollFlags::IN)));
        // Interrupted or not, what can be taken in is.
        let _ = poll(&mut sources, timeout.as_ref());
    }

    /// Takes in what the peers ask.
    fn hear(&mut self) {
        for mut peer in std::mem::take(&mut self.peers) {
            let stays = match packet::receive::<Order>(&peer.socket) {
                Ok(Some((Order::Launch(argv), descriptors))) => {
                    self.launch(&mut peer, &argv, descriptors).is_ok()
                }
                Ok(Some((Order::Watch(mark), _))) => {
                    peer.role = Role::Watcher(mark);
                    true
                }
                Err(error) => error.kind() == io::ErrorKind::WouldBlock,
                Ok(None) => false,
            };
            if stays {
                self.peers.push(peer);
            }
        }
    }

    /// Runs a program as the peer would have. Whoever hears of no beginning runs
    /// it itself.
    fn launch(
        &mut self,
        peer: &mut Peer,
        argv: &[String],
        descriptors: Vec<OwnedFd>,
    ) -> io::Result<()> {
        let asker = socket_peercred(&peer.socket)?.pid.as_raw_nonzero();
        let environment = fs::read(format!("/proc/{asker}/environ"))?;
        let pairs = environment.split(|&byte| byte == 0).filter_map(|entry| {
            let at = entry.iter().position(|&byte| byte == b'=')?;
            Some((OsStr::from_bytes(&entry[..at]), OsStr::from_bytes(&entry[at + 1..])))
        });
        let [output, errors] = <[OwnedFd; 2]>::try_from(descriptors)
            .map_err(|_| io::Error::other("an order without streams"))?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0("vai").arg("session").args(argv).env_clear().envs(pairs.clone());
        command.current_dir(format!("/proc/{asker}/cwd"));
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let spawned = command.spawn().and_then(|child| {
            i32::try_from(child.id()).map_err(|_| io::Error::other("it has no number"))
        });
        let pid = spawned.inspect_err(|error| tracing::error!("a launch: {}", plain(error)))?;
        let mark = pairs.clone().find(|(name, _)| *name == ACT_VARIABLE);
        let mark = mark.map_or_else(String::new, |(_, mark)| mark.to_string_lossy().into_owned());
        if !self.acts.iter().any(|act| act.mark == mark) {
            self.acts.push(Act::new(mark.clone()));
        }
        if let Some(act) = self.acts.iter_mut().find(|act| act.mark == mark) {
            act.launched(pid);
        }
        peer.role = Role::Launcher(pid);
        packet::send(&peer.socket, &Reply::Begun(pid), &[])
    }

    /// Takes away the dead, after a look at who they were and whom they left.
    fn look_after(&mut self) {
        loop {
            self.recognise();
            let dead: Vec<_> = orphans::collect_all().collect();
            if dead.is_empty() {
                break;
            }
            for (pid, status) in dead {
                self.ended(pid.as_raw_nonzero().get(), status);
            }
        }
        let mut over = Vec::new();
        for act in &mut self.acts {
            over.extend(act.fate(&self.strangers).map(|fate| (act.mark.clone(), fate)));
        }
        for (mark, fate) in over {
            let reply = Reply::Over(fate);
            if mark == self.mark {
                say_reply(&reply);
            }
            for peer in &self.peers {
                if matches!(&peer.role, Role::Watcher(watched) if *watched == mark) {
                    // Whoever is gone is seen to be.
                    let _ = packet::send(&peer.socket, &reply, &[]);
                }
            }
        }
        let surplus = self.acts.iter().filter(|act| act.is_over()).count();
        let mut surplus = surplus.saturating_sub(REMEMBERED);
        self.acts.retain(|act| {
            let drop = act.is_over() && surplus > 0;
            surplus -= usize::from(drop);
            !drop
        });
    }

    fn recognise(&mut self) {
        for act in self.acts.iter_mut().filter(|act| !act.is_over()) {
            act.grow();
        }
        let children: Vec<Seen> = children().into_iter().filter_map(Seen::read).collect();
        self.strangers.retain(|stranger| children.iter().any(|child| child == stranger));
        for child in children {
            if self.acts.iter().any(|act| act.knows(&child)) {
                continue;
            }
            match self.acts.iter_mut().rev().find(|act| !act.is_over() && act.is_mine(&child)) {
                Some(act) => act.adopt(child),
                None => drop(self.strangers.insert(child)),
            }
        }
    }

    fn ended(&mut self, pid: i32, status: WaitStatus) {
        let was_program = self.acts.iter_mut().find_map(|act| act.ended(pid, status));
        if was_program != Some(true) {
            return;
        }
        let signal = status.terminating_signal().map(|signal| 128 + signal);
        let code = signal.or(status.exit_status()).unwrap_or(-1);
        for peer in &self.peers {
            if matches!(peer.role, Role::Launcher(waited) if waited == pid) {
                // Whoever is gone is seen to be.
                let _ = packet::send(&peer.socket, &Reply::Exited(code), &[]);
            }
        }
    }
}

/// Whether a peer was started as this process was, by the engine, and is the
/// same program: nobody else is given what this process may do.
fn is_one_of_us(socket: &OwnedFd) -> bool {
    let parent_of = |pid: i32| {
        let process = procfs::process::Process::new(pid).ok()?;
        Some(process.stat().ok()?.ppid)
    };
    let program_of = |process: &str| {
        let metadata = fs::metadata(format!("/proc/{process}/exe")).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    let own = i32::try_from(std::process::id()).ok();
    let Ok(peer) = socket_peercred(socket) else { return false };
    let peer = peer.pid.as_raw_nonzero().get();
    let parents = (parent_of(peer), own.and_then(parent_of));
    let programs = (program_of(&peer.to_string()), program_of("self"));
    parents.0.is_some()
        && parents.0 == parents.1
        && programs.0.is_some()
        && programs.0 == programs.1
}
