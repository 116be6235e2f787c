//! There are never two copies of a service that takes long to start.

use crate::lab::{Container, Image, Lab, Vai, until};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn a_service_that_starts_longer_than_it_may_never_runs_twice() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let vai = Vai::on_host(&lab.registry(json!({ "slow": slow(4) })));

    let most = most_copies_until(&services, || vai.lines_with("slow.*gave_up").pop());

    assert_eq!(most, 1);
    let ended = vai.lines_with("slow.*ended bash .*which the attempt before had started");
    assert!(ended.len() >= 2, "{ended:?}");
}

#[test]
fn a_service_that_may_take_its_time_is_started_once() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let vai = Vai::on_host(&lab.registry(json!({ "slow": slow(60) })));

    let most = most_copies_until(&services, || vai.lines_with("slow.*→ healthy").pop());

    assert_eq!(most, 1);
    assert_eq!(services.lines_of("/tmp/starts").len(), 1);
}

/// Sleeps for 12 s before it listens.
fn slow(start_timeout_seconds: u32) -> Value {
    json!({
        "container": "services",
        "health_check": {
            "type": "tcp", "port": 6390, "send": "PING\r\n", "expect": "PONG",
            "interval_seconds": 2, "timeout_seconds": 1, "confirm_interval_seconds": 1,
        },
        "restart_cmd": "echo started >> /tmp/starts; \
                        bash -c 'sleep 12; exec redis-server --port 6390' > /dev/null 2>&1 &",
        "startup_delay_seconds": 1,
        "start_timeout_seconds": start_timeout_seconds,
        "recovery": { "backoff_initial_seconds": 1, "max_attempts": 3 },
    })
}

/// How many there were at most at one moment: a copy is one process, first the
/// shell that sleeps and then what it becomes.
fn most_copies_until(services: &Container, mut done: impl FnMut() -> Option<String>) -> usize {
    let mut most = 0;
    let end = until(Duration::from_secs(90), || {
        let commands =
            services.sh("for it in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $it; echo; done");
        let commands = String::from_utf8_lossy(&commands.stdout).into_owned();
        // The command that starts it names the port as well, and the file.
        let is_copy = |line: &&str| line.contains("6390") && !line.contains("/tmp/starts");
        let copies = commands.lines().filter(is_copy).count();
        most = most.max(copies).max(services.living("sleep").len());
        done()
    });
    assert!(end.is_some(), "it never came to its end");
    most
}
