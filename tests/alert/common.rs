use jiff::tz::TimeZone;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use vai::alert::{Alerter, Before, SinkStatus};
use vai::config::{Notifications, Sink, SinkKind};
use vai_core::dispatch::Plan;
use vai_core::model::MessageId;
use vai_core::model::{
    Affected, Evidence, EvidenceDetail, Incident, IncidentId, IncidentPhase, Notice, NoticeKind,
    Notify, Redactor, Secret, Severity, StateLabel, Subject, Wall,
};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// The alerter for these sinks, all in one channel.
pub(crate) async fn alerter(kinds: &[SinkKind]) -> Alerter {
    let redactor = Redactor::new([Secret::from("hunter22")]);
    let config = notifications(kinds);
    let commands = Arc::new(|what: &str| format!("docker exec vai-container /vai {what}"));
    Alerter::start(&config, redactor, TimeZone::UTC, commands, Before::default()).unwrap().0
}

/// One channel with these sinks; nothing waits for company.
pub(crate) fn notifications(kinds: &[SinkKind]) -> Notifications {
    let sinks = kinds.iter().enumerate().map(|(index, kind)| Sink {
        name: format!("alerts[{index}]"),
        kind: kind.clone(),
        min_severity: Severity::Info,
        send_resolved: true,
        held: None,
    });
    Notifications {
        plan: Plan {
            channels: [("alerts".to_owned(), sinks.collect())].into(),
            default: vec!["alerts".to_owned()],
            fallback: None,
            group_wait: Duration::ZERO,
            group_interval: Duration::from_secs(300),
        },
        repeat_interval: Duration::from_secs(14_400),
        digest: None,
        heartbeat: None,
    }
}

/// A service that went down at 11:01:05 UTC and was healed at 11:09:11.
pub(crate) fn notice(root: &str, kind: NoticeKind) -> Notice {
    let phase = match kind {
        NoticeKind::Resolved | NoticeKind::Info => IncidentPhase::Closed {
            at: Wall::from_millis(1_795_432_151_000),
            how: "healed by restart_cmd, 2 attempts".to_owned(),
        },
        NoticeKind::Opened
        | NoticeKind::Escalated
        | NoticeKind::Joined
        | NoticeKind::Reminder(_) => IncidentPhase::Open,
    };
    Notice {
        incident: Incident {
            id: IncidentId(format!("{root}-1")),
            root: root.to_owned(),
            subject: Subject::Service,
            place: "services".to_owned(),
            severity: Severity::Critical,
            state: StateLabel::Down,
            failed_attempts: 2,
            since: Wall::from_millis(1_795_431_665_000),
            reason: "connection refused".to_owned(),
            history: vec!["restart_cmd: restart failed: größer als erlaubt".to_owned()],
            next: "a third try in 20 s".to_owned(),
            affected: vec![Affected {
                name: "web-api".into(),
                state: StateLabel::Down,
                reason: "answered 502, expected 200".to_owned(),
                because: Some("redis".into()),
                over: false,
            }],
            phase,
            evidence: Evidence {
                facts: vec!["container running".to_owned()],
                log_source: "/var/log/redis.log".to_owned(),
                log: vec!["AUTH hunter22".to_owned()],
            },
            acknowledged: None,
        },
        kind,
        notify: Notify::Default,
        detail: EvidenceDetail::Full,
        at: vai::clock::wall(),
        decided: None,
    }
}

/// Looks at the sink `index` until it is as wanted; fails after 20 s.
pub(crate) async fn wait_for(
    alerter: &Alerter,
    index: usize,
    wanted: impl Fn(&SinkStatus) -> bool,
) -> SinkStatus {
    let look = async {
        loop {
            let status = alerter.status()[index].clone();
            if wanted(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    match tokio::time::timeout(Duration::from_secs(20), look).await {
        Ok(status) => status,
        Err(_) => panic!("not in 20 s: {:?}", alerter.status()),
    }
}

/// Waits until everything has arrived at the sink `index`.
pub(crate) async fn arrived(alerter: &Alerter, index: usize) -> SinkStatus {
    wait_for(alerter, index, |status| status.pending == 0 && status.last_sent.is_some()).await
}

/// A server that answers everything like this.
pub(crate) async fn answering(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

/// What `kind` asks of a server for the opening and the end of one incident,
/// in whose text there is something to escape.
pub(crate) async fn requests_of(
    answer: ResponseTemplate,
    kind: impl Fn(&str) -> SinkKind,
) -> Vec<Request> {
    let server = answering(answer).await;
    let alerter = alerter(&[kind(&server.uri())]).await;
    for kind in [NoticeKind::Opened, NoticeKind::Resolved] {
        let mut notice = notice("redis", kind);
        let history = &mut notice.incident.history;
        *history = vec!["restart_cmd: restart failed: größer als <erlaubt> & mehr".to_owned()];
        alerter.deliver(MessageId(1), notice);
        assert_eq!(arrived(&alerter, 0).await.last_error, None);
    }
    alerter.stop(Duration::from_secs(5)).await;
    server.received_requests().await.unwrap()
}

/// Like [`requests_of`], for a sink that asks once for each.
pub(crate) async fn told(
    answer: ResponseTemplate,
    kind: impl Fn(&str) -> SinkKind,
) -> (Request, Request) {
    let requests = requests_of(answer, kind).await;
    let [opening, end] = <[Request; 2]>::try_from(requests).expect("two requests");
    (opening, end)
}

/// The JSON in a request.
pub(crate) fn body_of(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}
