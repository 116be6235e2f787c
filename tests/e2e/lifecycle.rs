//! vai itself comes and goes.

use crate::lab::{Image, Lab, Vai, eventually, never};
use crate::services::{hopeless, redis};
use serde_json::json;
use std::time::Duration;
use vai::clock::boot_time;

#[test]
fn killed_and_started_again_it_restarts_nothing_and_leaves_no_agent_over() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    vai.wait_for_state("redis", "healthy");
    let redis = services.pids("redis-server");

    vai.kill9();
    vai.start_again();

    vai.wait_for_state("redis", "healthy");
    eventually("one agent", Duration::from_secs(10), || (services.agents() == 1).then_some(()));
    never("another redis", Duration::from_secs(5), || {
        let now = services.pids("redis-server");
        (now != redis).then_some(now)
    });

    assert!(vai.terminate().success());
    eventually("no agent", Duration::from_secs(10), || (services.agents() == 0).then_some(()));
}

#[test]
fn terminated_in_the_middle_of_a_restart_it_exits_in_time() {
    let lab = Lab::new();
    lab.container("services", Image::Services).init(true).start();
    let mut service = hopeless();
    service["restart_cmd"] = json!("sleep 600");
    let mut vai = Vai::on_host(&lab.registry(json!({ "slow": service })));
    vai.wait_for_line("slow");
    vai.wait_for_state("slow", "(healing|starting)");

    let asked = boot_time();
    assert!(vai.terminate().success());
    assert!(boot_time().since(asked) < Duration::from_secs(9));
}

#[test]
fn it_heals_from_its_own_small_image() {
    heals_from_a_container(Vai::in_its_image);
}

#[test]
fn it_heals_as_the_command_of_a_plain_image() {
    heals_from_a_container(Vai::in_plain_image);
}

fn heals_from_a_container(vai: impl FnOnce(&Lab, &serde_json::Value) -> Vai) {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).start();
    let mut vai = vai(&lab, &lab.registry(json!({ "redis": redis() })));
    services.wait_for("redis-server");
    vai.wait_for_state("redis", "healthy");
    services.kill9("redis-server");
    vai.wait_for_line(r"redis.*healed in \d+ s");
    let health = vai.cli(&["health"]);
    assert!(health.status.success(), "{health:?}");
}
