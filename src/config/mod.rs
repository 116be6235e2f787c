//! The registry: from the bytes of `system-config.json` to a checked
//! [`Config`], or to every one of its errors at once.

mod anchors;
mod channels;
mod check;
mod containers;
mod diagnostic;
mod endpoint;
mod environment;
mod fields;
mod foreground;
mod foreign;
mod graph;
mod http;
mod jobs;
mod known;
mod load;
mod locate;
mod maintenance;
mod mount;
mod names;
mod node;
mod notifications;
mod positions;
mod reader;
mod recovery;
mod schedule;
mod sections;
mod service;
mod shell;
mod shrink;
mod sinks;
mod supervised;
mod syntax;
mod template;
mod watch;

pub use diagnostic::{Diagnostic, Level, Position, render};
pub use environment::Environment;
pub use load::{Context, Loaded, env_path, load, load_snapshot};
pub use locate::locate;
pub use mount::is_mounted_alone;
pub(crate) use names::nearest as nearest_name;
pub use notifications::{
    Alertmanager, Apprise, AppriseTargets, Auth, Emergency, Heartbeat, Notifications, Pushover,
    Sink, SinkKind, Slack, Smtp, SmtpTls, Telegram, Templated,
};
pub use positions::{At, Positions};
pub use shrink::{Held, dropped};
pub use template::{Encoding, Placeholder, Template};
pub use watch::{Content, Snapshot, Source};

use crate::schedule::{JobSchedule, Window};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use vai_core::model::{Check, ContainerKey, Job, JobName, Redactor, Service, ServiceName};

/// A valid registry with every default filled in and every `${NAME}` resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Every service, disabled ones and documentation included.
    pub services: BTreeMap<ServiceName, Arc<Service>>,
    /// Every job, disabled ones and documentation included.
    pub jobs: BTreeMap<JobName, Arc<Job>>,
    /// When those jobs are due that the clock runs.
    pub schedules: BTreeMap<JobName, JobSchedule>,
    /// The `containers` map.
    pub containers: BTreeMap<ContainerKey, ContainerEntry>,
    /// Whether the agent may be placed in containers that do not say.
    pub probe: ProbeMode,
    /// Limits over all services.
    pub limits: Limits,
    /// Looks at addresses that must answer before anything outside the host is
    /// believed to be down.
    pub anchors: Vec<Check>,
    /// Windows in which nothing is restarted or told.
    pub maintenance: Vec<Window>,
    /// Channels and delivery.
    pub notifications: Notifications,
    /// Takes the values of all secrets out of text.
    pub redactor: Redactor,
}

/// An entry of the `containers` map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerEntry {
    /// The engine's name for the container.
    pub name: Option<String>,
    /// Overrides the top-level `probe`.
    pub probe: Option<ProbeMode>,
}

/// Whether the agent may be placed in a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProbeMode {
    /// Where the container lets us.
    #[default]
    Auto,
    /// Never.
    None,
}

/// Limits over all services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Ceiling of restarts of living things in `window`, over all services.
    pub host_max_restarts: u32,
    /// The window of `host_max_restarts`.
    pub window: Duration,
    /// Acts in flight at once.
    pub parallel_actions: usize,
}
