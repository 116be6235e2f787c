//! Registries that are not taken.

use crate::lab::{Image, Lab, MailCatcher, Vai, eventually, never, pretty};
use crate::services::redis;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

#[test]
fn a_broken_edit_changes_nothing_and_is_told_once_and_so_is_its_end() {
    an_edit_changes_nothing_and_is_told_once_and_so_is_its_end(
        |registry| pretty(&broken(registry)),
        "did you mean .?restart_cmd",
    );
}

#[test]
fn an_emptied_file_changes_nothing_and_is_told_once_and_so_is_its_end() {
    an_edit_changes_nothing_and_is_told_once_and_so_is_its_end(|_| String::new(), "empty");
}

fn an_edit_changes_nothing_and_is_told_once_and_so_is_its_end(
    edited: impl FnOnce(&Value) -> String,
    diagnostic: &str,
) {
    let lab = Lab::new();
    let mail = MailCatcher::start();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut registry = lab.registry(json!({ "redis": redis() }));
    registry["notifications"] = mail.notifications();
    let mut vai = Vai::on_host(&registry);
    vai.wait_for_state("redis", "healthy");

    fs::write(vai.registry_path(), edited(&registry)).expect("it can be written");

    vai.wait_for_line(r"system-config\.json:\d+:\d+");
    vai.wait_for_line("has errors and is not in force; the one before it stays");
    assert!(!vai.lines_with(&format!("(?i){diagnostic}")).is_empty());
    let told = mail.wait_for(1);
    assert!(told.subject.contains("registry"), "{told:?}");
    assert!(warnings(&vai).contains("has errors and is not in force"), "{}", warnings(&vai));
    services.kill9("redis-server");
    vai.wait_for_line(r"redis.*healed in \d+ s");

    // Broken in another way: the same incident.
    fs::write(vai.registry_path(), "{").expect("it can be written");
    vai.wait_for_line("has errors and is not in force");
    vai.edit(&registry);
    vai.wait_for_line("is in force");
    let ended = mail.wait_for(2);
    assert!(ended.subject.contains("registry"), "{ended:?}");
    assert_eq!(warnings(&vai), "[]");
    never("a third mail", Duration::from_secs(3), || mail.mails().into_iter().nth(2));
}

#[test]
fn an_edit_that_drops_more_than_half_is_held_until_it_is_forced() {
    let lab = Lab::new();
    lab.container("services", Image::Services).init(true).start();
    let fine = json!({
        "container": "services",
        "health_check": { "type": "custom", "command": "true", "interval_seconds": 2 },
        "restart_cmd": "true",
    });
    let four = json!({ "a": fine, "b": fine, "c": fine, "d": fine });
    let mut vai = Vai::on_host(&lab.registry(four));
    vai.wait_for_state("d", "healthy");

    vai.edit(&lab.registry(json!({ "a": fine })));

    vai.wait_for_line(r"would drop 3 of 4 services \(b, c, d\) and is held; `vai reload --force`");
    let gentle = vai.cli(&["reload"]);
    assert_eq!(gentle.status.code(), Some(1), "{gentle:?}");
    vai.wait_for_state("d", "healthy");

    let forced = vai.cli(&["reload", "--force"]);
    assert!(forced.status.success(), "{forced:?}");
    assert!(String::from_utf8_lossy(&forced.stdout).contains("removed b, c, d"), "{forced:?}");
    eventually("only one service", Duration::from_secs(5), || {
        (!vai.cli(&["status", "d"]).status.success()).then_some(())
    });
    vai.wait_for_state("a", "healthy");
}

#[test]
fn at_start_a_bad_file_means_the_last_good_one_loudly() {
    let lab = Lab::new();
    let mail = MailCatcher::start();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut registry = lab.registry(json!({ "redis": redis() }));
    registry["notifications"] = mail.notifications();
    let mut vai = Vai::on_host(&registry);
    vai.wait_for_state("redis", "healthy");
    assert!(vai.terminate().success());

    vai.edit(&broken(&registry));
    vai.start_again();

    vai.wait_for_line(r"system-config\.json:\d+:\d+");
    vai.wait_for_line("ERROR.*the last good copy of it is in force");
    vai.wait_for_state("redis", "healthy");
    let told = mail.wait_for(1);
    assert!(told.text.contains("last good copy"), "{told:?}");
    services.kill9("redis-server");
    vai.wait_for_line(r"redis.*healed in \d+ s");

    vai.edit(&registry);
    vai.wait_for_line("is in force, nothing changed");
    assert!(mail.wait_for(2).subject.contains("registry"), "{:?}", mail.mails());
    assert_eq!(warnings(&vai), "[]");
}

#[test]
fn at_start_a_bad_file_without_a_good_one_is_the_end() {
    let lab = Lab::new();
    lab.container("services", Image::Services).init(true).start();
    let mut vai = Vai::on_host(&broken(&lab.registry(json!({ "redis": redis() }))));

    assert_eq!(vai.wait_for_end().code(), Some(2));
    vai.wait_for_line(r"system-config\.json:\d+:\d+");
    vai.wait_for_line("there is no good copy of it: not started");
}

/// What `vai status` warns of.
fn warnings(vai: &Vai) -> String {
    let status = vai.cli(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).expect("status prints JSON");
    status["warnings"].to_string()
}

/// `registry` with a misspelt field in a service.
fn broken(registry: &Value) -> Value {
    let mut broken = registry.clone();
    broken["services"]["redis"]["restrat_cmd"] = json!("true");
    broken
}
