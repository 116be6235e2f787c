//! Very many services fail at once, each for itself.

use crate::lab::{Doors, HttpCatcher, Mail, MailCatcher, Vai, eventually, never};
use regex::Regex;
use serde_json::{Map, Value, json};
use std::time::Duration;

const SIZE: usize = 500;
/// A stand-in for the five minutes of the default.
const INTERVAL: u64 = 30;

#[test]
fn five_hundred_services_down_at_once_come_in_two_messages_a_sink_and_end_in_one() {
    let (mail, phone) = (MailCatcher::start(), HttpCatcher::start("200 OK", "{}"));
    let mut doors = Doors::open(SIZE);
    let mut vai = Vai::on_host(&registry(&mail, &phone, doors.ports()));
    eventually("all are healthy", Duration::from_secs(60), || {
        (vai.new_lines_with("→ healthy").len() == SIZE).then_some(())
    });

    doors.close(0..SIZE);
    let down = eventually("all are named in mails", Duration::from_secs(90), || {
        Some(mail.mails()).filter(|mails| missing(mails).is_empty())
    });
    assert!(down.len() <= 2, "{:?}", subjects(&down));
    eventually("all are counted on the phone", Duration::from_secs(30), || {
        (counted(&phone, "DOWN") == SIZE).then_some(())
    });
    assert!(phone.requests().len() <= 2, "{:?}", phone.requests());
    let before = (down.len(), phone.requests().len());
    never("one more", Duration::from_secs(5), || {
        let now = (mail.mails().len(), phone.requests().len());
        (now != before).then_some(now)
    });

    vai.skip_lines();
    doors.open_again(0..SIZE);
    let end = mail.wait_for(before.0 + 1);
    assert_eq!(counted_in(&end.subject, "RESOLVED"), SIZE, "{}", end.subject);
    assert_eq!(missing(std::slice::from_ref(&end)), [""; 0]);
    vai.wait_for_line(r"sent to alerts\[1\] ntfy.*RESOLVED");
    never("one more", Duration::from_secs(5), || {
        let now = (mail.mails().len() - before.0, phone.requests().len() - before.1);
        (now != (1, 1)).then_some(now)
    });
    assert!(phone.requests().iter().any(|it| it.contains(&format!("{SIZE} RESOLVED"))));
}

/// A mail server, and a stand-in for an ntfy server.
fn registry(mail: &MailCatcher, phone: &HttpCatcher, ports: &[u16]) -> Value {
    let service = |(number, port): (usize, &u16)| {
        let service = json!({
            "health_check": {
                "type": "tcp", "port": port, "interval_seconds": 5,
                "failure_threshold": 1, "success_threshold": 1,
            },
            "recovery": { "action": "alert" },
        });
        (name(number), service)
    };
    let services: Map<String, Value> = ports.iter().enumerate().map(service).collect();
    let mut notifications = mail.notifications();
    let alerts = notifications["channels"]["alerts"].as_array_mut().expect("sinks");
    alerts.push(json!({ "type": "ntfy", "server": phone.url(""), "topic": "ops" }));
    notifications["group_wait_seconds"] = json!(2);
    notifications["group_interval_seconds"] = json!(INTERVAL);
    json!({ "services": services, "notifications": notifications })
}

fn name(number: usize) -> String {
    format!("service-{number:03}")
}

/// What none of the mails names.
fn missing(mails: &[Mail]) -> Vec<String> {
    let is_named = |name: &String| mails.iter().any(|mail| mail.text.contains(name));
    (0..SIZE).map(name).filter(|name| !is_named(name)).collect()
}

fn subjects(mails: &[Mail]) -> Vec<&str> {
    mails.iter().map(|mail| mail.subject.as_str()).collect()
}

/// How many services the titles on the phone count.
fn counted(phone: &HttpCatcher, word: &str) -> usize {
    phone.requests().iter().map(|request| counted_in(title(request), word)).sum()
}

fn title(request: &str) -> &str {
    let (_, title) = request.split_once(r#""title":""#).expect("it has a title");
    title.split('"').next().unwrap_or_default()
}

/// `3 DOWN: a, b, c` counts three; `DOWN a: refused` one.
fn counted_in(title: &str, word: &str) -> usize {
    let pattern = Regex::new(&format!(r"(?:(\d+) )?\b{word}\b")).expect("it is one");
    let Some(found) = pattern.captures(title) else { return 0 };
    found.get(1).map_or(1, |count| count.as_str().parse().expect("a number"))
}
