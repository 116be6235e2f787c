//! What keeps incidents of its own.

use crate::common::{alerter, answering, arrived, body_of, notice, requests_of, told};
use serde_json::json;
use std::time::Duration;
use vai::config::{Alertmanager, Auth, SinkKind};
use vai_core::model::MessageId;
use vai_core::model::NoticeKind::{Escalated, Opened, Resolved};
use vai_core::model::{IncidentPhase, Notice, Secret, Severity};
use wiremock::{Request, ResponseTemplate};

fn pagerduty(base: &str) -> SinkKind {
    SinkKind::PagerDuty { server: base.to_owned(), routing_key: Secret::from("hunter22") }
}

fn opsgenie(base: &str) -> SinkKind {
    SinkKind::Opsgenie { server: base.to_owned(), api_key: Secret::from("hunter22") }
}

/// An outage that was over before anybody could be told.
fn missed() -> Notice {
    let closed: IncidentPhase = notice("redis", Resolved).incident.phase;
    let mut missed = notice("redis", Opened);
    missed.incident.phase = closed;
    missed
}

/// What `kind` asks for when it is told of `notices` at once.
async fn asked(kind: impl Fn(&str) -> SinkKind, notices: &[Notice]) -> Vec<Request> {
    let server = answering(ResponseTemplate::new(202)).await;
    let alerter = alerter(&[kind(&server.uri())]).await;
    for notice in notices {
        alerter.deliver(MessageId(1), notice.clone());
    }
    arrived(&alerter, 0).await;
    server.received_requests().await.unwrap()
}

#[tokio::test]
async fn pagerduty_gets_a_trigger_and_a_resolve_of_the_same_key() {
    let (opening, end) = told(ResponseTemplate::new(202), pagerduty).await;
    assert_eq!((opening.method.as_str(), opening.url.path()), ("POST", "/v2/enqueue"));
    assert_eq!(
        body_of(&opening),
        json!({
            "routing_key": "hunter22",
            "event_action": "trigger",
            "dedup_key": "redis-1",
            "client": "vai",
            "payload": {
                "summary": "redis (services): connection refused",
                "source": "services",
                "severity": "critical",
                "timestamp": "2026-11-23T11:01:05Z",
                "component": "redis",
                "class": "down",
                "custom_details": {
                    "Why": "connection refused",
                    "What vai did":
                        "restart_cmd: restart failed: größer als <erlaubt> & mehr",
                    "What comes next": "a third try in 20 s",
                    "Fails with it": "web-api",
                    "Evidence": "container running",
                    "Last lines of /var/log/redis.log": "AUTH ***",
                },
            },
        })
    );
    assert_eq!(
        body_of(&end),
        json!({ "routing_key": "hunter22", "event_action": "resolve", "dedup_key": "redis-1" })
    );
}

#[tokio::test]
async fn each_incident_is_an_event_of_its_own() {
    let requests = asked(pagerduty, &[notice("redis", Opened), notice("nginx", Opened)]).await;
    let mut keys: Vec<String> =
        requests.iter().map(|request| body_of(request)["dedup_key"].to_string()).collect();
    keys.sort();
    assert_eq!(keys, ["\"nginx-1\"", "\"redis-1\""]);
}

#[tokio::test]
async fn what_was_over_before_it_was_told_wakes_nobody() {
    let requests = asked(pagerduty, &[missed()]).await;
    let [trigger, resolve] = &requests[..] else { panic!("{requests:?}") };
    let (trigger, resolve) = (body_of(trigger), body_of(resolve));
    assert_eq!(trigger["event_action"], "trigger");
    assert_eq!(trigger["payload"]["severity"], "info");
    assert_eq!(resolve["event_action"], "resolve");
    assert_eq!(trigger["dedup_key"], resolve["dedup_key"]);

    let requests = asked(opsgenie, &[missed()]).await;
    let [create, close] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(body_of(create)["priority"], "P5");
    assert_eq!(close.url.path(), "/v2/alerts/redis%2D1%2Dcritical/close");
}

#[tokio::test]
async fn opsgenie_creates_and_closes_by_the_alias() {
    let requests = requests_of(ResponseTemplate::new(202), opsgenie).await;
    let [opening, end, warning] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!((opening.method.as_str(), opening.url.path()), ("POST", "/v2/alerts"));
    assert_eq!(opening.headers["Authorization"], "GenieKey hunter22");
    let body = body_of(opening);
    assert_eq!(body["message"], "redis (services): connection refused");
    assert_eq!(body["alias"], "redis-1-critical");
    assert_eq!(body["priority"], "P1");
    assert_eq!((&body["source"], &body["entity"]), (&json!("vai"), &json!("redis")));
    assert_eq!(body["tags"], json!(["vai", "critical"]));
    assert_eq!(
        body["description"],
        "Why: connection refused\n\
         What vai did: restart_cmd: restart failed: größer als <erlaubt> & mehr\n\
         What comes next: a third try in 20 s\n\
         Fails with it: web-api\n\
         Evidence: container running\n\
         Last lines of /var/log/redis.log: AUTH ***\n"
    );
    assert_eq!(end.method, "POST");
    assert_eq!(end.url.path(), "/v2/alerts/redis%2D1%2Dcritical/close");
    assert_eq!(end.url.query(), Some("identifierType=alias"));
    let note = json!({ "source": "vai", "note": "healed by restart_cmd, 2 attempts" });
    assert_eq!(body_of(end), note);
    assert_eq!(warning.url.path(), "/v2/alerts/redis%2D1%2Dwarning/close");
    assert_eq!(body_of(warning), note);
}

#[tokio::test]
async fn what_becomes_worse_is_created_anew_with_its_priority() {
    let mut warning = notice("redis", Opened);
    warning.incident.severity = Severity::Warning;
    let server = answering(ResponseTemplate::new(202)).await;
    let alerter = alerter(&[opsgenie(&server.uri())]).await;
    alerter.deliver(MessageId(1), warning);
    arrived(&alerter, 0).await;
    alerter.deliver(MessageId(1), notice("redis", Escalated));
    alerter.stop(Duration::from_secs(5)).await;
    let requests = server.received_requests().await.unwrap();
    let [opening, worse, end] = &requests[..] else { panic!("{requests:?}") };
    let (opening, worse) = (body_of(opening), body_of(worse));
    assert_eq!(
        (&opening["alias"], &opening["priority"]),
        (&json!("redis-1-warning"), &json!("P3"))
    );
    assert_eq!((&worse["alias"], &worse["priority"]), (&json!("redis-1-critical"), &json!("P1")));
    assert_eq!(end.url.path(), "/v2/alerts/redis%2D1%2Dwarning/close");
    assert_eq!(body_of(end)["note"], "it is critical now");
}

fn alertmanager(base: &str, auth: Option<Auth>) -> SinkKind {
    SinkKind::Alertmanager(Alertmanager {
        server: base.to_owned(),
        auth,
        labels: [("team".to_owned(), "ops".to_owned())].into(),
    })
}

#[tokio::test]
async fn alertmanager_gets_the_same_labels_until_the_end() {
    let (opening, end) = told(ResponseTemplate::new(200), |base| alertmanager(base, None)).await;
    assert_eq!((opening.method.as_str(), opening.url.path()), ("POST", "/api/v2/alerts"));
    assert_eq!(opening.headers["Content-Type"], "application/json");
    let (opening, end) = (body_of(&opening), body_of(&end));
    assert_eq!(
        opening[0]["labels"],
        json!({
            "alertname": "VaiIncident",
            "incident": "redis-1",
            "service": "redis",
            "severity": "critical",
            "team": "ops",
        })
    );
    let annotations = &opening[0]["annotations"];
    assert_eq!(annotations["summary"], "redis (services): connection refused");
    assert_eq!(
        (&annotations["state"], &annotations["container"]),
        (&json!("down"), &json!("services"))
    );
    assert!(annotations["description"].as_str().unwrap().contains("AUTH ***"));
    assert_eq!(opening[0]["startsAt"], "2026-11-23T11:01:05Z");
    assert_eq!(end[0]["labels"], opening[0]["labels"]);
    assert_eq!(end[0]["startsAt"], opening[0]["startsAt"]);
    assert_eq!(end[0]["endsAt"], "2026-11-23T11:09:11Z");
    assert_eq!(end[1]["labels"]["severity"], "warning");
    assert_eq!(end[1]["endsAt"], end[0]["endsAt"]);
}

#[tokio::test]
async fn alertmanager_is_logged_into_in_either_way() {
    let password =
        Auth::Password { username: "vai".to_owned(), password: Secret::from("hunter22") };
    let ways = [
        (Auth::Token(Secret::from("hunter22")), "Bearer hunter22"),
        (password, "Basic dmFpOmh1bnRlcjIy"),
    ];
    for (auth, header) in ways {
        let sink = |base: &str| alertmanager(base, Some(auth.clone()));
        let requests = requests_of(ResponseTemplate::new(200), sink).await;
        assert_eq!(requests[0].headers["Authorization"], header);
    }
}
