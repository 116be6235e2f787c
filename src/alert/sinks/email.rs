mod introduction;
mod session;

use super::{SendError, Transport};
use crate::alert::message::Message;
use crate::config::Smtp;
use async_trait::async_trait;
use lettre::address::{Address, AddressError};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, MultiPart};
use session::{Failure, Session};
use std::collections::{BTreeMap, VecDeque};
use vai_core::dispatch::Answer;

/// Mail by SMTP.
pub(super) struct Email {
    to: Vec<String>,
    smtp: Smtp,
}

/// What became of the mail, by the address as the registry has it.
type Results = BTreeMap<String, Result<(), SendError>>;

impl Email {
    /// Mail to all of `to`, handed to the server `smtp`.
    pub(super) fn new(to: &[String], smtp: &Smtp) -> Self {
        Self { to: to.to_vec(), smtp: smtp.clone() }
    }
}

#[async_trait]
impl Transport for Email {
    async fn send(&self, message: &Message, recipients: &[String]) -> Answer<SendError> {
        match self.mail(message) {
            Ok(mail) => Answer::Recipients(self.hand_over(&mail.formatted(), recipients).await),
            Err(error) => Err(error).into(),
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
        for to in self.to.iter().filter_map(|to| mailbox(to).ok()) {
            mail = mail.to(to);
        }
        let follows: Vec<String> = message.follows.iter().map(|key| id(key)).collect();
        // The last one is what a mail program shows if it can (RFC 2046, 5.1.4).
        let both = MultiPart::alternative_plain_html(message.body.clone(), message.html());
        threaded(mail, &follows)
            .multipart(both)
            .map_err(|error| SendError::Rejected(format!("cannot be written as mail: {error}")))
    }

    /// Hands the mail over for all of `recipients` together. Whoever may have
    /// been refused because of the others comes again without them: some
    /// servers take one recipient a session, and some refuse a whole mail for
    /// one of its recipients.
    async fn hand_over(&self, bytes: &[u8], recipients: &[String]) -> Results {
        let mut results = Results::new();
        let mut addresses = Vec::new();
        for to in self.to.iter().filter(|to| recipients.contains(to)) {
            match mailbox(to) {
                Ok(mailbox) => addresses.push((to.as_str(), mailbox.email)),
                Err(error) => _ = results.insert(to.clone(), Err(error)),
            }
        }
        let mut groups = VecDeque::from([addresses]);
        while let Some(group) = groups.pop_front() {
            if let Err(error) = self.transact(bytes, &group, &mut results, &mut groups).await {
                let left = groups.drain(..).flatten().chain(group);
                for (to, _) in left.filter(|(to, _)| !results.contains_key(*to)).collect::<Vec<_>>()
                {
                    results.insert(to.to_owned(), Err(error.clone()));
                }
            }
        }
        results
    }

    /// One session with one mail in it, for all of `group`. What became of
    /// each is added to `results`, or it is added to `again`.
    ///
    /// # Errors
    /// The server cannot be spoken with, for whomever.
    async fn transact<'a>(
        &self,
        bytes: &[u8],
        group: &[(&'a str, Address)],
        results: &mut Results,
        again: &mut VecDeque<Vec<(&'a str, Address)>>,
    ) -> Result<(), SendError> {
        if group.is_empty() {
            return Ok(());
        }
        let mut session = Session::open(&self.smtp).await?;
        let from = mailbox(&self.smtp.from)?.email;
        session.begin(&from, group.iter().map(|(_, address)| address)).await?;
        let (mut accepted, mut left) = (Vec::new(), Vec::new());
        for (to, address) in group {
            match session.recipient(address).await {
                Ok(()) => accepted.push((*to, address.clone())),
                // It may have minded one recipient too many.
                Err(Failure::Lost(_)) if !accepted.is_empty() => {
                    let is_left = |to: &str| {
                        !results.contains_key(to) && accepted.iter().all(|(it, _)| *it != to)
                    };
                    let left = group.iter().filter(|(to, _)| is_left(to)).cloned().collect();
                    again.extend([accepted, left]);
                    return Ok(());
                }
                Err(Failure::Lost(error)) => return Err(error),
                Err(Failure::Refused(error)) if accepted.is_empty() => {
                    results.insert((*to).to_owned(), Err(error));
                }
                Err(Failure::Refused(_)) => left.push((*to, address.clone())),
            }
        }
        if !accepted.is_empty() {
            match session.content(bytes).await {
                Err(Failure::Refused(_)) if accepted.len() > 1 => {
                    again.extend(accepted.into_iter().map(|one| vec![one]));
                }
                result => {
                    let result = result.map_err(Failure::into_error);
                    let each = accepted.iter().map(|(to, _)| ((*to).to_owned(), result.clone()));
                    results.extend(each);
                }
            }
        }
        if !left.is_empty() {
            again.push_back(left);
        }
        session.close().await;
        Ok(())
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

fn mailbox(address: &str) -> Result<Mailbox, SendError> {
    address.parse().map_err(|error: AddressError| {
        SendError::Rejected(format!("{address} is no mail address: {error}"))
    })
}
