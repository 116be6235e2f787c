//! From `kill -9` of a service to its restart, and to the verdict.

use crate::daemon::Daemon;
use crate::lab::{Container, Image, Lab};
use crate::table::{row, spread, title};
use serde_json::{Value, json};
use std::time::Duration;

const ROUNDS: u32 = 20;

/// Its delays are as short as the registry allows, and its ceiling never
/// stops it: what is measured is vai, not the operator's patience.
fn redis() -> Value {
    json!({
        "container": "services",
        "health_check": {
            "type": "tcp", "port": 6379, "send": "PING\r\n", "expect": "PONG",
            "interval_seconds": 60, "timeout_seconds": 1, "confirm_interval_seconds": 1,
        },
        "restart_cmd": "date +%s%3N > /tmp/restarted; redis-server --bind 127.0.0.1 --save '' \
                        --pidfile /tmp/redis.pid >> /var/log/redis/redis.log 2>&1 &",
        "log_path": "/var/log/redis/redis.log",
        "startup_delay_seconds": 0,
        "recovery": {
            "max_restarts": 1000, "backoff_initial_seconds": 0, "backoff_max_seconds": 0,
        },
    })
}

/// Prints the figures.
pub(crate) fn measure() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut registry = lab.registry(json!({ "redis": redis() }));
    registry["limits"] = json!({ "host_max_restarts": 1000 });
    let vai = Daemon::run(&registry);
    vai.line("starting → healthy");

    let (mut seen, mut restarted, mut verified) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let killed = stamp(&services, "date +%s%3N; kill -9 $(cat /tmp/redis.pid)");
        let after = |millis: i64| {
            Duration::from_millis(u64::try_from(millis - killed).expect("clocks go forward"))
        };
        let down = vai.line("→ down").wall;
        let healthy = vai.line("→ healthy").wall;
        seen.push(after(down.as_millis()));
        restarted.push(after(stamp(&services, "cat /tmp/restarted")));
        verified.push(after(healthy.as_millis()));
    }
    title(&format!(
        "Healing: kill -9 of redis, {ROUNDS} rounds (checked every 60 s; no backoff, no start-up delay)"
    ));
    row("to confirmed", spread(seen));
    row("to the restart command running", spread(restarted));
    row("to verified by two passes, 1 s apart", spread(verified));
}

/// Milliseconds since 1970 that `script` prints.
fn stamp(services: &Container, script: &str) -> i64 {
    let output = services.sh(script);
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| panic!("no time was printed: {output:?}"))
}
