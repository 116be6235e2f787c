use super::super::testing::{Service, http};
use super::*;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use vai_core::model::{Secret, StatusSet};
use wiremock::matchers::{any, body_string, header, header_exists, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

mod bodies;
mod bounds;

async fn looked(check: &HttpCheck) -> Outcome {
    look(check, Deadline::after(Duration::from_secs(5))).await
}

fn fault(outcome: &Outcome) -> (FaultKind, &str) {
    match outcome {
        Outcome::Fail(fault) => (fault.kind, &fault.detail),
        other => panic!("expected a failure, got {other:?}"),
    }
}

async fn answering(response: ResponseTemplate) -> (MockServer, HttpCheck) {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(response).mount(&server).await;
    let check = http(&format!("{}/health", server.uri()));
    (server, check)
}

/// A server that reads a request and answers with these very bytes.
async fn saying(bytes: &'static [u8]) -> (AbortOnDropHandle<()>, HttpCheck) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        stream.write_all(bytes).await.unwrap();
    });
    let check = http(&format!("http://127.0.0.1:{port}/health"));
    (AbortOnDropHandle::new(server), check)
}

#[tokio::test]
async fn an_unexpected_status_is_told_with_the_expected_ones() {
    let nginx = Service::nginx();
    let check = HttpCheck { expected_status: StatusSet(vec![(200, 299)]), ..nginx.http("/broken") };
    let wanted = format!(
        "GET http://localhost:{}/broken answered 502 Bad Gateway, expected 2xx",
        nginx.port
    );
    assert_eq!(fault(&looked(&check).await), (FaultKind::Status, wanted.as_str()));

    let check = HttpCheck { expected_status: StatusSet(vec![(502, 502)]), ..check };
    assert_eq!(looked(&check).await, Outcome::Pass);
}

#[tokio::test]
async fn what_a_failing_service_says_of_itself_is_told() {
    let response = ResponseTemplate::new(503).set_body_string("database\nis down");
    let (server, check) = answering(response).await;
    let wanted = format!(
        "GET {}/health answered 503 Service Unavailable, expected 200–399; it said: database is down",
        server.uri()
    );
    assert_eq!(fault(&looked(&check).await), (FaultKind::Status, wanted.as_str()));
}

#[tokio::test]
async fn the_body_has_to_contain_what_is_expected() {
    let response = ResponseTemplate::new(200).set_body_string("status: starting");
    let (server, check) = answering(response).await;
    let check =
        |expected: &str| HttpCheck { expected_body: Some(expected.to_owned()), ..check.clone() };
    assert_eq!(looked(&check("start")).await, Outcome::Pass);
    let wanted = format!(
        "GET {}/health does not contain \"ready\"; it said: status: starting",
        server.uri()
    );
    assert_eq!(fault(&looked(&check("ready")).await), (FaultKind::Body, wanted.as_str()));
}

#[tokio::test]
async fn json_values_are_compared_as_json() {
    let body = json!({"status": "ok", "load": 1.0, "peers": [{"up": true}, {"up": true}]});
    let (_server, check) = answering(ResponseTemplate::new(200).set_body_json(body)).await;
    let check = |path: &str, value| HttpCheck {
        expected_json: vec![(path.to_owned(), value)],
        ..check.clone()
    };
    for (path, value) in [
        ("$.status", json!("ok")),
        ("$.load", json!(1)),
        ("$.peers[*].up", json!(true)),
        ("$.peers[0]", json!({"up": true})),
    ] {
        assert_eq!(looked(&check(path, value)).await, Outcome::Pass, "{path}");
    }
    for (path, value, said) in [
        ("$.status", json!("fine"), "answered $.status = \"ok\", expected \"fine\""),
        ("$.load", json!("1"), "answered $.load = 1.0, expected \"1\""),
        ("$.agent", json!(true), "answered $.agent = missing, expected true"),
    ] {
        let outcome = looked(&check(path, value)).await;
        let (kind, detail) = fault(&outcome);
        assert_eq!(kind, FaultKind::Body);
        assert!(detail.ends_with(said), "{detail}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_is_a_body_fault() {
    let response = ResponseTemplate::new(200).set_body_string("<html>login</html>");
    let (_server, check) = answering(response).await;
    let check = HttpCheck { expected_json: vec![("$.status".to_owned(), json!("ok"))], ..check };
    let outcome = looked(&check).await;
    let (kind, detail) = fault(&outcome);
    assert_eq!(kind, FaultKind::Body);
    assert!(detail.ends_with("did not answer JSON"), "{detail}");
}

#[tokio::test]
async fn the_request_is_sent_as_it_is_configured() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/health"))
        .and(header("X-Token", "hunter2"))
        .and(header("Authorization", "Basic YW5uYTpwQHNz"))
        .and(body_string("{}"))
        .respond_with(ResponseTemplate::new(204))
        .mount(&server)
        .await;
    let host = server.address();
    let check = HttpCheck {
        endpoint: Secret::from(format!("http://anna:p%40ss@{host}/health?key=hunter3").as_str()),
        method: "POST".to_owned(),
        headers: vec![("X-Token".to_owned(), Secret::from("hunter2"))],
        body: Some(Secret::from("{}")),
        ..http(&format!("http://{host}/health"))
    };
    assert_eq!(looked(&check).await, Outcome::Pass);

    let refused = HttpCheck { method: "GET".to_owned(), ..check };
    let outcome = looked(&refused).await;
    let (_, detail) = fault(&outcome);
    assert!(!detail.contains("hunter") && !detail.contains("anna"), "{detail}");
}

#[tokio::test]
async fn a_slow_answer_is_slow_and_not_down() {
    let response = ResponseTemplate::new(200).set_delay(Duration::from_millis(120));
    let (_server, check) = answering(response).await;
    let check = HttpCheck { max_response: Some(Duration::from_millis(50)), ..check };
    let outcome = looked(&check).await;
    assert!(
        matches!(&outcome, Outcome::Slow(text) if text.ends_with("ms, more than 50 ms")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn redirects_are_answers_unless_they_are_to_be_followed() {
    let server = MockServer::start().await;
    let redirect = |to: &str| ResponseTemplate::new(302).insert_header("Location", to);
    for (from, response) in [
        ("/health", redirect("second?from=first")),
        ("/second", ResponseTemplate::new(200).set_body_string("there")),
        ("/loop", redirect("/loop")),
        ("/file", redirect("file:///etc/passwd")),
        ("/metadata", redirect("http://169.254.169.254/latest/")),
        ("/mapped", redirect("http://[::ffff:169.254.169.254]/")),
    ] {
        Mock::given(path(from)).respond_with(response).mount(&server).await;
    }
    let check = |path: &str, follow_redirects| HttpCheck {
        follow_redirects,
        ..http(&format!("{}{path}", server.uri()))
    };
    let there = HttpCheck { expected_body: Some("there".to_owned()), ..check("/health", true) };
    assert_eq!(looked(&there).await, Outcome::Pass);
    let only_200 =
        HttpCheck { expected_status: StatusSet(vec![(200, 200)]), ..check("/health", false) };
    assert_eq!(fault(&looked(&only_200).await).0, FaultKind::Status);

    for (path, said) in [
        ("/loop", "redirects in a circle"),
        ("/file", "redirects to something that is not HTTP"),
        ("/metadata", "is the link-local address 169.254.169.254, which is never contacted"),
        ("/mapped", "is the link-local address ::ffff:169.254.169.254, which is never contacted"),
    ] {
        let outcome = looked(&check(path, true)).await;
        let (_, detail) = fault(&outcome);
        assert!(detail.ends_with(said), "{path}: {detail}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_link_local_is_never_looked_at() {
    let outcome = looked(&http("http://169.254.169.254/latest/meta-data")).await;
    assert!(
        matches!(&outcome, Outcome::Unknown(why) if why.contains("never contacted")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_origin() {
    let (first, second) = (MockServer::start().await, MockServer::start().await);
    let to = format!("{}/login", second.uri());
    Mock::given(any())
        .respond_with(ResponseTemplate::new(307).insert_header("Location", to.as_str()))
        .mount(&first)
        .await;
    Mock::given(header_exists("X-Token"))
        .respond_with(ResponseTemplate::new(500))
        .mount(&second)
        .await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200))
        .with_priority(9)
        .mount(&second)
        .await;
    let check = HttpCheck {
        headers: vec![("X-Token".to_owned(), Secret::from("hunter2"))],
        follow_redirects: true,
        ..http(&first.uri())
    };
    assert_eq!(looked(&check).await, Outcome::Pass);
}

#[tokio::test]
async fn an_outside_page_cannot_send_us_to_our_own_ports() {
    let from = Target::endpoint(&http("http://proxy.example.com/")).unwrap();
    let reply = Reply {
        asked: "GET http://proxy.example.com/".to_owned(),
        status: StatusCode::FOUND,
        headers: hyper::HeaderMap::new(),
        body: Vec::new(),
        is_cut: false,
        limit: 0,
    };
    let to = |url: &str| redirected(&from, &reply, Url::parse(url).unwrap());
    assert!(to("http://127.0.0.1:2375/").is_err());
    assert!(to("http://localhost/").is_err());
    assert!(to("http://www.example.com/").is_ok());
}

#[tokio::test]
async fn broken_answers_are_told_apart() {
    let cases: [(&[u8], FaultKind, &str); 4] = [
        (b"", FaultKind::Protocol, "closed before the answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", FaultKind::Protocol, "not valid HTTP"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
            FaultKind::Protocol,
            "the answer was cut short",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            FaultKind::Protocol,
            "not valid HTTP",
        ),
    ];
    for (bytes, kind, said) in cases {
        let (_server, check) = saying(bytes).await;
        let outcome = looked(&check).await;
        let (found, detail) = fault(&outcome);
        assert_eq!(found, kind, "{detail}");
        assert!(detail.contains(said), "{detail}");
    }
}

#[tokio::test]
async fn a_certificate_has_to_be_trusted_unless_it_need_not() {
    let nginx = Service::nginx_tls();
    let check = http(&format!("https://localhost:{}/", nginx.port));
    let outcome = looked(&check).await;
    let (kind, detail) = fault(&outcome);
    assert_eq!(kind, FaultKind::Tls);
    assert!(detail.contains("invalid peer certificate"), "{detail}");

    let unverified = HttpCheck { tls_verify: false, ..check.clone() };
    assert_eq!(looked(&unverified).await, Outcome::Pass);

    let with_ca = |file: &str| HttpCheck {
        ca_file: Some(nginx.folder.path().join(file).to_str().unwrap().to_owned()),
        ..check.clone()
    };
    assert_eq!(looked(&with_ca("cert.pem")).await, Outcome::Pass);
    for (file, said) in
        [("absent.pem", "No such file or directory"), ("key.pem", "no certificate in it")]
    {
        let outcome = looked(&with_ca(file)).await;
        assert!(matches!(&outcome, Outcome::Unknown(why) if why.ends_with(said)), "{outcome:?}");
    }
}

#[tokio::test]
async fn https_to_a_plain_port_is_a_tls_fault() {
    let nginx = Service::nginx();
    let check = http(&format!("https://localhost:{}/", nginx.port));
    assert_eq!(fault(&looked(&check).await).0, FaultKind::Tls);
}
