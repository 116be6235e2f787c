use super::{SendError, Transport};
use crate::address;
use crate::alert::message::Message;
use crate::config::{Smtp, SmtpTls};
use async_trait::async_trait;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, MultiPart};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::warn;

/// Until the connection stands; the whole send has its own deadline.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For the goodbye, once the server has the mail.
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);

/// Mail by SMTP.
pub(super) struct Email {
    to: Vec<String>,
    smtp: Smtp,
}

impl Email {
    /// Mail to all of `to`, handed to the server `smtp`.
    pub(super) fn new(to: &[String], smtp: &Smtp) -> Self {
        Self { to: to.to_vec(), smtp: smtp.clone() }
    }
}

#[async_trait]
impl Transport for Email {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let mail = self.mail(message)?;
        let bytes = mail.formatted();
        let envelope = mail.envelope();
        match self.hand_over(envelope, &bytes).await {
            // One bad address must not keep the others from being told.
            Err(together @ SendError::Rejected(_)) if self.to.len() > 1 => {
                self.one_by_one(envelope, &bytes, together).await
            }
            result => result,
        }
    }
}

impl Email {
    fn mail(&self, message: &Message) -> Result<lettre::Message, SendError> {
        let from = mailbox(&self.smtp.from)?;
        let domain = from.email.domain().to_owned();
        let id = |key: &str| format!("<{key}@{domain}>");
        let mut mail = lettre::Message::builder()
            .from(from)
            .subject(&message.title)
            .date_now()
            .message_id(Some(id(&message.dedup_key)))
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        for to in &self.to {
            mail = mail.to(mailbox(to)?);
        }
        let follows: Vec<String> = message.follows.iter().map(|key| id(key)).collect();
        // The last one is what a mail program shows if it can (RFC 2046, 5.1.4).
        let both = MultiPart::alternative_plain_html(message.body.clone(), message.html());
        threaded(mail, &follows)
            .multipart(both)
            .map_err(|error| SendError::Rejected(format!("cannot be written as mail: {error}")))
    }

    /// Hands the mail over for each recipient alone: well if at least one is
    /// accepted, else what was wrong with all of them together.
    async fn one_by_one(
        &self,
        envelope: &Envelope,
        bytes: &[u8],
        together: SendError,
    ) -> Result<(), SendError> {
        let mut accepted = false;
        for to in envelope.to() {
            let alone = Envelope::new(envelope.from().cloned(), vec![to.clone()])
                .map_err(|error| SendError::Rejected(error.to_string()))?;
            match self.hand_over(&alone, bytes).await {
                Ok(()) => accepted = true,
                Err(SendError::Rejected(why)) => warn!("mail to {to} is refused: {why}"),
                Err(passing @ SendError::Passing { .. }) => return Err(passing),
            }
        }
        if accepted { Ok(()) } else { Err(together) }
    }

    async fn hand_over(&self, envelope: &Envelope, bytes: &[u8]) -> Result<(), SendError> {
        let mut connection = self.connect().await?;
        let Smtp { username, password, .. } = &self.smtp;
        if let (Some(username), Some(password)) = (username, password) {
            let credentials = Credentials::new(username.clone(), password.expose().to_owned());
            connection.auth(DEFAULT_MECHANISMS, &credentials).await.map_err(|it| failure(&it))?;
        }
        connection.send(envelope, bytes).await.map_err(|error| failure(&error))?;
        // A server that is slow to part must not be sent the mail again.
        _ = timeout(QUIT_TIMEOUT, connection.quit()).await;
        Ok(())
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let Smtp { host, port, tls, .. } = &self.smtp;
        let server = addresses(host, *port).await?;
        let hello = ClientId::default();
        let connection = match tls {
            SmtpTls::None => {
                let stream = Box::new(connected(&server).await?);
                AsyncSmtpConnection::connect_with_transport(stream, &hello).await
            }
            SmtpTls::StartTls => {
                let tls = self.tls().await?;
                let stream = Box::new(connected(&server).await?);
                match AsyncSmtpConnection::connect_with_transport(stream, &hello).await {
                    Ok(mut plain) => plain.starttls(tls, &hello).await.map(|()| plain),
                    refused => refused,
                }
            }
            SmtpTls::Tls => {
                let (limit, tls) = (Some(CONNECT_TIMEOUT), Some(self.tls().await?));
                AsyncSmtpConnection::connect_tokio1(&server[..], limit, &hello, tls, None).await
            }
        };
        connection.map_err(|error| failure(&error))
    }

    async fn tls(&self) -> Result<TlsParameters, SendError> {
        let mut tls = TlsParameters::builder(self.smtp.host.clone())
            .certificate_store(CertificateStore::WebpkiRoots);
        if let Some(path) = &self.smtp.ca_file {
            // Read for each mail, so that a renewed file counts without a reload.
            let pem = tokio::fs::read(path).await.map_err(|error| {
                SendError::passing(format!("ca_file {path} cannot be read: {error}"))
            })?;
            let roots = Certificate::from_pem(&pem)
                .map_err(|error| SendError::passing(format!("ca_file {path}: {error}")))?;
            tls = tls.add_root_certificate(roots);
        }
        tls.build().map_err(|error| failure(&error))
    }
}

/// Lets mail programs show the mail below the ones that first told of its
/// incidents (RFC 5322, section 3.6.4).
fn threaded(mail: MessageBuilder, follows: &[String]) -> MessageBuilder {
    match follows {
        [] => mail,
        ids => mail.in_reply_to(ids[0].clone()).references(ids.join(" ")),
    }
}

/// Where a mail server may be connected to.
async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, SendError> {
    let resolved = timeout(CONNECT_TIMEOUT, address::resolve(host, port)).await;
    let resolved = resolved.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    resolved.map_err(|error| SendError::passing(format!("Connection error: {error}")))
}

/// A connection that sends the end of a mail without waiting until its beginning
/// has been acknowledged, which takes some systems 40 ms (Nagle's algorithm and
/// delayed acknowledgements).
async fn connected(server: &[SocketAddr]) -> Result<TcpStream, SendError> {
    let connecting = timeout(CONNECT_TIMEOUT, TcpStream::connect(server)).await;
    let stream = connecting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let prompt = stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
    prompt.map_err(|error| SendError::passing(format!("Connection error: {error}")))
}

fn mailbox(address: &str) -> Result<Mailbox, SendError> {
    address
        .parse()
        .map_err(|error| SendError::Rejected(format!("{address} is no mail address: {error}")))
}

/// A 5xx reply is final; everything else may pass: a 4xx reply, a server that
/// cannot be reached, a certificate that will be renewed.
fn failure(error: &SmtpError) -> SendError {
    if error.is_permanent() {
        SendError::Rejected(error.to_string())
    } else {
        SendError::passing(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_link_local_server_is_not_connected_to() {
        // Only the resolver reads the second as 169.254.169.254, as it reads a name.
        for host in ["169.254.169.254", "2852039166"] {
            let error = addresses(host, 25).await.unwrap_err().to_string();
            assert!(error.ends_with("which is never contacted"), "{error}");
        }
    }
}
