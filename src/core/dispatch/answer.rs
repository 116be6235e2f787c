//! What is sent, and what a sink made of it.

use super::router::SinkId;
use crate::model::{IncidentId, Notice};
use std::collections::BTreeMap;
use std::time::Duration;

/// One message to be sent now; answer with
/// [`Dispatch::sent`](super::Dispatch::sent).
#[derive(Clone, Debug, PartialEq)]
pub struct Sending {
    /// Tells it from all others.
    pub number: u64,
    /// By which sink.
    pub sink: SinkId,
    /// To whom of its recipients; nobody by name where it has none.
    pub recipients: Vec<String>,
    /// What it tells.
    pub notices: Vec<Notice>,
    /// Keys of the messages that first told of these incidents there.
    pub follows: Vec<String>,
}

/// Why a sink did not take a message, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It may take it later; how long it asked to be left alone, if it did.
    Passing(Option<Duration>),
    /// It may have taken it, and is not to be sent it again before this is
    /// over.
    Unknown(Duration),
    /// It never will.
    Final,
}

/// What a sink made of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<E> {
    /// The same of all of it.
    Whole(Result<(), E>),
    /// Something for each recipient.
    Recipients(BTreeMap<String, Result<(), E>>),
    /// Something for each incident.
    Incidents(BTreeMap<IncidentId, Result<(), E>>),
}

impl<E> From<Result<(), E>> for Answer<E> {
    fn from(result: Result<(), E>) -> Self {
        Self::Whole(result)
    }
}

impl<E> Answer<E> {
    /// The same answer in other words.
    pub fn map_err<F>(&self, words: impl Fn(&E) -> F) -> Answer<F> {
        let map = |result: &Result<(), E>| match result {
            Ok(()) => Ok(()),
            Err(error) => Err(words(error)),
        };
        match self {
            Self::Whole(result) => Answer::Whole(map(result)),
            Self::Recipients(each) => {
                Answer::Recipients(each.iter().map(|(who, it)| (who.clone(), map(it))).collect())
            }
            Self::Incidents(each) => {
                Answer::Incidents(each.iter().map(|(id, it)| (id.clone(), map(it))).collect())
            }
        }
    }

    /// What was not taken, of whatever it is.
    pub fn errors(&self) -> impl Iterator<Item = &E> {
        let results: Vec<&Result<(), E>> = match self {
            Self::Whole(result) => vec![result],
            Self::Recipients(each) => each.values().collect(),
            Self::Incidents(each) => each.values().collect(),
        };
        results.into_iter().filter_map(|result| result.as_ref().err())
    }
}

impl Answer<Refusal> {
    /// What became of an incident's news for a recipient. What nothing is said
    /// of was not tried.
    pub(super) fn of(&self, recipient: &str, incident: &IncidentId) -> Result<(), Refusal> {
        let result = match self {
            Self::Whole(result) => Some(result),
            Self::Recipients(each) => each.get(recipient),
            Self::Incidents(each) => each.get(incident),
        };
        result.copied().unwrap_or(Err(Refusal::Passing(None)))
    }
}

/// What was tried for so long that it is tried no more.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenUp {
    /// By which sink.
    pub sink: SinkId,
    /// For whom of its recipients, if it has any.
    pub recipient: String,
    /// What there was to tell.
    pub notices: Vec<Notice>,
}
