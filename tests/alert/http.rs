use crate::common::{alerter, arrived, notice, notifications, wait_for};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpListener;
use vai::config::SinkKind;
use vai_core::model::NoticeKind::{Opened, Resolved};
use vai_core::model::{MessageId, Redactor, Secret};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

fn webhook(base: &str) -> SinkKind {
    SinkKind::Webhook {
        url: Secret::from(format!("{base}/hook?token=hunter22").as_str()),
        headers: vec![("X-Token".to_owned(), Secret::from("hunter22"))],
    }
}

fn ntfy(base: &str, token: Option<&str>) -> SinkKind {
    SinkKind::Ntfy {
        server: base.to_owned(),
        topic: "vps-alerts".to_owned(),
        token: token.map(Secret::from),
    }
}

/// A server that answers every POST like this.
async fn server(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    server
}

/// A server whose first answer is another one than the later ones.
async fn server_with_first(first: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(first).up_to_n_times(1).mount(&server).await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    server
}

async fn requests(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.unwrap()
}

fn json_of(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[tokio::test]
async fn a_webhook_gets_the_documented_json() {
    let server = MockServer::start().await;
    Mock::given(path("/hook"))
        .and(header("X-Token", "hunter22"))
        .respond_with(ResponseTemplate::new(204))
        .expect(2)
        .mount(&server)
        .await;
    let alerter = alerter(&[webhook(&server.uri())]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    arrived(&alerter, 0).await;
    alerter.deliver(MessageId(1), notice("redis", Resolved));
    alerter.stop(Duration::from_secs(5)).await;

    let requests = requests(&server).await;
    let (opening, end) = (json_of(&requests[0]), json_of(&requests[1]));
    let key = requests[0].headers["Idempotency-Key"].to_str().unwrap();
    assert_eq!(opening["dedup_key"], key);
    assert_eq!(end["follows"], json!([opening["dedup_key"]]));
    assert_eq!(opening["status"], "open");
    assert_eq!(opening["severity"], "critical");
    assert_eq!(
        opening["incidents"][0],
        json!({
            "id": "redis-1",
            "event": "opened",
            "status": "open",
            "severity": "critical",
            "root": "redis",
            "container": "services",
            "state": "down",
            "since": "2026-11-23T11:01:05Z",
            "reason": "connection refused",
            "failed_attempts": 2,
            "history": ["restart_cmd: restart failed: größer als erlaubt"],
            "next": "a third try in 20 s",
            "affected": ["web-api"],
            "chain": [{
                "service": "web-api",
                "state": "down",
                "reason": "answered 502, expected 200",
                "because": "redis",
            }],
            "evidence": {
                "facts": ["container running"],
                "log_source": "/var/log/redis.log",
                "log": ["AUTH ***"],
            },
        })
    );
    assert_eq!(end["status"], "closed");
    assert_eq!(end["incidents"][0]["event"], "resolved");
    assert_eq!(end["incidents"][0]["closed_at"], "2026-11-23T11:09:11Z");
    assert_eq!(end["incidents"][0]["closed_how"], "healed by restart_cmd, 2 attempts");
}

#[tokio::test]
async fn the_ntfy_stand_in_gets_title_priority_and_tags() {
    let server = MockServer::start().await;
    Mock::given(path("/"))
        .and(header("Authorization", "Bearer tk_hunter22"))
        .respond_with(ResponseTemplate::new(200))
        .expect(2)
        .mount(&server)
        .await;
    let alerter = alerter(&[ntfy(&server.uri(), Some("tk_hunter22"))]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    arrived(&alerter, 0).await;
    alerter.deliver(MessageId(1), notice("redis", Resolved));
    alerter.stop(Duration::from_secs(5)).await;

    let requests = requests(&server).await;
    let opening = json_of(&requests[0]);
    assert_eq!(opening["topic"], "vps-alerts");
    assert_eq!(opening["title"], "DOWN redis (services): connection refused, 2 restarts failed");
    assert_eq!(opening["priority"], 5);
    assert_eq!(opening["tags"], json!(["rotating_light"]));
    let body = opening["message"].as_str().unwrap();
    assert!(body.contains("AUTH ***"), "{body}");
    let end = json_of(&requests[1]);
    assert_eq!(end["priority"], 3);
    assert_eq!(end["tags"], json!(["white_check_mark"]));
}

#[tokio::test]
async fn an_open_ntfy_topic_gets_no_log() {
    let server = server(ResponseTemplate::new(200)).await;
    let alerter = alerter(&[ntfy(&server.uri(), None)]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    arrived(&alerter, 0).await;
    let request = requests(&server).await.remove(0);
    assert!(!request.headers.contains_key("Authorization"));
    let body = json_of(&request)["message"].as_str().unwrap().to_owned();
    assert!(body.contains("container running"), "{body}");
    assert!(!body.contains("AUTH"), "{body}");
}

#[tokio::test]
async fn a_rate_limit_is_respected_and_loses_nothing() {
    let busy = ResponseTemplate::new(429).insert_header("Retry-After", "2");
    let server = server_with_first(busy).await;
    let alerter = alerter(&[ntfy(&server.uri(), None)]).await;
    let started = vai::clock::instant();
    alerter.deliver(MessageId(1), notice("redis", Opened));
    arrived(&alerter, 0).await;
    assert!(vai::clock::instant() - started >= Duration::from_secs(2));
    assert_eq!(requests(&server).await.len(), 2);
}

#[tokio::test]
async fn a_server_error_is_tried_again_with_the_same_key() {
    let server = server_with_first(ResponseTemplate::new(500)).await;
    let alerter = alerter(&[webhook(&server.uri())]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    arrived(&alerter, 0).await;
    let requests = requests(&server).await;
    assert_eq!(requests.len(), 2);
    let key = |request: &Request| request.headers["Idempotency-Key"].clone();
    assert_eq!(key(&requests[0]), key(&requests[1]));
}

#[tokio::test]
async fn a_rejection_is_final_and_says_why_without_secrets() {
    let refusal = ResponseTemplate::new(400).set_body_string("no topic for token=hunter22");
    let server = server(refusal).await;
    let alerter = alerter(&[webhook(&server.uri())]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    let status = wait_for(&alerter, 0, |status| status.last_error.is_some()).await;
    assert_eq!(
        status.last_error.unwrap(),
        "rejected: answered 400 Bad Request: no topic for token=***"
    );
    assert_eq!(status.pending, 0);
    alerter.stop(Duration::from_secs(5)).await;
    assert_eq!(requests(&server).await.len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = server(ResponseTemplate::new(200)).await;
    let moved = ResponseTemplate::new(307).insert_header("Location", target.uri());
    let server = server(moved).await;
    let alerter = alerter(&[webhook(&server.uri())]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    let status = wait_for(&alerter, 0, |status| status.last_error.is_some()).await;
    assert!(status.last_error.unwrap().contains("307"));
    assert_eq!(requests(&target).await.len(), 0);
}

#[tokio::test]
async fn a_sink_that_hangs_holds_up_no_other_and_no_stop() {
    let hung = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hung_url = format!("http://{}", hung.local_addr().unwrap());
    let server = server(ResponseTemplate::new(200)).await;
    let alerter = alerter(&[webhook(&hung_url), ntfy(&server.uri(), None)]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    arrived(&alerter, 1).await;
    let hanging = alerter.status().remove(0);
    assert_eq!((hanging.pending, hanging.last_sent), (1, None));

    let started = vai::clock::instant();
    alerter.stop(Duration::from_secs(1)).await;
    assert!(vai::clock::instant() - started < Duration::from_secs(3));
}

#[tokio::test]
async fn what_waits_for_a_sink_that_was_removed_goes_to_the_new_one() {
    let broken = server(ResponseTemplate::new(503)).await;
    let good = server(ResponseTemplate::new(200)).await;
    let alerter = alerter(&[webhook(&broken.uri())]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    wait_for(&alerter, 0, |status| status.last_error.is_some()).await;

    let mut config = notifications(&[ntfy(&good.uri(), None)]);
    for sink in config.plan.channels.values_mut().flatten() {
        sink.name = "alerts[0] ntfy".to_owned();
    }
    alerter.reconfigure(&config, Redactor::default()).await;
    arrived(&alerter, 0).await;
    assert_eq!(requests(&good).await.len(), 1);
    alerter.deliver(MessageId(1), notice("redis", Resolved));
    alerter.stop(Duration::from_secs(5)).await;
    assert_eq!(requests(&good).await.len(), 2);
}

#[tokio::test]
async fn without_a_usable_sink_nothing_breaks() {
    let mut config = notifications(&[ntfy("http://127.0.0.1:1", None)]);
    for sink in config.plan.channels.values_mut().flatten() {
        sink.held = Some("${NTFY_TOKEN} is not set".to_owned());
    }
    let alerter = alerter(&[]).await;
    assert_eq!(alerter.status(), []);
    alerter.deliver(MessageId(1), notice("redis", Opened));
    alerter.reconfigure(&config, Redactor::default()).await;
    alerter.deliver(MessageId(1), notice("redis", Resolved));
    let status = alerter.status();
    assert_eq!(status[0].held.as_deref(), Some("${NTFY_TOKEN} is not set"));
    assert_eq!(status[0].pending, 0);
    alerter.stop(Duration::from_secs(5)).await;
}
