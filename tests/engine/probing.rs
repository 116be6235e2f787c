//! A prober at work on one container, and the checks that it is given.

use crate::support::{Container, SOON, engine, expect, unique};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use vai::config::{ContainerEntry, ProbeMode};
use vai::docker::{Directory, Keys, Own};
use vai::probe::Prober;
use vai_core::model::{
    Check, CheckKind, ContainerChange, ContainerKey, ContainerView, CustomCheck, Event,
    EvidenceDetail, FaultKind, HttpCheck, Notify, OnFail, Outcome, Place, ProcessCheck,
    ProcessPattern, Recovery, Report, Secret, Service, ServiceKind, Severity, StatusSet, TcpCheck,
};

/// What a development build of the agent, which is not static, needs from the
/// system it was built on.
pub(crate) const LIBRARIES: [&str; 4] =
    ["-v", "/lib/x86_64-linux-gnu:/lib/x86_64-linux-gnu:ro", "-v", "/lib64:/lib64:ro"];

/// A prober at work on one container, by the key `box`.
pub(crate) struct Probing {
    pub(crate) prober: Arc<Prober>,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) directory: Directory,
    follower: JoinHandle<()>,
    shutdown: CancellationToken,
}

impl Probing {
    pub(crate) async fn of(name: &str, probe: ProbeMode) -> Self {
        Self::with(name, probe, env!("CARGO_BIN_EXE_vai").into()).await
    }

    pub(crate) async fn with(name: &str, probe: ProbeMode, executable: PathBuf) -> Self {
        let (sender, mut events) = mpsc::channel(1000);
        let (directory, follower) = Directory::new(engine(), Own::default(), sender.clone());
        directory.set_keys(Keys::from([(
            key(),
            ContainerEntry { name: Some(name.to_owned()), probe: Some(probe) },
        )]));
        let shutdown = CancellationToken::new();
        let follower = tokio::spawn(follower.run(shutdown.clone()));
        expect(&mut events, "EngineBack", |event| matches!(event, Event::EngineBack).then_some(()))
            .await;
        Self {
            prober: Arc::new(Prober::new(engine(), directory.clone(), sender, executable)),
            events,
            directory,
            follower,
            shutdown,
        }
    }

    pub(crate) async fn look(&self, kind: CheckKind) -> Report {
        self.prober.look(&service(), &check(kind), None).await
    }

    /// Looks until the outcome is as wanted.
    pub(crate) async fn until(&self, kind: CheckKind, wanted: impl Fn(&Outcome) -> bool) -> Report {
        let mut last = None;
        let looking = async {
            loop {
                let report = self.look(kind.clone()).await;
                if wanted(&report.outcome) {
                    return report;
                }
                last = Some(report.outcome);
            }
        };
        let found = timeout(SOON, looking).await;
        found.unwrap_or_else(|_| panic!("last seen: {last:?}"))
    }

    pub(crate) async fn status(&mut self, running: bool) {
        expect(&mut self.events, "change of status", |event| match event {
            Event::Container {
                change: ContainerChange::Seen(ContainerView::Present(presence)),
                ..
            } if presence.status.is_running() == running => Some(()),
            _ => None,
        })
        .await;
    }

    pub(crate) async fn stop(self) {
        timeout(SOON, self.prober.close()).await.unwrap();
        self.shutdown.cancel();
        timeout(SOON, self.follower).await.unwrap().unwrap();
    }
}

pub(crate) fn key() -> ContainerKey {
    "box".into()
}

pub(crate) fn service() -> Service {
    Service {
        name: "worker".into(),
        enabled: true,
        kind: ServiceKind::Watched,
        place: Place::Container(key()),
        checks: Vec::new(),
        restart_cmd: None,
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
            ladder: Vec::new(),
            alert_only: None,
            start_container: false,
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

pub(crate) fn check(kind: CheckKind) -> Check {
    Check {
        name: kind.label().to_owned(),
        kind,
        interval: Duration::from_secs(60),
        timeout: Duration::from_secs(10),
        failure_threshold: 3,
        success_threshold: 2,
        confirm_interval: Duration::from_secs(2),
        fail_for: Duration::ZERO,
        on_fail: OnFail::Restart,
    }
}

pub(crate) fn process(pattern: &str) -> CheckKind {
    CheckKind::Process(ProcessCheck {
        pattern: ProcessPattern::CommandLine(pattern.to_owned()),
        min_count: 1,
        max_count: None,
    })
}

pub(crate) fn custom(command: &str, user: Option<&str>) -> CheckKind {
    CheckKind::Custom(CustomCheck {
        command: command.to_owned(),
        user: user.map(ToOwned::to_owned),
        working_dir: None,
        environment: vec![("WHO".to_owned(), Secret::from("vai"))],
    })
}

pub(crate) fn tcp(port: u16) -> CheckKind {
    CheckKind::Tcp(TcpCheck { host: "localhost".into(), port, send: None, expect: None })
}

pub(crate) fn http(port: u16) -> CheckKind {
    CheckKind::Http(HttpCheck {
        endpoint: Secret::from(format!("http://localhost:{port}/").as_str()),
        shown: format!("http://localhost:{port}/"),
        host: "localhost".into(),
        method: "GET".into(),
        headers: Vec::new(),
        body: None,
        expected_status: StatusSet(vec![(200, 399)]),
        expected_body: None,
        expected_json: Vec::new(),
        max_body: HttpCheck::default_max_body(),
        max_response: None,
        follow_redirects: false,
        tls_verify: true,
        ca_file: None,
    })
}

pub(crate) fn fault(report: &Report) -> Option<FaultKind> {
    match &report.outcome {
        Outcome::Fail(fault) => Some(fault.kind),
        _ => None,
    }
}

pub(crate) fn unknown(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Unknown(why) => why,
        other => panic!("{other:?}"),
    }
}

/// A container with a worker and a port that only answers inside.
pub(crate) async fn with_worker() -> Container {
    let script = "busybox httpd -p 127.0.0.1:7000; sleep 700 & exec sleep 600";
    let container = Container::run(&unique("worker"), &LIBRARIES, &["sh", "-c", script]);
    let id = container.id();
    let is_up = async || {
        let processes = engine().top(&id).await.unwrap();
        processes.iter().any(|process| process.args == "sleep 600")
    };
    let up = async { while !is_up().await {} };
    timeout(SOON, up).await.unwrap();
    container
}

/// How many processes of the container's are agents.
pub(crate) async fn agents(container: &Container) -> usize {
    let processes = engine().top(&container.id()).await.unwrap();
    processes.iter().filter(|process| process.args.starts_with("/.vai/agent-")).count()
}

pub(crate) async fn hint(probing: &mut Probing) -> String {
    expect(&mut probing.events, "hint", |event| match event {
        Event::Hint { service, why, .. } if service.as_str() == "worker" => Some(why.clone()),
        _ => None,
    })
    .await
}
