use super::{SendError, WholeTransport, http, text};
use crate::alert::message::Message;
use async_trait::async_trait;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Client;
use serde_json::json;
use std::time::Duration;
use vai_core::model::Secret;

/// An event has at most 65,536 bytes as JSON (spec.matrix.org, "Size limits"),
/// where a character may become two; the text is in it twice.
const LONGEST_PLAIN: usize = 10_000;
const LONGEST_HTML: usize = 20_000;
const LONGEST_TITLE: usize = 500;

const MANNERS: http::Manners = http::Manners {
    waits: |_, answer| http::duration_at(answer, "/retry_after_ms", Duration::from_millis(1)),
    passes: |_, _| false,
};

/// A room of a Matrix homeserver. The dedup key is the transaction, so that a
/// repeated message is one message.
pub(super) struct Matrix {
    http: Client,
    rooms: String,
    token: Secret,
}

impl Matrix {
    /// The room `room` of the homeserver at the base URL `server`.
    pub(super) fn new(http: &Client, server: &str, room: &str, token: &Secret) -> Self {
        let room = utf8_percent_encode(room, NON_ALPHANUMERIC);
        Self {
            http: http.clone(),
            rooms: format!("{server}/_matrix/client/v3/rooms/{room}/send/m.room.message"),
            token: token.clone(),
        }
    }
}

#[async_trait]
impl WholeTransport for Matrix {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let title = format!("{} {}", message.tone().emoji(), message.title);
        let (title, body) = (text::line(&title, LONGEST_TITLE), message.body.trim_end());
        let html = text::escaped_line(&title, LONGEST_HTML, text::entity);
        let html_body = text::escaped(body, LONGEST_HTML, text::entity);
        let content = json!({
            // Clients notify of m.text and not of m.notice.
            "msgtype": "m.text",
            "body": format!("{title}\n\n{}", text::cut(body, LONGEST_PLAIN)),
            "format": "org.matrix.custom.html",
            "formatted_body": format!("<strong>{html}</strong><pre><code>{html_body}</code></pre>"),
            "m.mentions": {},
        });
        let request = self.http.put(format!("{}/{}", self.rooms, message.dedup_key));
        let request = request.bearer_auth(self.token.expose()).json(&content);
        http::accepted(request, &MANNERS).await.map(drop)
    }
}
