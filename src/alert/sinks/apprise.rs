use super::{SendError, WholeTransport, http};
use crate::alert::message::{Message, Tone};
use crate::config::{Apprise as Config, AppriseTargets};
use async_trait::async_trait;
use reqwest::{Client, StatusCode};
use serde_json::json;

const MANNERS: http::Manners = http::Manners {
    waits: |_, _| None,
    passes: |status, log| status == StatusCode::FAILED_DEPENDENCY && !reached_somebody(log),
};

/// An Apprise API server, which passes a message on to any number of services.
pub(super) struct Apprise {
    http: Client,
    config: Config,
}

impl Apprise {
    pub(super) fn new(http: &Client, config: &Config) -> Self {
        Self { http: http.clone(), config: config.clone() }
    }
}

#[async_trait]
impl WholeTransport for Apprise {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let Config { server, to, tag } = &self.config;
        let mut body = json!({
            "title": message.title,
            "body": message.body.trim_end(),
            "type": match message.tone() {
                Tone::Critical => "failure",
                Tone::Warning => "warning",
                Tone::Info => "info",
                Tone::Over => "success",
            },
            "format": "text",
        });
        if let Some(tag) = tag {
            body["tag"] = tag.as_str().into();
        }
        let mut url = format!("{server}/notify");
        match to {
            AppriseTargets::Key(key) => url = format!("{url}/{key}"),
            AppriseTargets::Urls(urls) => {
                let urls: Vec<&str> = urls.iter().map(|url| url.expose()).collect();
                body["urls"] = urls.into();
            }
            AppriseTargets::Server => {}
        }
        let request = self.http.post(url).header("Accept", "application/json").json(&body);
        let answer = http::accepted(request, &MANNERS).await?;
        if answer.status() == StatusCode::NO_CONTENT {
            let why = "Apprise has nobody to tell: the key is unknown there, or there are no URLs";
            return Err(SendError::Rejected(why.to_owned()));
        }
        Ok(())
    }
}

/// Whether the log in a 424, "one or more could not be sent", tells of one that
/// was: to try again would tell that one again, for as long as another is
/// broken. Apprise's services log `Sent <service> notification`.
fn reached_somebody(log: &str) -> bool {
    log.contains("Sent ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_tells_whether_anybody_was_reached() {
        let both = r#"{"error":"…","details":[["WARNING","…","Failed to send JSON"],["INFO","…","Sent Slack notification."]]}"#;
        assert!(reached_somebody(both));
        assert!(!reached_somebody(&both.replace("Sent Slack", "Loaded Slack")));
    }
}
