//! What vai and its agent take while all is well, and how fast they come and
//! go.

use crate::daemon::Daemon;
use crate::lab::{Container, Image, Lab};
use crate::processes::{agent_beside, cpu, main_process, resident_mib};
use crate::table::{millis, row, share, title};
use serde_json::{Map, Value, json};
use std::thread;
use std::time::Duration;

/// Long enough for a few milliseconds of work to show.
const WINDOW: Duration = Duration::from_secs(30);

/// Prints the figures.
pub(crate) fn measure() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let started = services.sh("redis-server --save '' > /dev/null 2>&1 & nginx");
    assert!(started.status.success(), "{started:?}");
    services.wait_for("redis-server");
    services.wait_for("nginx");

    for (count, interval) in [(20, 60), (200, 60), (200, 5)] {
        at_rest(&lab, &services, count, interval);
    }
}

fn at_rest(lab: &Lab, services: &Container, count: usize, interval: u32) {
    let vai = Daemon::run(&lab.registry(watched(count, interval)));
    let first = vai.line("→ healthy").at;
    let all = (1..count).fold(first, |_, _| vai.line("→ healthy").at);
    let agent = agent_beside(main_process(services));
    let before = (cpu(vai.pid()), cpu(agent));
    thread::sleep(WINDOW);
    let after = (cpu(vai.pid()), cpu(agent));

    title(&format!("At rest: {count} services in a container, each checked every {interval} s"));
    row("from the start to the first result", millis(first - vai.began));
    row("from the start to the last first result", millis(all - vai.began));
    for (name, pid, used) in
        [("vai", vai.pid(), after.0 - before.0), ("agent", agent, after.1 - before.1)]
    {
        row(&format!("{name}: CPU over {} s", WINDOW.as_secs()), share(used, WINDOW));
        row(&format!("{name}: resident memory"), format!("{:.1} MiB", resident_mib(pid)));
    }
    row("from SIGTERM to the end", millis(vai.stop()));
}

/// As many services, in equal parts of each common kind.
fn watched(count: usize, interval: u32) -> Value {
    let kinds = [
        json!({ "type": "tcp", "port": 6379, "send": "PING\r\n", "expect": "PONG" }),
        json!({ "type": "http", "endpoint": "http://localhost/", "expected_body": "hello" }),
        json!({ "type": "process", "process_name": "redis-server" }),
    ];
    let service = |number: usize| {
        let mut check = kinds[number % kinds.len()].clone();
        check["interval_seconds"] = json!(interval);
        let service =
            json!({ "container": "services", "health_check": check, "restart_cmd": "true" });
        (format!("service-{number}"), service)
    };
    Value::Object((0..count).map(service).collect::<Map<_, _>>())
}
