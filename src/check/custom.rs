//! The `custom` check: a command that exits 0.

use super::shell::ShellCommand;
use super::words;
use crate::clock::Deadline;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpgid};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::time::sleep;
use vai_core::model::{CustomCheck, Fault, FaultKind, Outcome};

/// How much of the output is kept, from its end, in bytes (behaviour.md,
/// section 1).
const OUTPUT_LIMIT: usize = 4 * 1024;

/// A pipe holds this much; what a finished command left in it is read.
const PIPE_CAPACITY: usize = 64 * 1024;

/// How long a killed command, and then what it started, may take to vanish.
const REAP_WITHIN: Duration = Duration::from_millis(20);

pub(super) async fn look(check: &CustomCheck, deadline: Deadline) -> Outcome {
    let mut running = match Running::start(check) {
        Ok(running) => running,
        Err(why) => return Outcome::Unknown(why),
    };
    match deadline.bound(running.finish()).await {
        Some(Ok(status)) if status.success() => Outcome::Pass,
        Some(Ok(status)) => {
            let detail = running.output.explain(&ended(status));
            Outcome::Fail(Fault::new(FaultKind::ExitCode, detail))
        }
        Some(Err(error)) => Outcome::Unknown(format!("could not wait: {}", words::plain(&error))),
        None => {
            running.kill().await;
            let overdue = format!("not done within {}", words::span(deadline.span()));
            let detail = running.output.explain(&overdue);
            Outcome::Fail(Fault::new(FaultKind::Timeout, detail))
        }
    }
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// A started command. Dropped before its end it is killed, and with it
/// everything it started in its process group.
struct Running {
    child: Child,
    group: Option<Pid>,
    pipe: Receiver,
    output: Output,
}

impl Running {
    fn start(check: &CustomCheck) -> Result<Self, String> {
        let command = ShellCommand {
            text: &check.command,
            user: check.user.as_deref(),
            working_dir: check.working_dir.as_deref(),
            environment: &check.environment,
        }
        .prepare()?;
        let mut command = Command::from(command);
        let failed = |error: io::Error| format!("could not run it: {}", words::plain(&error));
        // One pipe for both streams keeps their lines in order.
        let (reader, writer) = io::pipe().map_err(failed)?;
        let pipe = Receiver::from_owned_fd(OwnedFd::from(reader)).map_err(failed)?;
        command
            .stdin(Stdio::null())
            .stdout(writer.try_clone().map_err(failed)?)
            .stderr(writer)
            .kill_on_drop(true);
        let child = command.spawn().map_err(failed)?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        Ok(Self { child, group: pid.and_then(Pid::from_raw), pipe, output: Output::default() })
    }

    /// Waits for the command itself. What it left in the background may keep
    /// the pipe open for ever and is not waited for.
    async fn finish(&mut self) -> io::Result<ExitStatus> {
        let mut chunk = [0; OUTPUT_LIMIT];
        let mut open = true;
        let status = loop {
            tokio::select! {
                status = self.child.wait() => break status?,
                read = self.pipe.read(&mut chunk), if open => match read {
                    Ok(0) | Err(_) => open = false,
                    Ok(read) => self.output.push(&chunk[..read]),
                },
            }
        };
        // From here on the number may belong to another group.
        self.group = None;
        for _ in 0..PIPE_CAPACITY / OUTPUT_LIMIT {
            match self.pipe.try_read(&mut chunk) {
                Ok(0) | Err(_) => break,
                Ok(read) => self.output.push(&chunk[..read]),
            }
        }
        Ok(status)
    }

    async fn kill(&mut self) {
        self.kill_group();
        let gone = Deadline::after(REAP_WITHIN).bound(self.child.wait()).await;
        if gone.is_some()
            && let Some(group) = self.group.take()
        {
            Deadline::after(REAP_WITHIN).bound(reap(group)).await;
        }
    }

    fn kill_group(&self) {
        if let Some(group) = self.group {
            // Gone already: as good as killed.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Collects what a killed command leaves behind, where that falls to this
/// process: the agent, or the first process of a container. Under a first
/// process that collects nothing the zombies would grow in number.
async fn reap(group: Pid) {
    while let Ok(collected) = waitpgid(group, WaitOptions::NOHANG) {
        if collected.is_none() {
            sleep(REAP_WITHIN / 10).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill_group();
    }
}

/// The last bytes that a command wrote.
#[derive(Default)]
struct Output(Vec<u8>);

impl Output {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        let excess = self.0.len().saturating_sub(OUTPUT_LIMIT);
        self.0.drain(..excess);
    }

    fn explain(&self, ended: &str) -> String {
        let said = words::one_line(&String::from_utf8_lossy(&self.0), OUTPUT_LIMIT);
        match said.as_str() {
            "" => format!("{ended}, without output"),
            said => format!("{ended}: {said}"),
        }
    }
}
