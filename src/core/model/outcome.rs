use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// What one look came to. A failing check is a result, never an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every expectation was met.
    Pass,
    /// Met, but slower than `max_response_ms`; the text says by how much.
    Slow(String),
    /// The service is not as it should be.
    Fail(Fault),
    /// Docker's own health check is still in its start period.
    Starting(String),
    /// We could not look; the text says why. Never a failure.
    Unknown(String),
}

impl Outcome {
    /// This outcome with its words changed by `change`.
    #[must_use]
    pub fn map_words(self, change: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Pass => Self::Pass,
            Self::Slow(why) => Self::Slow(change(&why)),
            Self::Fail(fault) => Self::Fail(Fault { detail: change(&fault.detail), ..fault }),
            Self::Starting(why) => Self::Starting(change(&why)),
            Self::Unknown(why) => Self::Unknown(change(&why)),
        }
    }
}

/// Why a check failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// For machines and for deciding what proves a death.
    pub kind: FaultKind,
    /// For people: one line, without a trailing full stop.
    pub detail: String,
}

impl Fault {
    /// A fault of `kind` in the words of `detail`.
    #[must_use]
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.detail)
    }
}

/// The kinds of failure (behaviour.md, section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The host name does not resolve.
    Dns,
    /// The port refuses.
    Refused,
    /// No connection within the timeout.
    ConnectTimeout,
    /// The connection broke or the network refused it otherwise.
    Connect,
    /// The TLS handshake or the certificate.
    Tls,
    /// Connected, but no answer within the timeout.
    Timeout,
    /// An answer began and was not complete within the timeout.
    Stalled,
    /// Not HTTP, or cut short.
    Protocol,
    /// An HTTP status outside the expected ones.
    Status,
    /// The body is not what was expected.
    Body,
    /// Fewer living processes than asked for.
    ProcessAbsent,
    /// More living processes than allowed.
    ProcessCount,
    /// A command did not exit 0.
    ExitCode,
    /// The container does not run.
    ContainerStopped,
    /// No such container.
    ContainerMissing,
    /// Docker's own HEALTHCHECK says so; confirmed already.
    Unhealthy,
    /// Too little free space.
    DiskFull,
    /// The container exits again and again.
    CrashLoop,
}

impl FaultKind {
    /// The name used in logs and JSON.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Stalled => "stalled",
            Self::Protocol => "protocol",
            Self::Status => "status",
            Self::Body => "body",
            Self::ProcessAbsent => "process_absent",
            Self::ProcessCount => "process_count",
            Self::ExitCode => "exit_code",
            Self::ContainerStopped => "container_stopped",
            Self::ContainerMissing => "container_missing",
            Self::Unhealthy => "unhealthy",
            Self::DiskFull => "disk_full",
            Self::CrashLoop => "crash_loop",
        }
    }
}

/// One process, told apart from a later one with the same number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcId {
    /// As the container's own process namespace counts.
    pub pid: i32,
    /// `starttime` of `/proc/<pid>/stat`, in clock ticks since boot.
    pub start_ticks: u64,
    /// The executable's name, for people.
    pub name: String,
}

impl fmt::Display for ProcId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// A look's result with what was learnt on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What it came to.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
    /// The living processes behind the service as far as could be seen: those
    /// that match a `process` check, or own the listening port of an `http` or
    /// `tcp` check on localhost. Empty where nothing could be seen.
    pub processes: Vec<ProcId>,
}

impl Report {
    /// A result that saw no process.
    #[must_use]
    pub fn new(outcome: Outcome, took: Duration) -> Self {
        Self { outcome, took, processes: Vec::new() }
    }
}
