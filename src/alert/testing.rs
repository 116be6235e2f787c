//! Notices for the tests of this folder.

use vai_core::model::{
    Evidence, EvidenceDetail, Incident, IncidentId, IncidentPhase, Notice, NoticeKind, Notify,
    Severity, StateLabel, Subject, Wall,
};

/// Something to tell about the incident and service `name`.
pub(super) fn notice(name: &str, kind: NoticeKind, severity: Severity) -> Notice {
    let phase = match kind {
        NoticeKind::Resolved | NoticeKind::Info => IncidentPhase::Closed {
            at: Wall::from_millis(60_000),
            how: "healed by restart_cmd, 1 attempt".to_owned(),
        },
        NoticeKind::Opened
        | NoticeKind::Escalated
        | NoticeKind::Joined
        | NoticeKind::Reminder(_) => IncidentPhase::Open,
    };
    Notice {
        incident: Incident {
            id: IncidentId(name.to_owned()),
            root: name.to_owned(),
            subject: Subject::Service,
            place: "services".to_owned(),
            severity,
            state: StateLabel::Down,
            failed_attempts: 0,
            since: Wall::default(),
            reason: "connection refused".to_owned(),
            history: Vec::new(),
            next: String::new(),
            affected: Vec::new(),
            phase,
            evidence: Evidence::default(),
            acknowledged: None,
        },
        kind,
        notify: Notify::Default,
        detail: EvidenceDetail::Full,
        at: Wall::default(),
        decided: None,
    }
}
