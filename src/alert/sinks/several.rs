use super::{SendError, http};
use reqwest::RequestBuilder;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use vai_core::dispatch::Answer;
use vai_core::model::IncidentId;

/// After so many refusals that may pass, and nothing taken, the service itself
/// is taken to be the reason.
const REFUSALS: usize = 3;

/// Sends one request or more for each incident, and remembers which of an
/// incident's requests have been accepted until all have: what is tried again
/// begins with those that are left.
#[derive(Default)]
pub(super) struct Several {
    accepted: Mutex<BTreeMap<IncidentId, BTreeSet<String>>>,
}

/// One request, and what it is known by when it is tried again.
pub(super) struct Part {
    pub(super) incident: IncidentId,
    pub(super) name: String,
    pub(super) request: RequestBuilder,
}

impl Several {
    /// Sends `parts` in order and says what became of each incident. One that
    /// is not taken keeps none of the others from being sent, unless nobody
    /// answers or the service asks to be left alone.
    pub(super) async fn send(&self, parts: Vec<Part>) -> Answer<SendError> {
        let mut results: BTreeMap<IncidentId, Result<(), SendError>> = BTreeMap::new();
        for Part { incident, name, request } in parts {
            if self.has(&incident, &name) {
                results.entry(incident).or_insert(Ok(()));
                continue;
            }
            // Its end is not told before its beginning.
            if matches!(results.get(&incident), Some(Err(_))) {
                continue;
            }
            let result = http::send(request).await;
            match &result {
                Ok(()) => _ = self.accepted().entry(incident.clone()).or_default().insert(name),
                Err(SendError::Rejected(_)) => _ = self.accepted().remove(&incident),
                Err(SendError::Passing { .. } | SendError::Unanswered { .. }) => {}
            }
            results.insert(incident, result);
            if is_in_vain(&results) {
                return Answer::Incidents(self.close(results));
            }
        }
        Answer::Incidents(self.close(results))
    }

    fn has(&self, incident: &IncidentId, name: &str) -> bool {
        self.accepted().get(incident).is_some_and(|names| names.contains(name))
    }

    /// What has arrived as a whole need not be remembered: the same news is
    /// news again.
    fn close(
        &self,
        results: BTreeMap<IncidentId, Result<(), SendError>>,
    ) -> BTreeMap<IncidentId, Result<(), SendError>> {
        self.accepted().retain(|incident, _| !matches!(results.get(incident), Some(Ok(()))));
        results
    }

    fn accepted(&self) -> MutexGuard<'_, BTreeMap<IncidentId, BTreeSet<String>>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether what follows would not get through either.
fn is_in_vain(results: &BTreeMap<IncidentId, Result<(), SendError>>) -> bool {
    let errors = || results.values().filter_map(|result| result.as_ref().err());
    let asks = |error: &SendError| match error {
        SendError::Unanswered { .. } => true,
        SendError::Passing { after, .. } => after.is_some(),
        SendError::Rejected(_) => false,
    };
    let passing = errors().filter(|error| !matches!(error, SendError::Rejected(_))).count();
    errors().any(asks) || passing >= REFUSALS && results.values().all(Result::is_err)
}
