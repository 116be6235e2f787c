//! What vai starts is kept: somebody takes it away when it is dead.

use crate::lab::{Container, Image, Lab, Vai, eventually, never};
use crate::services::{redis, worker};
use serde_json::json;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

fn zombies_of(services: &Container, name: &str) -> usize {
    services.processes(name).len() - services.living(name).len()
}

#[test]
fn one_keeper_for_a_user_outlives_vai_and_is_found_again() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).start();
    let registry = lab.registry(json!({ "redis": redis(), "worker": worker() }));
    let mut vai = Vai::on_host(&registry);
    let redis = services.wait_for("redis-server");
    vai.wait_for_state("redis", "healthy");
    vai.wait_for_state("worker", "healthy");
    let keepers = services.keepers();
    assert_eq!(keepers.len(), 1, "{keepers:?}");

    assert!(vai.terminate().success());

    eventually("no agent", SOON, || services.agents().is_empty().then_some(()));
    assert_eq!(services.living("redis-server"), redis);
    services.kill9("redis-server");
    eventually("nobody left lying", SOON, || {
        (zombies_of(&services, "redis-server") == 0).then_some(())
    });

    vai.start_again();

    vai.wait_for_line(r"redis.*(started|healed) in");
    vai.wait_for_state("redis", "healthy");
    assert_eq!(services.keepers(), keepers, "the same one");
}

#[test]
fn the_loss_of_the_keeper_ends_no_service_and_another_one_takes_over() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).start();
    let mut vai = Vai::on_host(&lab.registry(json!({ "redis": redis(), "worker": worker() })));
    vai.wait_for_state("redis", "healthy");
    vai.wait_for_state("worker", "healthy");
    let before = (services.living("redis-server"), services.living("worker.sh"));
    let keepers = services.keepers();
    assert_eq!(keepers.len(), 1, "{keepers:?}");

    keepers[0].kill9();

    eventually("the end of the keeper", SOON, || services.keepers().is_empty().then_some(()));
    assert_eq!((services.living("redis-server"), services.living("worker.sh")), before);
    services.kill9("redis-server");
    vai.wait_for_line(r"redis.*healed in");
    services.kill9("redis-server");
    vai.wait_for_line(r"redis.*healed in");
    eventually("only the one of the old keeper is left lying", SOON, || {
        (zombies_of(&services, "redis-server") == 1).then_some(())
    });
}

#[test]
fn a_keeper_leaves_when_nothing_is_left_to_keep_and_each_user_has_its_own() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).start();
    let mut other = worker();
    other["user"] = json!("redis");
    other["restart_cmd"] = json!("/usr/local/bin/worker.sh > /dev/null 2>&1 &");
    let vai = Vai::on_host(&lab.registry(json!({ "redis": redis(), "worker": other })));
    vai.wait_for_state("redis", "healthy");
    vai.wait_for_state("worker", "healthy");
    let mut uids: Vec<u32> = services.keepers().iter().map(|keeper| keeper.uid).collect();
    uids.sort_unstable();
    assert_eq!(uids.len(), 2, "{uids:?}");
    assert!(uids[0] == 0 && uids[1] != 0, "{uids:?}");
}

#[test]
fn without_an_agent_commands_run_as_ever() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).start();
    let mut registry = lab.registry(json!({ "worker": worker() }));
    registry["probe"] = json!("none");
    let vai = Vai::on_host(&registry);
    services.wait_for("worker.sh");
    vai.wait_for_state("worker", "healthy");
    assert_eq!(services.keepers(), []);
}

#[test]
fn a_zombie_of_somebody_else_that_a_lock_names_is_told_with_the_remedy() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).start();
    // As a database does: whoever a lock file names, if it lives, is obeyed.
    let start = "mkdir -p /data; p=$(cat /data/postmaster.pid 2>/dev/null) && kill -0 $p \
                 && { echo \"lock file names $p\"; exit 1; }; \
                 sleep 4711 & echo $! > /data/postmaster.pid";
    let started = services.sh(&format!("({start}) > /dev/null 2>&1"));
    assert!(started.status.success(), "{started:?}");
    let registry = lab.registry(json!({ "database": {
        "container": "services",
        "health_check": {
            "type": "process", "process_name": "sleep 4711",
            "interval_seconds": 2, "confirm_interval_seconds": 1,
        },
        "restart_cmd": format!("{start} # /data"),
        "startup_delay_seconds": 1, "start_timeout_seconds": 2,
        "recovery": { "max_attempts": 1 },
    }}));
    let mut vai = Vai::on_host(&registry);
    vai.wait_for_line(r"its process 1 \(tail\) does not take away the dead.*init: true");
    vai.wait_for_state("database", "healthy");

    services.kill9("sleep");

    vai.wait_for_line(r"database.*restart failed: restart_cmd exited 1: lock file names");
    let shown = String::from_utf8_lossy(&vai.cli(&["status", "database"]).stdout).into_owned();
    let wanted = "/data/postmaster.pid names sleep (pid ";
    assert!(shown.contains(wanted) && shown.contains("`init: true`"), "{shown}");
    assert_eq!(vai.lines_with("does not take away the dead: what dies").len(), 1);
}

#[test]
fn under_an_init_nothing_is_said_of_process_1() {
    let lab = Lab::new();
    let _services = lab.container("services", Image::Services).init(true).start();
    let vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    vai.wait_for_state("redis", "healthy");
    assert_eq!(vai.lines_with("take away the dead"), [""; 0]);
}

/// A service that is down until somebody makes it otherwise, and its command.
fn down(command: &str) -> serde_json::Value {
    json!({
        "container": "services",
        "health_check": {
            "type": "tcp", "port": 8080,
            "interval_seconds": 2, "timeout_seconds": 1, "confirm_interval_seconds": 1,
        },
        "restart_cmd": command,
        "startup_delay_seconds": 1,
        "start_timeout_seconds": 300,
        "recovery": { "max_attempts": 1 },
    })
}

/// All of these would take five minutes if it were not seen.
#[test]
fn an_early_death_is_the_verdict_however_the_dead_detached_itself() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).start();
    let made = services.sh("printf '#!/bin/sh\\nexit 3\\n' > /usr/local/bin/at-once; \
         printf '#!/bin/sh\\nsleep 0.5\\nexit 3\\n' > /usr/local/bin/soon; \
         chmod 755 /usr/local/bin/at-once /usr/local/bin/soon");
    assert!(made.status.success(), "{made:?}");
    let vai = Vai::on_host(&lab.registry(json!({
        "a": down("at-once > /dev/null 2>&1 &"),
        "b": down("soon > /dev/null 2>&1 &"),
        "c": down("setsid sh -c '(setsid soon &) &' > /dev/null 2>&1 &"),
        "d": down("sh -c 'kill -9 $$' > /dev/null 2>&1 & wait; sh -c 'sleep 0.3; kill -9 $$' &"),
    })));
    for (name, end) in [
        ("a", "at-once \\(pid \\d+\\) exited 3"),
        ("b", "soon \\(pid \\d+\\) exited 3"),
        ("c", "soon \\(pid \\d+\\) exited 3"),
        ("d", "sh \\(pid \\d+\\) was ended by signal 9"),
    ] {
        let verdict = format!("^.*{name} \\(.*started, but {end}, and nothing else that it left");
        eventually(&verdict, Duration::from_secs(40), || {
            vai.lines_with(&verdict).into_iter().next()
        });
    }
}

#[test]
fn a_command_that_leaves_nothing_of_its_own_or_something_alive_proves_nothing() {
    let lab = Lab::new();
    let _services = lab.container("services", Image::Services).start();
    let vai = Vai::on_host(&lab.registry(json!({
        "client": down("true"),
        "failing": down("(exit 3) & wait; true"),
        "slow": down("sh -c 'exit 3' & sleep 4712 > /dev/null 2>&1 &"),
        "clean": down("sleep 0.2 > /dev/null 2>&1 &"),
    })));
    for name in ["client", "failing", "slow", "clean"] {
        let waits = format!("{name}.*waiting for its check");
        eventually(&waits, Duration::from_secs(40), || vai.lines_with(&waits).into_iter().next());
    }
    never("a verdict", Duration::from_secs(8), || {
        vai.lines_with("nothing else that it left").into_iter().next()
    });
}
