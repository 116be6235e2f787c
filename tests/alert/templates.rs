//! Webhooks whose body the registry writes.

use crate::common::{body_of, told};
use serde_json::json;
use vai::config::{Config, Content, Context, Environment, SinkKind, Snapshot, load};
use wiremock::{Request, ResponseTemplate};

/// The sink that the registry's `fields` describe, and what it sends.
async fn sent(fields: &str) -> (Request, Request) {
    told(ResponseTemplate::new(200), |base| sink(base, fields)).await
}

fn sink(base: &str, fields: &str) -> SinkKind {
    let registry = format!(
        r#"{{ "notifications": {{ "channels": {{ "alerts": [
            {{ "type": "webhook", "url": "{base}/hook", {fields} }} ] }} }} }}"#
    );
    let snapshot = Snapshot {
        registry: Content::Text(registry.clone()),
        env_path: "/etc/vai/.env".into(),
        env_file: Content::Text("ROOM=ops\n".to_owned()),
        env_world_readable: false,
    };
    let loaded = load(&registry, &Environment::new(&snapshot, []), &Context { local_shell: true });
    let said = loaded.render("registry", false);
    let config: Config = loaded.config.unwrap_or_else(|| panic!("{said}"));
    config.notifications.plan.channels["alerts"][0].kind.clone()
}

#[tokio::test]
async fn json_stays_json_whatever_is_put_into_it() {
    let (opening, end) = sent(
        r#""method": "PUT", "headers": { "X-Source": "vai" },
           "body": "{ \"room\": \"${ROOM}\", \"text\": \"{severity} {title}\\n{body}\", \"meta\": { \"state\": \"{status}\", \"key\": \"{dedup_key}\" } }""#,
    )
    .await;
    assert_eq!((opening.method.as_str(), opening.url.path()), ("PUT", "/hook"));
    assert_eq!(opening.headers["Content-Type"], "application/json");
    assert_eq!(opening.headers["X-Source"], "vai");
    let body = body_of(&opening);
    assert_eq!(body["room"], "ops");
    assert_eq!(body["meta"]["state"], "open");
    assert_eq!(body["meta"]["key"], opening.headers["Idempotency-Key"].to_str().unwrap());
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with("critical DOWN redis (services): connection refused"), "{text}");
    assert!(text.contains("\n\nWhy: connection refused\n"), "{text}");
    assert_eq!(body_of(&end)["meta"]["state"], "closed");
}

#[tokio::test]
async fn plain_text_is_sent_as_such() {
    let (opening, _) = sent(r#""body": "{services}: {reason} since {since}""#).await;
    assert_eq!(opening.method, "POST");
    assert_eq!(opening.headers["Content-Type"], "text/plain; charset=utf-8");
    assert_eq!(opening.body, b"redis: connection refused since 2026-11-23T11:01:05Z");
}

#[tokio::test]
async fn a_form_is_encoded_and_a_content_type_of_ones_own_is_kept() {
    let form = r#""headers": { "Content-Type": "application/x-www-form-urlencoded" }"#;
    let (_, end) = sent(&format!(r#"{form}, "body": "key={{status}}&text={{title}}""#)).await;
    let types: Vec<_> = end.headers.get_all("Content-Type").iter().collect();
    assert_eq!(types, ["application/x-www-form-urlencoded"]);
    let fields: Vec<(String, String)> =
        url::form_urlencoded::parse(&end.body).into_owned().collect();
    assert_eq!(fields[0], ("key".to_owned(), "closed".to_owned()));
    assert!(fields[1].1.starts_with("RESOLVED redis (services): was down 11:01–11:09"));
    assert_eq!(json!(fields.len()), 2);
}
