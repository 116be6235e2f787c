//! Commands inside containers.

use super::bollard::{SHORT, within};
use super::errors::classify;
use super::tail::Tail;
use super::{EngineError, ExecEnd, ExecSpec, ExecStream};
use crate::clock::Deadline;
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
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
    let mut tail = Tail::default();
    let ending = wait(docker, &exec, output, &mut tail);
    let exit_code = deadline.bound(ending).await.transpose()?;
    Ok(ExecEnd { exit_code, output: tail.into_text() })
}

/// The exit code; what is written meanwhile goes to `tail`.
async fn wait(
    docker: &Docker,
    exec: &str,
    mut output: Output,
    tail: &mut Tail,
) -> Result<i64, EngineError> {
    let mut open = true;
    let mut pause = FIRST_POLL;
    let mut poll = pin!(sleep(pause));
    loop {
        tokio::select! {
            chunk = output.next(), if open => match chunk {
                Some(Ok(chunk)) => tail.push(&chunk.into_bytes()),
                Some(Err(_)) | None => open = false,
            },
            () = &mut poll => {
                if let Some(code) = exit_code(docker, exec).await? {
                    drain(&mut output, open, tail).await;
                    return Ok(code);
                }
                pause = (pause * 2).min(LAST_POLL);
                let next = poll.deadline() + pause;
                poll.as_mut().reset(next);
            }
        }
    }
}

async fn drain(output: &mut Output, open: bool, tail: &mut Tail) {
    let rest = async {
        while let Some(Ok(chunk)) = output.next().await {
            tail.push(&chunk.into_bytes());
        }
    };
    if open {
        // Whoever keeps the stream open has nothing more to say for the exit.
        let _ = timeout(DRAIN, rest).await;
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
