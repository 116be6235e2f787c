//! Whole containers come, go and are stopped by hand.

use crate::lab::{Container, Image, Lab, MailCatcher, Vai, eventually, never};
use crate::services::{redis, worker};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn after_a_restart_of_the_container_everything_in_it_is_started_in_order() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).start();
    let vai = Vai::on_host(&redis_and_worker(&lab));
    in_order(&services);

    services.docker("restart");

    in_order(&services);
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
fn a_container_whose_main_process_exits_is_started_and_then_its_services_in_order() {
    let lab = Lab::new();
    let services = lab
        .container("services", Image::Services)
        .command(["sh", "-c", "until rm /tmp/exit 2>/dev/null; do sleep 0.2; done; exit 3"])
        .start();
    let mut vai = Vai::on_host(&redis_and_worker(&lab));
    vai.wait_for_state("worker", "healthy");

    let before = services.started_at();
    assert!(services.sh("touch /tmp/exit").status.success());

    vai.wait_for_line("redis.*exited by itself with code 3");
    vai.wait_for_line("redis.*started the container");
    assert_ne!(services.started_at(), before);
    in_order(&services);
    vai.wait_for_state("redis", "healthy");
    vai.wait_for_state("worker", "healthy");
}

#[test]
fn a_container_that_the_engine_brings_back_is_left_to_it() {
    let lab = Lab::new();
    let services = lab
        .container("services", Image::Services)
        .option("--restart=always")
        .option("--memory=256m")
        .option("--memory-swap=256m")
        // It takes all the memory that it may have when it is told to.
        .command(["sh", "-c", "until rm /tmp/eat 2>/dev/null; do sleep 0.2; done; tail /dev/zero"])
        .start();
    let mut vai = Vai::on_host(&redis_and_worker(&lab));
    vai.wait_for_state("worker", "healthy");
    let before = services.started_at();

    assert!(services.sh("touch /tmp/eat").status.success());

    eventually("the engine's own restart", Duration::from_secs(20), || {
        (services.started_at() != before && services.runs()).then_some(())
    });
    vai.wait_for_line("redis.*its container came up");
    in_order(&services);
    vai.wait_for_state("worker", "healthy");
    assert_eq!(vai.lines_with("(started|restarted) the container"), [""; 0]);
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
    const WHY: &str = "a service without `restart_cmd` shares its container with worker";
    let lab = Lab::new();
    let mail = MailCatcher::start();
    let services = lab
        .container("services", Image::Services)
        .init(true)
        .command(["sh", "-c", "redis-server --save '' & exec tail -f /dev/null"])
        .start();
    let shared = json!({ "redis": without_command(redis()), "worker": worker() });
    let mut registry = lab.registry(shared);
    registry["notifications"] = mail.notifications();
    let vai = Vai::on_host(&registry);
    vai.wait_for_state("redis", "healthy");
    vai.wait_for_state("worker", "healthy");
    let before = services.started_at();

    services.kill9("redis-server");

    let told = mail.wait_for(1);
    let place = services.name();
    assert_eq!(told.subject, format!("DOWN redis ({place}): connection refused on 127.0.0.1:6379"));
    assert!(
        told.text.contains(&format!("What comes next: vai leaves it alone: {WHY}")),
        "{}",
        told.text
    );
    never("a restart of the shared container", Duration::from_secs(5), || {
        (services.started_at() != before).then_some(())
    });
    let said = vai.cli(&["validate"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains(&format!("{WHY}: this service is alerted only")), "{said}");
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

/// A worker that depends on redis.
fn redis_and_worker(lab: &Lab) -> Value {
    let mut dependent = worker();
    dependent["dependencies"] = json!(["redis"]);
    lab.registry(json!({ "redis": redis(), "worker": dependent }))
}

/// Waits until redis and then the worker live.
fn in_order(services: &Container) {
    let (redis, worker) = (services.wait_for("redis-server"), services.wait_for("worker.sh"));
    assert!(redis[0] < worker[0], "{redis:?} before {worker:?}");
}
