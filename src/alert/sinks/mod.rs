//! The ways to reach people, one file each. A sink sends once and says whether
//! to try again; trying again is [`delivery`](super::delivery)'s business.

mod email;
mod http;
pub(super) mod log;
mod ntfy;
mod webhook;

pub(super) use http::client;

use super::message::Message;
use crate::config::SinkKind;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use vai_core::model::EvidenceDetail;

/// One way to reach people.
#[async_trait]
pub(super) trait Transport: Send + Sync {
    /// Sends `message`, once. The caller sets the deadline.
    async fn send(&self, message: &Message) -> Result<(), SendError>;

    /// The most evidence that may be shown here.
    fn evidence(&self) -> EvidenceDetail {
        EvidenceDetail::Full
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
    /// It never will as things are configured.
    #[error("rejected: {0}")]
    Rejected(String),
}

impl SendError {
    /// A fault that may pass by itself.
    pub(super) fn passing(reason: impl Into<String>) -> Self {
        Self::Passing { reason: reason.into(), after: None }
    }
}

/// The one place where a kind of sink is registered.
pub(super) fn open(kind: &SinkKind, http: &reqwest::Client) -> Arc<dyn Transport> {
    match kind {
        SinkKind::Email { to, smtp } => Arc::new(email::Email::new(to, smtp)),
        SinkKind::Ntfy { server, topic, token } => {
            Arc::new(ntfy::Ntfy::new(http, server, topic, token.as_ref()))
        }
        SinkKind::Webhook { url, headers } => Arc::new(webhook::Webhook::new(http, url, headers)),
    }
}
