use super::incident::rfc3339;
use super::{SendError, WholeTransport, http};
use crate::alert::message::Message;
use async_trait::async_trait;
use reqwest::{Client, RequestBuilder};
use serde::Serialize;
use vai_core::model::{
    Affected, Evidence, IncidentPhase, Notice, NoticeKind, Secret, ServiceName, Severity,
    StateLabel,
};

/// Grows when a field changes its meaning or goes; new fields may come any
/// time (config/webhook.md).
const VERSION: u32 = 1;

/// A POST of the JSON that config/webhook.md documents.
pub(super) struct Webhook {
    http: Client,
    url: Secret,
    headers: Vec<(String, Secret)>,
}

impl Webhook {
    /// POSTs to `url` with `headers` besides our own.
    pub(super) fn new(http: &Client, url: &Secret, headers: &[(String, Secret)]) -> Self {
        Self { http: http.clone(), url: url.clone(), headers: headers.to_vec() }
    }

    fn request(&self, message: &Message) -> RequestBuilder {
        let request =
            self.http.post(self.url.expose()).header("Idempotency-Key", &message.dedup_key);
        self.headers
            .iter()
            .fold(request, |request, (name, value)| request.header(name, value.expose()))
            .json(&Payload::new(message))
    }
}

#[async_trait]
impl WholeTransport for Webhook {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        http::send(self.request(message)).await
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    version: u32,
    dedup_key: &'a str,
    follows: &'a [String],
    title: &'a str,
    body: &'a str,
    severity: Severity,
    status: Status,
    incidents: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Open,
    Closed,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    event: &'static str,
    status: Status,
    severity: Severity,
    root: &'a str,
    container: &'a str,
    state: StateLabel,
    since: String,
    reason: &'a str,
    failed_attempts: u32,
    history: &'a [String],
    next: &'a str,
    affected: Vec<&'a ServiceName>,
    chain: Vec<Link<'a>>,
    evidence: &'a Evidence,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_how: Option<&'a str>,
}

/// A link of the chain of causes that ends at the root.
#[derive(Serialize)]
struct Link<'a> {
    service: &'a ServiceName,
    state: StateLabel,
    reason: &'a str,
    because: Option<&'a ServiceName>,
}

impl<'a> Payload<'a> {
    fn new(message: &'a Message) -> Self {
        Self {
            version: VERSION,
            dedup_key: &message.dedup_key,
            follows: &message.follows,
            title: &message.title,
            body: &message.body,
            severity: message.severity,
            status: Status::new(message.over),
            incidents: message.notices.iter().map(Entry::new).collect(),
        }
    }
}

impl Status {
    fn new(over: bool) -> Self {
        if over { Self::Closed } else { Self::Open }
    }
}

impl<'a> Entry<'a> {
    fn new(notice: &'a Notice) -> Self {
        let incident = &notice.incident;
        let (closed_at, closed_how) = match &incident.phase {
            IncidentPhase::Open => (None, None),
            IncidentPhase::Closed { at, how } => (Some(rfc3339(*at)), Some(how.as_str())),
        };
        Self {
            id: &incident.id.0,
            event: event(notice),
            status: Status::new(notice.incident.is_over()),
            severity: incident.severity,
            root: &incident.root,
            container: &incident.place,
            state: incident.state,
            since: rfc3339(incident.since),
            reason: &incident.reason,
            failed_attempts: incident.failed_attempts,
            history: &incident.history,
            next: &incident.next,
            affected: incident.failing_with_it().map(|it| &it.name).collect(),
            chain: incident.failing_with_it().map(Link::new).collect(),
            evidence: &incident.evidence,
            closed_at,
            closed_how,
        }
    }
}

impl<'a> Link<'a> {
    fn new(affected: &'a Affected) -> Self {
        let Affected { name, state, reason, because, over: _ } = affected;
        Self { service: name, state: *state, reason, because: because.as_ref() }
    }
}

/// What happened; the end comes before everything else.
fn event(notice: &Notice) -> &'static str {
    match notice.kind {
        kind if notice.incident.is_over() && kind != NoticeKind::Info => "resolved",
        NoticeKind::Opened => "opened",
        NoticeKind::Escalated => "escalated",
        NoticeKind::Joined => "joined",
        NoticeKind::Reminder(_) => "reminder",
        NoticeKind::Resolved => "resolved",
        NoticeKind::Info => "info",
    }
}
