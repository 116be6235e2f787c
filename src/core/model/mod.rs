//! Plain data that every part of `vai` speaks: names, checks, outcomes,
//! containers, events and actions. No behaviour beyond small conversions.

mod action;
mod check;
mod container;
mod event;
mod incident;
mod job;
pub mod json;
mod name;
mod outcome;
mod secret;
mod service;
mod silence;
mod time;
mod view;
pub mod wire;

pub use action::{Act, ActId, ActOutcome, ActReport, ActRequest, Action, Rung};
pub use check::{
    Check, CheckKind, CustomCheck, DiskCheck, HttpCheck, OnFail, ProcessCheck, ProcessPattern,
    StatusSet, TcpCheck, Vantage,
};
pub use container::{ContainerChange, ContainerStatus, ContainerView, Health, Instance, Presence};
pub use event::{Event, MaintenanceWindow, OperatorError, OperatorRequest, Ticket, Watchlist};
pub use incident::{
    Affected, Evidence, Incident, IncidentId, IncidentPhase, MessageId, Notice, NoticeKind,
    Severity, Subject,
};
pub use job::{
    Duty, HowEnded, Instants, Job, JobRequest, JobState, JobView, Overlap, Run, RunEnd, RunId,
    RunOutcome, RunReport, RunRequest, RunningView, Scheduled, TryId, TwoSchedulers,
};
pub use name::{ContainerKey, JobName, ServiceName};
pub use outcome::{Fault, FaultKind, Outcome, ProcId, Report};
pub use secret::{Redactor, Secret};
pub use service::{EvidenceDetail, Notify, Place, Recovery, Service, ServiceKind, Supervised};
pub use silence::{AlertRequest, Silence, SilenceScope};
pub use time::{Now, Time, Wall};
pub use view::{CheckView, ServiceView, StateLabel, Transition};
