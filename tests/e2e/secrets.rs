//! No secret is in a message, a log line, a view or an error.

use crate::lab::{HttpCatcher, MailCatcher, Vai, eventually, vai_once};
use crate::services::flag;
use serde_json::json;
use std::fs::{self, File};
use std::process::Output;
use std::time::Duration;
use tempfile::TempDir;

/// From the environment, by `${…}`.
const OF_THE_ENVIRONMENT: &str = "env-s3cret-Zq81xP";
/// In the environment, and nothing of the registry's.
const OF_A_URL: &str = "url-s3cret-Mn42kT";
/// Written into the registry itself.
const WRITTEN: &str = "lit-s3cret-Hw77rB";

#[test]
fn no_secret_is_in_a_message_a_log_line_a_view_or_an_error() {
    let folder = TempDir::new().expect("a folder");
    let (up, log) = (folder.path().join("up"), folder.path().join("shop.log"));
    File::create(&up).expect("it can be made");
    let quotes = format!("{OF_THE_ENVIRONMENT} {OF_A_URL} {WRITTEN}");
    fs::write(&log, format!("login with {quotes} failed\n")).expect("it can be written");
    let words = folder.path().join("words");
    fs::write(&words, format!("401 for {quotes}\n")).expect("it can be written");
    // Answers with what it was asked with, as many do.
    let refuses = HttpCatcher::start("403 Forbidden", &format!("bad token {quotes}"));
    let mail = MailCatcher::start();
    let mut shop = flag(&up);
    shop["health_check"]["command"] =
        json!(format!("test -e {} || {{ cat {}; exit 1; }}", up.display(), words.display()));
    shop["log_path"] = json!(log);
    shop["restart_cmd"] = json!(format!("cat {} >&2; exit 3", words.display()));
    shop["environment"] = json!({ "SHOP_TOKEN": "${SHOP_TOKEN}" });
    shop["recovery"] = json!({ "max_attempts": 1 });
    let mut page = flag(&up);
    page["health_check"] = json!({
        "type": "http", "endpoint": format!("{}?key=${{URL_TOKEN}}", refuses.url("/page")),
        "headers": { "Authorization": format!("Bearer {WRITTEN}") },
        "interval_seconds": 2, "timeout_seconds": 1, "confirm_interval_seconds": 1,
    });
    let mut notifications = mail.notifications();
    let alerts = notifications["channels"]["alerts"].as_array_mut().expect("sinks");
    alerts.push(json!({
        "type": "webhook", "url": refuses.url("/hook/${URL_TOKEN}"),
        "headers": { "X-Token": WRITTEN },
    }));
    // Nobody listens there.
    alerts.push(json!({ "type": "webhook", "url": "http://127.0.0.1:9/${URL_TOKEN}" }));
    let registry = json!({
        "services": { "page": page, "shop": shop },
        "notifications": notifications,
    });
    let environment = [("SHOP_TOKEN", OF_THE_ENVIRONMENT), ("URL_TOKEN", OF_A_URL)];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut vai = Vai::on_host_with(&registry, environment.to_vec());
    vai.wait_for_state("shop", "healthy");

    fs::remove_file(&up).expect("it is there");
    vai.wait_for_state("shop", "gave_up");
    vai.wait_for_state("page", "down");
    for sink in [r"alerts\[1\]", r"alerts\[2\]"] {
        let line = format!("not sent to {sink} webhook");
        eventually(&line, Duration::from_secs(30), || vai.lines_with(&line).pop());
    }

    let mut all: Vec<(String, String)> = Vec::new();
    let verbs: [&[&str]; 8] = [
        &["status"],
        &["status", "--json"],
        &["status", "shop", "--json"],
        &["incidents"],
        &["incidents", "--json"],
        &["check"],
        &["test-alert", "alerts"],
        &["validate"],
    ];
    for verb in verbs {
        all.push((verb.join(" "), printed(&vai.cli(verb))));
    }
    let view = &all[2].1;
    assert!(view.contains("401 for "), "it quotes: {view}");
    File::create(&up).expect("it can be made");
    vai.wait_for_line(r"sent to alerts\[0\] email: .*RESOLVED shop");
    vai.wait_for_state("shop", "healthy");
    all.push((
        "incidents --closed".into(),
        printed(&vai.cli(&["incidents", "--closed", "--json"])),
    ));
    for mail in mail.mails() {
        all.push((
            format!("the mail {}", mail.subject),
            format!("{}\n{}\n{}", mail.subject, mail.text, mail.html),
        ));
    }
    // The address and the headers are where they belong.
    for request in refuses.requests().iter().filter(|it| it.starts_with("POST")) {
        let (_, body) = request.split_once("\r\n\r\n").expect("a head ends");
        all.push(("what a webhook is sent".into(), body.to_owned()));
    }
    let mut broken = registry.clone();
    broken["notifications"]["channels"]["alerts"][1]["url"] = json!(WRITTEN);
    all.push(("an error".into(), printed(&vai_once(&broken, &["validate"]))));
    all.push(("the log".into(), vai.lines_with("").join("\n")));
    assert!(vai.terminate().success());

    let mails = all.iter().filter(|(from, _)| from.starts_with("the mail")).count();
    assert!(mails >= 2, "{all:#?}");
    let hooks = all.iter().filter(|(from, _)| from == "what a webhook is sent").count();
    assert!(hooks >= 2, "{all:#?}");
    for (from, text) in &all {
        for secret in [OF_THE_ENVIRONMENT, OF_A_URL, WRITTEN] {
            assert!(!text.contains(secret), "{secret} is in {from}:\n{text}");
        }
    }
}

fn printed(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}
