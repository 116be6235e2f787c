//! TLS for `http` checks, with the roots that the check trusts.

use crate::check::{connect, words};
use crate::clock::Deadline;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::io;
use std::sync::{Arc, LazyLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use vai_core::model::{Fault, FaultKind, HttpCheck, Outcome};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(ring::default_provider()));

/// Parsed once: there are well over a hundred.
static PUBLIC_ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(TLS_SERVER_ROOT_CERTS.iter().cloned());
    Arc::new(roots)
});

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
    let builder = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let config = if !check.tls_verify {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate))
            .with_no_client_auth()
    } else if let Some(path) = &check.ca_file {
        let mut roots = RootCertStore::clone(&PUBLIC_ROOTS);
        let unusable = |what: String| format!("ca_file {path}: {what}");
        let pem = tokio::fs::read(path).await.map_err(|error| unusable(words::plain(&error)))?;
        let mut added = 0;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
            added += 1;
        }
        if added == 0 {
            return Err(unusable("no certificate in it".to_owned()));
        }
        builder.with_root_certificates(roots).with_no_client_auth()
    } else {
        builder.with_root_certificates(Arc::clone(&PUBLIC_ROOTS)).with_no_client_auth()
    };
    Ok(Arc::new(config))
}

/// `tls_verify: false`. The handshake itself is still checked: a peer has to
/// hold the key of whatever certificate it shows.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &PROVIDER.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &PROVIDER.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PROVIDER.signature_verification_algorithms.supported_schemes()
    }
}
