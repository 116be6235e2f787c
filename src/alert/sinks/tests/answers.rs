//! How an answer is judged.

use super::*;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

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
            let result = sent(&kind, &opening()).await;
            assert!(is_passing(&result), "{name}, {status}: {result:?}");
        }
    }
    for status in [307, 400, 401, 403, 404, 410, 413, 422] {
        let server = server(ResponseTemplate::new(status)).await;
        for (name, kind) in every_kind(&server.uri()) {
            let result = sent(&kind, &opening()).await;
            assert!(is_rejected(&result), "{name}, {status}: {result:?}");
        }
    }
}

#[tokio::test]
async fn every_sink_waits_for_as_long_as_the_header_says() {
    let server = server(ResponseTemplate::new(429).insert_header("Retry-After", "77")).await;
    for (name, kind) in every_kind(&server.uri()) {
        let result = sent(&kind, &opening()).await;
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
        let mut sending = transport.send(&message, &[]).map(whole);
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
            let error = sent(&kind, &opening()).await.unwrap_err();
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
    assert_eq!(whole(sink.send(&end, &[]).await), Ok(()));
    let requests = server.received_requests().await.unwrap();
    let paths: Vec<&str> = requests.iter().map(|request| request.url.path()).collect();
    assert_eq!(paths, ["/1/receipts/cancel_by_tag/redis.json", "/1/messages.json"]);
}
