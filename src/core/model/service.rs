use super::{Check, CheckKind, ContainerKey, Rung, Secret, ServiceName, Severity};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A service as the registry describes it, with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its key in the registry.
    pub name: ServiceName,
    /// Off: known and shown, never checked and never started.
    pub enabled: bool,
    /// Whether it is watched at all.
    pub kind: ServiceKind,
    /// Where it runs.
    pub place: Place,
    /// At least one unless it is documentation.
    pub checks: Vec<Check>,
    /// Run in its place by `bash -c` where bash exists, else `sh -c`.
    pub restart_cmd: Option<String>,
    /// Run before `restart_cmd`, and by `vai stop`.
    pub stop_cmd: Option<String>,
    /// For its commands; `None` is the container's own.
    pub user: Option<String>,
    /// For its commands; `None` is the container's own.
    pub working_dir: Option<String>,
    /// Extra environment of its commands.
    pub environment: Vec<(String, Secret)>,
    /// Why nothing may be run for it (`${NAME} is not set`), if so.
    pub held: Option<String>,
    /// Tailed as evidence.
    pub log_path: Option<String>,
    /// Who is told.
    pub notify: Notify,
    /// The highest severity of its incidents.
    pub severity: Severity,
    /// Known names only, without cycles.
    pub dependencies: Vec<ServiceName>,
    /// After a start or restart, before the first look.
    pub startup_delay: Duration,
    /// Until then failing is starting. `None`: 60 s, or the container's
    /// HEALTHCHECK start period + retries × interval if longer.
    pub start_timeout: Option<Duration>,
    /// What else restarts it when it ends.
    pub supervised: Option<Supervised>,
    /// How it is healed.
    pub recovery: Recovery,
    /// How much output goes into messages.
    pub evidence: EvidenceDetail,
}

impl Service {
    /// Checks without a service: looked at from the orchestrator, never acted
    /// on.
    #[must_use]
    pub fn pseudo(name: &str, checks: Vec<Check>) -> Self {
        Self {
            name: name.into(),
            enabled: true,
            kind: ServiceKind::Watched,
            place: Place::Local,
            checks,
            restart_cmd: None,
            stop_cmd: None,
            user: None,
            working_dir: None,
            environment: Vec::new(),
            held: None,
            log_path: None,
            notify: Notify::Nobody,
            severity: Severity::Info,
            dependencies: Vec::new(),
            startup_delay: Duration::ZERO,
            start_timeout: None,
            supervised: None,
            recovery: Recovery {
                ladder: Vec::new(),
                alert_only: None,
                start_container: false,
                max_attempts: 0,
                max_restarts: 0,
                window: Duration::ZERO,
                backoff_initial: Duration::ZERO,
                backoff_max: Duration::ZERO,
                retry_after_give_up: Duration::ZERO,
                command_timeout: Duration::ZERO,
                stop_timeout: None,
            },
            evidence: EvidenceDetail::None,
        }
    }
}

/// A supervisor of the service's own, such as supervisord, s6, runit or systemd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supervised {
    /// Its name, for people.
    pub by: String,
    /// From the first failure on it is left to the supervisor for so long.
    pub patience: Duration,
}

impl Service {
    /// Whether an end of its container with exit code 0 may be what it is for:
    /// nothing but `docker` checks watch it, as of a migration.
    #[must_use]
    pub fn may_finish(&self) -> bool {
        let only_docker = self.checks.iter().all(|check| check.kind == CheckKind::Docker);
        only_docker && !self.checks.is_empty()
    }
}

/// Whether a service is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceKind {
    /// `daemon` or `system`: watched.
    Watched,
    /// `cron`, `"container": "host"` or without a check: listed and left alone.
    Documentation,
}

/// Where a service runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Beside the orchestrator, in its own container.
    Local,
    /// In a sibling container.
    Container(ContainerKey),
}

/// Who is told about a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notify {
    /// The default channel.
    Default,
    /// Nobody: `"notify_on_fail": null`.
    Nobody,
    /// These channels, as the registry names them.
    Channels(Vec<String>),
    /// The default channel and the fallback, else everybody, but not the sink
    /// of this name: it is what the message is about.
    Others(String),
}

/// How much output goes into messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceDetail {
    /// Everything gathered.
    Full,
    /// One line.
    Short,
    /// Nothing.
    None,
}

/// How a service is healed and where that ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// What is tried, in this order; the last rung repeats. Empty: alert only.
    pub ladder: Vec<Rung>,
    /// Why the ladder is empty, in words for the log and the message.
    pub alert_only: Option<String>,
    /// Whether a container that exited by itself is started for this service,
    /// even where the ladder is empty because the container is shared. Off for
    /// `"action": "alert"`.
    pub start_container: bool,
    /// Failed attempts in a row before giving up.
    pub max_attempts: u32,
    /// Hard ceiling of restarts in any `window`.
    pub max_restarts: u32,
    /// The window of `max_restarts`.
    pub window: Duration,
    /// Delay after the first failed attempt; doubles with each further one.
    pub backoff_initial: Duration,
    /// The largest delay before jitter.
    pub backoff_max: Duration,
    /// First slow retry after giving up; doubles to 30 minutes.
    pub retry_after_give_up: Duration,
    /// Deadline of `restart_cmd` and of `stop_cmd`.
    pub command_timeout: Duration,
    /// For a container's stop; `None` is the container's own.
    pub stop_timeout: Option<Duration>,
}
