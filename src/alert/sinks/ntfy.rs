use super::{SendError, WholeTransport, http, text};
use crate::alert::message::{Message, Tone};
use async_trait::async_trait;
use reqwest::Client;
use serde::Serialize;
use vai_core::model::{EvidenceDetail, Secret, Severity};

/// ntfy turns longer texts into an attachment that a phone does not show.
const LONGEST: usize = 4096;

/// A topic of an ntfy server, published to as JSON: header values could not
/// hold a title in UTF-8 (docs.ntfy.sh, "Publish as JSON").
pub(super) struct Ntfy {
    http: Client,
    server: String,
    topic: String,
    token: Option<Secret>,
}

impl Ntfy {
    /// The topic `topic` of the server at the base URL `server`.
    pub(super) fn new(http: &Client, server: &str, topic: &str, token: Option<&Secret>) -> Self {
        Self {
            http: http.clone(),
            server: format!("{}/", server.trim_end_matches('/')),
            topic: topic.to_owned(),
            token: token.cloned(),
        }
    }
}

#[async_trait]
impl WholeTransport for Ntfy {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let publication = Publication {
            topic: &self.topic,
            title: &message.title,
            message: text::cut(&message.body, LONGEST),
            priority: priority(message.severity),
            tags: [tag(message.tone())],
        };
        let mut request = self.http.post(&self.server).json(&publication);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        http::send(request).await
    }

    fn evidence(&self) -> EvidenceDetail {
        // Whoever guesses the name of an open topic can read it.
        match self.token {
            Some(_) => EvidenceDetail::Full,
            None => EvidenceDetail::Short,
        }
    }
}

#[derive(Serialize)]
struct Publication<'a> {
    topic: &'a str,
    title: &'a str,
    message: String,
    priority: u8,
    tags: [&'static str; 1],
}

fn priority(severity: Severity) -> u8 {
    match severity {
        Severity::Critical => 5,
        Severity::Warning => 4,
        Severity::Info => 3,
    }
}

/// An emoji's short code, shown before the title.
fn tag(tone: Tone) -> &'static str {
    match tone {
        Tone::Critical => "rotating_light",
        Tone::Warning => "warning",
        Tone::Over => "white_check_mark",
        Tone::Info => "information_source",
    }
}
