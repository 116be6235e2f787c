//! The registry is edited while vai runs.

use crate::lab::{Image, Lab, MailCatcher, Vai, never, pretty};
use crate::services::{hopeless, redis, worker};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;
use std::time::Duration;
use vai::clock::boot_time;

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
    let mut vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    vai.wait_for_state("redis", "healthy");
    let untouched = services.living("redis-server");

    let both = lab.registry(json!({ "redis": redis(), "worker": worker() }));
    edit(&vai.registry_path(), &pretty(&both));

    let saved = boot_time();
    vai.wait_for_line("is in force: added worker$");
    let took = boot_time().since(saved);
    assert!(took < Duration::from_secs(2), "in force after {took:?}");
    services.wait_for("worker.sh");
    vai.wait_for_state("worker", "healthy");
    assert_eq!(services.living("redis-server"), untouched);
    assert_eq!(vai.lines_with("ERROR|is in force").len(), 1, "half of it was read");
}

#[test]
fn a_service_that_did_not_change_keeps_its_state_and_its_counters() {
    let lab = Lab::new();
    let mail = MailCatcher::start();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut registry = lab.registry(json!({ "licensed": hopeless(), "redis": redis() }));
    registry["notifications"] = mail.notifications();
    let vai = Vai::on_host(&registry);
    vai.wait_for_state("redis", "healthy");
    vai.wait_for_state("licensed", "gave_up");
    mail.wait_for(1);
    let kept = |view: Value| {
        ["state", "since", "failed_attempts", "restarts_in_window", "incident"]
            .map(|field| view[field].clone())
    };
    let (licensed, redis_view) = (kept(vai.view("licensed")), kept(vai.view("redis")));
    assert_eq!(licensed[2], 3, "{licensed:?}");

    let three = json!({ "licensed": hopeless(), "redis": redis(), "worker": worker() });
    registry["services"] = lab.registry(three)["services"].take();
    vai.edit(&registry);

    services.wait_for("worker.sh");
    vai.wait_for_state("worker", "healthy");
    assert_eq!(kept(vai.view("licensed")), licensed);
    assert_eq!(kept(vai.view("redis")), redis_view);
    assert_eq!(mail.mails().len(), 1, "{:?}", mail.mails());
}

#[test]
fn a_service_disabled_while_it_is_killed_is_not_resurrected() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    vai.wait_for_state("redis", "healthy");

    let mut disabled = redis();
    disabled["enabled"] = json!(false);
    vai.edit(&lab.registry(json!({ "redis": disabled })));
    services.kill9("redis-server");

    vai.wait_for_state("redis", "disabled");
    never("a redis that was disabled", Duration::from_secs(5), || {
        let living = services.living("redis-server");
        (!living.is_empty()).then_some(living)
    });
}

#[test]
fn sighup_reads_the_registry_again_and_disturbs_nothing() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    vai.wait_for_state("redis", "healthy");
    let (pids, since) = (services.living("redis-server"), vai.view("redis")["since"].clone());

    vai.signal(Signal::HUP);

    vai.wait_for_line("system-config.json is in force, nothing changed$");
    assert_eq!(services.living("redis-server"), pids);
    assert_eq!(vai.view("redis")["since"], since);
}
