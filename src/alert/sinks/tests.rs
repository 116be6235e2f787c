//! How every kind of sink that speaks HTTP judges an answer, and how much it
//! sends. What exactly it sends is asserted in tests/alert.

use super::*;
use crate::alert::message::{Context, compose};
use crate::alert::testing::notice;
use crate::config::{
    Alertmanager, Apprise, AppriseTargets, Auth, Emergency, Pushover, Slack, Telegram,
};
use futures_util::FutureExt as _;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use vai_core::model::{Notice, NoticeKind, Redactor, Secret, Severity, Wall};
use wiremock::matchers::{any, body_string_contains};
use wiremock::{Mock, MockServer, ResponseTemplate};

const TOKEN: &str = "hunter22-token";

/// A message about one incident.
pub(super) fn message(name: &str, kind: NoticeKind, severity: Severity) -> Message {
    message_of(&[notice(name, kind, severity)])
}

fn message_of(notices: &[Notice]) -> Message {
    let context = Context {
        zone: &TimeZone::UTC,
        now: Wall::default(),
        redactor: &Redactor::default(),
        delay: None,
        command: &|what| format!("vai {what}"),
        evidence: EvidenceDetail::Full,
    };
    compose(notices, Vec::new(), &context)
}

fn opening() -> Message {
    message("redis", NoticeKind::Opened, Severity::Critical)
}

/// One sink of each kind, all at the server `base`.
fn every_kind(base: &str) -> Vec<(&'static str, SinkKind)> {
    let (server, token) = (base.to_owned(), Secret::from(TOKEN));
    let url = Secret::from(format!("{base}/hook/{TOKEN}").as_str());
    vec![
        ("webhook", SinkKind::Webhook { url: url.clone(), headers: Vec::new() }),
        (
            "ntfy",
            SinkKind::Ntfy {
                server: server.clone(),
                topic: "vps".to_owned(),
                token: Some(token.clone()),
            },
        ),
        ("slack", SinkKind::Slack(Slack::Webhook { url: url.clone() })),
        ("slack api", slack_api(base)),
        ("discord", SinkKind::Discord { url: url.clone() }),
        (
            "telegram",
            SinkKind::Telegram(Telegram {
                server: server.clone(),
                token: token.clone(),
                chat_id: "-100".to_owned(),
                message_thread_id: None,
            }),
        ),
        ("teams", SinkKind::Teams { url: url.clone() }),
        ("pagerduty", pagerduty(base)),
        ("opsgenie", SinkKind::Opsgenie { server: server.clone(), api_key: token.clone() }),
        ("gotify", SinkKind::Gotify { server: server.clone(), token: token.clone() }),
        ("pushover", pushover(base, None)),
        (
            "matrix",
            SinkKind::Matrix {
                server: server.clone(),
                room: "!r:example.com".to_owned(),
                token: token.clone(),
            },
        ),
        ("mattermost", SinkKind::Mattermost { url, channel: None }),
        (
            "alertmanager",
            SinkKind::Alertmanager(Alertmanager {
                server,
                auth: Some(Auth::Token(token)),
                labels: [].into(),
            }),
        ),
        ("apprise", apprise(base)),
    ]
}

fn slack_api(base: &str) -> SinkKind {
    SinkKind::Slack(Slack::Api {
        server: base.to_owned(),
        token: Secret::from(TOKEN),
        channel: "#ops".to_owned(),
    })
}

fn pagerduty(base: &str) -> SinkKind {
    SinkKind::PagerDuty { server: base.to_owned(), routing_key: Secret::from(TOKEN) }
}

fn pushover(base: &str, emergency: Option<Emergency>) -> SinkKind {
    SinkKind::Pushover(Pushover {
        server: base.to_owned(),
        token: Secret::from(TOKEN),
        user: Secret::from("user"),
        device: None,
        emergency,
    })
}

fn apprise(base: &str) -> SinkKind {
    SinkKind::Apprise(Apprise {
        server: base.to_owned(),
        to: AppriseTargets::Urls(vec![Secret::from("json://example.com/hunter22-token")]),
        tag: None,
    })
}

fn transport(kind: &SinkKind) -> Arc<dyn Transport> {
    open(kind, &client().unwrap())
}

async fn server(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

/// What `kind` makes of `answer` to an opening.
async fn judged(
    kind: impl Fn(&str) -> SinkKind,
    answer: ResponseTemplate,
) -> Result<(), SendError> {
    let server = server(answer).await;
    transport(&kind(&server.uri())).send(&opening()).await
}

fn is_passing(result: &Result<(), SendError>) -> bool {
    matches!(result, Err(SendError::Passing { .. }))
}

fn is_rejected(result: &Result<(), SendError>) -> bool {
    matches!(result, Err(SendError::Rejected(_)))
}

fn asked_to_wait(result: Result<(), SendError>) -> Option<Duration> {
    match result {
        Err(SendError::Passing { after, .. }) => after,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_may_not_is_rejected() {
    for status in [408, 425, 429, 500, 503] {
        let server = server(ResponseTemplate::new(status)).await;
        for (name, kind) in every_kind(&server.uri()) {
            let result = transport(&kind).send(&opening()).await;
            assert!(is_passing(&result), "{name}, {status}: {result:?}");
        }
    }
    for status in [307, 400, 401, 403, 404, 410, 413, 422] {
        let server = server(ResponseTemplate::new(status)).await;
        for (name, kind) in every_kind(&server.uri()) {
            let result = transport(&kind).send(&opening()).await;
            assert!(is_rejected(&result), "{name}, {status}: {result:?}");
        }
    }
}

#[tokio::test]
async fn every_sink_waits_for_as_long_as_the_header_says() {
    let server = server(ResponseTemplate::new(429).insert_header("Retry-After", "77")).await;
    for (name, kind) in every_kind(&server.uri()) {
        let result = transport(&kind).send(&opening()).await;
        assert_eq!(asked_to_wait(result), Some(Duration::from_secs(77)), "{name}");
    }
}

#[tokio::test]
async fn a_hint_in_the_body_counts_where_a_service_gives_one() {
    let kinds = |wanted: &'static str| {
        move |base: &str| every_kind(base).into_iter().find(|(name, _)| *name == wanted).unwrap().1
    };
    let hints = [
        ("telegram", 429, json!({ "ok": false, "parameters": { "retry_after": 9 } }), 9000),
        ("discord", 429, json!({ "retry_after": 1.5, "global": false }), 1500),
        ("matrix", 429, json!({ "errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 2500 }), 2500),
        ("pushover", 500, json!({}), 5000),
    ];
    for (name, status, body, millis) in hints {
        let answer = ResponseTemplate::new(status).set_body_json(&body);
        let result = judged(kinds(name), answer).await;
        assert_eq!(asked_to_wait(result), Some(Duration::from_millis(millis)), "{name}");
        let longer = ResponseTemplate::new(status).insert_header("Retry-After", "60");
        let result = judged(kinds(name), longer.set_body_json(&body)).await;
        assert_eq!(asked_to_wait(result), Some(Duration::from_secs(60)), "{name}");
    }
}

#[tokio::test]
async fn silence_is_no_success_and_a_lost_connection_may_pass() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    for (name, kind) in every_kind(&base) {
        let (transport, message) = (transport(&kind), opening());
        let mut sending = transport.send(&message);
        let mut connection = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            result = &mut sending => panic!("{name}: {result:?}"),
        };
        let mut request = [0; 1024];
        tokio::select! {
            read = connection.read(&mut request) => assert!(read.unwrap() > 0, "{name}"),
            result = &mut sending => panic!("{name}: {result:?}"),
        }
        assert_eq!((&mut sending).now_or_never(), None, "{name}");
        drop(connection);
        let result = sending.await;
        assert!(is_passing(&result), "{name}: {result:?}");
    }
}

#[tokio::test]
async fn no_error_holds_a_token() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for base in [format!("http://{gone}"), "nothing".to_owned()] {
        for (name, kind) in every_kind(&base) {
            let error = transport(&kind).send(&opening()).await.unwrap_err();
            assert!(!error.to_string().contains("hunter22"), "{name}: {error}");
        }
    }
}

#[tokio::test]
async fn slack_says_no_with_a_200() {
    let answer = |body: Value| ResponseTemplate::new(200).set_body_json(body);
    assert_eq!(judged(slack_api, answer(json!({ "ok": true }))).await, Ok(()));
    let unknown = answer(json!({ "ok": false, "error": "channel_not_found" }));
    assert_eq!(
        judged(slack_api, unknown).await,
        Err(SendError::Rejected("Slack refuses: channel_not_found".to_owned()))
    );
    let busy = answer(json!({ "ok": false, "error": "ratelimited" }));
    assert!(is_passing(&judged(slack_api, busy).await));
    let page = ResponseTemplate::new(200).set_body_string("<html>");
    assert!(is_passing(&judged(slack_api, page).await));
}

#[tokio::test]
async fn pushover_says_no_with_a_status_of_its_own() {
    let answer = |body: Value| ResponseTemplate::new(200).set_body_json(body);
    let kind = |base: &str| pushover(base, None);
    assert_eq!(judged(kind, answer(json!({ "status": 1 }))).await, Ok(()));
    let refused = judged(kind, answer(json!({ "status": 0, "errors": ["user is wrong"] }))).await;
    assert!(refused.unwrap_err().to_string().contains("user is wrong"));
}

#[tokio::test]
async fn apprise_without_targets_or_with_half_of_them_is_no_success() {
    assert!(is_rejected(&judged(apprise, ResponseTemplate::new(204)).await));
    let log = |line: &str| {
        let body = json!({ "error": "…", "details": [["INFO", "2026-11-23", line]] });
        ResponseTemplate::new(424).set_body_json(body)
    };
    assert!(is_passing(&judged(apprise, log("Failed to send JSON notification")).await));
    assert!(is_rejected(&judged(apprise, log("Sent Slack notification.")).await));
}

#[tokio::test]
async fn an_alarm_that_cannot_be_ended_does_not_keep_the_news_back() {
    let server = MockServer::start().await;
    let status = |status: u16| ResponseTemplate::new(status).set_body_json(json!({ "status": 1 }));
    Mock::given(wiremock::matchers::path("/1/messages.json"))
        .respond_with(status(200))
        .mount(&server)
        .await;
    Mock::given(any()).respond_with(status(404)).mount(&server).await;
    let emergency = Emergency { retry: Duration::from_secs(60), expire: Duration::from_secs(3600) };
    let sink = transport(&pushover(&server.uri(), Some(emergency)));
    let end = message("redis", NoticeKind::Resolved, Severity::Critical);
    assert_eq!(sink.send(&end).await, Ok(()));
    let requests = server.received_requests().await.unwrap();
    let paths: Vec<&str> = requests.iter().map(|request| request.url.path()).collect();
    assert_eq!(paths, ["/1/receipts/cancel_by_tag/redis.json", "/1/messages.json"]);
}

/// Three incidents, and a server that refuses the one of `refused` with
/// `status`, the first `times` times.
async fn three(refused: &str, status: u16, times: u64) -> (MockServer, Message) {
    let server = MockServer::start().await;
    Mock::given(body_string_contains(format!("\"dedup_key\":\"{refused}\"")))
        .respond_with(ResponseTemplate::new(status))
        .up_to_n_times(times)
        .mount(&server)
        .await;
    Mock::given(any()).respond_with(ResponseTemplate::new(202)).mount(&server).await;
    let notices = ["a", "b", "c"].map(|name| notice(name, NoticeKind::Opened, Severity::Critical));
    (server, message_of(&notices))
}

async fn dedup_keys(server: &MockServer) -> Vec<String> {
    let requests = server.received_requests().await.unwrap();
    let key = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap()["dedup_key"].clone();
    requests.iter().map(|request| key(&request.body).as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_try_that_failed_half_way_goes_on_where_it_was() {
    let (server, message) = three("b", 429, 1).await;
    let sink = transport(&pagerduty(&server.uri()));
    assert!(is_passing(&sink.send(&message).await));
    assert_eq!(dedup_keys(&server).await, ["a", "b"]);
    assert_eq!(sink.send(&message).await, Ok(()));
    assert_eq!(dedup_keys(&server).await, ["a", "b", "b", "c"]);
    // Once all of it has arrived, the same news is news again.
    assert_eq!(sink.send(&message).await, Ok(()));
    assert_eq!(dedup_keys(&server).await.len(), 7);
}

#[tokio::test]
async fn an_event_that_is_rejected_keeps_no_other_back() {
    let (server, message) = three("b", 400, 1).await;
    let sink = transport(&pagerduty(&server.uri()));
    assert!(is_rejected(&sink.send(&message).await));
    assert_eq!(dedup_keys(&server).await, ["a", "b", "c"]);
}

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
        assert_eq!(transport(&kind).send(&message).await, Ok(()), "{name}");
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
