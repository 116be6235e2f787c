use super::{SendError, WholeTransport, http, text};
use crate::alert::message::{Message, Tone};
use crate::config::Pushover as Recipient;
use async_trait::async_trait;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use tracing::warn;
use vai_core::model::Notice;

/// Of a message (pushover.net/api, "Limitations").
const LONGEST: usize = 1024;
/// Of a title.
const LONGEST_TITLE: usize = 250;
/// After a 5xx it wants to be left alone for so long ("Being friendly to our
/// API").
const REST: Duration = Duration::from_secs(5);

const MANNERS: http::Manners = http::Manners {
    waits: |status: StatusCode, _| status.is_server_error().then_some(REST),
    passes: |_, _| false,
};

/// A user or group of Pushover.
pub(super) struct Pushover {
    http: Client,
    to: Recipient,
}

impl Pushover {
    pub(super) fn new(http: &Client, to: &Recipient) -> Self {
        Self { http: http.clone(), to: to.clone() }
    }
}

#[async_trait]
impl WholeTransport for Pushover {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        if self.to.emergency.is_some() {
            for notice in message.notices.iter().filter(|notice| notice.incident.is_over()) {
                self.end_alarm(notice).await?;
            }
        }
        self.post("messages.json", &self.content(message)).await
    }
}

impl Pushover {
    fn content(&self, message: &Message) -> Value {
        let tone = message.tone();
        let title = format!("{} {}", tone.emoji(), message.title);
        let mut body = json!({
            "user": self.to.user.expose(),
            "title": text::line(&title, LONGEST_TITLE),
            "message": text::cut(message.body.trim_end(), LONGEST),
            "priority": match tone {
                Tone::Critical => 1,
                Tone::Warning | Tone::Over => 0,
                Tone::Info => -1,
            },
        });
        if let Some(device) = &self.to.device {
            body["device"] = device.as_str().into();
        }
        if let (Tone::Critical, Some(emergency)) = (tone, self.to.emergency) {
            let open = message.notices.iter().filter(|notice| !notice.incident.is_over());
            body["priority"] = 2.into();
            body["retry"] = emergency.retry.as_secs().into();
            body["expire"] = emergency.expire.as_secs().into();
            body["tags"] = open.map(tag).collect::<Vec<_>>().join(",").into();
        }
        body
    }

    /// Ends the repetitions of what is over. Where Pushover refuses that, they
    /// end by themselves, and the message is no less to be sent.
    async fn end_alarm(&self, notice: &Notice) -> Result<(), SendError> {
        let path = format!("receipts/cancel_by_tag/{}.json", tag(notice));
        match self.post(&path, &json!({})).await {
            Err(SendError::Rejected(why)) => {
                warn!("the alarm of {} goes on at Pushover: {why}", notice.incident.root);
                Ok(())
            }
            other => other,
        }
    }

    async fn post(&self, path: &str, body: &Value) -> Result<(), SendError> {
        let mut body = body.clone();
        body["token"] = self.to.token.expose().into();
        let request = self.http.post(format!("{}/1/{path}", self.to.server)).json(&body);
        let answer = http::json(http::accepted(request, &MANNERS).await?).await?;
        if answer["status"] == 1 {
            return Ok(());
        }
        Err(SendError::Rejected(format!("Pushover refuses: {}", answer["errors"])))
    }
}

/// The incident's name at Pushover, safe in a list and in a URL.
fn tag(notice: &Notice) -> String {
    let id = notice.incident.id.0.chars();
    id.map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}
