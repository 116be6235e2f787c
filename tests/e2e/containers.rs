//! Whole containers come, go and are stopped by hand.

use crate::lab::{Image, Lab, Vai, eventually, never};
use crate::services::{redis, worker};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn after_a_restart_of_the_container_everything_in_it_is_started_in_order() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).start();
    let mut dependent = worker();
    dependent["dependencies"] = json!(["redis"]);
    let vai = Vai::on_host(&lab.registry(json!({ "redis": redis(), "worker": dependent })));
    let (redis, worker) = (services.wait_for("redis-server"), services.wait_for("worker.sh"));
    assert!(redis[0] < worker[0], "{redis:?} before {worker:?}");

    services.docker("restart");

    let (redis, worker) = (services.wait_for("redis-server"), services.wait_for("worker.sh"));
    assert!(redis[0] < worker[0], "{redis:?} before {worker:?}");
    vai.wait_for_state("worker", "healthy");
}

#[test]
fn a_recreated_container_is_followed_and_its_services_are_started_once() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    services.wait_for("redis-server");
    vai.wait_for_state("redis", "healthy");

    services.remove();
    services.start_anew();

    services.wait_for("redis-server");
    let started = services.living("redis-server");
    vai.wait_for_state("redis", "healthy");
    assert_eq!(services.living("redis-server"), started);
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

#[test]
fn a_service_alone_in_its_container_is_healed_by_a_restart_of_the_container() {
    let lab = Lab::new();
    let services = lab
        .container("services", Image::Services)
        .init(true)
        .command(["sh", "-c", "redis-server --save '' & exec tail -f /dev/null"])
        .start();
    let mut vai = Vai::on_host(&lab.registry(json!({ "redis": without_command(redis()) })));
    vai.wait_for_state("redis", "healthy");
    let before = services.started_at();

    services.kill9("redis-server");

    vai.wait_for_line(r"redis.*healed in \d+ s");
    assert_ne!(services.started_at(), before);
}

#[test]
fn a_service_that_shares_its_container_is_only_told_and_validation_says_so() {
    let lab = Lab::new();
    let services = lab
        .container("services", Image::Services)
        .init(true)
        .command(["sh", "-c", "redis-server --save '' & exec tail -f /dev/null"])
        .start();
    let shared = json!({ "redis": without_command(redis()), "worker": worker() });
    let mut vai = Vai::on_host(&lab.registry(shared));
    vai.wait_for_state("redis", "healthy");
    vai.wait_for_state("worker", "healthy");
    let before = services.started_at();

    services.kill9("redis-server");

    vai.wait_for_line("alert: DOWN redis");
    never("a restart of the shared container", Duration::from_secs(5), || {
        (services.started_at() != before).then_some(())
    });
    let said = vai.cli(&["validate"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("worker") && said.contains("restart_cmd"), "{said}");
}

#[test]
fn a_deploy_is_waited_out() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    vai.wait_for_state("redis", "healthy");

    services.remove();
    never("an act on what is gone", Duration::from_secs(10), || {
        let acts = vai.lines_with("(healing|restarting|started the container)");
        (!acts.is_empty()).then_some(acts)
    });
    services.start_anew();

    let started = services.wait_for("redis-server");
    vai.wait_for_state("redis", "healthy");
    assert_eq!(services.living("redis-server"), started);
}

#[test]
fn the_shipped_registry_brings_up_the_shipped_services() {
    let lab = Lab::new();
    lab.container("services", Image::Shipped).start();
    let shipped = include_str!("../../system-config.json");
    let mut shipped: Value = serde_json::from_str(shipped).expect("it is JSON");
    let vai = Vai::on_host(&lab.registry(shipped["services"].take()));
    for service in ["redis", "nginx", "syncthing", "worker"] {
        vai.wait_for_state(service, "healthy");
    }
    vai.wait_for_state("minio", "disabled");
}

fn without_command(mut service: Value) -> Value {
    service.as_object_mut().expect("a service is an object").remove("restart_cmd");
    service
}
