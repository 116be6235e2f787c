use super::{SendError, http};
use reqwest::RequestBuilder;
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Remembers which requests of a message have been accepted, for services that
/// want one request for each incident. Without it a message of many incidents
/// would never get through a rate limit: each try would begin with the first.
#[derive(Default)]
pub(super) struct Several {
    accepted: Mutex<HashSet<String>>,
}

/// One request, and what it is known by when the message is tried again.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) request: RequestBuilder,
}

impl Several {
    /// Sends `parts` in order. A fault that may pass ends it there; a part that
    /// is rejected keeps none of the others from being sent.
    pub(super) async fn send(&self, parts: Vec<Part>) -> Result<(), SendError> {
        let asked: HashSet<String> = parts.iter().map(|part| part.name.clone()).collect();
        self.accepted().retain(|name| asked.contains(name));
        let mut rejected = None;
        for Part { name, request } in parts {
            if self.accepted().contains(&name) {
                continue;
            }
            match http::send(request).await {
                Ok(()) => drop(self.accepted().insert(name)),
                Err(error @ SendError::Passing { .. }) => return Err(error),
                Err(error @ SendError::Rejected(_)) => rejected = rejected.or(Some(error)),
            }
        }
        self.accepted().clear();
        rejected.map_or(Ok(()), Err)
    }

    fn accepted(&self) -> MutexGuard<'_, HashSet<String>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
