//! Views for tests.

use vai_core::model::{
    Evidence, Incident, IncidentId, IncidentPhase, ServiceView, Severity, StateLabel, Subject, Wall,
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
