use super::StateDir;
use crate::show::{Command, PROTOCOL, Reply, Request, Response, SOCKET, Trouble};
use anyhow::{Context, Result, anyhow, bail};
use futures_util::{SinkExt, StreamExt};
use serde::de::DeserializeOwned;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::codec::{Framed, LinesCodec};

/// Longer than the daemon waits for its own loop.
const DEADLINE: Duration = Duration::from_secs(10);

/// A status of a thousand services takes about a megabyte.
const MAX_LINE: usize = 64 << 20;

/// Asks the daemon one thing.
///
/// # Errors
/// No daemon runs there, it does not answer, or it refuses; each says how to
/// mend it.
pub(super) async fn ask<T: DeserializeOwned>(state: &StateDir, command: Command) -> Result<T> {
    let stream = connect(state).await?;
    let reply = timeout(DEADLINE, exchange(stream, command))
        .await
        .map_err(|_| anyhow!("the daemon did not answer within {} s", DEADLINE.as_secs()))??;
    match reply {
        Reply::Ok(value) => serde_json::from_value(value).context("the daemon's answer"),
        Reply::Error(Trouble { message, help }) => match help {
            Some(help) => bail!("{message}; {help}"),
            None => bail!("{message}"),
        },
    }
}

async fn connect(state: &StateDir) -> Result<UnixStream> {
    let path = state.state_dir.join(SOCKET);
    match UnixStream::connect(&path).await {
        Ok(stream) => Ok(stream),
        Err(error) => {
            let looked = path.display();
            match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => bail!(
                    "no vai daemon is running: looked for its socket at {looked}; start one \
                     with `vai run`, or say where its state is with --state-dir"
                ),
                ErrorKind::PermissionDenied => bail!(
                    "{looked}: {error}; only the user that the daemon runs as may speak with it"
                ),
                _ => bail!("{looked}: {error}"),
            }
        }
    }
}

async fn exchange(stream: UnixStream, command: Command) -> Result<Reply> {
    let mut lines = Framed::new(stream, LinesCodec::new_with_max_length(MAX_LINE));
    let request = Request { v: PROTOCOL, command };
    lines.send(serde_json::to_string(&request)?).await?;
    let line = lines.next().await.context("the daemon hung up without an answer")??;
    let Response { reply, .. } = serde_json::from_str(&line).context("the daemon's answer")?;
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::Daemon;
    use crate::show::{
        self, Answer, ControlRequest, Demand, Health, JobOutput, OutputAt, RunProgress, Snapshot,
    };
    use std::os::unix::fs::PermissionsExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use vai_core::model::{JobRequest, OperatorError, OperatorRequest, RunId, ServiceName};

    async fn raw(daemon: &Daemon, line: &[u8]) -> String {
        let mut stream = UnixStream::connect(daemon.socket()).await.unwrap();
        // A daemon that has read enough hangs up in the middle of a line.
        let _ = stream.write_all(line).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    fn redis() -> ServiceName {
        "redis".into()
    }

    #[tokio::test]
    async fn status_and_health_are_answered_from_what_is_known() {
        let daemon = Daemon::start();
        let snapshot: Snapshot = ask(&daemon.state(), Command::Status).await.unwrap();
        assert_eq!(snapshot, *daemon.shown.snapshot());
        let health: Health = ask(&daemon.state(), Command::Health).await.unwrap();
        assert!(health.healthy);
        daemon.stop().await;
    }

    #[tokio::test]
    async fn an_order_reaches_the_loop_and_its_words_come_back() {
        let mut daemon = Daemon::start();
        let state = daemon.state();
        let pause = Command::Pause { service: redis() };
        let (asked, ()) = tokio::join!(ask::<String>(&state, pause), async {
            let ControlRequest { demand, reply } = daemon.requests.recv().await.unwrap();
            assert_eq!(demand, Demand::Operator(OperatorRequest::Pause(redis())));
            reply.send(Ok(Answer::Said("redis is paused".to_owned()))).unwrap();
        });
        assert_eq!(asked.unwrap(), "redis is paused");

        let reload = Command::Reload { force: true };
        let (asked, ()) = tokio::join!(ask::<String>(&state, reload), async {
            let ControlRequest { demand, reply } = daemon.requests.recv().await.unwrap();
            assert_eq!(demand, Demand::Reload { force: true });
            let refusal = OperatorError("line 3: a comma is missing".to_owned());
            reply.send(Err(refusal)).unwrap();
        });
        assert_eq!(asked.unwrap_err().to_string(), "line 3: a comma is missing");
        daemon.stop().await;
    }

    #[tokio::test]
    async fn an_unknown_service_never_reaches_the_loop() {
        let mut daemon = Daemon::start();
        let stop = Command::Stop { service: "reddis".into() };
        let refusal = ask::<String>(&daemon.state(), stop).await.unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "there is no service \"reddis\" in the registry; did you mean \"redis\"?"
        );
        assert!(daemon.requests.try_recv().is_err());
        daemon.stop().await;
    }

    #[tokio::test]
    async fn a_job_that_exists_is_run_by_the_loop_and_its_run_is_known_by_number() {
        let mut daemon = Daemon::start();
        let state = daemon.state();
        let command = Command::JobRun { job: "backup".into() };
        let begun = Answer::Begun { run: RunId(7), said: "backup is run".to_owned() };
        let (asked, ()) = tokio::join!(ask::<Answer>(&state, command), async {
            let ControlRequest { demand, reply } = daemon.requests.recv().await.unwrap();
            assert_eq!(demand, Demand::Job(JobRequest::Run("backup".into())));
            reply.send(Ok(begun.clone())).unwrap();
        });
        assert_eq!(asked.unwrap(), begun);

        let unknown = Command::JobPause { job: "bakcup".into() };
        let refusal = ask::<String>(&state, unknown).await.unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "there is no job \"bakcup\" in the registry; did you mean \"backup\"?"
        );
        let (job, from) = ("backup".into(), OutputAt::beginning(1));
        let command = Command::JobOutput { job, run: RunId(7), from };
        let output: JobOutput = ask(&state, command).await.unwrap();
        assert_eq!(output.progress, RunProgress::NotKnown);
        daemon.stop().await;
    }

    #[tokio::test]
    async fn without_a_daemon_it_says_where_it_looked_and_how_to_start_one() {
        let daemon = Daemon::start();
        let state = daemon.state();
        let Daemon { dir, shutdown, serving, .. } = daemon;
        shutdown.cancel();
        serving.await.unwrap();
        // First with the socket that the dead daemon left, then without any.
        for _ in 0..2 {
            let refusal = ask::<Health>(&state, Command::Health).await.unwrap_err();
            let socket = dir.path().join(SOCKET);
            assert_eq!(
                refusal.to_string(),
                format!(
                    "no vai daemon is running: looked for its socket at {}; start one with \
                     `vai run`, or say where its state is with --state-dir",
                    socket.display()
                )
            );
            let _ = std::fs::remove_file(socket);
        }
    }

    #[tokio::test]
    async fn the_socket_is_the_owners_alone_and_replaces_a_stale_one() {
        let dir = tempfile::tempdir().unwrap();
        drop(show::bind(dir.path()).unwrap());
        let listener = show::bind(dir.path()).unwrap();
        let socket = dir.path().join(SOCKET);
        let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (client, server) = tokio::join!(UnixStream::connect(&socket), listener.accept());
        client.unwrap();
        server.unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn what_is_no_request_is_answered_in_words() {
        let daemon = Daemon::start();
        let table = [
            (&b"hello\n"[..], r#"{"v":1,"error":{"message":"not a request: "#),
            (
                b"{\"v\":1,\"cmd\":\"format\"}\n",
                r#"{"v":1,"error":{"message":"not a request: unknown variant `format`"#,
            ),
            (
                b"{\"v\":2,\"cmd\":\"status\"}\n",
                r#"{"v":1,"error":{"message":"this daemon speaks version 1, not 2""#,
            ),
        ];
        for (line, expected) in table {
            let answer = raw(&daemon, line).await;
            assert!(answer.starts_with(expected), "{answer}");
            assert!(answer.ends_with("}\n"), "{answer}");
        }
        raw(&daemon, &[b'x'; 1 << 20]).await;
        let health: Health = ask(&daemon.state(), Command::Health).await.unwrap();
        assert!(health.healthy);
        daemon.stop().await;
    }

    #[tokio::test]
    async fn idle_connections_hold_up_neither_the_others_nor_the_stop() {
        let daemon = Daemon::start();
        let mut idle = Vec::new();
        for _ in 0..15 {
            idle.push(UnixStream::connect(daemon.socket()).await.unwrap());
        }
        let health: Health = ask(&daemon.state(), Command::Health).await.unwrap();
        assert!(health.healthy);
        daemon.stop().await;
    }
}
