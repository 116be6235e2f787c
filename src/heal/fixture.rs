//! A service and acts on it, for tests.

use std::sync::Arc;
use std::time::Duration;
use vai_core::model::{
    Act, ActId, ActRequest, Check, CheckKind, EvidenceDetail, Instance, Notify, OnFail, Place,
    ProcId, Recovery, Rung, Service, ServiceKind, Severity, TcpCheck,
};

/// The container instance that was judged.
pub(crate) fn instance() -> Instance {
    Instance { id: "c0ffee".to_owned(), started_at: "before".to_owned() }
}

/// nginx on port 80 in the container `services`.
pub(crate) fn service() -> Service {
    let port = CheckKind::Tcp(TcpCheck {
        host: "localhost".to_owned(),
        port: 80,
        send: None,
        expect: None,
    });
    Service {
        name: "nginx".into(),
        enabled: true,
        kind: ServiceKind::Watched,
        place: Place::Container("services".into()),
        checks: vec![Check {
            name: "tcp".to_owned(),
            kind: port,
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(5),
            failure_threshold: 3,
            success_threshold: 2,
            confirm_interval: Duration::from_secs(2),
            fail_for: Duration::ZERO,
            on_fail: OnFail::Restart,
        }],
        restart_cmd: Some("nginx".to_owned()),
        stop_cmd: None,
        user: None,
        working_dir: None,
        environment: Vec::new(),
        held: None,
        log_path: None,
        notify: Notify::Default,
        severity: Severity::Critical,
        dependencies: Vec::new(),
        startup_delay: Duration::from_secs(5),
        start_timeout: None,
        supervised: None,
        recovery: Recovery {
            ladder: vec![Rung::Command, Rung::KillAndCommand],
            alert_only: None,
            start_container: true,
            max_attempts: 3,
            max_restarts: 5,
            window: Duration::from_secs(600),
            backoff_initial: Duration::from_secs(10),
            backoff_max: Duration::from_secs(300),
            retry_after_give_up: Duration::from_secs(300),
            command_timeout: Duration::from_secs(30),
            stop_timeout: None,
        },
        evidence: EvidenceDetail::Full,
    }
}

/// A process of it.
pub(crate) fn nginx(pid: i32) -> ProcId {
    ProcId { pid, start_ticks: 77, name: "nginx".to_owned() }
}

/// `act` on `service`, of which process 12 was seen alive.
pub(crate) fn request(service: Service, act: Act) -> ActRequest {
    ActRequest {
        id: ActId(1),
        service: Arc::new(service),
        instance: Some(instance()),
        act,
        processes: vec![nginx(12)],
        supersedes: None,
        follows_at_once: false,
    }
}
