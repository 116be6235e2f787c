//! The ways to reach people, one file each. A sink sends once and says whether
//! to try again; trying again is [`delivery`](super::delivery)'s business.

mod alertmanager;
mod apprise;
mod discord;
mod email;
mod gotify;
mod http;
mod incident;
pub(super) mod log;
mod matrix;
mod mattermost;
mod ntfy;
mod opsgenie;
mod pagerduty;
mod pushover;
mod several;
mod slack;
mod teams;
mod telegram;
mod templated;
#[cfg(test)]
mod tests;
mod text;
mod tone;
mod trusting;
mod webhook;

pub(super) use http::{client, ping};

use super::message::Message;
use crate::config::SinkKind;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use vai_core::dispatch::{Answer, Refusal};
use vai_core::model::EvidenceDetail;

/// One way to reach people.
#[async_trait]
pub(super) trait Transport: Send + Sync {
    /// Sends `message`, once, to these of its recipients if it reaches any one
    /// by one. It ends by itself, by the deadlines of what it speaks.
    async fn send(&self, message: &Message, recipients: &[String]) -> Answer<SendError>;

    /// The most evidence that may be shown here.
    fn evidence(&self) -> EvidenceDetail {
        EvidenceDetail::Full
    }
}

/// A way to reach people that takes a message as a whole, or not at all.
#[async_trait]
pub(super) trait WholeTransport: Send + Sync {
    /// Sends `message`, once.
    async fn send(&self, message: &Message) -> Result<(), SendError>;

    /// The most evidence that may be shown here.
    fn evidence(&self) -> EvidenceDetail {
        EvidenceDetail::Full
    }
}

#[async_trait]
impl<T: WholeTransport> Transport for T {
    async fn send(&self, message: &Message, _recipients: &[String]) -> Answer<SendError> {
        WholeTransport::send(self, message).await.into()
    }

    fn evidence(&self) -> EvidenceDetail {
        WholeTransport::evidence(self)
    }
}

/// Why a message did not get through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SendError {
    /// It may get through later.
    #[error("{reason}")]
    Passing {
        /// In words.
        reason: String,
        /// How long the sink asked us to wait.
        after: Option<Duration>,
    },
    /// Nobody answered. It may have arrived, and what follows would not.
    #[error("{reason}")]
    Unanswered {
        /// In words.
        reason: String,
        /// For how long an answer might still be given: it is not to be sent
        /// again before.
        rest: Duration,
    },
    /// It never will as things are configured.
    #[error("rejected: {0}")]
    Rejected(String),
}

impl SendError {
    /// A fault that may pass by itself.
    pub(super) fn passing(reason: impl Into<String>) -> Self {
        Self::Passing { reason: reason.into(), after: None }
    }

    /// Nobody is there who could answer.
    pub(super) fn unanswered(reason: impl Into<String>) -> Self {
        Self::Unanswered { reason: reason.into(), rest: Duration::ZERO }
    }

    /// Whether, and when, it is to be tried again.
    pub(super) fn refusal(&self) -> Refusal {
        match self {
            Self::Passing { after, .. } => Refusal::Passing(*after),
            Self::Unanswered { rest: Duration::ZERO, .. } => Refusal::Passing(None),
            Self::Unanswered { rest, .. } => Refusal::Unknown(*rest),
            Self::Rejected(_) => Refusal::Final,
        }
    }
}

/// The one place where a kind of sink is registered.
pub(super) fn open(kind: &SinkKind, http: &reqwest::Client) -> Arc<dyn Transport> {
    match kind {
        SinkKind::Trusting { ca_file, sink } => {
            Arc::new(trusting::Trusting::new(http, sink, ca_file))
        }
        SinkKind::Email { to, smtp } => Arc::new(email::Email::new(to, smtp)),
        SinkKind::Ntfy { server, topic, token } => {
            Arc::new(ntfy::Ntfy::new(http, server, topic, token.as_ref()))
        }
        SinkKind::Webhook { url, headers } => Arc::new(webhook::Webhook::new(http, url, headers)),
        SinkKind::Templated(config) => Arc::new(templated::Templated::new(http, config)),
        SinkKind::Slack(way) => Arc::new(slack::Slack::new(http, way)),
        SinkKind::Discord { url } => Arc::new(discord::Discord::new(http, url)),
        SinkKind::Telegram(chat) => Arc::new(telegram::Telegram::new(http, chat)),
        SinkKind::Teams { url } => Arc::new(teams::Teams::new(http, url)),
        SinkKind::PagerDuty { server, routing_key } => {
            Arc::new(pagerduty::PagerDuty::new(http, server, routing_key))
        }
        SinkKind::Opsgenie { server, api_key } => {
            Arc::new(opsgenie::Opsgenie::new(http, server, api_key))
        }
        SinkKind::Gotify { server, token } => Arc::new(gotify::Gotify::new(http, server, token)),
        SinkKind::Pushover(to) => Arc::new(pushover::Pushover::new(http, to)),
        SinkKind::Matrix { server, room, token } => {
            Arc::new(matrix::Matrix::new(http, server, room, token))
        }
        SinkKind::Mattermost { url, channel } => {
            Arc::new(mattermost::Mattermost::new(http, url, channel.as_deref()))
        }
        SinkKind::Alertmanager(config) => Arc::new(alertmanager::Alertmanager::new(http, config)),
        SinkKind::Apprise(config) => Arc::new(apprise::Apprise::new(http, config)),
    }
}
