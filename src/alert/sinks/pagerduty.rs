use super::incident::{Step, details, key, rfc3339, summary};
use super::several::{Part, Several};
use super::{SendError, Transport, text};
use crate::alert::message::Message;
use async_trait::async_trait;
use reqwest::Client;
use serde_json::{Map, Value, json};
use vai_core::dispatch::Answer;
use vai_core::model::{Notice, Secret};

/// Of a summary (developer.pagerduty.com, "Send an Alert Event").
const LONGEST_SUMMARY: usize = 1024;
/// Of a dedup key.
const LONGEST_KEY: usize = 255;
/// Of one of the details, so that a request stays far below 512 KB.
const LONGEST_DETAIL: usize = 8192;

/// PagerDuty by its Events API v2: an event for each incident.
pub(super) struct PagerDuty {
    http: Client,
    url: String,
    routing_key: Secret,
    several: Several,
}

impl PagerDuty {
    /// The integration of `routing_key` at the base URL `server`.
    pub(super) fn new(http: &Client, server: &str, routing_key: &Secret) -> Self {
        Self {
            http: http.clone(),
            url: format!("{server}/v2/enqueue"),
            routing_key: routing_key.clone(),
            several: Several::default(),
        }
    }
}

impl PagerDuty {
    fn parts(&self, notice: &Notice) -> impl Iterator<Item = Part> {
        events(notice).into_iter().map(|mut event| {
            let name = event.to_string();
            event["routing_key"] = self.routing_key.expose().into();
            let request = self.http.post(&self.url).json(&event);
            Part { incident: notice.incident.id.clone(), name, request }
        })
    }
}

#[async_trait]
impl Transport for PagerDuty {
    async fn send(&self, message: &Message, _recipients: &[String]) -> Answer<SendError> {
        let parts = message.notices.iter().flat_map(|notice| self.parts(notice));
        self.several.send(parts.collect()).await
    }
}

/// What PagerDuty is told of an incident.
fn events(notice: &Notice) -> Vec<Value> {
    let step = Step::of(notice);
    let dedup_key = key(notice, LONGEST_KEY);
    let mut events = Vec::new();
    if step.opens() {
        events.push(json!({
            "event_action": "trigger",
            "dedup_key": dedup_key,
            "client": "vai",
            "payload": payload(notice, step),
        }));
    }
    if step.closes() {
        events.push(json!({ "event_action": "resolve", "dedup_key": dedup_key }));
    }
    events
}

fn payload(notice: &Notice, step: Step) -> Value {
    let incident = &notice.incident;
    // What is over already is no reason to wake anybody.
    let severity = if step.closes() { "info" } else { incident.severity.label() };
    let source = if incident.place.is_empty() { "vai" } else { &incident.place };
    let details = details(notice).into_iter();
    let details: Map<String, Value> =
        details.map(|(label, text)| (label, text::cut(&text, LONGEST_DETAIL).into())).collect();
    json!({
        "summary": text::line(&summary(notice), LONGEST_SUMMARY),
        "source": source,
        "severity": severity,
        "timestamp": rfc3339(incident.since),
        "component": incident.root,
        "class": incident.state.label(),
        "custom_details": details,
    })
}
