//! One request for each incident.

use super::*;
use serde_json::Value;
use wiremock::matchers::body_string_contains;

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
