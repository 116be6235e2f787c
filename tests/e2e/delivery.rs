//! Messages arrive, once, whatever becomes of their ways and of vai meanwhile.
//!
//! `VAI_OUTAGE_SECONDS` is how much longer than the failure and its end the
//! mail server is away, 0 where nothing is said.

use crate::lab::{HttpCatcher, Mail, MailCatcher, Vai, eventually, never, number_of};
use crate::services::{flag, mendable_flag};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;
use vai::clock::boot_time;

/// What comes later than this says so.
const LATE: Duration = Duration::from_secs(120);

#[test]
fn what_failed_and_healed_while_the_mail_server_was_down_comes_as_one_mail() {
    fails_and_heals_while_the_mail_server_is_down(|_| {});
}

#[test]
fn a_vai_that_is_killed_while_the_mail_server_is_down_loses_nothing() {
    let vai_too = fails_and_heals_while_the_mail_server_is_down(|vai| {
        vai.kill9();
        vai.start_again();
    });
    let restarts = |mail: &&Mail| mail.text.contains("vai was restarted without having been stop");
    assert_eq!(vai_too.iter().filter(restarts).count(), 1, "{vai_too:#?}");
}

/// The mails that came of it.
fn fails_and_heals_while_the_mail_server_is_down(meanwhile: impl FnOnce(&mut Vai)) -> Vec<Mail> {
    let folder = TempDir::new().expect("a folder");
    let (up, mends) = (flag_in(&folder, "up"), folder.path().join("mends"));
    let mut mail = MailCatcher::start();
    let registry = json!({
        "services": { "shop": mendable_flag(&up, &mends) },
        "notifications": mail.notifications(),
    });
    let zone = ("TZ".to_owned(), "UTC".to_owned());
    let mut vai = Vai::on_host_with(&registry, vec![zone]);
    vai.wait_for_state("shop", "healthy");

    mail.stop();
    lower(&up);
    let failed = vai.wait_for_line("shop: healthy → suspect");
    vai.wait_for_line(r"not sent to alerts\[0\] email yet.*DOWN shop");
    meanwhile(&mut vai);
    File::create(&mends).expect("it can be made");
    vai.wait_for_line(r"shop.*healed in");
    vai.wait_for_state("shop", "healthy");
    // The fault itself.
    let longer = number_of("VAI_OUTAGE_SECONDS").map_or(Duration::ZERO, Duration::from_secs);
    thread::sleep(longer);
    // Nobody has heard of anything yet.
    assert_eq!(mail.mails(), []);
    mail.start_again();

    // It is tried again about as late as it has failed already.
    eventually("the mail", Duration::from_secs(45) + longer, || {
        vai.lines_with(r"sent to alerts\[0\] email.*RESOLVED shop").pop()
    });
    let of_shop = |mails: Vec<Mail>| -> Vec<Mail> {
        mails.into_iter().filter(|mail| mail.text.contains("shop")).collect()
    };
    never("a second mail about it", Duration::from_secs(5), || {
        let mails = of_shop(mail.mails());
        (mails.len() > 1).then_some(mails)
    });
    let told = of_shop(mail.mails()).remove(0);
    let (_, time) = failed.split_once('T').expect("a line begins with its time");
    let (began, _) = time.split_once('Z').expect("in UTC");
    for part in [
        "It was over before it could be told; this is the only message about it.",
        &format!(", from {began} on "),
        "attempt 1: restarted but still failing",
    ] {
        assert!(told.text.contains(part), "{part}: {told:#?}");
    }
    let late = told.text.contains("This message is late");
    assert!(late || longer < LATE, "{told:#?}");
    mail.mails()
}

#[test]
fn a_sink_that_never_answers_holds_up_no_other_sink_check_or_restart() {
    let folder = TempDir::new().expect("a folder");
    let (down, healed) = (flag_in(&folder, "down"), flag_in(&folder, "healed"));
    let mends = flag_in(&folder, "mends");
    // Takes every connection, reads nothing.
    let deaf = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = deaf.local_addr().expect("it is bound").port();
    let mail = MailCatcher::start();
    let mut notifications = mail.notifications();
    let alerts = notifications["channels"]["alerts"].as_array_mut().expect("sinks");
    alerts.insert(0, json!({ "type": "webhook", "url": format!("http://127.0.0.1:{port}/") }));
    let registry = json!({
        "services": { "down": flag(&down), "healed": mendable_flag(&healed, &mends) },
        "notifications": notifications,
    });
    let mut vai = Vai::on_host(&registry);
    vai.wait_for_state("down", "healthy");
    vai.wait_for_state("healed", "healthy");

    lower(&down);
    let told = mail.wait_for(1);
    assert!(told.subject.contains("down"), "{told:?}");
    let sent = boot_time();
    lower(&healed);
    vai.wait_for_line(r"healed.*healed in");
    File::create(&down).expect("it can be made");
    let resolved = mail.wait_for(2);
    assert!(resolved.subject.starts_with("RESOLVED down"), "{resolved:?}");

    // All that while one and the same send to the other has been under way.
    let took = boot_time().since(sent);
    assert!(took < Duration::from_secs(14), "{took:?}");
    assert_eq!(vai.lines_with(r"sent to alerts\[0\] webhook"), [""; 0]);
    let unsent = r"not sent to alerts\[0\] webhook yet.*no answer within 60 s";
    vai.wait_for_line_within(Duration::from_secs(120), unsent);
}

#[test]
fn a_rate_limit_of_the_ntfy_stand_in_is_respected_and_loses_nothing() {
    const ASKED: Duration = Duration::from_secs(8);
    let folder = TempDir::new().expect("a folder");
    let (shop, till) = (flag_in(&folder, "shop"), flag_in(&folder, "till"));
    let limit = format!("429 Too Many Requests\r\nRetry-After: {}", ASKED.as_secs());
    let ntfy = HttpCatcher::start(&limit, r#"{"code":42901,"http":429}"#);
    let registry = json!({
        "services": { "shop": flag(&shop), "till": flag(&till) },
        "notifications": {
            "channels": { "alerts": [{ "type": "ntfy", "server": ntfy.url(""), "topic": "ops" }] },
            "group_wait_seconds": 1,
        },
    });
    let mut vai = Vai::on_host(&registry);
    vai.wait_for_state("shop", "healthy");
    vai.wait_for_state("till", "healthy");

    lower(&shop);
    vai.wait_for_line(r"not sent to alerts\[0\] ntfy yet.*answered 429.*DOWN shop");
    ntfy.answer("200 OK", "{}");
    // Without the limit this would be told within two seconds or three.
    lower(&till);
    vai.wait_for_line(r"sent to alerts\[0\] ntfy after 1 failed tries: 2 DOWN: shop, till");
    let times = ntfy.times();
    assert_eq!(times.len(), 2, "{:?}", ntfy.requests());
    assert!(times[1].since(times[0]) >= ASKED, "{times:?}");
    for flag in [&shop, &till] {
        File::create(flag).expect("it can be made");
    }
    let all_told = |it: &String| it.contains("RESOLVED shop") && it.contains("RESOLVED till");
    eventually("both ends", Duration::from_secs(30), || {
        let told = ntfy.requests()[2..].join("\n");
        all_told(&told).then_some(())
    });
}

#[test]
fn the_fallback_is_told_what_a_sink_rejects_and_how_it_ended() {
    let folder = TempDir::new().expect("a folder");
    let up = flag_in(&folder, "up");
    let refuses = HttpCatcher::start("404 Not Found", "no such hook");
    let mail = MailCatcher::start();
    let mut notifications = mail.notifications();
    let backup = notifications["channels"]["alerts"].take();
    notifications["channels"] = json!({
        "alerts": [{ "type": "webhook", "url": refuses.url("/hook") }],
        "backup": backup,
    });
    notifications["fallback"] = json!("backup");
    let registry = json!({ "services": { "shop": flag(&up) }, "notifications": notifications });
    let mut vai = Vai::on_host(&registry);
    vai.wait_for_state("shop", "healthy");

    lower(&up);
    vai.wait_for_line(
        r"not sent to alerts\[0\] webhook, rejected: answered 404 Not Found.*DOWN shop",
    );
    vai.wait_for_line(r"backup\[0\] email is told instead of alerts\[0\] webhook");
    let down = mail.wait_for(1);
    assert!(down.subject.contains("shop"), "{down:?}");
    File::create(&up).expect("it can be made");
    let resolved = mail.wait_for(2);
    assert!(resolved.subject.starts_with("RESOLVED shop"), "{resolved:?}");
    assert_eq!(resolved.in_reply_to, down.id);
    assert!(!refuses.requests().is_empty());
}

#[test]
fn a_bad_registry_is_told_once_over_restarts_and_its_end_is_told() {
    let folder = TempDir::new().expect("a folder");
    let up = flag_in(&folder, "up");
    let mail = MailCatcher::start();
    let registry = json!({
        "services": { "shop": flag(&up) },
        "notifications": mail.notifications(),
    });
    let mut bad = registry.clone();
    bad["services"]["shop"]["health_check"]["interval_seconds"] = json!("often");
    let mut vai = Vai::on_host(&registry);
    vai.wait_for_state("shop", "healthy");

    vai.edit(&bad);
    let told = mail.wait_for(1);
    assert!(told.subject.contains("registry"), "{told:?}");
    stop_and_start(&mut vai, || ());
    vai.wait_for_state("shop", "healthy");
    never("a second mail about the registry", Duration::from_secs(5), || {
        let mails = mail.mails();
        (mails.len() > 1).then_some(mails)
    });

    // Mended while nobody looked.
    let path = vai.registry_path();
    stop_and_start(&mut vai, || write(&path, &registry));
    let resolved = mail.wait_for(2);
    assert!(resolved.subject.starts_with("RESOLVED registry"), "{resolved:?}");
    assert_eq!(resolved.in_reply_to, told.id);

    vai.edit(&bad);
    mail.wait_for(3);
    vai.edit(&registry);
    let resolved = mail.wait_for(4);
    assert!(resolved.subject.starts_with("RESOLVED registry"), "{resolved:?}");
}

#[test]
fn that_vai_was_killed_is_told_once_and_a_stop_is_not() {
    let folder = TempDir::new().expect("a folder");
    let up = flag_in(&folder, "up");
    let mail = MailCatcher::start();
    let registry = json!({
        "services": { "shop": flag(&up) },
        "notifications": mail.notifications(),
    });
    let mut vai = Vai::on_host(&registry);
    vai.wait_for_state("shop", "healthy");

    stop_and_start(&mut vai, || ());
    vai.wait_for_state("shop", "healthy");
    vai.kill9();
    vai.start_again();
    let told = mail.wait_for(1);
    assert!(
        told.text.contains("vai was restarted without having been stopped: it was killed"),
        "{told:#?}"
    );
    stop_and_start(&mut vai, || ());
    vai.wait_for_state("shop", "healthy");
    never("another mail about it", Duration::from_secs(5), || {
        let mails = mail.mails();
        (mails.len() > 1).then_some(mails)
    });
}

fn stop_and_start(vai: &mut Vai, meanwhile: impl FnOnce()) {
    assert!(vai.terminate().success());
    meanwhile();
    vai.start_again();
}

fn write(path: &Path, registry: &Value) {
    fs::write(path, registry.to_string()).expect("the registry can be written");
}

/// A flag that is there.
fn flag_in(folder: &TempDir, name: &str) -> PathBuf {
    let path = folder.path().join(name);
    File::create(&path).expect("it can be made");
    path
}

fn lower(flag: &Path) {
    fs::remove_file(flag).expect("it is there");
}
