//! Commands of services that run beside the orchestrator.

use crate::check::shell::ShellCommand;
use crate::docker::ExecEnd;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Output that is kept, in bytes.
const KEPT: usize = 4096;

/// For output written just before the exit.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Runs a command to its end in a process group of its own, or leaves it
/// running after `deadline`. What it starts in the background outlives it and
/// holds nothing up, its output redirected or not.
///
/// # Errors
/// Why it could not be started, in words.
pub(super) async fn run(
    command: &ShellCommand<'_>,
    deadline: Duration,
    drains: &Drains,
) -> Result<ExecEnd, String> {
    let (reader, writer) = std::io::pipe().map_err(|error| error.to_string())?;
    let mut output = Output::new(reader.into())?;
    let mut command = Command::from(command.prepare()?);
    let errors = writer.try_clone().map_err(|error| error.to_string())?;
    command.stdin(Stdio::null()).stdout(writer).stderr(errors);
    let spawned = command.spawn();
    // It holds the writing ends, and end of file would never come.
    drop(command);
    let mut child = spawned.map_err(|error| error.to_string())?;

    let overdue = sleep(deadline);
    tokio::pin!(overdue);
    let status = loop {
        tokio::select! {
            status = child.wait() => break Some(status.map_err(|error| error.to_string())?),
            () = output.read(), if output.open => {}
            () = &mut overdue => break None,
        }
    };
    if status.is_some() {
        // Not at its end by then: something in the background holds it open.
        let _ = timeout(LAST_WORDS, output.read_to_end()).await;
    }
    let end = ExecEnd { exit_code: status.map(exit_code), output: output.text() };
    if output.open {
        drains.adopt(output);
    }
    Ok(end)
}

/// Goes on reading what nobody asks for, so that a program that writes to an
/// inherited pipe neither blocks nor dies of it while the orchestrator lives.
#[derive(Default)]
pub(super) struct Drains {
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Drains {
    fn adopt(&self, mut output: Output) {
        let stopping = self.stopping.clone();
        self.tasks.spawn(async move {
            stopping.run_until_cancelled(output.read_to_end()).await;
        });
    }

    /// Lets go of all of it.
    pub(super) async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// The reading end of a command's output with its last 4 KiB.
struct Output {
    pipe: pipe::Receiver,
    open: bool,
    tail: Vec<u8>,
    chunk: Box<[u8; KEPT]>,
}

impl Output {
    fn new(pipe: OwnedFd) -> Result<Self, String> {
        Ok(Self {
            pipe: pipe::Receiver::from_owned_fd(pipe).map_err(|error| error.to_string())?,
            open: true,
            tail: Vec::new(),
            chunk: Box::new([0; KEPT]),
        })
    }

    /// Cancel safe: nothing is taken from the pipe and lost.
    async fn read(&mut self) {
        match self.pipe.read(self.chunk.as_mut_slice()).await {
            Ok(0) | Err(_) => self.open = false,
            Ok(read) => {
                self.tail.extend_from_slice(&self.chunk[..read]);
                let excess = self.tail.len().saturating_sub(KEPT);
                self.tail.drain(..excess);
            }
        }
    }

    async fn read_to_end(&mut self) {
        while self.open {
            self.read().await;
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.tail).into_owned()
    }
}

/// As a shell counts: 128 + the signal that ended it.
fn exit_code(status: ExitStatus) -> i64 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.map_or(-1, i64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn shell(text: &str) -> ShellCommand<'_> {
        ShellCommand { text, user: None, working_dir: None, environment: &[] }
    }

    async fn run_shell(command: &str) -> ExecEnd {
        let drains = Drains::default();
        let end = run(&shell(command), Duration::from_secs(20), &drains).await;
        drains.stop().await;
        end.unwrap()
    }

    async fn appears(path: &std::path::Path) {
        let there = async {
            while !path.exists() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(10), there).await.unwrap();
    }

    #[tokio::test]
    async fn exit_code_and_both_streams_come_back() {
        let end = run_shell("echo out; echo err >&2; exit 3").await;
        assert_eq!(end.exit_code, Some(3));
        assert_eq!(end.output, "out\nerr\n");
    }

    #[tokio::test]
    async fn a_signal_counts_as_in_a_shell() {
        assert_eq!(run_shell("kill -9 $$").await.exit_code, Some(137));
    }

    #[tokio::test]
    async fn only_the_last_4_kib_are_kept() {
        let end = run_shell("yes | head -n 100000; echo the end").await;
        assert_eq!(end.output.len(), KEPT);
        assert!(end.output.ends_with("the end\n"));
    }

    #[tokio::test]
    async fn a_background_child_that_holds_the_pipe_holds_up_nothing_and_lives() {
        let drains = Drains::default();
        let began = clock::boot_time();
        let folder = tempfile::tempdir().unwrap();
        let done = folder.path().join("done");
        let command = format!("(sleep 1; yes | head -n 100000 && touch {}) &", done.display());
        let end = run(&shell(&command), Duration::from_secs(20), &drains).await.unwrap();
        assert_eq!(end.exit_code, Some(0));
        assert!(clock::boot_time().since(began) < Duration::from_millis(900));
        // It writes more than a pipe holds, long after its parent is gone.
        appears(&done).await;
        drains.stop().await;
    }

    #[tokio::test]
    async fn an_overdue_command_is_left_running() {
        let drains = Drains::default();
        let folder = tempfile::tempdir().unwrap();
        let (go, done) = (folder.path().join("go"), folder.path().join("done"));
        let command =
            format!("until [ -e {} ]; do sleep 0.02; done; touch {}", go.display(), done.display());
        let end = run(&shell(&command), Duration::from_millis(50), &drains).await.unwrap();
        assert_eq!(end.exit_code, None);
        std::fs::write(go, "").unwrap();
        appears(&done).await;
        drains.stop().await;
    }

    #[tokio::test]
    async fn what_cannot_be_started_says_why() {
        let drains = Drains::default();
        let nobody = ShellCommand { user: Some("no-such-user"), ..shell("true") };
        let why = run(&nobody, Duration::from_secs(1), &drains).await.unwrap_err();
        assert_eq!(why, "there is no user no-such-user here");
    }
}
