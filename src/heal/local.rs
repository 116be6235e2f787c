//! Commands of services that run beside the orchestrator.

use crate::check::shell::ShellCommand;
use crate::docker::{ExecEnd, OutputRest, Tail};
use futures_util::StreamExt;
use std::future::ready;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::time::{sleep, timeout};
use tokio_util::io::ReaderStream;

/// For output written just before the exit.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Runs a command to its end in a process group of its own, or leaves it
/// running after `deadline`. What it starts in the background outlives it and
/// holds nothing up, its output redirected or not; the rest of that output has
/// to be read, or whoever writes it blocks or dies of it.
///
/// # Errors
/// Why it could not be started, in words.
pub(super) async fn run(command: &ShellCommand<'_>, deadline: Duration) -> Result<ExecEnd, String> {
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
    Ok(output.end(status.map(exit_code)))
}

/// The reading end of a command's output with what is kept of it.
struct Output {
    chunks: ReaderStream<pipe::Receiver>,
    open: bool,
    tail: Tail,
}

impl Output {
    fn new(pipe: OwnedFd) -> Result<Self, String> {
        let pipe = pipe::Receiver::from_owned_fd(pipe).map_err(|error| error.to_string())?;
        Ok(Self { chunks: ReaderStream::new(pipe), open: true, tail: Tail::default() })
    }

    /// Cancel safe: nothing is taken from the pipe and lost.
    async fn read(&mut self) {
        match self.chunks.next().await {
            Some(Ok(chunk)) => self.tail.push(&chunk),
            Some(Err(_)) | None => self.open = false,
        }
    }

    async fn read_to_end(&mut self) {
        while self.open {
            self.read().await;
        }
    }

    fn end(self, exit_code: Option<i64>) -> ExecEnd {
        let output = self.tail.text();
        let rest = self.chunks.scan((), |(), chunk| ready(chunk.ok()));
        let rest = self.open.then(|| OutputRest::new(self.tail, rest.boxed()));
        ExecEnd { exit_code, output, rest }
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
    use crate::heal::written::Drains;

    fn shell(text: &str) -> ShellCommand<'_> {
        ShellCommand { text, user: None, working_dir: None, environment: &[] }
    }

    async fn run_shell(command: &str) -> ExecEnd {
        run(&shell(command), Duration::from_secs(20)).await.unwrap()
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
        assert_eq!(end.output.len(), 4096);
        assert!(end.output.ends_with("the end\n"));
    }

    #[tokio::test]
    async fn a_background_child_that_holds_the_pipe_holds_up_nothing_and_lives() {
        let drains = Drains::default();
        let began = clock::boot_time();
        let folder = tempfile::tempdir().unwrap();
        let done = folder.path().join("done");
        let command = format!("(sleep 1; yes | head -n 100000 && touch {}) &", done.display());
        let end = run(&shell(&command), Duration::from_secs(20)).await.unwrap();
        assert_eq!(end.exit_code, Some(0));
        drains.adopt(end.rest.unwrap(), None);
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
        let end = run(&shell(&command), Duration::from_millis(50)).await.unwrap();
        assert_eq!(end.exit_code, None);
        drains.adopt(end.rest.unwrap(), None);
        std::fs::write(go, "").unwrap();
        appears(&done).await;
        drains.stop().await;
    }

    #[tokio::test]
    async fn what_cannot_be_started_says_why() {
        let nobody = ShellCommand { user: Some("no-such-user"), ..shell("true") };
        let why = run(&nobody, Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(why, "there is no user no-such-user here");
    }
}
