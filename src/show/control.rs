//! The operator's socket: one JSON object a line, in and out.

use super::protocol::MAX_LINE;
use super::{
    Answer, Command, Health, Outputs, PROTOCOL, Reply, Request, Response, SOCKET, Snapshot,
    Trouble, UnknownName, Vitals, output,
};
use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::codec::{Framed, LinesCodec};
use tokio_util::sync::CancellationToken;
use vai_core::model::{
    AlertRequest, JobName, JobRequest, OperatorError, OperatorRequest, ServiceName, SilenceScope,
};

/// Connections served at once; the rest wait in the socket's queue.
const MAX_CONNECTIONS: usize = 16;

/// A connection may say nothing for so long.
const IDLE: Duration = Duration::from_secs(5);

/// For the loop to answer a request. It answers what it decided, not what
/// came of it.
const LOOP_DEADLINE: Duration = Duration::from_secs(5);

/// After the listener failed (out of file descriptors), to spare the CPU.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(200);

/// Something that only the loop can do.
#[derive(Debug)]
pub struct ControlRequest {
    /// What.
    pub demand: Demand,
    /// Takes what is done now, or why it is refused.
    pub reply: oneshot::Sender<Result<Answer, OperatorError>>,
}

/// What is demanded of the loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Something about one service, which exists.
    Operator(OperatorRequest),
    /// Something about messages.
    Alerts(AlertRequest),
    /// Something about one job, which exists. A run is answered by
    /// [`Answer::Begun`].
    Job(JobRequest),
    /// Read the registry again.
    Reload {
        /// Even if it drops more than half of the services.
        force: bool,
    },
}

/// What the socket answers from.
#[derive(Clone)]
pub struct Control {
    /// What is known.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    /// Of the parts of vai.
    pub vitals: Vitals,
    /// To the loop.
    pub requests: mpsc::Sender<ControlRequest>,
    /// What runs of jobs write.
    pub outputs: Arc<dyn Outputs>,
}

/// Opens the socket in `state_dir`, mode 0600 from the first moment that it
/// can be reached. Replaces the one of a dead daemon; that there is no living
/// one is seen to by [`StateLock`](super::StateLock).
///
/// # Errors
/// The folder cannot be written, or its path is too long for a socket
/// (about 90 bytes).
pub fn bind(state_dir: &Path) -> io::Result<UnixListener> {
    // Nobody else can look into this folder while the mode is not set yet.
    let private = state_dir.join(".socket");
    if private.exists() {
        fs::remove_dir_all(&private)?;
    }
    DirBuilder::new().mode(0o700).create(&private)?;
    let hidden = private.join(SOCKET);
    let listener = UnixListener::bind(&hidden)?;
    fs::set_permissions(&hidden, Permissions::from_mode(0o600))?;
    fs::rename(&hidden, state_dir.join(SOCKET))?;
    fs::remove_dir(&private)?;
    Ok(listener)
}

/// Serves until `shutdown`.
pub async fn run(listener: UnixListener, control: Control, shutdown: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, control.clone()));
                }
                Err(error) => {
                    tracing::warn!("the operator's socket: {error}");
                    sleep(ACCEPT_BACKOFF).await;
                }
            },
        }
    }
    connections.shutdown().await;
}

async fn serve(stream: UnixStream, control: Control) {
    let mut lines = Framed::new(stream, LinesCodec::new_with_max_length(MAX_LINE));
    while let Ok(Some(line)) = timeout(IDLE, lines.next()).await {
        let (reply, readable) = match line {
            Ok(line) => (control.answer(&line).await, true),
            Err(error) => (Reply::Error(Trouble::new(error.to_string())), false),
        };
        let response = Response { v: PROTOCOL, reply };
        let Ok(line) = serde_json::to_string(&response) else {
            return;
        };
        let sent = timeout(IDLE, lines.send(line)).await;
        if !matches!(sent, Ok(Ok(()))) || !readable {
            return;
        }
    }
}

/// The one field that every version of a request has.
#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

impl Control {
    async fn answer(&self, line: &str) -> Reply {
        match self.try_answer(line).await {
            Ok(reply) => reply,
            Err(trouble) => Reply::Error(trouble),
        }
    }

    async fn try_answer(&self, line: &str) -> Result<Reply, Trouble> {
        let not_understood =
            |error: serde_json::Error| Trouble::new(format!("not a request: {error}"));
        let Versioned { v } = serde_json::from_str(line).map_err(not_understood)?;
        if v != PROTOCOL {
            return Err(Trouble {
                message: format!("this daemon speaks version {PROTOCOL}, not {v}"),
                help: Some("use the `vai` that the daemon was started from".to_owned()),
            });
        }
        let Request { command, .. } = serde_json::from_str(line).map_err(not_understood)?;
        match command {
            Command::Status => {
                let snapshot = self.current();
                ok(&*snapshot)
            }
            Command::Health => ok(&Health::judge(&self.vitals, &self.current())),
            Command::Pause { service } => self.operate(OperatorRequest::Pause, service).await,
            Command::Resume { service } => self.operate(OperatorRequest::Resume, service).await,
            Command::Stop { service } => self.operate(OperatorRequest::Stop, service).await,
            Command::Acknowledge { incident } => {
                self.demand(Demand::Alerts(AlertRequest::Acknowledge(incident))).await
            }
            Command::Silence { scope, seconds, reason } => {
                let scope = self.meant(scope)?;
                let lasts = Duration::from_secs(seconds);
                let request = AlertRequest::Silence { scope, lasts, reason };
                self.demand(Demand::Alerts(request)).await
            }
            Command::Unsilence { scope } => {
                let scope = self.meant(scope.clone()).unwrap_or(scope);
                self.demand(Demand::Alerts(AlertRequest::Unsilence(scope))).await
            }
            Command::Start { service } => self.operate(OperatorRequest::Start, service).await,
            Command::Reload { force } => self.demand(Demand::Reload { force }).await,
            Command::JobRun { job } => self.about_job(JobRequest::Run(job)).await,
            Command::JobPause { job } => self.about_job(JobRequest::Pause(job)).await,
            Command::JobResume { job } => self.about_job(JobRequest::Resume(job)).await,
            Command::JobOutput { job, run, from } => {
                // Looked at first: what is over by now has written everything.
                let snapshot = self.current();
                let view = snapshot.job(&job).map_err(unknown)?;
                let reading = output::read(&*self.outputs, view, run, from);
                match timeout(LOOP_DEADLINE, reading).await {
                    Ok(output) => ok(&output),
                    Err(_) => Err(Trouble::new(format!("what {job} writes cannot be read now"))),
                }
            }
        }
    }

    async fn operate(
        &self,
        request: fn(ServiceName) -> OperatorRequest,
        service: ServiceName,
    ) -> Result<Reply, Trouble> {
        self.known(&service)?;
        self.demand(Demand::Operator(request(service))).await
    }

    async fn about_job(&self, request: JobRequest) -> Result<Reply, Trouble> {
        self.current().job(request.job()).map_err(unknown)?;
        self.demand(Demand::Job(request)).await
    }

    /// A name that is no service's may be a job's.
    fn meant(&self, scope: SilenceScope) -> Result<SilenceScope, Trouble> {
        let SilenceScope::Service(name) = &scope else { return Ok(scope) };
        let (snapshot, job) = (self.current(), JobName::from(name.as_str()));
        if !snapshot.services.contains_key(name) && snapshot.jobs.contains_key(&job) {
            return Ok(SilenceScope::Job(job));
        }
        self.known(name)?;
        Ok(scope)
    }

    fn known(&self, service: &ServiceName) -> Result<(), Trouble> {
        self.current().service(service).map(drop).map_err(unknown)
    }

    async fn demand(&self, demand: Demand) -> Result<Reply, Trouble> {
        let asked = async {
            let (reply, answer) = oneshot::channel();
            let request = ControlRequest { demand, reply };
            self.requests.send(request).await.ok()?;
            answer.await.ok()
        };
        match timeout(LOOP_DEADLINE, asked).await {
            Ok(Some(Ok(answer))) => ok(&answer),
            Ok(Some(Err(OperatorError(why)))) => Err(Trouble::new(why)),
            Ok(None) => Err(Trouble::new("the daemon is stopping")),
            Err(_) => Err(Trouble {
                message: "the daemon did not answer in time; it may still do it".to_owned(),
                help: Some("`vai health` says whether it is stuck".to_owned()),
            }),
        }
    }

    fn current(&self) -> Arc<Snapshot> {
        self.snapshot.borrow().clone()
    }
}

/// It names the nearest one.
fn unknown(name: UnknownName) -> Trouble {
    Trouble { message: name.to_string(), help: Some(name.help()) }
}

fn ok(value: &impl Serialize) -> Result<Reply, Trouble> {
    serde_json::to_value(value).map(Reply::Ok).map_err(|error| Trouble::new(error.to_string()))
}
