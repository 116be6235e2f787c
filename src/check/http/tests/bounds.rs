//! What cannot be judged is unknown, and says which bound it is beyond.

use super::*;

fn unknown(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Unknown(why) => why,
        other => panic!("expected unknown, got {other:?}"),
    }
}

fn expecting_json(check: &HttpCheck, path: &str, value: serde_json::Value) -> HttpCheck {
    HttpCheck { expected_json: vec![(path.to_owned(), value)], ..check.clone() }
}

#[tokio::test]
async fn a_body_is_read_as_far_as_an_expectation_needs() {
    let body = json!({"padding": "x".repeat(200 * 1024), "status": "ok"});
    let (_server, check) = answering(ResponseTemplate::new(200).set_body_json(body)).await;
    let wanted = expecting_json(&check, "$.status", json!("ok"));
    assert_eq!(looked(&wanted).await, Outcome::Pass);
    let wanted = HttpCheck { expected_body: Some(r#""status":"ok""#.to_owned()), ..check.clone() };
    assert_eq!(looked(&wanted).await, Outcome::Pass);

    let absent = HttpCheck { expected_body: Some("ready".to_owned()), ..check };
    assert_eq!(fault(&looked(&absent).await).0, FaultKind::Body);
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_unknown() {
    let body = json!({"padding": "x".repeat(200 * 1024), "status": "ok"});
    let (_server, check) = answering(ResponseTemplate::new(200).set_body_json(body)).await;
    let small = HttpCheck { max_body: 100 * 1024, ..check };
    assert_eq!(looked(&small).await, Outcome::Pass, "nothing is expected of it");
    for check in [
        expecting_json(&small, "$.status", json!("ok")),
        HttpCheck { expected_body: Some("ready".to_owned()), ..small.clone() },
    ] {
        let outcome = looked(&check).await;
        let why = unknown(&outcome);
        assert!(why.contains("100 KiB") && why.contains("max_body_bytes"), "{why}");
    }
    let early = HttpCheck { expected_body: Some("padding".to_owned()), ..small };
    assert_eq!(looked(&early).await, Outcome::Pass);
}

/// A server that answers 200 with these many headers.
async fn with_headers(count: usize) -> (AbortOnDropHandle<()>, HttpCheck) {
    let headers: String = (0..count).map(|number| format!("X-{number}: y\r\n")).collect();
    let answer = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 0\r\n\r\n");
    saying(answer.leak().as_bytes()).await
}

#[tokio::test]
async fn many_headers_are_fine_and_far_too_many_are_unknown() {
    let (_server, check) = with_headers(900).await;
    assert_eq!(looked(&check).await, Outcome::Pass);
    let (_server, check) = with_headers(1100).await;
    let outcome = looked(&check).await;
    assert!(unknown(&outcome).contains("more than 1000 headers"), "{outcome:?}");

    let long = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "y".repeat(1024 * 1024));
    let (_server, check) = saying(long.leak().as_bytes()).await;
    let outcome = looked(&check).await;
    assert!(unknown(&outcome).contains("512 KiB"), "{outcome:?}");
}

#[tokio::test]
async fn a_long_chain_of_redirects_is_unknown() {
    let server = MockServer::start().await;
    for number in 0..10 {
        let next = format!("/{}", number + 1);
        let response = ResponseTemplate::new(302).insert_header("Location", next.as_str());
        Mock::given(path(format!("/{number}"))).respond_with(response).mount(&server).await;
    }
    Mock::given(path("/10")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let from = |number: u32| HttpCheck {
        follow_redirects: true,
        ..http(&format!("{}/{number}", server.uri()))
    };
    assert_eq!(looked(&from(5)).await, Outcome::Pass);
    let outcome = looked(&from(4)).await;
    assert!(unknown(&outcome).contains("more than 5 times"), "{outcome:?}");
}

#[tokio::test]
async fn json_that_others_can_read_is_no_failure() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    for body in [r#"{"a": 1e400, "status": "ok"}"#, &deep] {
        let (_server, check) = answering(ResponseTemplate::new(200).set_body_string(body)).await;
        let outcome = looked(&expecting_json(&check, "$.status", json!("ok"))).await;
        assert!(unknown(&outcome).contains("JSON that vai cannot read"), "{outcome:?}");
    }
}

#[tokio::test]
async fn an_evaluation_that_would_never_end_is_unknown() {
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let (_server, check) = answering(ResponseTemplate::new(200).set_body_string(deep)).await;
    for path in ["$..*..*..*..*..*..*..*..*", "$[?@..*..*..*..*..*..*]"] {
        let outcome = looked(&expecting_json(&check, path, json!(1))).await;
        assert!(unknown(&outcome).contains("steps"), "{outcome:?}");
    }
    let nested = format!("${}{}", "[?@".repeat(2000), "]".repeat(2000));
    let outcome = looked(&expecting_json(&check, &nested, json!(1))).await;
    assert!(unknown(&outcome).contains("longer than"), "{outcome:?}");
}

#[tokio::test]
async fn numbers_are_compared_with_every_digit() {
    let body = r#"{"id": 9007199254740993, "big": 36893488147419103233, "in": [{"y": 1.0}],
        "exact": {"y": 0.1000000000000000055}}"#;
    let (_server, check) = answering(ResponseTemplate::new(200).set_body_string(body)).await;
    let wanted = |path: &str, text: &str| {
        let value = vai_core::model::json::parse(text).unwrap();
        // As an agent gets it.
        let sent = serde_json::to_string(&expecting_json(&check, path, value)).unwrap();
        serde_json::from_str::<HttpCheck>(&sent).unwrap()
    };
    for (path, value) in [
        ("$.id", "9007199254740993"),
        ("$.big", "36893488147419103233"),
        ("$.in", r#"[{"y": 1}]"#),
        ("$..exact['y']", "0.1000000000000000055"),
    ] {
        assert_eq!(looked(&wanted(path, value)).await, Outcome::Pass, "{path}");
    }
    for (path, value) in [
        ("$.id", "9007199254740992"),
        ("$.big", "36893488147419103232"),
        ("$.in", r#"[{"y": 2}]"#),
        ("$.exact", r#"{"y": 0.1}"#),
    ] {
        let outcome = looked(&wanted(path, value)).await;
        let (kind, detail) = fault(&outcome);
        assert_eq!(kind, FaultKind::Body);
        assert!(detail.ends_with(&format!("expected {}", value.replace(": ", ":"))), "{detail}");
    }
}
