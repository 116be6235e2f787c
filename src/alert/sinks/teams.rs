use super::{SendError, WholeTransport, http, text};
use crate::alert::message::{Message, Tone};
use async_trait::async_trait;
use reqwest::Client;
use serde_json::{Value, json};
use vai_core::model::Secret;

/// Of the whole request; Teams takes 28 KB (learn.microsoft.com, "Create an
/// Incoming Webhook").
const LONGEST: usize = 27_000;
/// Of the title.
const LONGEST_TITLE: usize = 500;

/// A workflow of Microsoft Teams ("Send webhook alerts to a channel"), which
/// takes an Adaptive Card.
pub(super) struct Teams {
    http: Client,
    url: Secret,
}

impl Teams {
    pub(super) fn new(http: &Client, url: &Secret) -> Self {
        Self { http: http.clone(), url: url.clone() }
    }
}

#[async_trait]
impl WholeTransport for Teams {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let request = self.http.post(self.url.expose());
        let request = request.header("Content-Type", "application/json");
        http::send(request.body(content(message))).await
    }
}

/// The card, with as much of the text as Teams takes.
fn content(message: &Message) -> String {
    let mut room = LONGEST;
    loop {
        let whole = card(message, &text::cut(message.body.trim_end(), room)).to_string();
        if whole.len() <= LONGEST {
            return whole;
        }
        room /= 2;
    }
}

fn card(message: &Message, body: &str) -> Value {
    let tone = message.tone();
    let style = match tone {
        Tone::Critical => "attention",
        Tone::Warning => "warning",
        Tone::Info => "accent",
        Tone::Over => "good",
    };
    let title = text::line(&format!("{} {}", tone.emoji(), message.title), LONGEST_TITLE);
    let heading = literal(&title, &json!({ "weight": "Bolder" }));
    let heading = json!({ "type": "Container", "style": style, "bleed": true, "items": [heading] });
    let blocks: Vec<Value> = [heading].into_iter().chain(lines(body)).collect();
    let content = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": { "width": "Full" },
        "fallbackText": title,
        "body": blocks,
    });
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": content,
        }],
    })
}

/// A block for each line of `body`, since line ends inside a block are not
/// shown; a blank line becomes a distance.
fn lines(body: &str) -> impl Iterator<Item = Value> {
    let mut spacing = "Medium";
    body.lines().filter_map(move |line| {
        if line.is_empty() {
            spacing = "Medium";
            return None;
        }
        let indent = line.len() - line.trim_start_matches(' ').len();
        let line = format!("{}{}", "\u{a0}".repeat(indent), &line[indent..]);
        let mut block = literal(&line, &json!({ "fontType": "Monospace" }));
        block["spacing"] = spacing.into();
        spacing = "None";
        Some(block)
    })
}

/// A line of text: unlike a `TextBlock`, runs are not read as Markdown.
fn literal(text: &str, look: &Value) -> Value {
    let mut run = look.clone();
    run["type"] = "TextRun".into();
    run["text"] = text.into();
    json!({ "type": "RichTextBlock", "inlines": [run] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::sinks::tests::message;
    use vai_core::model::{NoticeKind, Severity};

    #[test]
    fn a_card_stays_below_what_teams_takes() {
        let mut long = message("redis", NoticeKind::Opened, Severity::Critical);
        long.body = "  | \"\\\n".repeat(5000);
        let content = content(&long);
        assert!(content.len() <= LONGEST && content.len() > LONGEST / 4, "{}", content.len());
        assert!(content.contains("more: vai status"));
        serde_json::from_str::<Value>(&content).unwrap();
    }
}
