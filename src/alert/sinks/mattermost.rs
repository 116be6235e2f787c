use super::{SendError, WholeTransport, http, text};
use crate::alert::message::Message;
use async_trait::async_trait;
use reqwest::Client;
use serde_json::json;
use vai_core::model::Secret;

/// Of a post (docs.mattermost.com, "Message length").
const LONGEST: usize = 16_383;
/// Of the line that a notification shows.
const LONGEST_TITLE: usize = 500;

/// An incoming webhook of Mattermost.
pub(super) struct Mattermost {
    http: Client,
    url: Secret,
    channel: Option<String>,
}

impl Mattermost {
    pub(super) fn new(http: &Client, url: &Secret, channel: Option<&str>) -> Self {
        Self { http: http.clone(), url: url.clone(), channel: channel.map(str::to_owned) }
    }
}

#[async_trait]
impl WholeTransport for Mattermost {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let tone = message.tone();
        let title = text::escaped_line(&message.title, LONGEST_TITLE, text::markdown);
        let mut body = json!({
            "text": format!("{} **{title}**", tone.emoji()),
            "attachments": [{
                "color": tone.css(),
                "fallback": message.title,
                "text": text::fenced(&message.body, LONGEST),
            }],
        });
        if let Some(channel) = &self.channel {
            body["channel"] = channel.as_str().into();
        }
        http::send(self.http.post(self.url.expose()).json(&body)).await
    }
}
