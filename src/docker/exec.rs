//! Commands inside containers.

use super::bollard::{SHORT, within};
use super::errors::classify;
use super::tail::Tail;
use super::{EngineError, ExecEnd, ExecSpec, ExecStream, OutputRest};
use crate::clock::Deadline;
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use std::future::ready;
use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;
use tokio::io::AsyncWrite;
use tokio::time::{sleep, timeout};
use tokio_util::io::StreamReader;

/// The engine is asked for the exit after this, then after twice as long …
const FIRST_POLL: Duration = Duration::from_millis(20);

/// … up to this.
const LAST_POLL: Duration = Duration::from_millis(250);

/// What was written before the exit arrives within this.
const DRAIN: Duration = Duration::from_millis(100);

type Output = BoxStream<'static, Result<LogOutput, bollard::errors::Error>>;
type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// Runs a command until it exits or `deadline` is over; then it is left
/// running.
///
/// The exit is asked for: a command that backgrounds without redirecting keeps
/// the stream open long after it.
pub(super) async fn run(
    docker: &Docker,
    id: &str,
    spec: &ExecSpec,
    deadline: Duration,
) -> Result<ExecEnd, EngineError> {
    let deadline = Deadline::after(deadline);
    let starting = deadline.bound(start(docker, id, spec, false)).await;
    let no_answer = || EngineError::Gone(format!("no answer within {:?}", deadline.span()));
    let (exec, output, _input) = starting.ok_or_else(no_answer)??;
    let mut attached = Attached { output, open: true, tail: Tail::default() };
    let ending = attached.wait(docker, &exec);
    let exit_code = deadline.bound(ending).await.transpose()?;
    Ok(attached.end(exit_code))
}

/// A command's output and its end.
struct Attached {
    output: Output,
    open: bool,
    tail: Tail,
}

impl Attached {
    /// The exit code; what is written meanwhile is kept.
    async fn wait(&mut self, docker: &Docker, exec: &str) -> Result<i64, EngineError> {
        let mut pause = FIRST_POLL;
        let mut poll = pin!(sleep(pause));
        loop {
            tokio::select! {
                () = self.read(), if self.open => {}
                () = &mut poll => {
                    if let Some(code) = exit_code(docker, exec).await? {
                        // Whoever keeps the stream open has nothing more to say
                        // for the exit.
                        let _ = timeout(DRAIN, self.read_to_end()).await;
                        return Ok(code);
                    }
                    pause = (pause * 2).min(LAST_POLL);
                    let next = poll.deadline() + pause;
                    poll.as_mut().reset(next);
                }
            }
        }
    }

    async fn read(&mut self) {
        match self.output.next().await {
            Some(Ok(chunk)) => self.tail.push(&chunk.into_bytes()),
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
        let chunks = self.output.scan((), |(), chunk| ready(chunk.ok().map(LogOutput::into_bytes)));
        let rest = self.open.then(|| OutputRest::new(self.tail, chunks.boxed()));
        ExecEnd { exit_code, output, rest }
    }
}

/// `None`: it still runs.
async fn exit_code(docker: &Docker, exec: &str) -> Result<Option<i64>, EngineError> {
    match within(SHORT, docker.inspect_exec(exec)).await {
        Ok(state) if state.running == Some(true) => Ok(None),
        Ok(state) => Ok(state.exit_code),
        Err(EngineError::NotFound(_)) => {
            Err(EngineError::Conflict("the container stopped while the command ran".to_owned()))
        }
        Err(error) => Err(error),
    }
}

/// Starts a command and hands out its standard input and output.
pub(super) async fn stream(
    docker: &Docker,
    id: &str,
    spec: &ExecSpec,
) -> Result<ExecStream, EngineError> {
    let (_, output, input) = start(docker, id, spec, true).await?;
    let output = output
        .map_err(|error| io::Error::other(classify(error)))
        .try_filter_map(async |chunk| Ok(standard_output(chunk)));
    Ok(ExecStream { input: Box::new(input), output: Box::new(StreamReader::new(output.boxed())) })
}

/// What belongs to standard output. The engine's own words about a command
/// that cannot be started come without a header, as console output.
fn standard_output(chunk: LogOutput) -> Option<Bytes> {
    match chunk {
        LogOutput::StdOut { message } | LogOutput::Console { message } => Some(message),
        LogOutput::StdErr { message } => {
            tracing::debug!("exec: {}", String::from_utf8_lossy(&message).trim_end());
            None
        }
        LogOutput::StdIn { .. } => None,
    }
}

async fn start(
    docker: &Docker,
    id: &str,
    spec: &ExecSpec,
    with_input: bool,
) -> Result<(String, Output, Input), EngineError> {
    let config = ExecConfig {
        attach_stdin: Some(with_input),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(false),
        cmd: Some(spec.argv.clone()),
        user: spec.user.clone(),
        working_dir: spec.working_dir.clone(),
        env: Some(spec.environment.clone()),
        ..ExecConfig::default()
    };
    let exec = within(SHORT, docker.create_exec(id, config)).await?.id;
    match within(SHORT, docker.start_exec(&exec, None)).await? {
        StartExecResults::Attached { output, input } => Ok((exec, output, input)),
        StartExecResults::Detached => {
            Err(EngineError::Gone("it started a command without its streams".to_owned()))
        }
    }
}
