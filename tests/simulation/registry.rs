//! Random registries, and the pieces of those written by hand.

use crate::plan::{ContainerPlan, HOUR, Ms, SECOND, ServicePlan};
use crate::rng::Rng;
use std::sync::Arc;
use std::time::Duration;
use vai_core::model::{
    Check, CheckKind, ContainerKey, DiskCheck, EvidenceDetail, Instance, Notify, OnFail, Place,
    ProcessCheck, ProcessPattern, Recovery, Rung, Service, ServiceKind, Severity, TcpCheck,
    Watchlist,
};

/// One to twelve services in one to three containers, with random policies.
pub(crate) fn random(rng: &mut Rng) -> (Vec<ContainerPlan>, Vec<ServicePlan>, Watchlist) {
    let containers: Vec<ContainerPlan> =
        (0..rng.range(1, 3)).map(|n| random_container(rng, n)).collect();
    let mut services: Vec<ServicePlan> = Vec::new();
    for number in 0..rng.range(1, 12) {
        let next = service(rng, number, &containers, &services);
        services.push(next);
    }
    let settings = Watchlist {
        parallel_actions: rng.range(1, 4) as usize,
        host_max_restarts: rng.range(1, 12) as u32,
        host_window: secs(rng.range(600, 3600)),
        repeat_interval: secs(rng.range(1, 6) * 3600),
        ..settings()
    };
    (containers, services, settings)
}

/// Settings that restrict nothing.
pub(crate) fn settings() -> Watchlist {
    Watchlist {
        jobs: std::collections::BTreeMap::default(),
        services: std::collections::BTreeMap::default(),
        parallel_actions: 4,
        host_max_restarts: 100,
        host_window: secs(600),
        anchors: Vec::new(),
        observe: false,
        repeat_interval: Duration::from_millis(4 * HOUR),
        local: Instance { id: "boot-1".into(), started_at: "1".into() },
    }
}

fn random_container(rng: &mut Rng, number: u64) -> ContainerPlan {
    ContainerPlan {
        alias: rng.chance(25).then(|| format!("alias{number}")),
        policy: rng.chance(50),
        is_self: number > 0 && rng.chance(10),
        ..container(&format!("c{number}"))
    }
}

/// A container of that name, and nothing else to it.
pub(crate) fn container(name: &str) -> ContainerPlan {
    ContainerPlan {
        name: name.to_owned(),
        alias: None,
        policy: false,
        is_self: false,
        network_of: None,
    }
}

fn service(
    rng: &mut Rng,
    number: u64,
    containers: &[ContainerPlan],
    before: &[ServicePlan],
) -> ServicePlan {
    let home = rng.pick(containers);
    let container = (!rng.chance(10)).then(|| home.name.clone());
    let key = if rng.chance(50) { home.alias.clone() } else { None };
    let place = match &container {
        Some(name) => Place::Container(ContainerKey::from(key.as_deref().unwrap_or(name))),
        None => Place::Local,
    };
    let mut dependencies = Vec::new();
    let mut needs = Vec::new();
    for other in before {
        if rng.chance(20) {
            dependencies.push(other.service.name.clone());
        }
        if (dependencies.last() == Some(&other.service.name) && rng.chance(70)) || rng.chance(4) {
            needs.push(other.name().to_owned());
        }
    }
    let has_command = container.is_none() || rng.chance(75);
    let mut service = Service {
        place,
        dependencies,
        restart_cmd: has_command.then(|| "start it".into()),
        held: rng.chance(4).then(|| "${TOKEN} is not set".into()),
        severity: if rng.chance(20) { Severity::Warning } else { Severity::Critical },
        startup_delay: secs(rng.range(0, 10)),
        start_timeout: rng.chance(30).then(|| secs(rng.range(20, 120))),
        recovery: recovery(rng, has_command),
        checks: checks(rng),
        ..plain(&format!("s{number}"))
    };
    if service.recovery.ladder.is_empty() {
        service.recovery.start_container = rng.chance(50);
    }
    let autostart = !has_command || rng.chance(40);
    let start = rng.range(1, 15) * SECOND;
    ServicePlan { service: Arc::new(service), container, autostart, start, needs, supervisor: None }
}

fn recovery(rng: &mut Rng, has_command: bool) -> Recovery {
    let ladder = match (has_command, rng.range(0, 9)) {
        (_, 0) => Vec::new(),
        (true, 1) => vec![Rung::Command],
        (true, _) => vec![Rung::Command, Rung::KillAndCommand],
        (false, _) => vec![Rung::Container],
    };
    Recovery {
        alert_only: ladder.is_empty().then(|| "only watched".into()),
        ladder,
        max_attempts: rng.range(1, 5) as u32,
        max_restarts: rng.range(1, 6) as u32,
        window: secs(rng.range(300, 3600)),
        backoff_initial: secs(rng.range(1, 30)),
        backoff_max: secs(rng.range(60, 300)),
        retry_after_give_up: secs(rng.range(60, 600)),
        command_timeout: secs(rng.range(5, 60)),
        ..plain_recovery()
    }
}

fn checks(rng: &mut Rng) -> Vec<Check> {
    let mut checks = vec![if rng.chance(50) { tcp() } else { process() }];
    if rng.chance(20) {
        checks.push(if matches!(checks[0].kind, CheckKind::Tcp(_)) { process() } else { tcp() });
    }
    if rng.chance(10) {
        checks.push(docker());
    }
    if rng.chance(15) {
        checks.push(disk());
    }
    for check in &mut checks {
        check.interval = secs(rng.pick(&[5, 10, 15, 30, 60, 60, 60, 120, 300]));
        check.timeout = secs(rng.range(1, 4));
        check.failure_threshold = rng.range(1, 5) as u32;
        check.success_threshold = rng.range(1, 3) as u32;
        check.confirm_interval = secs(rng.range(1, 5));
        check.fail_for = if rng.chance(10) { secs(rng.range(5, 90)) } else { Duration::ZERO };
    }
    checks
}

/// A service with the registry's defaults, in the container `main`.
pub(crate) fn plain(name: &str) -> Service {
    Service {
        name: name.into(),
        enabled: true,
        kind: ServiceKind::Watched,
        place: Place::Container("main".into()),
        checks: vec![tcp()],
        restart_cmd: Some("start it".into()),
        stop_cmd: None,
        user: None,
        working_dir: None,
        environment: Vec::new(),
        held: None,
        log_path: None,
        notify: Notify::Default,
        severity: Severity::Critical,
        dependencies: Vec::new(),
        startup_delay: secs(5),
        start_timeout: None,
        supervised: None,
        recovery: plain_recovery(),
        evidence: EvidenceDetail::Full,
    }
}

fn plain_recovery() -> Recovery {
    Recovery {
        ladder: vec![Rung::Command, Rung::KillAndCommand],
        alert_only: None,
        start_container: true,
        max_attempts: 3,
        max_restarts: 5,
        window: secs(600),
        backoff_initial: secs(10),
        backoff_max: secs(300),
        retry_after_give_up: secs(300),
        command_timeout: secs(30),
        stop_timeout: None,
    }
}

/// A plain service in the container `main` that needs what it declares.
pub(crate) fn in_main(name: &str, dependencies: &[&str]) -> ServicePlan {
    let dependencies = dependencies.iter().map(|&it| it.into()).collect();
    let service = Service { dependencies, ..plain(name) };
    let needs = service.dependencies.iter().map(ToString::to_string).collect();
    let start: Ms = 3 * SECOND;
    ServicePlan {
        service: Arc::new(service),
        container: Some("main".into()),
        autostart: false,
        start,
        needs,
        supervisor: None,
    }
}

pub(crate) fn check(kind: CheckKind) -> Check {
    Check {
        name: kind.label().to_owned(),
        kind,
        interval: secs(60),
        timeout: secs(5),
        failure_threshold: 3,
        success_threshold: 2,
        confirm_interval: secs(2),
        fail_for: Duration::ZERO,
        on_fail: OnFail::Restart,
    }
}

pub(crate) fn tcp() -> Check {
    check(port_of("localhost"))
}

/// A look at a port of `host`.
pub(crate) fn port_of(host: &str) -> CheckKind {
    CheckKind::Tcp(TcpCheck { host: host.to_owned(), port: 6379, send: None, expect: None })
}

pub(crate) fn process() -> Check {
    check(CheckKind::Process(ProcessCheck {
        pattern: ProcessPattern::CommandLine("x".into()),
        min_count: 1,
        max_count: None,
    }))
}

fn docker() -> Check {
    check(CheckKind::Docker)
}

/// Alerts only.
fn disk() -> Check {
    let kind = CheckKind::Disk(DiskCheck { path: "/".into(), min_free_percent: 5 });
    Check { on_fail: OnFail::Alert, ..check(kind) }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
