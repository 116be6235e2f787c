use super::{SendError, WholeTransport, http};
use crate::alert::message::Message;
use async_trait::async_trait;
use reqwest::Client;
use serde_json::json;
use vai_core::model::{Secret, Severity};

/// An application of a Gotify server, which sets no limit to a text.
pub(super) struct Gotify {
    http: Client,
    url: String,
    token: Secret,
}

impl Gotify {
    /// The application of `token` at the base URL `server`.
    pub(super) fn new(http: &Client, server: &str, token: &Secret) -> Self {
        Self { http: http.clone(), url: format!("{server}/message"), token: token.clone() }
    }
}

#[async_trait]
impl WholeTransport for Gotify {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let body = json!({
            "title": message.title,
            "message": message.body.trim_end(),
            "priority": priority(message.severity),
        });
        let request = self.http.post(&self.url).header("X-Gotify-Key", self.token.expose());
        http::send(request.json(&body)).await
    }
}

/// On Android 8 and more rings, 4 to 7 makes a sound, less is only shown.
fn priority(severity: Severity) -> u8 {
    match severity {
        Severity::Critical => 8,
        Severity::Warning => 5,
        Severity::Info => 2,
    }
}
