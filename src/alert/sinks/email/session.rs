//! A session with a mail server, phase by phase: each has a deadline of its own
//! (RFC 5321, section 4.5.3.2).

use super::introduction::introduced;
use crate::alert::sinks::SendError;
use crate::clock;
use crate::config::Smtp;
use lettre::Address;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use std::fmt::Display;
use std::time::Duration;
use tokio::time::timeout;

/// For each phase until the mail itself is handed over.
pub(super) const PHASE: Duration = Duration::from_secs(30);
/// From the mail to the answer to the dot at its end: a server that has it may
/// take its time to look at it.
const AFTER_DATA: Duration = Duration::from_secs(600);
/// For the goodbye, once the server has the mail.
const QUIT: Duration = Duration::from_secs(1);

/// What a server did not do.
pub(super) enum Failure {
    /// It said no, and may say yes to what follows.
    Refused(SendError),
    /// It cannot be spoken with any more.
    Lost(SendError),
}

impl Failure {
    pub(super) fn into_error(self) -> SendError {
        match self {
            Self::Refused(error) | Self::Lost(error) => error,
        }
    }
}

/// A server that knows who we are.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
}

impl Session {
    /// Connects, introduces us and logs in.
    pub(super) async fn open(smtp: &Smtp) -> Result<Self, SendError> {
        let stream = introduced(smtp).await?;
        // It is spoken to as far as that already; lettre learns what was said.
        let hello = ClientId::Domain("localhost".to_owned());
        let connecting = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello);
        let connection = phase("EHLO", connecting).await.map_err(Failure::into_error)?;
        let mut session = Self { connection };
        if let (Some(username), Some(password)) = (&smtp.username, &smtp.password) {
            let credentials = Credentials::new(username.clone(), password.expose().to_owned());
            let login = session.connection.auth(DEFAULT_MECHANISMS, &credentials);
            phase("AUTH", login).await.map_err(Failure::into_error)?;
        }
        Ok(session)
    }

    /// Begins a mail to some of `to`.
    pub(super) async fn begin<'a>(
        &mut self,
        from: &Address,
        mut to: impl Iterator<Item = &'a Address>,
    ) -> Result<(), SendError> {
        self.can_be_written(from).map_err(Failure::into_error)?;
        // Not without need: whoever it is passed on to has to know it, too.
        let is_needed = self.takes_all_letters() && (!is_ascii(from) || to.any(|it| !is_ascii(it)));
        let parameters = is_needed.then_some(MailParameter::SmtpUtfEight).into_iter().collect();
        let mail = Mail::new(Some(from.clone()), parameters);
        self.command("MAIL FROM", mail).await.map_err(Failure::into_error)
    }

    /// Names one who gets it.
    pub(super) async fn recipient(&mut self, to: &Address) -> Result<(), Failure> {
        self.can_be_written(to)?;
        self.command("RCPT TO", Rcpt::new(to.clone(), Vec::new())).await
    }

    /// Hands over the mail itself.
    pub(super) async fn content(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.command("DATA", Data).await?;
        let began = clock::instant();
        let result = timeout(AFTER_DATA, self.connection.message(bytes)).await;
        let doubt = |reason: String| {
            let rest = AFTER_DATA.saturating_sub(clock::instant() - began);
            Err(Failure::Lost(SendError::Unanswered { reason, rest }))
        };
        match result {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.status().is_some() => Err(failure(&error)),
            Ok(Err(error)) => doubt(format!("no answer to the mail: {error}")),
            Err(_) => {
                let minutes = AFTER_DATA.as_secs() / 60;
                doubt(format!("no answer to the mail within {minutes} min"))
            }
        }
    }

    /// Parts. A server that is slow to must not be sent the mail again.
    pub(super) async fn close(mut self) {
        _ = timeout(QUIT, self.connection.quit()).await;
    }

    fn takes_all_letters(&self) -> bool {
        self.connection.server_info().supports_feature(Extension::SmtpUtfEight)
    }

    fn can_be_written(&self, address: &Address) -> Result<(), Failure> {
        if self.takes_all_letters() || is_ascii(address) {
            return Ok(());
        }
        let why = format!("the server takes only addresses in ASCII (no SMTPUTF8): {address}");
        Err(Failure::Refused(SendError::Rejected(why)))
    }

    async fn command(&mut self, name: &str, command: impl Display) -> Result<(), Failure> {
        phase(name, self.connection.command(command)).await.map(drop)
    }
}

fn is_ascii(address: &Address) -> bool {
    AsRef::<str>::as_ref(address).is_ascii()
}

async fn phase<T>(
    name: &str,
    work: impl Future<Output = Result<T, SmtpError>>,
) -> Result<T, Failure> {
    match timeout(PHASE, work).await {
        Ok(result) => result.map_err(|error| failure(&error)),
        Err(_) => Err(Failure::Lost(too_late(name))),
    }
}

/// There was no answer in time.
pub(super) fn too_late(name: &str) -> SendError {
    SendError::unanswered(format!("no answer to {name} within {} s", PHASE.as_secs()))
}

/// A 5xx reply is final; everything else may pass: a 4xx reply, a server that
/// cannot be reached, a certificate that will be renewed. After a 421 the
/// server is gone (RFC 5321, section 3.8).
fn failure(error: &SmtpError) -> Failure {
    let words = error.to_string();
    match error.status() {
        Some(code) if error.is_permanent() => {
            debug_assert!(u16::from(code) >= 500);
            Failure::Refused(SendError::Rejected(words))
        }
        Some(code) if u16::from(code) != 421 => Failure::Refused(SendError::passing(words)),
        _ => Failure::Lost(SendError::unanswered(words)),
    }
}
