use super::incident::{Step, description, key, outgrown, summary};
use super::several::{Part, Several};
use super::{SendError, Transport, text};
use crate::alert::message::Message;
use async_trait::async_trait;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Client;
use serde_json::{Value, json};
use vai_core::dispatch::Answer;
use vai_core::model::{IncidentPhase, Notice, Secret, Severity};

/// Of an alert's message (docs.opsgenie.com, "Create Alert").
const LONGEST_MESSAGE: usize = 130;
/// Of an alias.
const LONGEST_ALIAS: usize = 512;
/// Of a description.
const LONGEST: usize = 15_000;
/// Of an entity.
const LONGEST_ENTITY: usize = 512;
/// Of the note that closes an alert.
const LONGEST_NOTE: usize = 25_000;

/// Opsgenie, and what speaks its alert API, such as Jira Service Management: an
/// alert for each incident, known by an alias.
pub(super) struct Opsgenie {
    http: Client,
    alerts: String,
    api_key: Secret,
    several: Several,
}

impl Opsgenie {
    /// The API integration of `api_key` at the base URL `server`.
    pub(super) fn new(http: &Client, server: &str, api_key: &Secret) -> Self {
        Self {
            http: http.clone(),
            alerts: format!("{server}/v2/alerts"),
            api_key: api_key.clone(),
            several: Several::default(),
        }
    }

    fn part(&self, notice: &Notice, path: &str, body: &Value) -> Part {
        let key = format!("GenieKey {}", self.api_key.expose());
        let request = self.http.post(format!("{}{path}", self.alerts));
        Part {
            incident: notice.incident.id.clone(),
            name: format!("{path} {body}"),
            request: request.header("Authorization", key).json(body),
        }
    }

    fn parts(&self, notice: &Notice) -> Vec<Part> {
        let (step, severity) = (Step::of(notice), notice.incident.severity);
        let opened = step.opens().then(|| self.part(notice, "", &alert(notice, step)));
        let over = [step.closes().then_some(severity), outgrown(notice)];
        let closed = over.into_iter().flatten().map(|severity| self.closed(notice, severity));
        opened.into_iter().chain(closed).collect()
    }

    fn closed(&self, notice: &Notice, severity: Severity) -> Part {
        let note = match &notice.incident.phase {
            IncidentPhase::Closed { how, .. } => text::cut(how, LONGEST_NOTE),
            IncidentPhase::Open => "it is critical now".to_owned(),
        };
        let alias = alias(notice, severity);
        let alias = utf8_percent_encode(&alias, NON_ALPHANUMERIC);
        let path = format!("/{alias}/close?identifierType=alias");
        self.part(notice, &path, &json!({ "source": "vai", "note": note }))
    }
}

#[async_trait]
impl Transport for Opsgenie {
    async fn send(&self, message: &Message, _recipients: &[String]) -> Answer<SendError> {
        let parts = message.notices.iter().flat_map(|notice| self.parts(notice));
        self.several.send(parts.collect()).await
    }
}

/// Names the alert. An open one keeps the priority that it was created with, so
/// what became worse is another one.
fn alias(notice: &Notice, severity: Severity) -> String {
    let severity = severity.label();
    format!("{}-{severity}", key(notice, LONGEST_ALIAS - 1 - severity.len()))
}

/// The alert of `notice`. To create it again counts it once more and changes
/// nothing else.
fn alert(notice: &Notice, step: Step) -> Value {
    let incident = &notice.incident;
    let priority = match incident.severity {
        // What is over already is no reason to wake anybody.
        _ if step.closes() => "P5",
        Severity::Critical => "P1",
        Severity::Warning => "P3",
        Severity::Info => "P5",
    };
    json!({
        "message": text::line(&summary(notice), LONGEST_MESSAGE),
        "alias": alias(notice, incident.severity),
        "description": text::cut(&description(notice), LONGEST),
        "priority": priority,
        "source": "vai",
        "entity": text::line(&incident.root, LONGEST_ENTITY),
        "tags": ["vai", incident.severity.label()],
    })
}
