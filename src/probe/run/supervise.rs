//! The supervisor of one run: begins it, sees to its end, and writes that down.
//! It hears of nobody but the agent that asks it to end the run; the end of the
//! agent, or of the orchestrator, is none of its business.

use super::output::Output;
use super::record::{Begun, Record};
use super::{Begin, RUN_VARIABLE, family};
use crate::check::shell::ShellCommand;
use crate::check::words::plain;
use crate::clock;
use crate::probe::orphans;
use nix::sys::signal::{SigSet, Signal as Blocked};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, WaitStatus, setsid};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use vai_core::model::{HowEnded, ProcId, RunEnd, Secret};

/// Asks a supervisor to end its run.
pub(super) const REPLACE: Signal = Signal::USR1;

/// Said once everything is known that can be known at the beginning.
pub(super) const READY: &[u8] = b"ready\n";

/// After KILL only a process stuck in the kernel is still there.
const KILL_WITHIN: Duration = Duration::from_secs(2);

/// How often what is being ended is counted.
const COUNT_EVERY: Duration = Duration::from_millis(50);

/// For the last of the dead.
const LAST_LOOK: Duration = Duration::from_millis(100);

/// No wait is longer, since a suspend stops the clock of waits.
const WAKE_WITHIN: Duration = Duration::from_secs(30);

/// As much as a pipe holds.
const CHUNK: usize = 64 << 10;

/// Chunks that are read before anything else is looked at.
const CHUNKS: usize = 16;

/// How long a memory that is full of other things is waited for.
const RECORD_TRIES: u32 = 60;
const RECORD_AGAIN: Duration = Duration::from_secs(1);

/// What a supervisor is told on its standard input.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) mark: String,
    pub(super) begin: Begin,
}

/// Takes one order from standard input and carries it out, unless that was
/// done before. Says [`READY`] on standard output, and closes that when the run
/// is over; stays as long as what the run left behind writes something.
///
/// # Errors
/// If there is no order, or nothing can be written down; nothing was begun.
pub fn supervise() -> io::Result<()> {
    let Order { mark, begin } = serde_json::from_reader(io::stdin().lock())?;
    // Fails for the leader of a session, which is as good.
    let _ = setsid();
    orphans::adopt();
    let Some(record) = Record::create(&mark, &Begun::now()?)? else {
        return ready();
    };
    match Run::begin(&mark, &begin, &record) {
        Ok(run) => {
            ready()?;
            run.see_to_its_end(&begin, &record);
        }
        Err(why) => {
            let how = HowEnded::NotBegun(why);
            let (took, bytes, tail, notes) = (Duration::ZERO, 0, String::new(), Vec::new());
            write_down(&record, &RunEnd { how, took, bytes, tail, notes });
            ready()?;
        }
    }
    Ok(())
}

fn ready() -> io::Result<()> {
    let mut out = io::stdout().lock();
    // Whoever asked may be gone; the run is not.
    let _ = out.write_all(READY).and_then(|()| out.flush());
    Ok(())
}

/// A run under way.
struct Run {
    command: Pid,
    status: Option<WaitStatus>,
    replaced: bool,
    began: Duration,
    pipe: Option<PipeReader>,
    signals: SignalFd,
    output: Output,
}

impl Run {
    fn begin(mark: &str, begin: &Begin, record: &Record) -> Result<Self, String> {
        let in_words = |error: io::Error| plain(&error);
        let (pipe, writer) = io::pipe().map_err(in_words)?;
        fcntl_setfl(&pipe, OFlags::NONBLOCK).map_err(|errno| plain(&errno.into()))?;
        let mut environment = begin.environment.clone();
        environment.push((RUN_VARIABLE.to_owned(), Secret::from(mark)));
        let mut command = ShellCommand {
            text: &begin.command,
            user: begin.user.as_deref(),
            working_dir: begin.working_dir.as_deref(),
            environment: &environment,
        }
        .prepare()?;
        let errors = writer.try_clone().map_err(in_words)?;
        command.stdin(Stdio::null()).stdout(writer).stderr(errors);
        let began = clock::uptime();
        let spawned = command.spawn();
        // It holds the writing ends, and end of file would never come.
        drop(command);
        let child = spawned.map_err(|error| format!("it could not be run: {}", plain(&error)))?;
        let child = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        // Only now, or the command would inherit what is blocked.
        let signals = block_signals().map_err(|errno| plain(&errno.into()))?;
        let log = begin.log_path.as_deref().map(Path::new);
        Ok(Self {
            command: child.ok_or("it has no process")?,
            status: None,
            replaced: false,
            began,
            pipe: Some(pipe),
            signals,
            output: Output::new(&begin.title, &record.output(), log),
        })
    }

    fn see_to_its_end(mut self, begin: &Begin, record: &Record) {
        // What ended before its signal could be waited for.
        self.collect();
        let how = self.outcome(begin);
        let took = clock::uptime().saturating_sub(self.began);
        // What it wrote last.
        self.read();
        let (bytes, tail, notes) = self.output.end(&how, took);
        write_down(record, &RunEnd { how, took, bytes, tail, notes });
        // Whoever waits sees the end of this stream.
        if let Ok(nowhere) = File::options().write(true).open("/dev/null") {
            let _ = rustix::stdio::dup2_stdout(nowhere);
        }
        while self.pipe.is_some() {
            self.turn(WAKE_WITHIN);
        }
        self.output.close();
        // Whoever closed it by its end is about to be dead.
        let until = clock::uptime() + LAST_LOOK;
        while !family::children().is_empty() && clock::uptime() < until {
            self.turn(until.saturating_sub(clock::uptime()));
        }
    }

    fn outcome(&mut self, begin: &Begin) -> HowEnded {
        loop {
            if let Some(status) = self.status {
                return how_ended(status);
            }
            if self.replaced {
                self.end_family(begin.grace);
                return HowEnded::Replaced;
            }
            let until = self.began.saturating_add(begin.timeout);
            let left = until.saturating_sub(clock::uptime());
            if left.is_zero() {
                let left = self.end_family(begin.grace);
                let words = |member: &ProcId| format!("{member} does not even heed KILL");
                return HowEnded::TimedOut { left: left.iter().map(words).collect() };
            }
            self.turn(left);
        }
    }

    /// Ends everything that came from the run: TERM and CONT, after `grace`
    /// KILL. Returns what is left.
    fn end_family(&mut self, grace: Duration) -> Vec<ProcId> {
        let mut asked: Vec<ProcId> = Vec::new();
        let left = self.until_nobody_is_left(grace, |members| {
            for member in members.iter().filter(|member| !asked.contains(member)) {
                family::signal(member, Signal::TERM);
                // A stopped process only sees the TERM once it goes on.
                family::signal(member, Signal::CONT);
            }
            asked = members.to_vec();
        });
        if left.is_empty() {
            return left;
        }
        self.until_nobody_is_left(KILL_WITHIN, |members| {
            for member in members {
                family::signal(member, Signal::KILL);
            }
        })
    }

    /// Sends signals again and again, since who is being ended may start others,
    /// until `span` is over. Returns what is left.
    fn until_nobody_is_left(
        &mut self,
        span: Duration,
        mut signal: impl FnMut(&[ProcId]),
    ) -> Vec<ProcId> {
        let until = clock::uptime() + span;
        loop {
            self.collect();
            let members = family::members();
            let now = clock::uptime();
            if members.is_empty() || now >= until {
                return members;
            }
            signal(&members);
            let next = (now + COUNT_EVERY).min(until);
            while clock::uptime() < next {
                self.turn(next.saturating_sub(clock::uptime()));
            }
        }
    }

    /// Waits for something to happen, and takes it in.
    fn turn(&mut self, wait: Duration) {
        let timeout = Timespec::try_from(wait.min(WAKE_WITHIN)).ok();
        let mut sources = vec![PollFd::new(&self.signals, PollFlags::IN)];
        sources.extend(self.pipe.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        // Interrupted or not, what can be taken in is.
        let _ = poll(&mut sources, timeout.as_ref());
        while let Ok(Some(signal)) = self.signals.read_signal() {
            self.replaced |= signal.ssi_signo == Blocked::SIGUSR1 as u32;
        }
        self.collect();
        self.read();
    }

    /// Takes in what was written, as far as it is there, but not for ever.
    fn read(&mut self) {
        let mut chunk = [0; CHUNK];
        for _ in 0..CHUNKS {
            let Some(pipe) = &mut self.pipe else { return };
            match pipe.read(&mut chunk) {
                Ok(0) => self.pipe = None,
                Ok(read) => self.output.push(&chunk[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.pipe = None,
            }
        }
    }

    /// Takes away the dead: the command, and all that it left behind.
    fn collect(&mut self) {
        for (pid, status) in orphans::collect_all() {
            if pid == self.command {
                self.status = Some(status);
            }
        }
    }
}

fn block_signals() -> nix::Result<SignalFd> {
    let mut signals = SigSet::empty();
    // Besides those that are waited for, what ends a session or a shutdown
    // sends: the run hears it as well, and its end is to be seen.
    for signal in
        [Blocked::SIGCHLD, Blocked::SIGUSR1, Blocked::SIGTERM, Blocked::SIGHUP, Blocked::SIGINT]
    {
        signals.add(signal);
    }
    signals.thread_block()?;
    SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
}

fn how_ended(status: WaitStatus) -> HowEnded {
    match status.terminating_signal() {
        Some(signal) => HowEnded::Signalled(signal),
        None => HowEnded::Exited(status.exit_status().unwrap_or(-1)),
    }
}

/// Only what is written down was seen.
fn write_down(record: &Record, end: &RunEnd) {
    for _ in 0..RECORD_TRIES {
        match record.set_end(end) {
            Ok(()) => return,
            Err(error) => {
                tracing::error!("the end of a run: {}", plain(&error));
                // The largest of its files, and nobody needs it.
                let _ = std::fs::remove_file(record.output());
            }
        }
        std::thread::sleep(RECORD_AGAIN);
    }
}
