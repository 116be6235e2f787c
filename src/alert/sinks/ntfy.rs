use super::{SendError, Transport, http};
use crate::alert::message::Message;
use async_trait::async_trait;
use reqwest::Client;
use serde::Serialize;
use vai_core::model::{EvidenceDetail, Secret, Severity};

/// ntfy turns longer texts into an attachment that a phone does not show.
const LONGEST: usize = 4096;
/// Ends a text that was too long.
const CUT: &str = "\n… more: vai status";

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
impl Transport for Ntfy {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let publication = Publication {
            topic: &self.topic,
            title: &message.title,
            message: cut(&message.body),
            priority: priority(message.severity),
            tags: [tag(message)],
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
fn tag(message: &Message) -> &'static str {
    match message.severity {
        Severity::Critical => "rotating_light",
        Severity::Warning => "warning",
        Severity::Info if message.over => "white_check_mark",
        Severity::Info => "information_source",
    }
}

/// `body`, no longer than ntfy shows.
fn cut(body: &str) -> String {
    if body.len() <= LONGEST {
        return body.to_owned();
    }
    let end = body.floor_char_boundary(LONGEST - CUT.len());
    format!("{}{CUT}", body[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        let long = "é".repeat(3000);
        let cut = cut(&long);
        assert!(cut.len() <= LONGEST && cut.len() > LONGEST - 4);
        assert!(cut.ends_with(CUT));
    }
}
