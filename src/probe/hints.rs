//! Passes on what happens to watched processes and to agents.

use super::client::AgentHint;
use super::run::RunHints;
use super::watch::Death;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vai_core::model::{Event, ProcId, ServiceName};

/// Which service each watch name stands for.
#[derive(Debug, Default)]
pub(super) struct Watches(Mutex<HashMap<String, ServiceName>>);

impl Watches {
    /// Hints under the name `watch` concern `service` from now on.
    pub(super) fn insert(&self, watch: &str, service: &ServiceName) {
        self.lock().insert(watch.to_owned(), service.clone());
    }

    fn died(&self, watch: &str, process: &ProcId) -> Vec<Event> {
        let service = self.lock().get(watch).cloned();
        let why = format!("process {process} ended");
        service
            .map(|service| Event::Hint { service, why, died: Some(process.clone()) })
            .into_iter()
            .collect()
    }

    fn closed(&self, container: &str) -> Vec<Event> {
        let services: BTreeSet<_> = self.lock().values().cloned().collect();
        let why = format!("the agent in container {container} ended");
        services
            .into_iter()
            .map(|service| Event::Hint { service, why: why.clone(), died: None })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, ServiceName>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Turns hints into [`Event::Hint`]s, each source in a task of its own, and
/// wakes whoever waits for a run of a job.
#[derive(Clone)]
pub(super) struct Hints {
    pub(super) runs: RunHints,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) tasks: TaskTracker,
    pub(super) stopping: CancellationToken,
}

impl Hints {
    /// Those of the agent in `container`, until its link is closed.
    pub(super) fn of_agent(
        &self,
        hints: mpsc::Receiver<AgentHint>,
        watches: Arc<Watches>,
        container: String,
    ) {
        let runs = self.runs.clone();
        self.forward(hints, move |hint| match hint {
            AgentHint::Died { watch, process } => watches.died(&watch, &process),
            AgentHint::Over { mark } => {
                runs.over(&mark);
                Vec::new()
            }
            AgentHint::Closed => {
                runs.lost();
                watches.closed(&container)
            }
        });
    }

    /// Those about runs in our own place.
    pub(super) fn of_our_runs(&self, over: mpsc::Receiver<String>) {
        let runs = self.runs.clone();
        self.forward(over, move |mark| {
            runs.over(&mark);
            Vec::new()
        });
    }

    /// Those about processes of our own place.
    pub(super) fn of_ourselves(&self, deaths: mpsc::Receiver<Death>, watches: Arc<Watches>) {
        self.forward(deaths, move |death| watches.died(&death.watch, &death.process));
    }

    fn forward<T: Send + 'static>(
        &self,
        mut source: mpsc::Receiver<T>,
        concerned: impl Fn(T) -> Vec<Event> + Send + Sync + 'static,
    ) {
        let (events, stopping) = (self.events.clone(), self.stopping.clone());
        self.tasks.spawn(async move {
            let forward = async {
                while let Some(hint) = source.recv().await {
                    for event in concerned(hint) {
                        if events.send(event).await.is_err() {
                            return;
                        }
                    }
                }
            };
            stopping.run_until_cancelled(forward).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watches() -> Watches {
        let watches = Watches::default();
        for (watch, service) in [("a/http", "a"), ("a/b/tcp", "a"), ("b/tcp", "b")] {
            watches.insert(watch, &service.into());
        }
        watches
    }

    /// Whom the hints concern, and why.
    fn said(events: Vec<Event>) -> Vec<String> {
        events
            .into_iter()
            .map(|event| match event {
                Event::Hint { service, why, died } => {
                    format!("{service}: {why}, proof {}", died.is_some())
                }
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_death_concerns_the_service_that_watches() {
        let process = ProcId { pid: 12, start_ticks: 1, name: "redis-server".into() };
        let died = |watch| said(watches().died(watch, &process));
        assert_eq!(died("b/tcp"), ["b: process redis-server (pid 12) ended, proof true"]);
        assert_eq!(died("a/b/tcp"), ["a: process redis-server (pid 12) ended, proof true"]);
        assert!(died("c/tcp").is_empty());
    }

    #[test]
    fn the_end_of_an_agent_concerns_each_of_its_services_once() {
        assert_eq!(
            said(watches().closed("box")),
            [
                "a: the agent in container box ended, proof false",
                "b: the agent in container box ended, proof false"
            ]
        );
    }
}
