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
    let redis = services.living("redis-server");
    let first = services.agents();
    assert_eq!(first.len(), 1, "{first:?}");

    vai.kill9();
    vai.start_again();

    vai.wait_for_state("redis", "healthy");
    eventually("one new agent", Duration::from_secs(10), || {
        let now = services.agents();
        (now.len() == 1 && now != first).then_some(())
    });
    never("another redis", Duration::from_secs(5), || {
        let now = services.living("redis-server");
        (now != redis).then_some(now)
    });

    assert!(vai.terminate().success());
    eventually("no agent", Duration::from_secs(10), || services.agents().is_empty().then_some(()));
}

#[test]
fn terminated_in_the_middle_of_a_restart_it_exits_in_time() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut service = hopeless();
    service["restart_cmd"] = json!("sleep 600");
    let mut vai = Vai::on_host(&lab.registry(json!({ "slow": service })));
    services.wait_for("sleep");

    let asked = boot_time();
    assert!(vai.terminate().success());
    let took = boot_time().since(asked);
    assert!(took < Duration::from_secs(9), "it took {took:?}");
    vai.wait_for_line("SIGTERM: stopping");
    vai.wait_for_line("stopped$");
}

#[test]
fn a_second_daemon_over_the_same_state_is_refused_and_told_who_has_it() {
    let lab = Lab::new();
    lab.container("services", Image::Services).init(true).start();
    let vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    vai.wait_for_state("redis", "healthy");

    let second = vai.cli(&["run"]);

    assert_eq!(second.status.code(), Some(1), "{second:?}");
    let said = String::from_utf8_lossy(&second.stdout);
    assert!(said.contains(&format!("another vai (pid {} on ", vai.pid())), "{second:?}");
    assert!(vai.cli(&["health"]).status.success());
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
