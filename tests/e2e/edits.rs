//! The registry is edited while vai runs.

use crate::lab::{Image, Lab, Vai, eventually};
use crate::services::{redis, worker};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;
use std::time::Duration;

#[test]
fn an_edit_in_place_takes_effect() {
    an_edit_takes_effect(|path, text| fs::write(path, text).expect("it can be written"));
}

#[test]
fn an_edit_by_rename_takes_effect() {
    an_edit_takes_effect(|path, text| {
        let new = path.with_extension("new");
        fs::write(&new, text).expect("it can be written");
        fs::rename(&new, path).expect("it can be renamed");
    });
}

#[test]
fn an_edit_by_symlink_swap_takes_effect() {
    an_edit_takes_effect(|path, text| {
        let (content, link) = (path.with_extension("v2"), path.with_extension("link"));
        fs::write(&content, text).expect("it can be written");
        symlink(&content, &link).expect("it can be linked");
        fs::rename(&link, path).expect("it can be renamed");
    });
}

#[test]
fn a_slow_copy_takes_effect_and_is_never_half_read() {
    an_edit_takes_effect(|path, text| {
        let mut file = File::create(path).expect("it can be written");
        for part in text.as_bytes().chunks(text.len() / 8) {
            file.write_all(part).expect("it can be written");
            // Shorter than what counts as settled; this is the fault itself.
            thread::sleep(Duration::from_millis(100));
        }
    });
}

fn an_edit_takes_effect(edit: impl FnOnce(&Path, &str)) {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    vai.wait_for_state("redis", "healthy");
    let untouched = services.pids("redis-server");

    let both = lab.registry(json!({ "redis": redis(), "worker": worker() }));
    edit(&vai.registry_path(), &pretty(&both));

    services.wait_for("worker.sh");
    vai.wait_for_state("worker", "healthy");
    assert_eq!(services.pids("redis-server"), untouched);
    assert_eq!(vai.lines_with("(?i)error"), [""; 0], "half of it was read");
}

#[test]
fn a_broken_edit_changes_nothing_and_is_told() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    vai.wait_for_state("redis", "healthy");

    let mut broken = redis();
    broken["restrat_cmd"] = json!("true");
    let broken = lab.registry(json!({ "redis": broken }));
    fs::write(vai.registry_path(), pretty(&broken)).expect("it can be written");

    vai.wait_for_line("restart_cmd");
    services.kill9("redis-server");
    vai.wait_for_line(r"redis.*healed in \d+ s");
}

#[test]
fn a_service_disabled_while_it_is_killed_is_not_resurrected() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    vai.wait_for_state("redis", "healthy");

    let mut disabled = redis();
    disabled["enabled"] = json!(false);
    let disabled = lab.registry(json!({ "redis": disabled }));
    fs::write(vai.registry_path(), pretty(&disabled)).expect("it can be written");
    services.kill9("redis-server");

    eventually("redis disabled", Duration::from_secs(5), || {
        let status = vai.cli(&["status"]);
        let shown = String::from_utf8_lossy(&status.stdout).into_owned();
        shown.contains("disabled").then_some(())
    });
    assert!(services.living("redis-server").is_empty());
}

fn pretty(registry: &Value) -> String {
    serde_json::to_string_pretty(registry).expect("a value is JSON")
}
