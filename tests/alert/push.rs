//! What reaches phones.

use crate::common::{body_of, requests_of, told};
use serde_json::{Value, json};
use std::time::Duration;
use vai::config::{Apprise, AppriseTargets, Emergency, Pushover, SinkKind};
use vai_core::model::Secret;
use wiremock::ResponseTemplate;

#[tokio::test]
async fn gotify_gets_a_priority() {
    let ok = ResponseTemplate::new(200).set_body_json(json!({ "id": 25 }));
    let (opening, end) = told(ok, |base| SinkKind::Gotify {
        server: base.to_owned(),
        token: Secret::from("hunter22"),
    })
    .await;
    assert_eq!((opening.method.as_str(), opening.url.path()), ("POST", "/message"));
    assert_eq!(opening.headers["X-Gotify-Key"], "hunter22");
    let body = body_of(&opening);
    assert_eq!(body["priority"], 8);
    assert!(body["title"].as_str().unwrap().starts_with("DOWN redis (services)"));
    assert!(body["message"].as_str().unwrap().contains("Why: connection refused"));
    assert_eq!(body_of(&end)["priority"], 2);
}

fn pushover(base: &str, emergency: Option<Emergency>) -> SinkKind {
    SinkKind::Pushover(Pushover {
        server: base.to_owned(),
        token: Secret::from("hunter22"),
        user: Secret::from("u-hunter22"),
        device: Some("phone".to_owned()),
        emergency,
    })
}

fn accepted() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "status": 1, "request": "647d2300" }))
}

#[tokio::test]
async fn pushover_breaks_the_silence_for_what_is_critical() {
    let (opening, end) = told(accepted(), |base| pushover(base, None)).await;
    assert_eq!((opening.method.as_str(), opening.url.path()), ("POST", "/1/messages.json"));
    assert_eq!(opening.headers["Content-Type"], "application/json");
    let body = body_of(&opening);
    assert_eq!(body["token"], "hunter22");
    assert_eq!(body["user"], "u-hunter22");
    assert_eq!(body["device"], "phone");
    assert_eq!(body["priority"], 1);
    assert_eq!(body.get("retry"), None);
    assert!(body["title"].as_str().unwrap().starts_with("🔴 DOWN redis"));
    assert!(body["message"].as_str().unwrap().contains("Why: connection refused"));
    assert_eq!(body_of(&end)["priority"], 0);
}

#[tokio::test]
async fn an_alarm_at_pushover_rings_until_it_is_over() {
    let how = Emergency { retry: Duration::from_secs(60), expire: Duration::from_secs(3600) };
    let requests = requests_of(accepted(), |base| pushover(base, Some(how))).await;
    let paths: Vec<&str> = requests.iter().map(|request| request.url.path()).collect();
    assert_eq!(
        paths,
        ["/1/messages.json", "/1/receipts/cancel_by_tag/redis-1.json", "/1/messages.json"]
    );
    let alarm = body_of(&requests[0]);
    assert_eq!(alarm["priority"], 2);
    assert_eq!((&alarm["retry"], &alarm["expire"]), (&json!(60), &json!(3600)));
    assert_eq!(alarm["tags"], "redis-1");
    assert_eq!(body_of(&requests[1]), json!({ "token": "hunter22" }));
    assert_eq!(body_of(&requests[2])["priority"], 0);
}

async fn apprise(to: AppriseTargets, tag: Option<&str>) -> (String, Value, Value) {
    let ok = ResponseTemplate::new(200).set_body_json(json!({ "error": null }));
    let (opening, end) = told(ok, |base| {
        let tag = tag.map(str::to_owned);
        SinkKind::Apprise(Apprise { server: base.to_owned(), to: to.clone(), tag })
    })
    .await;
    assert_eq!(opening.method, "POST");
    assert_eq!(opening.headers["Content-Type"], "application/json");
    (opening.url.path().to_owned(), body_of(&opening), body_of(&end))
}

#[tokio::test]
async fn apprise_tells_what_is_stored_under_a_key() {
    let (path, opening, end) = apprise(AppriseTargets::Key("ops".to_owned()), Some("phones")).await;
    assert_eq!(path, "/notify/ops");
    assert_eq!((&opening["type"], &opening["format"]), (&json!("failure"), &json!("text")));
    assert_eq!(opening["tag"], "phones");
    assert_eq!(opening.get("urls"), None);
    assert!(opening["title"].as_str().unwrap().starts_with("DOWN redis (services)"));
    assert!(opening["body"].as_str().unwrap().contains("Why: connection refused"));
    assert_eq!(end["type"], "success");
}

#[tokio::test]
async fn apprise_tells_the_urls_it_is_given() {
    let urls = vec![Secret::from("json://a/hunter22"), Secret::from("xml://b")];
    let (path, opening, _) = apprise(AppriseTargets::Urls(urls), None).await;
    assert_eq!(path, "/notify");
    assert_eq!(opening["urls"], json!(["json://a/hunter22", "xml://b"]));
    assert_eq!(opening.get("tag"), None);

    let (path, opening, _) = apprise(AppriseTargets::Server, None).await;
    assert_eq!((path.as_str(), opening.get("urls")), ("/notify", None));
}
