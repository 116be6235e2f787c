//! Whom a TLS connection trusts, the same for checks and for sinks: the public
//! roots that are compiled in, for the image holds none, and what a `ca_file`
//! adds.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use std::sync::{Arc, LazyLock};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(ring::default_provider()));

/// Parsed once: there are well over a hundred.
static PUBLIC_ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(TLS_SERVER_ROOT_CERTS.iter().cloned());
    Arc::new(roots)
});

/// Trusts the public roots.
///
/// # Errors
/// The TLS library refuses its own provider.
pub(crate) fn public() -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(Arc::clone(&PUBLIC_ROOTS)).with_no_client_auth())
}

/// Trusts the public roots and the certificates of the file `path`.
///
/// # Errors
/// In words, with the file's name: it cannot be read, or holds none.
pub(crate) async fn with_ca_file(path: &str) -> Result<ClientConfig, String> {
    let unusable = |what: String| format!("ca_file {path}: {what}");
    let pem = tokio::fs::read(path).await.map_err(|error| unusable(plain(&error)))?;
    with_certificates(&pem).map_err(unusable)
}

/// Trusts the public roots and the certificates in `pem`.
///
/// # Errors
/// In words: there is none in it, or one is unusable.
pub(crate) fn with_certificates(pem: &[u8]) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::clone(&PUBLIC_ROOTS);
    let mut own = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate.clone()).map_err(|error| error.to_string())?;
        own.push(certificate);
    }
    if own.is_empty() {
        return Err("no certificate in it".to_owned());
    }
    let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&PROVIDER))
        .build()
        .map_err(|error| error.to_string())?;
    custom(Arc::new(OwnCertificates { usual, own })).map_err(|error| error.to_string())
}

/// Trusts everybody (`tls_verify: false`). The handshake itself is still
/// checked: a peer has to hold the key of whatever certificate it shows.
///
/// # Errors
/// The TLS library refuses its own provider.
pub(crate) fn unverified() -> Result<ClientConfig, rustls::Error> {
    custom(Arc::new(AnyCertificate))
}

fn custom(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_safe_default_protocol_versions()?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// An error of the system without its number.
fn plain(error: &std::io::Error) -> String {
    let words = error.to_string();
    words.split(" (os error").next().unwrap_or_default().to_owned()
}

/// The usual rules; besides, whoever shows a certificate of the `ca_file`
/// itself is trusted while that is valid. What `openssl req -x509` makes says
/// that it is an authority, and often bears no name that counts, both of which
/// the usual rules refuse.
#[derive(Debug)]
struct OwnCertificates {
    usual: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
}

/// Whether `error` says that a certificate is valid now, and may not stand for
/// this server all the same. An expired one gives another error first.
fn is_valid_otherwise(error: &rustls::Error) -> bool {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => true,
        _ => false,
    }
}

impl ServerCertVerifier for OwnCertificates {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let usual = self.usual.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match usual {
            Err(error) if is_valid_otherwise(&error) && self.own.contains(end_entity) => {
                Ok(ServerCertVerified::assertion())
            }
            usual => usual,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

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
