//! What is encrypted by somebody that nobody vouches for.

use crate::common::{alerter, notice, wait_for};
use crate::mail::{certificate, usual_certificate};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use vai::config::SinkKind;
use vai_core::model::MessageId;
use vai_core::model::NoticeKind::Opened;
use vai_core::model::Secret;

#[tokio::test]
async fn an_untrusted_certificate_gets_nothing_and_may_be_renewed() {
    let folder = TempDir::new().unwrap();
    let (cert, key) = certificate(folder.path()).await;
    let (port, handshake) = one_handshake(cert, key).await;
    let url = format!("https://localhost:{port}/hooks/hunter22");
    let alerter = alerter(&[SinkKind::Discord { url: Secret::from(url.as_str()) }]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    let status = wait_for(&alerter, 0, |status| status.last_error.is_some()).await;
    let error = status.last_error.unwrap();
    assert!(error.contains("certificate"), "{error}");
    assert!(!error.contains("hunter22"), "{error}");
    assert_eq!((status.pending, status.last_sent), (1, None));
    assert!(handshake.await.unwrap().is_err(), "nothing was sent over it");
}

#[tokio::test]
async fn the_usual_self_signed_certificate_is_trusted_by_a_sink_that_has_it_as_its_ca_file() {
    let folder = TempDir::new().unwrap();
    let (cert, key) = usual_certificate(folder.path()).await;
    let (port, handshake) = one_handshake(cert.clone(), key).await;
    let url = format!("https://localhost:{port}/hook");
    let sink = Box::new(SinkKind::Discord { url: Secret::from(url.as_str()) });
    let alerter = alerter(&[SinkKind::Trusting { ca_file: cert, sink }]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    assert!(handshake.await.unwrap().is_ok());
}

/// A server that shows this certificate to whoever comes first.
async fn one_handshake(cert: String, key: String) -> (u16, JoinHandle<std::io::Result<()>>) {
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(cert).unwrap()],
            PrivateKeyDer::from_pem_file(key).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let handshake = tokio::spawn(async move {
        let connection = listener.accept().await.unwrap().0;
        TlsAcceptor::from(Arc::new(config)).accept(connection).await.map(drop)
    });
    (port, handshake)
}
