//! Whole containers come, go and are stopped by hand.

use crate::lab::{Image, Lab, Vai, eventually, never};
use crate::services::{redis, worker};
use serde_json::json;
use std::time::Duration;

#[test]
fn after_a_restart_of_the_container_everything_in_it_is_started_in_order() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).start();
    let mut dependent = worker();
    dependent["dependencies"] = json!(["redis"]);
    let vai = Vai::on_host(&lab.registry(json!({ "redis": redis(), "worker": dependent })));
    let (redis, worker) = (services.wait_for("redis-server"), services.wait_for("worker.sh"));
    assert!(redis[0].pid < worker[0].pid, "{redis:?} before {worker:?}");

    services.docker("restart");

    let (redis, worker) = (services.wait_for("redis-server"), services.wait_for("worker.sh"));
    assert!(redis[0].pid < worker[0].pid, "{redis:?} before {worker:?}");
    vai.wait_for_state("worker", "healthy");
}

#[test]
fn a_recreated_container_is_followed_and_its_services_are_started_once() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    services.wait_for("redis-server");
    vai.wait_for_state("redis", "healthy");

    services.recreate();

    services.wait_for("redis-server");
    let started = services.pids("redis-server");
    vai.wait_for_state("redis", "healthy");
    assert_eq!(services.pids("redis-server"), started);
}

#[test]
fn a_container_stopped_by_hand_is_left_alone() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    vai.wait_for_state("redis", "healthy");

    services.docker("stop");

    vai.wait_for_state("redis", "stopped_by_hand");
    never("a start of what was stopped by hand", Duration::from_secs(8), || {
        services.runs().then_some(())
    });
}

#[test]
fn a_container_whose_main_process_exits_is_started_and_then_its_services() {
    let lab = Lab::new();
    let services = lab
        .container("services", Image::Services)
        .command(["sh", "-c", "until rm /tmp/exit 2>/dev/null; do sleep 0.2; done; exit 3"])
        .start();
    let vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    vai.wait_for_state("redis", "healthy");

    let before = services.started_at();
    assert!(services.sh("touch /tmp/exit").status.success());
    eventually("another start", Duration::from_secs(20), || {
        (services.started_at() != before && services.runs()).then_some(())
    });

    services.wait_for("redis-server");
    vai.wait_for_state("redis", "healthy");
}
