use async_trait::async_trait;
use futures_util::stream::BoxStream;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use vai_core::model::{Presence, Wall};

/// The calls of the Docker Engine that `vai` makes; no others can be made.
///
/// Every call has its own deadline and ends in [`EngineError::Gone`] when the
/// engine does not answer. A container is addressed by id.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Whether the engine answers.
    async fn ping(&self) -> Result<(), EngineError>;

    /// What it is.
    async fn info(&self) -> Result<EngineInfo, EngineError>;

    /// All containers, stopped ones too.
    async fn list(&self) -> Result<Vec<Listed>, EngineError>;

    /// One container; [`EngineError::NotFound`] if it is gone. Its environment
    /// is dropped when the reply is parsed.
    async fn inspect(&self, id: &str) -> Result<Details, EngineError>;

    /// Its living processes as the host sees them.
    async fn top(&self, id: &str) -> Result<Vec<HostProcess>, EngineError>;

    /// The last `lines` lines of its log, oldest first, 4 KiB in all.
    async fn logs(&self, id: &str, lines: usize) -> Result<Vec<String>, EngineError>;

    /// Starts it; content if it runs already.
    async fn start(&self, id: &str) -> Result<(), EngineError>;

    /// Stops it, with `timeout` or its own; ends within that + 30 s.
    async fn stop(&self, id: &str, timeout: Option<Duration>) -> Result<(), EngineError>;

    /// Restarts it, with `timeout` or its own; ends within that + 30 s.
    async fn restart(&self, id: &str, timeout: Option<Duration>) -> Result<(), EngineError>;

    /// Runs a command to its end, or leaves it running after `deadline`.
    async fn exec(
        &self,
        id: &str,
        spec: &ExecSpec,
        deadline: Duration,
    ) -> Result<ExecEnd, EngineError>;

    /// Starts a command and speaks with it.
    async fn exec_stream(&self, id: &str, spec: &ExecSpec) -> Result<ExecStream, EngineError>;

    /// Unpacks an uncompressed tar archive in the container's folder `path`.
    async fn upload(&self, id: &str, path: &str, archive: Vec<u8>) -> Result<(), EngineError>;

    /// Container events from `since` on; ends when the connection does.
    async fn events(
        &self,
        since: Wall,
    ) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError>;
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The engine does not answer: no socket, refused, hung, cut.
    #[error("the engine does not answer: {0}")]
    Gone(String),
    /// No such container or exec.
    #[error("{0}")]
    NotFound(String),
    /// The container is stopped, paused or restarting (409).
    #[error("{0}")]
    Conflict(String),
    /// The engine said no in its own words.
    #[error("{message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its words.
        message: String,
    },
    /// The call is not on the allow-list.
    #[error("{0} is not on the list of engine calls that vai may make")]
    Forbidden(String),
}

/// What the engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineInfo {
    /// For people: `Docker Engine 20.10.24 (API 1.41)`.
    pub version: String,
}

/// A container in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Full id.
    pub id: String,
    /// Without the leading slash.
    pub name: String,
    /// The compose project and service it belongs to.
    pub compose: Option<(String, String)>,
}

/// A container looked at closely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// What the judge needs.
    pub presence: Presence,
    /// The user its processes run as; empty is root.
    pub user: String,
    /// Its address in each network, by network name.
    pub addresses: Vec<(String, String)>,
    /// Exit code, OOM, restart count, health log: one fact a line.
    pub facts: Vec<String>,
    /// The time it is given to stop.
    pub stop_timeout: Duration,
    /// The project of its compose labels.
    pub compose_project: Option<String>,
}

/// A process as `ps` on the host shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostProcess {
    /// In the host's process namespace.
    pub pid: i32,
    /// `Z` for a zombie, otherwise as `ps` says.
    pub stat: String,
    /// The command line.
    pub args: String,
}

/// A command for a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecSpec {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// `None`: the container's own.
    pub user: Option<String>,
    /// `None`: the container's own.
    pub working_dir: Option<String>,
    /// `NAME=value`, beside the container's own.
    pub environment: Vec<String>,
}

impl ExecSpec {
    /// `command` run by `bash -c` where the container has bash, else by `sh -c`.
    #[must_use]
    pub fn shell(command: &str) -> Self {
        const BASH_OR_SH: &str =
            r#"command -v bash >/dev/null 2>&1 && exec bash -c "$0"; exec sh -c "$0""#;
        Self { argv: ["sh", "-c", BASH_OR_SH, command].map(Into::into).into(), ..Self::default() }
    }

    /// Exits 0 if there is a file `path`.
    #[must_use]
    pub fn exists(path: &str) -> Self {
        const EXISTS: &str = r#"test -e "$0""#;
        Self { argv: ["sh", "-c", EXISTS, path].map(Into::into).into(), ..Self::default() }
    }
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecEnd {
    /// `None`: it was still running at its deadline and is left so.
    pub exit_code: Option<i64>,
    /// The last 4 KiB that it wrote to either stream.
    pub output: String,
}

impl ExecEnd {
    /// The container runtime's words where it could not start the command; had
    /// it been the command's own 126 or 127, a shell would have said so.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        const WORDS: [&str; 3] =
            ["OCI runtime exec failed", "executable file not found", "unable to find user"];
        let not_found = matches!(self.exit_code, Some(126 | 127));
        let said = self.output.as_str();
        (not_found && WORDS.iter().any(|words| said.contains(words))).then(|| said.trim())
    }
}

/// A command that is spoken with. Dropping it gives the command end of file.
pub struct ExecStream {
    /// Its standard input.
    pub input: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its standard output; what it writes to standard error is logged at
    /// `debug`.
    pub output: Box<dyn AsyncRead + Send + Unpin>,
}

/// An event of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineEvent {
    /// Full id.
    pub id: String,
    /// Its name, without the leading slash.
    pub name: String,
    /// What happened.
    pub kind: EngineEventKind,
}

/// What happened to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineEventKind {
    /// It was created.
    Create,
    /// It was started.
    Start,
    /// Somebody sent its main process a signal to end.
    Kill,
    /// Its main process ended.
    Die,
    /// Somebody asked for its stop.
    Stop,
    /// A process inside was killed for memory.
    Oom,
    /// It was frozen.
    Pause,
    /// It was thawed.
    Unpause,
    /// Its HEALTHCHECK changed its mind.
    Health,
    /// It was given another name.
    Rename,
    /// It was removed.
    Destroy,
}
