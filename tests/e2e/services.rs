//! Services as a registry has them, with the shortest sensible times.

use serde_json::{Value, json};
use std::path::Path;

/// The real redis of [`Image::Services`](crate::lab::Image).
pub(crate) fn redis() -> Value {
    json!({
        "container": "services",
        "health_check": {
            "type": "tcp", "port": 6379, "send": "PING\r\n", "expect": "PONG",
            "interval_seconds": 2, "timeout_seconds": 1, "confirm_interval_seconds": 1,
        },
        "restart_cmd": "redis-server --bind 127.0.0.1 --save '' >> /var/log/redis/redis.log 2>&1 &",
        "log_path": "/var/log/redis/redis.log",
        "startup_delay_seconds": 1,
    })
}

/// The real nginx of [`Image::Services`](crate::lab::Image).
pub(crate) fn nginx() -> Value {
    json!({
        "container": "services",
        "health_check": {
            "type": "http", "endpoint": "http://localhost/", "expected_body": "hello",
            "interval_seconds": 2, "timeout_seconds": 1, "confirm_interval_seconds": 1,
        },
        "restart_cmd": "nginx",
        "startup_delay_seconds": 1,
    })
}

/// A script without a port.
pub(crate) fn worker() -> Value {
    json!({
        "container": "services",
        "health_check": {
            "type": "process", "process_name": r"/usr/local/bin/worker\.sh",
            "interval_seconds": 2, "confirm_interval_seconds": 1,
        },
        "restart_cmd": "/usr/local/bin/worker.sh >> /tmp/worker.log 2>&1 &",
        "startup_delay_seconds": 1,
    })
}

/// What can never be started: its command exits 0 and starts nothing until
/// somebody makes `/tmp/mended`. Each try leaves a line in `/tmp/attempts`.
pub(crate) fn hopeless() -> Value {
    json!({
        "container": "services",
        "health_check": {
            "type": "custom", "command": "test -e /tmp/mended || { echo 'no licence found'; exit 1; }",
            "interval_seconds": 2, "timeout_seconds": 1, "confirm_interval_seconds": 1,
        },
        "restart_cmd": "echo tried >> /tmp/attempts; echo looking for a licence > /tmp/licensed.log",
        "log_path": "/tmp/licensed.log",
        "startup_delay_seconds": 1,
        "start_timeout_seconds": 3,
        "recovery": { "max_attempts": 3, "backoff_initial_seconds": 2 },
    })
}

/// A real redis that is looked at from vai's own network, by the name of its
/// container there.
pub(crate) fn over_the_network() -> Value {
    json!({
        "container": "services",
        "health_check": {
            "type": "tcp", "host": "services-container", "port": 6380,
            "send": "PING\r\n", "expect": "PONG",
            "interval_seconds": 2, "timeout_seconds": 1, "confirm_interval_seconds": 1,
        },
        "restart_cmd": "redis-server --port 6380 --protected-mode no --save '' \
                        --enable-debug-command yes --pidfile /tmp/cache.pid --daemonize yes",
        "startup_delay_seconds": 1,
    })
}

/// One of the workers of [`Image::Tiny`](crate::lab::Image) in the container
/// `services`, called as it is named. Each start leaves its name in
/// `/tmp/started`.
pub(crate) fn tiny_worker(name: &str, dependencies: &[&str]) -> Value {
    json!({
        "container": "services",
        "health_check": {
            "type": "process", "process_name": format!("/bin/{name}$"),
            "interval_seconds": 2, "timeout_seconds": 1, "confirm_interval_seconds": 1,
        },
        "restart_cmd": format!("echo {name} >> /tmp/started; /bin/{name} > /dev/null 2>&1 &"),
        "dependencies": dependencies,
        "startup_delay_seconds": 1,
    })
}

/// A service beside vai that is well while `file` is there; only the test makes
/// it and takes it away.
pub(crate) fn flag(file: &Path) -> Value {
    json!({
        "health_check": {
            "type": "custom", "command": format!("test -e {} || {{ echo 'no flag'; exit 1; }}", file.display()),
            "interval_seconds": 2, "timeout_seconds": 1, "confirm_interval_seconds": 1,
        },
        "startup_delay_seconds": 1,
        "recovery": { "action": "alert" },
    })
}

/// The same, which vai can mend from the moment that `mends` is there.
pub(crate) fn mendable_flag(file: &Path, mends: &Path) -> Value {
    let mut service = flag(file);
    service["restart_cmd"] =
        json!(format!("test -e {} && touch {}; true", mends.display(), file.display()));
    service["start_timeout_seconds"] = json!(2);
    service["recovery"] = json!({ "max_attempts": 1, "retry_after_give_up_seconds": 3 });
    service
}
