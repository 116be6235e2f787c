//! TLS for `http` checks, with the roots that the check trusts.

use crate::check::{connect, words};
use crate::clock::Deadline;
use crate::tls;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use vai_core::model::{Fault, FaultKind, HttpCheck, Outcome};

/// Speaks TLS on `stream`.
pub(super) async fn wrap(
    check: &HttpCheck,
    host: &str,
    stream: TcpStream,
    deadline: Deadline,
) -> Result<TlsStream<TcpStream>, Outcome> {
    let config = config(check).await.map_err(Outcome::Unknown)?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(bare.to_owned())
        .map_err(|_| Outcome::Unknown(format!("{bare} is no name for a certificate")))?;
    let connecting = TlsConnector::from(config).connect(name, stream);
    match deadline.bound(connecting).await {
        Some(Ok(stream)) => Ok(stream),
        Some(Err(error)) => Err(failed(check, &error)),
        None => {
            let within = words::span(deadline.span());
            let detail = format!("no TLS handshake with {} within {within}", check.shown);
            Err(Outcome::Fail(Fault::new(FaultKind::Timeout, detail)))
        }
    }
}

fn failed(check: &HttpCheck, error: &io::Error) -> Outcome {
    if connect::is_our_own(error) {
        return connect::could_not_look(error);
    }
    let words = words::plain(error);
    let detail = format!("no TLS connection to {}: {words}", check.shown);
    Outcome::Fail(Fault::new(FaultKind::Tls, detail))
}

async fn config(check: &HttpCheck) -> Result<Arc<ClientConfig>, String> {
    let config = match &check.ca_file {
        _ if !check.tls_verify => tls::unverified().map_err(|error| error.to_string()),
        Some(path) => tls::with_ca_file(path).await,
        None => tls::public().map_err(|error| error.to_string()),
    };
    config.map(Arc::new)
}
