use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// One run of one container. Recreated or restarted, it is another instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Instance {
    /// The engine's full container id; the boot id for the local place.
    pub id: String,
    /// `StartedAt` as the engine writes it.
    pub started_at: String,
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id.get(..12).unwrap_or(&self.id))
    }
}

/// What the engine knows about the container behind a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerView {
    /// No container goes by this key.
    Missing,
    /// More than one does; all their names.
    Ambiguous(Vec<String>),
    /// Exactly one does.
    Present(Presence),
}

/// A container as the engine shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Which run of it.
    pub instance: Instance,
    /// The engine's name for it, without the leading slash.
    pub name: String,
    /// What it is doing.
    pub status: ContainerStatus,
    /// Its own HEALTHCHECK, if it has one.
    pub health: Option<Health>,
    /// How long this run has been up when it was looked at.
    pub up_for: Duration,
    /// Start period + retries × interval of its HEALTHCHECK.
    pub health_start: Option<Duration>,
    /// Whether the engine's restart policy starts it after it exits by itself.
    pub engine_restarts: bool,
    /// Id of the container whose network namespace it shares, if it does.
    pub network_of: Option<String>,
    /// Whether that container is no more, so that the namespace is nobody's.
    pub network_gone: bool,
    /// Whether that container ended, or was started anew, since this one joined
    /// its network: what is left of that leads nowhere.
    pub network_lost: bool,
    /// The engine's own words, where the last start came to nothing.
    pub start_error: Option<String>,
    /// Whether this is the orchestrator's own container or its socket proxy.
    pub is_self: bool,
}

impl Presence {
    /// Whether it ended well and for good: exit code 0 under a restart policy
    /// that leaves it at that, and without a HEALTHCHECK.
    #[must_use]
    pub fn has_finished(&self) -> bool {
        self.status == ContainerStatus::Exited { code: 0, oom: false }
            && !self.engine_restarts
            && self.health_start.is_none()
    }
}

/// What a container is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerStatus {
    /// It runs.
    Running,
    /// Its processes are frozen.
    Paused,
    /// The engine's policy is bringing it back.
    Restarting,
    /// It was created and never started.
    Created,
    /// Its main process ended.
    Exited {
        /// The main process's exit code.
        code: i64,
        /// Whether the kernel killed it for memory.
        oom: bool,
    },
    /// It is being removed, or half is.
    Removing,
}

impl ContainerStatus {
    /// Whether commands and checks can run inside.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running)
    }
}

/// Docker's own health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// In its start period.
    Starting,
    /// Content.
    Healthy,
    /// Failing; the last output of the check.
    Unhealthy(String),
}

/// What the engine says about a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerChange {
    /// No container goes by the name in the registry.
    Unmatched {
        /// That name.
        wanted: String,
        /// The existing one that is most like it.
        nearest: Option<String>,
    },
    /// A look: the truth of this moment.
    Seen(ContainerView),
    /// The engine's `kill` event: somebody sent the main process a signal to
    /// end, as the first step of a stop or for good.
    Signalled,
    /// The engine's `stop` event, after the death: it was asked for.
    StopRequested,
    /// The main process ended, in 35–53 ms.
    Died,
    /// A process inside was killed for memory.
    OutOfMemory,
}
