//! Views for tests.

use super::{Outputs, Piece};
use async_trait::async_trait;
use std::time::Duration;
use vai_core::model::{
    Evidence, Incident, IncidentId, IncidentPhase, JobState, JobView, Run, RunId, RunOutcome,
    RunningView, ServiceView, Severity, StateLabel, Subject, TryId, Wall,
};

/// A service in the container `services`.
pub(crate) fn service(name: &str, state: StateLabel) -> ServiceView {
    ServiceView {
        name: name.into(),
        container: "services".to_owned(),
        state,
        reason: String::new(),
        since: Wall::default(),
        checks: Vec::new(),
        restarts_in_window: 0,
        failed_attempts: 0,
        incident: None,
    }
}

/// An open incident with `root` as its cause.
pub(crate) fn incident(root: &str) -> Incident {
    Incident {
        id: IncidentId(format!("{root}-1")),
        root: root.to_owned(),
        subject: Subject::Service,
        place: "services".to_owned(),
        severity: Severity::Critical,
        since: Wall::default(),
        reason: "connection refused on 127.0.0.1:6379".to_owned(),
        history: Vec::new(),
        next: "restarts it".to_owned(),
        state: StateLabel::Down,
        failed_attempts: 0,
        affected: Vec::new(),
        phase: IncidentPhase::Open,
        evidence: Evidence::default(),
        acknowledged: None,
    }
}

/// A job that runs every night in the container `services`, and has not yet.
pub(crate) fn job(name: &str) -> JobView {
    JobView {
        name: name.into(),
        container: "services".to_owned(),
        schedule: "0 3 * * *".to_owned(),
        state: JobState::Scheduled,
        reason: String::new(),
        next: None,
        running: Vec::new(),
        last: None,
        usually: None,
        incident: None,
    }
}

/// A run under way at its try `attempt`.
pub(crate) fn running(id: u64, attempt: u32) -> RunningView {
    RunningView { id: RunId(id), since: Wall::default(), attempt, waits: false }
}

/// A run that is over after 4 seconds and one try.
pub(crate) fn run(job: &str, id: u64, outcome: RunOutcome) -> Run {
    Run {
        id: RunId(id),
        job: job.into(),
        scheduled: None,
        outcome,
        reason: String::new(),
        began: Some(Wall::default()),
        ended: Wall::from_millis(4_000),
        took: Duration::from_secs(4),
        attempts: 1,
        bytes: 0,
        tail: String::new(),
    }
}

/// Runs that write nothing.
pub(crate) struct Silent;

#[async_trait]
impl Outputs for Silent {
    async fn read(&self, _: TryId, from: u64) -> Piece {
        Piece { text: String::new(), lost: 0, next: from }
    }
}
