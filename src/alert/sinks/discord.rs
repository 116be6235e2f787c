use super::{SendError, WholeTransport, http, text};
use crate::alert::message::Message;
use async_trait::async_trait;
use reqwest::Client;
use serde_json::json;
use std::time::Duration;
use url::Url;
use vai_core::model::Secret;

/// Of an embed's title (discord.com/developers, "Embed Limits").
const LONGEST_TITLE: usize = 256;
/// Of an embed's description.
const LONGEST: usize = 4096;

const MANNERS: http::Manners = http::Manners {
    // With fractions, unlike the header beside it.
    waits: |_, answer| http::duration_at(answer, "/retry_after", Duration::from_secs(1)),
    passes: |_, _| false,
};

/// A webhook of a Discord channel.
pub(super) struct Discord {
    http: Client,
    url: Secret,
}

impl Discord {
    pub(super) fn new(http: &Client, url: &Secret) -> Self {
        Self { http: http.clone(), url: confirmed(url) }
    }
}

/// `url`, asking for an answer only when the message is stored: else Discord
/// says yes before it knows.
fn confirmed(url: &Secret) -> Secret {
    match Url::parse(url.expose()) {
        Ok(mut url) => {
            url.query_pairs_mut().append_pair("wait", "true");
            Secret::from(url.as_str())
        }
        Err(_) => url.clone(),
    }
}

#[async_trait]
impl WholeTransport for Discord {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let tone = message.tone();
        let title = format!("{} {}", tone.emoji(), message.title);
        let body = json!({
            "embeds": [{
                "title": text::escaped_line(&title, LONGEST_TITLE, text::markdown),
                "description": text::fenced(&message.body, LONGEST),
                "color": tone.rgb(),
            }],
            "allowed_mentions": { "parse": [] },
        });
        let request = self.http.post(self.url.expose()).json(&body);
        http::accepted(request, &MANNERS).await.map(drop)
    }
}
