//! The agents in containers: one long-lived stream for each container instance
//! and user, placed when it is first needed.

use super::client::{AgentHint, AgentLink, ProbeError};
use super::file::AgentFile;
use super::wire::{Answer, Op};
use crate::docker::{Details, Engine, EngineError, ExecSpec};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vai_core::model::{Event, Instance, ServiceName};

/// Hints that wait to be passed on.
const HINTS: usize = 32;

/// Why there is no agent to ask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAgent {
    /// This run of the container takes none, ever.
    #[error("{0}")]
    Refused(String),
    /// Not this time.
    #[error("{0}")]
    Lost(String),
}

/// A live agent.
#[derive(Debug)]
pub(super) struct Agent {
    link: AgentLink,
    watches: Arc<Watches>,
}

impl Agent {
    /// Performs `op` inside the container.
    pub(super) async fn ask(&self, op: Op, deadline: Duration) -> Result<Answer, ProbeError> {
        self.link.ask(op, deadline).await
    }

    /// Hints about `watch`, and the end of this agent, concern `service`.
    pub(super) fn watch(&self, watch: &str, service: &ServiceName) {
        self.watches
            .lock()
            .insert(watch.to_owned(), service.clone());
    }
}

/// Which service each watch name stands for.
#[derive(Debug, Default)]
struct Watches(Mutex<HashMap<String, ServiceName>>);

impl Watches {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, ServiceName>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    instance: Instance,
    user: Option<String>,
}

/// An agent that is there, or on its way: everybody who needs it waits for the
/// same placement.
type Placement = Shared<BoxFuture<'static, Result<Arc<Agent>, NoAgent>>>;

/// All agents.
pub(super) struct Pool {
    engine: Arc<dyn Engine>,
    file: Arc<AgentFile>,
    events: mpsc::Sender<Event>,
    placements: Mutex<HashMap<Key, Placement>>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Pool {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        executable: PathBuf,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Self {
            engine,
            file: Arc::new(AgentFile::new(executable)),
            events,
            placements: Mutex::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        }
    }

    /// The agent in this run of a container, placed if need be. A placement
    /// goes on when its first asker gives up.
    pub(super) async fn agent(
        &self,
        container: &Details,
        user: Option<&str>,
    ) -> Result<Arc<Agent>, NoAgent> {
        let key = Key {
            instance: container.presence.instance.clone(),
            user: user.map(ToOwned::to_owned),
        };
        let placement = {
            let mut placements = self.lock();
            // Agents of earlier runs of the container are gone with them.
            placements.retain(|other, _| {
                other.instance.id != key.instance.id || other.instance == key.instance
            });
            match placements.get(&key) {
                Some(placement) if is_of_use(placement) => placement.clone(),
                _ => {
                    let placement = self.place(key.clone(), &container.presence.name);
                    placements.insert(key, placement.clone());
                    placement
                }
            }
        };
        placement.await
    }

    /// Ends the agents of all containers but these.
    pub(super) fn retain(&self, instances: &BTreeSet<Instance>) {
        self.lock()
            .retain(|key, _| instances.contains(&key.instance));
    }

    /// Ends all agents and waits for what runs here.
    pub(super) async fn close(&self) {
        self.stopping.cancel();
        self.lock().clear();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Placement>> {
        self.placements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, key: Key, name: &str) -> Placement {
        let placer = Placer {
            engine: Arc::clone(&self.engine),
            file: Arc::clone(&self.file),
            key,
            name: name.to_owned(),
        };
        let forwarder = Forwarder {
            events: self.events.clone(),
            tasks: self.tasks.clone(),
            stopping: self.stopping.clone(),
        };
        let stopping = self.stopping.clone();
        let placing = self.tasks.spawn(async move {
            let placed = stopping.run_until_cancelled(placer.place(forwarder)).await;
            placed.unwrap_or_else(|| Err(NoAgent::Lost("vai is stopping".to_owned())))
        });
        async move {
            placing.await.unwrap_or_else(|error| {
                Err(NoAgent::Lost(format!("placing the agent broke: {error}")))
            })
        }
        .boxed()
        .shared()
    }
}

fn is_of_use(placement: &Placement) -> bool {
    match placement.peek() {
        None | Some(Err(NoAgent::Refused(_))) => true,
        Some(Ok(agent)) => !agent.link.is_closed(),
        Some(Err(NoAgent::Lost(_))) => false,
    }
}

/// Passes on what agents say unasked.
struct Forwarder {
    events: mpsc::Sender<Event>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Forwarder {
    fn spawn(self, mut hints: mpsc::Receiver<AgentHint>, watches: Arc<Watches>, name: String) {
        let Self {
            events,
            tasks,
            stopping,
        } = self;
        tasks.spawn(async move {
            let forward = async {
                while let Some(hint) = hints.recv().await {
                    for (service, why) in hinted(&hint, &watches, &name) {
                        if events.send(Event::Hint { service, why }).await.is_err() {
                            return;
                        }
                    }
                }
            };
            stopping.run_until_cancelled(forward).await;
        });
    }
}

/// The services that a hint concerns, each with why.
fn hinted(hint: &AgentHint, watches: &Watches, name: &str) -> Vec<(ServiceName, String)> {
    let watches = watches.lock();
    match hint {
        AgentHint::Died { watch, process } => watches
            .get(watch)
            .map(|service| (service.clone(), format!("process {process} ended")))
            .into_iter()
            .collect(),
        AgentHint::Closed => {
            let services: BTreeSet<_> = watches.values().cloned().collect();
            services
                .into_iter()
                .map(|service| (service, format!("the agent in container {name} ended")))
                .collect()
        }
    }
}

/// Places one agent.
struct Placer {
    engine: Arc<dyn Engine>,
    file: Arc<AgentFile>,
    key: Key,
    name: String,
}

/// Why an agent did not start.
enum NoStart {
    /// The engine did not run it.
    Engine(EngineError),
    /// Something ran, or failed to, that is no agent of ours.
    NotOurs(ProbeError),
}

impl Placer {
    /// Starts the agent that may be there from before, else uploads it first.
    async fn place(&self, forwarder: Forwarder) -> Result<Arc<Agent>, NoAgent> {
        let path = self.file.path().await.map_err(unreadable)?;
        let (hints, hinted) = mpsc::channel(HINTS);
        let link = match self.start(&path, hints.clone()).await {
            Ok(link) => link,
            Err(NoStart::Engine(error)) => return Err(self.sort_out(error)),
            Err(NoStart::NotOurs(_)) => {
                self.upload().await?;
                match self.start(&path, hints).await {
                    Ok(link) => link,
                    Err(NoStart::Engine(error)) => return Err(self.sort_out(error)),
                    Err(NoStart::NotOurs(error)) => return Err(self.still_not_ours(error).await),
                }
            }
        };
        tracing::debug!("agent placed in container {} as {path}", self.name);
        let watches = Arc::<Watches>::default();
        forwarder.spawn(hinted, Arc::clone(&watches), self.name.clone());
        Ok(Arc::new(Agent { link, watches }))
    }

    async fn start(
        &self,
        path: &str,
        hints: mpsc::Sender<AgentHint>,
    ) -> Result<AgentLink, NoStart> {
        let spec = ExecSpec {
            argv: vec![path.to_owned(), "agent".to_owned()],
            user: self.key.user.clone(),
            ..ExecSpec::default()
        };
        let stream = self
            .engine
            .exec_stream(&self.key.instance.id, &spec)
            .await
            .map_err(NoStart::Engine)?;
        AgentLink::open(stream.input, stream.output, hints)
            .await
            .map_err(NoStart::NotOurs)
    }

    async fn upload(&self) -> Result<(), NoAgent> {
        let archive = self.file.archive().await.map_err(unreadable)?;
        self.engine
            .upload(&self.key.instance.id, "/", archive)
            .await
            .map_err(|error| self.sort_out(error))
    }

    /// The file is there and yet no agent: for good, unless the container went
    /// away under it.
    async fn still_not_ours(&self, error: ProbeError) -> NoAgent {
        match self.engine.inspect(&self.key.instance.id).await {
            Ok(now)
                if now.presence.instance == self.key.instance
                    && now.presence.status.is_running() =>
            {
                self.refused(error.to_string())
            }
            _ => NoAgent::Lost(error.to_string()),
        }
    }

    /// Tells a refusal from an engine or container that is just not there.
    fn sort_out(&self, error: EngineError) -> NoAgent {
        match error {
            EngineError::Refused { .. } | EngineError::Forbidden(_) => {
                self.refused(error.to_string())
            }
            EngineError::Gone(_) | EngineError::NotFound(_) | EngineError::Conflict(_) => {
                NoAgent::Lost(error.to_string())
            }
        }
    }

    fn refused(&self, why: String) -> NoAgent {
        tracing::warn!(
            "container {} takes no agent, so it is looked at from outside: {why}",
            self.name
        );
        NoAgent::Refused(why)
    }
}

fn unreadable(error: std::io::Error) -> NoAgent {
    NoAgent::Lost(format!("vai cannot read its own executable: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vai_core::model::ProcId;

    fn watches() -> Watches {
        let watches = Watches::default();
        for (watch, service) in [("a/http", "a"), ("a/tcp", "a"), ("b/tcp", "b")] {
            watches.lock().insert(watch.into(), service.into());
        }
        watches
    }

    #[test]
    fn a_death_concerns_the_service_that_watches() {
        let died = AgentHint::Died {
            watch: "b/tcp".into(),
            process: ProcId {
                pid: 12,
                start_ticks: 1,
                name: "redis-server".into(),
            },
        };
        assert_eq!(
            hinted(&died, &watches(), "box"),
            [(
                "b".into(),
                "process redis-server (pid 12) ended".to_owned()
            )]
        );
    }

    #[test]
    fn the_end_of_an_agent_concerns_each_of_its_services_once() {
        let services: Vec<_> = hinted(&AgentHint::Closed, &watches(), "box")
            .into_iter()
            .map(|(service, _)| service)
            .collect();
        assert_eq!(services, ["a".into(), "b".into()]);
    }
}
