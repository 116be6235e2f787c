use super::{SendError, Transport};
use crate::alert::message::Message;
use crate::config::{Smtp, SmtpTls};
use async_trait::async_trait;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::{AsyncSmtpTransport, Error as SmtpError};
use lettre::{AsyncTransport, Tokio1Executor};
use std::time::Duration;
use tracing::warn;

/// For one command of the dialogue; the whole send has its own deadline.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

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
        let server = self.server().await?;
        let bytes = mail.formatted();
        let envelope = mail.envelope();
        match server.send_raw(envelope, &bytes).await {
            Ok(_) => Ok(()),
            // One bad address must not keep the others from being told.
            Err(error) if error.is_permanent() && self.to.len() > 1 => {
                one_by_one(&server, envelope, &bytes, error).await
            }
            Err(error) => Err(failure(&error)),
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

    async fn server(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, SendError> {
        let smtp = &self.smtp;
        let tls = match smtp.tls {
            SmtpTls::StartTls => Tls::Required(self.tls().await?),
            SmtpTls::Tls => Tls::Wrapper(self.tls().await?),
            SmtpTls::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&smtp.host)
            .port(smtp.port)
            .timeout(Some(COMMAND_TIMEOUT))
            .tls(tls);
        if let (Some(username), Some(password)) = (&smtp.username, &smtp.password) {
            builder = builder
                .credentials(Credentials::new(username.clone(), password.expose().to_owned()));
        }
        Ok(builder.build())
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

/// Hands the mail over for each recipient alone: well if at least one is
/// accepted, else what was wrong with all of them together.
async fn one_by_one(
    server: &AsyncSmtpTransport<Tokio1Executor>,
    envelope: &Envelope,
    bytes: &[u8],
    together: SmtpError,
) -> Result<(), SendError> {
    let mut accepted = false;
    for to in envelope.to() {
        let alone = Envelope::new(envelope.from().cloned(), vec![to.clone()])
            .map_err(|error| SendError::Rejected(error.to_string()))?;
        match server.send_raw(&alone, bytes).await {
            Ok(_) => accepted = true,
            Err(error) if error.is_permanent() => warn!("mail to {to} is refused: {error}"),
            Err(error) => return Err(failure(&error)),
        }
    }
    if accepted { Ok(()) } else { Err(failure(&together)) }
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
