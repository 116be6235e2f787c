//! What hangs on something else waits for it.

use crate::lab::{Image, Lab, Vai, never};
use crate::services::redis;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn what_fails_only_because_of_its_dependency_is_not_touched() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let dependent = dependent("redis-cli ping | grep PONG", "echo started >> /tmp/starts");
    let mut vai = Vai::on_host(&lab.registry(json!({ "redis": redis(), "api": dependent })));
    vai.wait_for_state("api", "healthy");

    // As long as the root is held, what hangs on it can be seen to wait.
    assert!(vai.cli(&["pause", "redis"]).status.success());
    services.kill9("redis-server");
    vai.wait_for_line("api.*its dependency redis is paused");
    assert!(vai.cli(&["resume", "redis"]).status.success());

    vai.wait_for_line(r"redis.*healed in \d+ s");
    vai.wait_for_state("api", "healthy");
    never("an act on what only hung on redis", Duration::from_secs(5), || {
        let starts = services.lines_of("/tmp/starts");
        (!starts.is_empty()).then_some(starts)
    });
}

#[test]
fn what_still_fails_after_its_dependency_came_back_is_restarted_then() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    // Redis keeps nothing, so only its command brings this one back.
    let dependent = dependent(
        "redis-cli get ready | grep yes",
        "redis-cli ping >> /tmp/starts; redis-cli set ready yes",
    );
    let mut vai = Vai::on_host(&lab.registry(json!({ "redis": redis(), "api": dependent })));
    vai.wait_for_state("api", "healthy");
    assert_eq!(services.lines_of("/tmp/starts"), ["PONG"], "its start");

    services.kill9("redis-server");

    vai.wait_for_line(r"redis.*healed in \d+ s");
    vai.wait_for_line(r"api.*healed in \d+ s");
    assert_eq!(services.lines_of("/tmp/starts"), ["PONG"; 2], "once more, and not too early");
}

fn dependent(check: &str, restart_cmd: &str) -> Value {
    json!({
        "container": "services",
        "dependencies": ["redis"],
        "health_check": {
            "type": "custom", "command": check,
            "interval_seconds": 2, "timeout_seconds": 1, "confirm_interval_seconds": 1,
        },
        "restart_cmd": restart_cmd,
        "startup_delay_seconds": 1,
    })
}
