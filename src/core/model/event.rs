use super::{
    ActId, ActReport, AlertRequest, Check, ContainerChange, ContainerKey, Instance, Job, JobName,
    JobRequest, MessageId, ProcId, Report, RunReport, Scheduled, Service, ServiceName, TryId,
    TwoSchedulers, Wall,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Everything that reaches the core.
#[derive(Clone, Debug)]
pub enum Event {
    /// A registry is in force; applied by difference.
    Configured(Watchlist),
    /// A look ended.
    Checked {
        /// The one that was handed out.
        ticket: Ticket,
        /// What was seen.
        report: Report,
    },
    /// Something happened that makes a look worthwhile: a watched process
    /// died, a probe stream closed. Never a verdict.
    Hint {
        /// The service to look at.
        service: ServiceName,
        /// What happened, in words.
        why: String,
        /// The process that ended, where that is what happened.
        died: Option<ProcId>,
    },
    /// The engine said something about a container.
    Container {
        /// Which.
        key: ContainerKey,
        /// What.
        change: ContainerChange,
    },
    /// The engine does not answer; why, in words.
    EngineGone(String),
    /// The engine answers, and every container was looked at again.
    EngineBack,
    /// An act ended.
    Acted {
        /// The one that was handed out.
        id: ActId,
        /// What became of it.
        report: ActReport,
    },
    /// The command of an act wrote more after the act ended.
    Wrote {
        /// The service that was acted on.
        service: ServiceName,
        /// The act.
        id: ActId,
        /// What it wrote in all, in a sentence.
        wrote: String,
    },
    /// Nothing lives of what the commands of an act left behind, and the last of
    /// it failed.
    DiedEarly {
        /// The service that was acted on.
        service: ServiceName,
        /// The act.
        id: ActId,
        /// How it ended: `api-server (pid 12) exited 1`.
        how: String,
    },
    /// Scheduled instants of jobs came, or their schedules were read anew.
    Scheduled(Vec<Scheduled>),
    /// A try of a run began or ended.
    Ran {
        /// The one that was handed out.
        id: TryId,
        /// What became of it.
        report: RunReport,
    },
    /// The crontabs of the containers were read.
    Crontabs(Vec<TwoSchedulers>),
    /// An operator asked something of a job.
    Job(JobRequest),
    /// An operator asked.
    Operator(OperatorRequest),
    /// An operator asked for something about messages.
    Alerts(AlertRequest),
    /// Nothing can be stored; why, in words.
    StoreFailed(String),
    /// What could not be stored was stored.
    StoreBack,
    /// The maintenance windows that are open now; replaces what was known.
    Maintenance(Vec<MaintenanceWindow>),
    /// Why the registry on disk is not in force, or that it is.
    Registry(Option<String>),
    /// Why a notification sink took nothing when it was tried last, or that it
    /// took something, or has left the registry.
    Sink {
        /// The sink's name.
        name: String,
        /// In words; none if all is well.
        failing: Option<String>,
    },
    /// It is time for the daily digest.
    Digest,
    /// A message reached everybody that it was for, or was given up.
    Told(MessageId),
    /// SIGTERM: no new work.
    Stopping,
    /// The time of `next_wake` came.
    Wake,
}

/// Names one look: which check of which service, in which instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The service.
    pub service: ServiceName,
    /// Index into its `checks`.
    pub check: usize,
    /// Tells this look from every other one.
    pub number: u64,
    /// The instance that it is meant for.
    pub instance: Option<Instance>,
}

/// A maintenance window that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceWindow {
    /// The services in it.
    pub services: Vec<ServiceName>,
    /// The jobs in it.
    pub jobs: Vec<JobName>,
    /// Why, in the registry's words; may be empty.
    pub reason: String,
    /// When it ends, for people.
    pub until: Wall,
}

/// The part of the registry that is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Watchlist {
    /// Every service, disabled ones and documentation included.
    pub services: BTreeMap<ServiceName, Arc<Service>>,
    /// Every job, disabled ones and documentation included.
    pub jobs: BTreeMap<JobName, Arc<Job>>,
    /// Acts in flight at once, on the whole host.
    pub parallel_actions: usize,
    /// Ceiling of restarts of living things in any `host_window`, on the whole
    /// host.
    pub host_max_restarts: u32,
    /// The window of `host_max_restarts`.
    pub host_window: Duration,
    /// Looks at addresses that must answer before anything outside the host is
    /// believed to be down; none is fine.
    pub anchors: Vec<Check>,
    /// Everything but acting: say what would be done.
    pub observe: bool,
    /// Between reminders of a critical incident.
    pub repeat_interval: Duration,
    /// The instance that local services run in: the boot, and the start of
    /// process 1.
    pub local: Instance,
}

/// What an operator can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorRequest {
    /// Check on, act no more.
    Pause(ServiceName),
    /// End a pause.
    Resume(ServiceName),
    /// Stop it and leave it alone.
    Stop(ServiceName),
    /// End a stop and start it.
    Start(ServiceName),
}

impl OperatorRequest {
    /// The service asked about.
    #[must_use]
    pub fn service(&self) -> &ServiceName {
        match self {
            Self::Pause(name) | Self::Resume(name) | Self::Stop(name) | Self::Start(name) => name,
        }
    }
}

/// Why an operator's request was refused, in words that say how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorError(pub String);
