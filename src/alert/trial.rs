//! A marked test message to every sink of a channel.

use super::alerter::{Commands, StartError};
use super::delivery::send_once;
use super::message::{self, Context};
use super::sinks;
use crate::clock;
use crate::config::Config;
use futures_util::future::join_all;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::time::Duration;
use vai_core::dispatch::{Answer, Destination};
use vai_core::model::{IncidentId, Notice, Subject};

/// Whoever tries a sink by hand is not kept waiting for as long as a message
/// would be.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one sink made of the test message.
#[derive(Debug)]
pub struct Trial {
    /// The sink's name.
    pub sink: String,
    /// How long it took to take it, or why it did not, in words without
    /// secrets.
    pub answer: Result<Duration, String>,
}

/// Sends a marked test message to every sink of `channel`, as real ones are
/// sent, whatever their `min_severity`; none if there is no such channel.
///
/// # Errors
/// The TLS library cannot be set up.
pub async fn try_channel(
    config: &Config,
    channel: &str,
    zone: TimeZone,
    commands: Commands,
) -> Result<Option<Vec<Trial>>, StartError> {
    let Some(channel) = config.notifications.plan.channels.get(channel) else { return Ok(None) };
    let http = sinks::client().map_err(StartError)?;
    let notice = notice();
    let trials = channel.iter().map(async |sink| {
        let name = sink.name.clone();
        if let Some(why) = &sink.held {
            return Trial { sink: name, answer: Err(format!("held: {why}")) };
        }
        let transport = sinks::open(&sink.kind, &http);
        let context = Context {
            zone: &zone,
            now: clock::wall(),
            redactor: &config.redactor,
            delay: None,
            command: &*commands,
            evidence: transport.evidence(),
        };
        let message = message::compose(std::slice::from_ref(&notice), Vec::new(), &context);
        let began = clock::instant();
        let recipients = sink.kind.recipients();
        let answer = send_once(&*transport, &message, &recipients, PATIENCE).await;
        let errors: BTreeSet<String> = match &answer {
            Answer::Recipients(each) if each.len() > 1 => {
                let failed = each.iter().filter_map(|(who, it)| Some((who, it.as_ref().err()?)));
                failed.map(|(who, error)| format!("{who}: {error}")).collect()
            }
            answer => answer.errors().map(ToString::to_string).collect(),
        };
        let answer = match errors.is_empty() {
            true => Ok(clock::instant() - began),
            false => {
                let errors = Vec::from_iter(errors).join("; ");
                Err(message::line(&errors, &config.redactor))
            }
        };
        Trial { sink: name, answer }
    });
    Ok(Some(join_all(trials).await))
}

fn notice() -> Notice {
    let now = clock::now();
    let id = IncidentId(format!("test-{}", now.wall.as_millis()));
    let reason = "nothing is wrong, somebody asked vai to send this".to_owned();
    Notice::good_to_know(id, Subject::Vai, "test message", now.wall, now, reason)
}
