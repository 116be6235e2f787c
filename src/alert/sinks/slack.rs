use super::{SendError, WholeTransport, http, text};
use crate::alert::message::Message;
use crate::config::Slack as Way;
use async_trait::async_trait;
use reqwest::Client;
use serde_json::{Value, json};

/// Up to so many characters Slack recommends (docs.slack.dev,
/// chat.postMessage, "Truncating content").
const LONGEST: usize = 4000;
/// Shown in a notification.
const LONGEST_TITLE: usize = 300;

/// A channel of Slack, by an incoming webhook or as a bot.
pub(super) struct Slack {
    http: Client,
    way: Way,
}

impl Slack {
    pub(super) fn new(http: &Client, way: &Way) -> Self {
        Self { http: http.clone(), way: way.clone() }
    }
}

#[async_trait]
impl WholeTransport for Slack {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let mut body = content(message);
        match &self.way {
            Way::Webhook { url } => http::send(self.http.post(url.expose()).json(&body)).await,
            Way::Api { server, token, channel } => {
                body["channel"] = channel.as_str().into();
                let request = self.http.post(format!("{server}/api/chat.postMessage"));
                let request = request.bearer_auth(token.expose()).json(&body);
                let answer = http::accepted(request, &http::Manners::PLAIN).await?;
                verdict(&http::json(answer).await?)
            }
        }
    }
}

/// The title is what a notification shows; only an attachment has a colour.
/// `mrkdwn` and `mrkdwn_in` keep what a check printed from being read as markup.
fn content(message: &Message) -> Value {
    let tone = message.tone();
    let title = format!("{} {}", tone.emoji(), message.title);
    let title = text::escaped_line(&title, LONGEST_TITLE, text::entity);
    json!({
        "text": title,
        "mrkdwn": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "attachments": [{
            "color": tone.css(),
            "fallback": title,
            "text": text::escaped(message.body.trim_end(), LONGEST, text::entity),
            "mrkdwn_in": [],
        }],
    })
}

/// The Web API answers 200 to what it refuses, too.
fn verdict(answer: &Value) -> Result<(), SendError> {
    if answer["ok"] == true {
        return Ok(());
    }
    let error = answer["error"].as_str().unwrap_or("without a reason");
    let reason = format!("Slack refuses: {error}");
    match error {
        "ratelimited"
        | "rate_limited"
        | "internal_error"
        | "fatal_error"
        | "request_timeout"
        | "service_unavailable" => Err(SendError::passing(reason)),
        _ => Err(SendError::Rejected(reason)),
    }
}
