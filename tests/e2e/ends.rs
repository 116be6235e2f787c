//! Containers that cannot be started, that run once, and that do not exist.

use crate::lab::{Image, Lab, MailCatcher, Vai, eventually, never};
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;

#[test]
fn the_engines_words_are_told_of_a_container_that_it_cannot_start() {
    let lab = Lab::new();
    let mail = MailCatcher::start();
    let source = TempDir::new().expect("a folder to mount");
    let mount = format!("--mount=type=bind,source={},target=/data", source.path().display());
    let bm = lab
        .container("bm", Image::Tiny)
        .option(mount)
        .command(["sh", "-c", "exec sleep 100000"])
        .start();
    let mut service = docker_check("bm");
    service["recovery"] = json!({ "max_attempts": 3, "backoff_initial_seconds": 1 });
    let mut registry = lab.registry(json!({ "bm": service }));
    registry["notifications"] = mail.notifications();
    let vai = Vai::on_host(&registry);
    vai.wait_for_state("bm", "healthy");

    source.close().expect("the folder can be removed");
    bm.docker("kill");

    eventually("that it is no longer healthy", Duration::from_secs(20), || {
        (vai.view("bm")["state"] != "healthy").then_some(())
    });
    let told = eventually("a mail", Duration::from_secs(120), || mail.mails().into_iter().next());
    let words = "bind source path does not exist";
    assert!(told.subject.contains("could not be started"), "{}", told.subject);
    assert!(told.text.contains("restart failed: the engine could not start"), "{}", told.text);
    assert!(told.text.contains(words), "{}", told.text);
    assert!(!told.text.contains("by itself"), "{}", told.text);
    assert_eq!(vai.lines_with("by itself"), [""; 0]);
}

#[test]
fn what_runs_once_is_finished_and_never_run_again() {
    let lab = Lab::new();
    let once = lab.container("once", Image::Tiny).command(["sh", "-c", "exit 0"]).start();
    let vai = Vai::on_host(&lab.registry(json!({ "migration": docker_check("once") })));
    vai.wait_for_state("migration", "finished");
    let before = once.started_at();
    never("another run of it", Duration::from_secs(8), || {
        (once.started_at() != before).then_some(())
    });
    assert_eq!(vai.view("migration")["state"], "finished");
    assert!(vai.cli(&["check"]).status.success());
}

#[test]
fn a_container_that_does_not_exist_is_said_not_to_be_watched() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Tiny).start();
    let vai = Vai::on_host(&lab.registry(json!({ "redis": docker_check("servics") })));
    vai.wait_for_state("redis", "missing");
    let reason = vai.view("redis")["reason"].as_str().map(str::to_owned);
    let reason = reason.expect("a reason is text");
    assert!(reason.contains(&format!("did you mean `{}`?", services.name())), "{reason}");
    for command in ["health", "status"] {
        let said = vai.cli(&[command]);
        assert!(said.status.success(), "{said:?}");
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.contains("1 service is not watched: redis"), "{said}");
    }
}

fn docker_check(container: &str) -> Value {
    json!({
        "container": container,
        "health_check": {
            "type": "docker",
            "interval_seconds": 2, "timeout_seconds": 1, "confirm_interval_seconds": 1,
        },
        "startup_delay_seconds": 1,
    })
}
