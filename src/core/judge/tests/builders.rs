//! Services, registries and containers as the stories want them.

use super::*;

pub(crate) fn check(kind: CheckKind) -> Check {
    Check {
        name: kind.label().to_owned(),
        kind,
        interval: SECOND * 60,
        timeout: SECOND * 5,
        failure_threshold: 3,
        success_threshold: 2,
        confirm_interval: SECOND * 2,
        fail_for: Duration::ZERO,
        on_fail: OnFail::Restart,
    }
}

pub(crate) fn process_check() -> Check {
    check(CheckKind::Process(ProcessCheck {
        pattern: ProcessPattern::CommandLine("x".into()),
        min_count: 1,
        max_count: None,
    }))
}

pub(crate) fn tcp_check() -> Check {
    let host = "localhost".to_owned();
    check(CheckKind::Tcp(TcpCheck { host, port: 6379, send: None, expect: None }))
}

pub(crate) fn alert_check() -> Check {
    Check { name: "agent".into(), on_fail: OnFail::Alert, ..tcp_check() }
}

pub(crate) fn service(name: &str) -> Service {
    Service {
        name: name.into(),
        enabled: true,
        kind: ServiceKind::Watched,
        place: Place::Container("services".into()),
        checks: vec![tcp_check()],
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
        startup_delay: SECOND * 5,
        start_timeout: None,
        supervised: None,
        recovery: Recovery {
            ladder: vec![Rung::Command, Rung::KillAndCommand],
            alert_only: None,
            start_container: true,
            max_attempts: 3,
            max_restarts: 5,
            window: SECOND * 600,
            backoff_initial: SECOND * 10,
            backoff_max: SECOND * 300,
            retry_after_give_up: SECOND * 300,
            command_timeout: SECOND * 30,
            stop_timeout: None,
        },
        evidence: EvidenceDetail::Full,
    }
}

/// Looked at so rarely that nothing but its own time brings news of it.
pub(crate) fn daily(name: &str) -> Service {
    let mut daily = service(name);
    daily.checks[0].interval = SECOND * 86_400;
    daily
}

pub(crate) fn in_container(name: &str, container: &str) -> Service {
    Service { place: Place::Container(container.into()), ..service(name) }
}

pub(crate) fn chain() -> Vec<Service> {
    let mut b = service("b");
    b.dependencies = vec!["a".into()];
    vec![service("a"), b]
}

pub(crate) fn watchlist(services: Vec<Service>) -> Watchlist {
    Watchlist {
        jobs: BTreeMap::new(),
        services: services.into_iter().map(|s| (s.name.clone(), Arc::new(s))).collect(),
        parallel_actions: 4,
        host_max_restarts: 100,
        host_window: SECOND * 600,
        anchors: Vec::new(),
        observe: false,
        repeat_interval: SECOND * 14_400,
        local: Instance { id: "boot".into(), started_at: "1".into() },
    }
}

pub(crate) fn instance(number: u32) -> Instance {
    Instance { id: "c0ffee".into(), started_at: number.to_string() }
}

pub(crate) fn view(number: u32, status: ContainerStatus) -> ContainerView {
    ContainerView::Present(Presence {
        instance: instance(number),
        name: "services-container".into(),
        status,
        health: None,
        up_for: Duration::ZERO,
        health_start: None,
        engine_restarts: false,
        network_of: None,
        network_gone: false,
        network_lost: false,
        start_error: None,
        is_self: false,
    })
}

pub(crate) fn view_of(key: &str, number: u32) -> ContainerView {
    let ContainerView::Present(presence) = view(number, ContainerStatus::Running) else {
        unreachable!("it is present");
    };
    let instance = Instance { id: format!("id-of-{key}"), ..presence.instance };
    ContainerView::Present(Presence { instance, name: key.into(), ..presence })
}

/// Hangs: something lives there, and nothing proves that it does not work.
pub(super) fn hang(world: &mut World, name: &str) {
    world.kill(name);
    world.faults.insert(name.into(), FaultKind::Timeout);
}

pub(super) fn up(world: &mut World, key: &str, number: u32) {
    let change = ContainerChange::Seen(view_of(key, number));
    world.event(Event::Container { key: key.into(), change });
}
