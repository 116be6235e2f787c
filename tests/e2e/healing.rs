//! Something inside a container breaks and is made well.

use crate::lab::{Image, Lab, Vai, eventually, never};
use crate::services::{nginx, redis, worker};
use serde_json::json;
use std::time::Duration;

#[test]
fn redis_killed_is_restarted_and_verified_under_init() {
    redis_killed_is_restarted_and_verified(true);
}

#[test]
fn redis_killed_is_restarted_and_verified_where_process_1_reaps_nothing() {
    redis_killed_is_restarted_and_verified(false);
}

fn redis_killed_is_restarted_and_verified(init: bool) {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(init).start();
    let mut vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    let first = services.wait_for("redis-server");
    vai.wait_for_state("redis", "healthy");

    services.kill9("redis-server");

    vai.wait_for_line(r"redis.*healed in \d+ s");
    let second = services.living("redis-server");
    assert_eq!(second.len(), 1);
    assert_ne!(first, second);
    eventually("no zombie, init or not", Duration::from_secs(10), || {
        (services.processes("redis-server").len() == second.len()).then_some(())
    });
    vai.wait_for_state("redis", "healthy");
}

#[test]
fn nginx_on_the_loopback_of_a_container_without_tools_is_seen() {
    let lab = Lab::new();
    let services = lab.container("services", Image::NoTools).start();
    let vai = Vai::on_host(&lab.registry(json!({ "nginx": nginx() })));
    services.wait_for("nginx");
    vai.wait_for_state("nginx", "healthy");
}

#[test]
fn a_worker_script_is_started_once() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    // Both name the worker without being it.
    for shell in ["sh", "bash"] {
        let decoy = "sleep 600; exec /usr/local/bin/worker.sh";
        let decoy = services.sh(&format!("{shell} -c '{decoy}' >/dev/null 2>&1 &"));
        assert!(decoy.status.success(), "{decoy:?}");
    }

    let vai = Vai::on_host(&lab.registry(json!({ "worker": worker() })));

    let first = services.wait_for("worker.sh");
    vai.wait_for_state("worker", "healthy");
    never("another worker", Duration::from_secs(5), || {
        let now = services.living("worker.sh");
        (now != first).then_some(now)
    });
    assert_eq!(services.living("sleep").len(), 3, "two decoys, and the worker's own");
}

#[test]
fn a_hung_nginx_is_ended_before_the_command_runs_again_under_init() {
    a_hung_nginx_is_ended_before_the_command_runs_again(true);
}

#[test]
fn a_hung_nginx_is_ended_before_the_command_runs_again_beside_its_zombie() {
    a_hung_nginx_is_ended_before_the_command_runs_again(false);
}

fn a_hung_nginx_is_ended_before_the_command_runs_again(init: bool) {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(init).start();
    let mut vai = Vai::on_host(&lab.registry(json!({ "nginx": nginx() })));
    let hung = services.wait_for("nginx");
    vai.wait_for_state("nginx", "healthy");

    services.signal("nginx", "STOP");

    // The port is still taken, and the verdict names who takes it.
    vai.wait_for_line(
        r"nginx.*restart failed: restart_cmd exited 1: .*bind\(\).*; nginx .*still there",
    );
    vai.wait_for_line(r"nginx.*ended nginx \(pid [\d, ]+\) by");
    vai.wait_for_line(r"nginx.*healed in \d+ s");
    let left = services.living("nginx");
    assert!(!left.is_empty());
    assert!(hung.iter().all(|old| !left.contains(old)), "a second copy: {left:?}");
}
