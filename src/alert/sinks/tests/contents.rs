//! How much is sent, and how bad it looks.

use super::*;
use serde_json::{Value, json};

#[tokio::test]
async fn no_service_gets_more_than_it_takes() {
    let limits = [
        ("ntfy", "/message", 4096),
        ("slack", "/attachments/0/text", 4000),
        ("slack", "/text", 300),
        ("discord", "/embeds/0/description", 4096),
        ("discord", "/embeds/0/title", 256),
        ("telegram", "/text", 4096),
        ("mattermost", "/attachments/0/text", 16_383),
        ("pushover", "/message", 1024),
        ("pushover", "/title", 250),
        ("matrix", "", 60_000),
        ("teams", "", 28_000),
        ("pagerduty", "/payload/custom_details/Why", 8192),
        ("pagerduty", "/payload/summary", 1024),
        ("opsgenie", "/message", 130),
        ("opsgenie", "/description", 15_000),
    ];
    let mut long = notice("redis", NoticeKind::Opened, Severity::Critical);
    long.incident.reason = "<@ü`\"\\&".repeat(20_000);
    long.incident.evidence.log = vec!["``` <!channel> @here ü".repeat(50); 400];
    let mut message = message_of(&[long]);
    message.title = message.title.repeat(20);
    let answer = json!({ "ok": true, "status": 1 });
    let server = server(ResponseTemplate::new(200).set_body_json(answer)).await;
    for (name, kind) in every_kind(&server.uri()) {
        assert_eq!(sent(&kind, &message).await, Ok(()), "{name}");
        let request = server.received_requests().await.unwrap().pop().unwrap();
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        for (_, pointer, limit) in limits.iter().filter(|(limited, ..)| *limited == name) {
            let length = match body.pointer(pointer).unwrap() {
                Value::String(text) => text.len(),
                _ => request.body.len(),
            };
            assert!(length <= *limit, "{name}{pointer}: {length}");
            assert!(length > limit / 10, "{name}{pointer}: only {length} of {limit}");
        }
    }
}

#[tokio::test]
async fn how_bad_it_is_shows_everywhere() {
    let shown = [
        ("ntfy", "/priority", json!([5, 4, 3, 3])),
        (
            "ntfy",
            "/tags/0",
            json!(["rotating_light", "warning", "information_source", "white_check_mark"]),
        ),
        ("slack", "/attachments/0/color", json!(["#d32f2f", "#f57c00", "#1976d2", "#388e3c"])),
        ("discord", "/embeds/0/color", json!([0xd32f2f, 0xf57c00, 0x1976d2, 0x388e3c])),
        ("telegram", "/disable_notification", json!([false, false, true, false])),
        (
            "teams",
            "/attachments/0/content/body/0/style",
            json!(["attention", "warning", "accent", "good"]),
        ),
        ("mattermost", "/attachments/0/color", json!(["#d32f2f", "#f57c00", "#1976d2", "#388e3c"])),
        ("gotify", "/priority", json!([8, 5, 2, 2])),
        ("pushover", "/priority", json!([1, 0, -1, 0])),
        ("apprise", "/type", json!(["failure", "warning", "info", "success"])),
        ("pagerduty", "/payload/severity", json!(["critical", "warning", "info", null])),
        ("opsgenie", "/priority", json!(["P1", "P3", "P5", null])),
        ("alertmanager", "/0/labels/severity", json!(["critical", "warning", "info", "warning"])),
        ("webhook", "/severity", json!(["critical", "warning", "info", "info"])),
    ];
    let messages = [
        (NoticeKind::Opened, Severity::Critical),
        (NoticeKind::Opened, Severity::Warning),
        (NoticeKind::Opened, Severity::Info),
        (NoticeKind::Resolved, Severity::Warning),
    ];
    let answer = json!({ "ok": true, "status": 1 });
    for (name, pointer, expected) in shown {
        let server = server(ResponseTemplate::new(200).set_body_json(&answer)).await;
        let kinds = every_kind(&server.uri());
        let kind = &kinds.iter().find(|(other, _)| *other == name).unwrap().1;
        let mut found = Vec::new();
        for (kind_of_notice, severity) in messages {
            let message = message("redis", kind_of_notice, severity);
            assert_eq!(sent(kind, &message).await, Ok(()), "{name}");
            let request = server.received_requests().await.unwrap().pop().unwrap();
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            found.push(body.pointer(pointer).cloned().unwrap_or_default());
        }
        assert_eq!(Value::from(found), expected, "{name}{pointer}");
    }
}
