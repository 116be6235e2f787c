use super::{SendError, WholeTransport, http, text};
use crate::alert::message::{Message, Tone};
use crate::config::Telegram as Chat;
use async_trait::async_trait;
use reqwest::Client;
use serde_json::json;
use std::time::Duration;

/// Of a message's text (core.telegram.org/bots/api, sendMessage).
const LONGEST: usize = 4096;

const MANNERS: http::Manners = http::Manners {
    waits: |_, answer| http::duration_at(answer, "/parameters/retry_after", Duration::from_secs(1)),
    passes: |_, _| false,
};

/// A chat of a Telegram bot. The text goes out without a `parse_mode`, so
/// nothing in it is read as markup.
pub(super) struct Telegram {
    http: Client,
    chat: Chat,
}

impl Telegram {
    pub(super) fn new(http: &Client, chat: &Chat) -> Self {
        Self { http: http.clone(), chat: chat.clone() }
    }
}

#[async_trait]
impl WholeTransport for Telegram {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let Chat { server, token, chat_id, message_thread_id } = &self.chat;
        let tone = message.tone();
        let whole = format!("{} {}\n\n{}", tone.emoji(), message.title, message.body.trim_end());
        let mut body = json!({
            "chat_id": chat_id,
            "text": text::cut(&whole, LONGEST),
            "link_preview_options": { "is_disabled": true },
            "disable_notification": tone == Tone::Info,
        });
        if let Some(topic) = message_thread_id {
            body["message_thread_id"] = (*topic).into();
        }
        let url = format!("{server}/bot{}/sendMessage", token.expose());
        http::accepted(self.http.post(url).json(&body), &MANNERS).await.map(drop)
    }
}
