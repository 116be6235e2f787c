use super::incident::rfc3339;
use super::{SendError, WholeTransport, http};
use crate::alert::message::Message;
use crate::config::{Encoding, Placeholder, Templated as Config};
use async_trait::async_trait;
use reqwest::{Client, Method, RequestBuilder};
use std::borrow::Cow;

/// A webhook whose body the registry writes (config/webhook.md, "A body of
/// your own").
pub(super) struct Templated {
    http: Client,
    config: Config,
}

impl Templated {
    pub(super) fn new(http: &Client, config: &Config) -> Self {
        Self { http: http.clone(), config: config.clone() }
    }

    fn request(&self, message: &Message) -> Result<RequestBuilder, SendError> {
        let Config { url, method, headers, body } = &self.config;
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|error| SendError::Rejected(error.to_string()))?;
        let mut request = self
            .http
            .request(method, url.expose())
            .header("Idempotency-Key", &message.dedup_key)
            .body(body.render(|placeholder| value(placeholder, message)));
        let is_type = |name: &str| name.eq_ignore_ascii_case("content-type");
        if !headers.iter().any(|(name, _)| is_type(name)) {
            request = request.header("Content-Type", content_type(body.encoding()));
        }
        for (name, value) in headers {
            request = request.header(name, value.expose());
        }
        Ok(request)
    }
}

#[async_trait]
impl WholeTransport for Templated {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        http::send(self.request(message)?).await
    }
}

fn content_type(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Json => "application/json",
        Encoding::Form => "application/x-www-form-urlencoded",
        Encoding::Plain => "text/plain; charset=utf-8",
    }
}

fn value(placeholder: Placeholder, message: &Message) -> Cow<'_, str> {
    let worst = message.notices.first().map(|notice| &notice.incident);
    match placeholder {
        Placeholder::Title => message.title.as_str().into(),
        Placeholder::Body => message.body.as_str().into(),
        Placeholder::Severity => message.severity.label().into(),
        Placeholder::Status => if message.over { "closed" } else { "open" }.into(),
        Placeholder::DedupKey => message.dedup_key.as_str().into(),
        Placeholder::Services => {
            let roots = message.notices.iter().map(|notice| notice.incident.root.as_str());
            roots.collect::<Vec<_>>().join(", ").into()
        }
        Placeholder::Reason => worst.map_or("", |incident| incident.reason.as_str()).into(),
        Placeholder::Since => {
            worst.map_or_else(String::new, |incident| rfc3339(incident.since)).into()
        }
    }
}
