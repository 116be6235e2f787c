//! What vai knows outlives it, however it ends.

use crate::lab::{Image, Lab, MailCatcher, Vai, eventually, never};
use crate::services::{flag, hopeless, redis};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::time::Duration;
use tempfile::TempDir;

#[test]
fn killed_in_the_middle_of_an_outage_it_goes_on_where_it_was() {
    let lab = Lab::new();
    let mail = MailCatcher::start();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut registry = lab.registry(json!({ "licensed": hopeless(), "redis": redis() }));
    registry["notifications"] = mail.notifications();
    assert!(services.sh("touch /tmp/mended").status.success());
    let mut vai = Vai::on_host(&registry);
    vai.wait_for_state("redis", "healthy");
    vai.wait_for_state("licensed", "healthy");
    assert!(vai.cli(&["pause", "redis"]).status.success());
    assert!(services.sh("rm /tmp/mended").status.success());
    vai.wait_for_state("licensed", "gave_up");
    let opened = mail.wait_for(1);
    wait_until_nothing_is_to_be_sent(&vai);
    let before = lasting(&vai);

    vai.kill9();
    vai.start_again();

    vai.wait_for_state("licensed", "gave_up");
    assert_eq!(lasting(&vai), before);
    assert_eq!(vai.view("licensed")["restarts_in_window"], 3);
    let restarted = mail.wait_for(2);
    assert!(restarted.subject.starts_with("INFO vai: vai was restarted"), "{restarted:?}");
    never("another attempt or mail", Duration::from_secs(6), || {
        let (attempts, mails) = (services.lines_of("/tmp/attempts").len(), mail.mails());
        (attempts != 3 || mails.len() != 2).then_some((attempts, mails))
    });
    assert_eq!(lasting(&vai), before);
    services.kill9("redis-server");
    vai.wait_for_line("redis.*not attempted: paused by an operator");

    assert!(services.sh("touch /tmp/mended").status.success());
    vai.wait_for_state("licensed", "healthy");
    let resolved = mail.wait_for(3);
    assert!(resolved.subject.starts_with("RESOLVED licensed"), "{resolved:?}");
    assert!(opened.id.is_some() && resolved.in_reply_to == opened.id, "{opened:?} {resolved:?}");
}

#[test]
fn one_outage_over_a_reload_a_stop_and_a_crash_is_told_once_and_so_is_its_end() {
    let folder = TempDir::new().expect("a folder");
    let (up, other) = (folder.path().join("up"), folder.path().join("other"));
    for flag in [&up, &other] {
        File::create(flag).expect("it can be made");
    }
    let mail = MailCatcher::start();
    let mut registry = json!({
        "services": { "shop": flag(&up) },
        "notifications": mail.notifications(),
    });
    let mut vai = Vai::on_host(&registry);
    vai.wait_for_state("shop", "healthy");
    fs::remove_file(&up).expect("it is there");
    let opened = mail.wait_for(1);
    assert!(opened.subject.starts_with("DOWN shop"), "{opened:?}");
    wait_until_nothing_is_to_be_sent(&vai);
    let incident = vai.view("shop")["incident"].clone();
    assert!(incident.is_string(), "{incident}");

    registry["services"]["other"] = flag(&other);
    vai.edit(&registry);
    vai.wait_for_state("other", "healthy");
    assert!(vai.terminate().success());
    vai.start_again();
    vai.wait_for_state("shop", "down");
    vai.kill9();
    vai.start_again();
    vai.wait_for_state("shop", "down");
    assert_eq!(vai.view("shop")["incident"], incident);
    let restarted = mail.wait_for(2);
    assert!(restarted.subject.starts_with("INFO vai: vai was restarted"), "{restarted:?}");
    never("a second word about it", Duration::from_secs(5), || {
        let mails = mail.mails();
        (mails.len() > 2).then_some(mails)
    });

    File::create(&up).expect("it can be made");
    let resolved = mail.wait_for(3);
    assert!(resolved.subject.starts_with("RESOLVED shop"), "{resolved:?}");
    assert_eq!(resolved.in_reply_to, opened.id);
    never("a second end", Duration::from_secs(5), || {
        let mails = mail.mails();
        (mails.len() > 3).then_some(mails)
    });
}

#[test]
fn what_was_not_delivered_when_it_was_killed_is_delivered_afterwards() {
    let lab = Lab::new();
    let mail = MailCatcher::start();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut registry = lab.registry(json!({ "licensed": hopeless() }));
    registry["notifications"] = mail.notifications();
    let mut unreachable = registry.clone();
    unreachable["notifications"]["smtp"]["port"] = json!(9);
    assert!(services.sh("touch /tmp/mended").status.success());
    let mut vai = Vai::on_host(&unreachable);
    vai.wait_for_state("licensed", "healthy");
    assert!(services.sh("rm /tmp/mended").status.success());
    vai.wait_for_line("not sent to alerts.0. email yet.*DOWN licensed");

    vai.kill9();
    vai.edit(&registry);
    vai.start_again();

    let late = mail.wait_for(1);
    assert!(late.subject.starts_with("DOWN licensed"), "{late:?}");
    wait_until_nothing_is_to_be_sent(&vai);
}

/// Everything that `vai status` says and that does not change by itself.
fn lasting(vai: &Vai) -> Value {
    let status = vai.cli(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).expect("status prints JSON");
    let services = status["services"].as_object().expect("services have names");
    let incidents = status["incidents"].as_object().expect("incidents have names");
    let fields = |of: &Value, names: &[&str]| -> Vec<Value> {
        names.iter().map(|name| of[*name].clone()).collect()
    };
    let service = ["state", "since", "restarts_in_window", "failed_attempts", "incident"];
    let incident = ["id", "severity", "since", "reason", "history", "failed_attempts", "evidence"];
    json!([
        services.values().map(|it| fields(it, &service)).collect::<Vec<_>>(),
        incidents.values().map(|it| fields(it, &incident)).collect::<Vec<_>>(),
    ])
}

/// Waits until the state file holds no message any more.
fn wait_until_nothing_is_to_be_sent(vai: &Vai) {
    let file = vai.state_folder().join("state.db");
    let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .expect("the state file is there");
    let count = "SELECT count(*) FROM records WHERE kind = 'message'";
    eventually("an empty outbox", Duration::from_secs(20), || {
        let messages: u32 =
            db.query_row(count, [], |row| row.get(0)).expect("the state file can be read");
        (messages == 0).then_some(())
    });
}
