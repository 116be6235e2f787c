//! Something inside a container breaks and is made well.

use crate::lab::{Image, Lab, MailCatcher, Vai, never};
use crate::services::{hopeless, nginx, redis, worker};
use serde_json::json;
use std::time::Duration;

#[test]
fn redis_killed_is_restarted_and_verified_under_init() {
    redis_killed_is_restarted_and_verified(true);
}

#[test]
fn redis_killed_is_restarted_and_verified_beside_its_zombie() {
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
    let zombies = services.processes("redis-server").len() - second.len();
    assert_eq!(zombies, usize::from(!init), "only an init reaps");
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
    let decoy = "sleep 600; exec /usr/local/bin/worker.sh";
    let decoy = services.sh(&format!("sh -c '{decoy}' >/dev/null 2>&1 &"));
    assert!(decoy.status.success(), "{decoy:?}");

    let vai = Vai::on_host(&lab.registry(json!({ "worker": worker() })));

    let first = services.wait_for("worker.sh");
    vai.wait_for_state("worker", "healthy");
    never("another worker", Duration::from_secs(5), || {
        let now = services.living("worker.sh");
        (now != first).then_some(now)
    });
}

#[test]
fn a_hung_nginx_is_ended_before_the_command_runs_again() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut vai = Vai::on_host(&lab.registry(json!({ "nginx": nginx() })));
    let hung = services.wait_for("nginx");
    vai.wait_for_state("nginx", "healthy");

    services.signal("nginx", "STOP");

    vai.wait_for_line(r"nginx.*restart failed: restart_cmd exited 1");
    vai.wait_for_line(r"nginx.*healed in \d+ s");
    let left = services.living("nginx");
    assert!(!left.is_empty());
    assert!(hung.iter().all(|old| !left.contains(old)), "a second copy: {left:?}");
}

#[test]
fn what_cannot_be_healed_is_given_up_and_told_by_mail() {
    let lab = Lab::new();
    let mail = MailCatcher::start();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut registry = lab.registry(json!({ "licensed": hopeless() }));
    registry["notifications"] = json!({
        "channels": { "alerts": [{ "type": "email", "to": ["ops@example.com"] }] },
        "smtp": mail.smtp(),
        "group_wait_seconds": 1,
    });
    // Found well, so that what follows is a failure and not a first start.
    assert!(services.sh("touch /tmp/mended").status.success());
    let mut vai = Vai::on_host(&registry);
    vai.wait_for_state("licensed", "healthy");

    assert!(services.sh("rm /tmp/mended").status.success());

    vai.wait_for_line(r"licensed.*restarted but still failing");
    vai.wait_for_state("licensed", "gave_up");
    assert_eq!(vai.lines_with(r"licensed.*restarted but still failing").len(), 2);
    let opened = mail.wait_for(1);
    assert_eq!(opened.to, ["ops@example.com"]);
    assert!(opened.subject.contains("licensed"), "{opened:?}");
    assert!(opened.text.contains("no licence found"), "{opened:?}");

    assert!(services.sh("touch /tmp/mended").status.success());
    vai.wait_for_state("licensed", "healthy");
    let resolved = mail.wait_for(2);
    assert!(resolved.subject.contains("licensed"), "{resolved:?}");
    assert_eq!(mail.mails().len(), 2);
}

#[test]
fn what_depends_on_it_is_not_touched_when_it_is_healed() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut dependent = worker();
    dependent["dependencies"] = json!(["redis"]);
    let mut vai = Vai::on_host(&lab.registry(json!({ "redis": redis(), "worker": dependent })));
    let worker = services.wait_for("worker.sh");
    vai.wait_for_state("worker", "healthy");

    services.kill9("redis-server");

    vai.wait_for_line(r"redis.*healed in \d+ s");
    vai.wait_for_state("worker", "healthy");
    assert_eq!(services.living("worker.sh"), worker);
}

#[test]
fn a_command_that_keeps_its_output_open_holds_up_nothing_else() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut talkative = worker();
    talkative["restart_cmd"] = json!("/usr/local/bin/worker.sh &");
    let mut vai = Vai::on_host(&lab.registry(json!({ "redis": redis(), "worker": talkative })));
    services.wait_for("worker.sh");
    vai.wait_for_state("worker", "healthy");
    vai.wait_for_state("redis", "healthy");

    services.kill9("redis-server");

    let healed = vai.wait_for_line(r"redis.*healed in \d+ s");
    let seconds = healed.split("healed in ").nth(1).and_then(|rest| rest.split(' ').next());
    let seconds: u32 = seconds.and_then(|text| text.parse().ok()).expect("a number of seconds");
    assert!(seconds <= 10, "{healed}");
}
