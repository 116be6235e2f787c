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

/// What became of each incident: whether it was taken, may be later, or never.
fn results(answer: Answer<SendError>) -> Vec<(String, Result<(), Refusal>)> {
    match answer.map_err(SendError::refusal) {
        Answer::Incidents(each) => each.into_iter().map(|(id, it)| (id.0, it)).collect(),
        other => panic!("{other:?}"),
    }
}

fn each(results: [(&str, Result<(), Refusal>); 3]) -> Vec<(String, Result<(), Refusal>)> {
    results.map(|(name, result)| (name.to_owned(), result)).into()
}

const BUSY: Result<(), Refusal> = Err(Refusal::Passing(None));

#[tokio::test]
async fn an_event_that_fails_keeps_no_other_back() {
    let (server, message) = three("b", 503, 1).await;
    let sink = transport(&pagerduty(&server.uri()));
    let answer = results(sink.send(&message, &[]).await);
    assert_eq!(answer, each([("a", Ok(())), ("b", BUSY), ("c", Ok(()))]));
    assert_eq!(dedup_keys(&server).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn an_event_that_is_rejected_counts_against_itself_alone() {
    let (server, message) = three("b", 400, 1).await;
    let sink = transport(&pagerduty(&server.uri()));
    let answer = results(sink.send(&message, &[]).await);
    assert_eq!(answer, each([("a", Ok(())), ("b", Err(Refusal::Final)), ("c", Ok(()))]));
}

#[tokio::test]
async fn a_service_that_asks_to_be_left_alone_is_sent_nothing_more() {
    let server = MockServer::start().await;
    Mock::given(body_string_contains("\"dedup_key\":\"b\""))
        .respond_with(ResponseTemplate::new(429).insert_header("Retry-After", "30"))
        .mount(&server)
        .await;
    Mock::given(any()).respond_with(ResponseTemplate::new(202)).mount(&server).await;
    let notices = ["a", "b", "c"].map(|name| notice(name, NoticeKind::Opened, Severity::Critical));
    let sink = transport(&pagerduty(&server.uri()));
    let answer = results(sink.send(&message_of(&notices), &[]).await);
    let asked = Err(Refusal::Passing(Some(Duration::from_secs(30))));
    assert_eq!(answer, [("a".to_owned(), Ok(())), ("b".to_owned(), asked)]);
    assert_eq!(dedup_keys(&server).await, ["a", "b"]);
}

#[tokio::test]
async fn a_service_that_takes_nothing_is_not_asked_for_each_incident() {
    let server = server(ResponseTemplate::new(503)).await;
    let names = ["a", "b", "c", "d", "e", "f"];
    let notices = names.map(|name| notice(name, NoticeKind::Opened, Severity::Critical));
    let sink = transport(&pagerduty(&server.uri()));
    let answer = results(sink.send(&message_of(&notices), &[]).await);
    assert!(answer.iter().all(|(_, result)| *result == BUSY), "{answer:?}");
    assert!(dedup_keys(&server).await.len() < names.len());
}

#[tokio::test]
async fn what_is_tried_again_begins_with_the_requests_that_are_left() {
    let server = MockServer::start().await;
    Mock::given(body_string_contains("resolve"))
        .respond_with(ResponseTemplate::new(503))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    Mock::given(any()).respond_with(ResponseTemplate::new(202)).mount(&server).await;
    // It is over before it was told: it is opened and closed.
    let mut over = notice("a", NoticeKind::Opened, Severity::Critical);
    over.incident.phase = notice("a", NoticeKind::Resolved, Severity::Critical).incident.phase;
    let message = message_of(&[over]);
    let sink = transport(&pagerduty(&server.uri()));
    assert!(is_passing(&whole(sink.send(&message, &[]).await)));
    assert_eq!(whole(sink.send(&message, &[]).await), Ok(()));
    let actions =
        |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap()["event_action"].clone();
    let requests = server.received_requests().await.unwrap();
    let actions: Vec<Value> = requests.iter().map(|request| actions(&request.body)).collect();
    assert_eq!(actions, ["trigger", "resolve", "resolve"]);
    // Once all of it has arrived, the same news is news again.
    assert_eq!(whole(sink.send(&message, &[]).await), Ok(()));
    assert_eq!(dedup_keys(&server).await.len(), 5);
}
