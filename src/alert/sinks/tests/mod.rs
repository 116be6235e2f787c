//! What all sinks that speak HTTP have to do alike. What exactly each of them
//! sends is asserted in tests/alert.

mod answers;
mod contents;
mod several;

use super::*;
use crate::alert::message::{Context, compose};
use crate::alert::testing::notice;
use crate::config::{
    Alertmanager, Apprise, AppriseTargets, Auth, Emergency, Pushover, Slack, Telegram,
};
use jiff::tz::TimeZone;
use vai_core::model::{Notice, NoticeKind, Redactor, Secret, Severity, Wall};
use wiremock::matchers::any;
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
    sent(&kind(&server.uri()), &opening()).await
}

/// What a sink of `kind` makes of `message`.
async fn sent(kind: &SinkKind, message: &Message) -> Result<(), SendError> {
    whole(transport(kind).send(message, &[]).await)
}

/// The one thing that became of a message.
fn whole(answer: Answer<SendError>) -> Result<(), SendError> {
    match answer {
        Answer::Whole(result) => result,
        Answer::Recipients(each) => each.into_values().next().unwrap(),
        Answer::Incidents(each) => each.into_values().next().unwrap(),
    }
}

fn is_passing(result: &Result<(), SendError>) -> bool {
    matches!(result, Err(SendError::Passing { .. } | SendError::Unanswered { .. }))
}

fn is_rejected(result: &Result<(), SendError>) -> bool {
    matches!(result, Err(SendError::Rejected(_)))
}
