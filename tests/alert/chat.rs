//! Rooms and channels of people.

use crate::common::{body_of, told};
use serde_json::json;
use vai::config::{SinkKind, Slack, Telegram};
use vai_core::model::Secret;
use wiremock::ResponseTemplate;

const DOWN: &str = "DOWN redis (services): connection refused, 2 restarts failed";
const UP: &str =
    "RESOLVED redis (services): was down 11:01–11:09, healed by restart_cmd, 2 attempts";

fn hook(base: &str) -> Secret {
    Secret::from(format!("{base}/hooks/hunter22").as_str())
}

#[tokio::test]
async fn a_webhook_of_slack_gets_an_attachment_with_a_colour() {
    let ok = ResponseTemplate::new(200).set_body_string("ok");
    let (opening, end) = told(ok, |base| SinkKind::Slack(Slack::Webhook { url: hook(base) })).await;
    assert_eq!((opening.method.as_str(), opening.url.path()), ("POST", "/hooks/hunter22"));
    let body = body_of(&opening);
    assert_eq!(body["text"], format!("🔴 {DOWN}"));
    assert_eq!(body["mrkdwn"], false);
    let attachment = &body["attachments"][0];
    assert_eq!(attachment["color"], "#d32f2f");
    assert_eq!(attachment["fallback"], body["text"]);
    assert_eq!(attachment["mrkdwn_in"], json!([]));
    let text = attachment["text"].as_str().unwrap();
    assert!(text.contains("größer als &lt;erlaubt&gt; &amp; mehr"), "{text}");
    assert!(text.contains("| AUTH ***"), "{text}");
    let body = body_of(&end);
    assert_eq!(body["text"], format!("🟢 {UP}"));
    assert_eq!(body["attachments"][0]["color"], "#388e3c");
}

#[tokio::test]
async fn a_bot_of_slack_names_the_channel() {
    let ok = ResponseTemplate::new(200).set_body_json(json!({ "ok": true, "ts": "1.2" }));
    let (opening, end) = told(ok, |base| {
        SinkKind::Slack(Slack::Api {
            server: base.to_owned(),
            token: Secret::from("xoxb-hunter22"),
            channel: "#ops".to_owned(),
        })
    })
    .await;
    assert_eq!((opening.method.as_str(), opening.url.path()), ("POST", "/api/chat.postMessage"));
    assert_eq!(opening.headers["Authorization"], "Bearer xoxb-hunter22");
    assert_eq!(opening.headers["Content-Type"], "application/json");
    assert_eq!(body_of(&opening)["channel"], "#ops");
    assert_eq!(body_of(&opening)["attachments"][0]["color"], "#d32f2f");
    assert_eq!(body_of(&end)["text"], format!("🟢 {UP}"));
}

#[tokio::test]
async fn discord_gets_an_embed_that_mentions_nobody() {
    let ok = ResponseTemplate::new(200).set_body_json(json!({ "id": "1" }));
    let url = |base: &str| {
        let url = format!("{base}/api/webhooks/1/hunter22?thread_id=7");
        SinkKind::Discord { url: Secret::from(url.as_str()) }
    };
    let (opening, end) = told(ok, url).await;
    assert_eq!((opening.method.as_str(), opening.url.path()), ("POST", "/api/webhooks/1/hunter22"));
    assert_eq!(opening.url.query(), Some("thread_id=7&wait=true"));
    let body = body_of(&opening);
    assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
    let embed = &body["embeds"][0];
    assert_eq!(embed["title"], format!("🔴 {DOWN}"));
    assert_eq!(embed["color"], 0x00d3_2f2f);
    let text = embed["description"].as_str().unwrap();
    assert!(text.starts_with("```\nredis (services) has been down"), "{text}");
    assert!(text.ends_with("More: docker exec vai-container /vai status redis\n```"), "{text}");
    let embed = &body_of(&end)["embeds"][0];
    assert_eq!(embed["title"], format!("🟢 {}", UP.replace('_', "\\_")));
    assert_eq!(embed["color"], 0x0038_8e3c);
}

#[tokio::test]
async fn telegram_gets_plain_text_in_its_topic() {
    let ok = ResponseTemplate::new(200).set_body_json(json!({ "ok": true, "result": {} }));
    let (opening, end) = told(ok, |base| {
        SinkKind::Telegram(Telegram {
            server: base.to_owned(),
            token: Secret::from("123:hunter22"),
            chat_id: "-1001234567890".to_owned(),
            message_thread_id: Some(42),
        })
    })
    .await;
    assert_eq!(opening.method, "POST");
    assert_eq!(opening.url.path(), "/bot123:hunter22/sendMessage");
    let body = body_of(&opening);
    assert_eq!(body["chat_id"], "-1001234567890");
    assert_eq!(body["message_thread_id"], 42);
    assert_eq!(body.get("parse_mode"), None);
    assert_eq!(body["disable_notification"], false);
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with(&format!("🔴 {DOWN}\n\nredis (services) has")), "{text}");
    assert!(text.contains("größer als <erlaubt> & mehr"), "{text}");
    assert!(body_of(&end)["text"].as_str().unwrap().starts_with(&format!("🟢 {UP}\n\n")));
}

#[tokio::test]
async fn teams_gets_an_adaptive_card() {
    let (opening, end) =
        told(ResponseTemplate::new(202), |base| SinkKind::Teams { url: hook(base) }).await;
    assert_eq!((opening.method.as_str(), opening.url.path()), ("POST", "/hooks/hunter22"));
    assert_eq!(opening.headers["Content-Type"], "application/json");
    let body = body_of(&opening);
    assert_eq!(body["type"], "message");
    let attachment = &body["attachments"][0];
    assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
    let card = &attachment["content"];
    assert_eq!((&card["type"], &card["version"]), (&json!("AdaptiveCard"), &json!("1.4")));
    let heading = &card["body"][0];
    assert_eq!(heading["style"], "attention");
    assert_eq!(heading["items"][0]["inlines"][0]["text"], format!("🔴 {DOWN}"));
    let lines: Vec<&str> = card["body"].as_array().unwrap()[1..]
        .iter()
        .map(|block| block["inlines"][0]["text"].as_str().unwrap())
        .collect();
    assert_eq!(lines[1], "Why: connection refused");
    assert!(lines.contains(&"\u{a0}\u{a0}| AUTH ***"), "{lines:?}");
    assert_eq!(body_of(&end)["attachments"][0]["content"]["body"][0]["style"], "good");
}

#[tokio::test]
async fn matrix_gets_one_transaction_for_one_news() {
    let ok = ResponseTemplate::new(200).set_body_json(json!({ "event_id": "$1" }));
    let (opening, end) = told(ok, |base| SinkKind::Matrix {
        server: base.to_owned(),
        room: "!ops/1:example.com".to_owned(),
        token: Secret::from("syt_hunter22"),
    })
    .await;
    assert_eq!(opening.method, "PUT");
    assert_eq!(opening.headers["Authorization"], "Bearer syt_hunter22");
    let path = "/_matrix/client/v3/rooms/%21ops%2F1%3Aexample%2Ecom/send/m.room.message/vai-";
    assert!(opening.url.path().starts_with(path), "{}", opening.url);
    assert_ne!(opening.url, end.url);
    let body = body_of(&opening);
    assert_eq!(body["msgtype"], "m.text");
    assert_eq!(body["format"], "org.matrix.custom.html");
    assert_eq!(body["m.mentions"], json!({}));
    let text = body["body"].as_str().unwrap();
    assert!(text.starts_with(&format!("🔴 {DOWN}\n\nredis")), "{text}");
    assert!(text.contains("größer als <erlaubt> & mehr"), "{text}");
    let html = body["formatted_body"].as_str().unwrap();
    assert!(html.starts_with(&format!("<strong>🔴 {DOWN}</strong><pre><code>redis")), "{html}");
    assert!(html.contains("größer als &lt;erlaubt&gt; &amp; mehr"), "{html}");
    assert!(body_of(&end)["body"].as_str().unwrap().starts_with("🟢 RESOLVED"));
}

#[tokio::test]
async fn mattermost_gets_a_line_and_a_block() {
    let ok = ResponseTemplate::new(200).set_body_string("ok");
    let (opening, end) =
        told(ok, |base| SinkKind::Mattermost { url: hook(base), channel: Some("ops".to_owned()) })
            .await;
    assert_eq!((opening.method.as_str(), opening.url.path()), ("POST", "/hooks/hunter22"));
    let body = body_of(&opening);
    assert_eq!(body["channel"], "ops");
    assert_eq!(body["text"], format!("🔴 **{DOWN}**"));
    let attachment = &body["attachments"][0];
    assert_eq!(attachment["color"], "#d32f2f");
    assert_eq!(attachment["fallback"], DOWN);
    assert!(attachment["text"].as_str().unwrap().starts_with("```\nredis (services) has"));
    assert_eq!(body_of(&end)["attachments"][0]["color"], "#388e3c");
}
