use super::{SendError, Transport, http, open};
use crate::alert::message::Message;
use crate::config::SinkKind;
use crate::tls;
use async_trait::async_trait;
use reqwest::Client;
use std::sync::{Arc, Mutex, PoisonError};
use vai_core::dispatch::Answer;
use vai_core::model::EvidenceDetail;

/// A sink over HTTP whose server shows a certificate that the public roots do
/// not vouch for, but a file does.
pub(super) struct Trusting {
    kind: SinkKind,
    ca_file: String,
    /// With the public roots only, to ask what may be shown.
    usual: Arc<dyn Transport>,
    /// What the file was when it was read last, and the sink that trusts it.
    opened: Mutex<Option<Opened>>,
}

struct Opened {
    pem: Vec<u8>,
    transport: Arc<dyn Transport>,
}

impl Trusting {
    pub(super) fn new(http: &Client, kind: &SinkKind, ca_file: &str) -> Self {
        Self {
            kind: kind.clone(),
            ca_file: ca_file.to_owned(),
            usual: open(kind, http),
            opened: Mutex::new(None),
        }
    }

    /// The file is read for each message, so that a renewed one counts without
    /// a reload.
    async fn transport(&self) -> Result<Arc<dyn Transport>, SendError> {
        let unusable = |what: &dyn std::fmt::Display| {
            SendError::unanswered(format!("ca_file {}: {what}", self.ca_file))
        };
        let pem = tokio::fs::read(&self.ca_file).await.map_err(|error| unusable(&error))?;
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = opened.as_ref().filter(|known| known.pem == pem) {
            return Ok(Arc::clone(&known.transport));
        }
        let config = tls::with_certificates(&pem).map_err(|error| unusable(&error))?;
        let client = http::client_with(config).map_err(|error| unusable(&error))?;
        let transport = open(&self.kind, &client);
        *opened = Some(Opened { pem, transport: Arc::clone(&transport) });
        Ok(transport)
    }
}

#[async_trait]
impl Transport for Trusting {
    async fn send(&self, message: &Message, recipients: &[String]) -> Answer<SendError> {
        match self.transport().await {
            Ok(transport) => transport.send(message, recipients).await,
            Err(error) => Err(error).into(),
        }
    }

    fn evidence(&self) -> EvidenceDetail {
        self.usual.evidence()
    }
}
