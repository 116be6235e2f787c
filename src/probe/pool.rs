//! The agents in containers: one long-lived stream for each container instance
//! and user, placed when it is first needed.

use super::client::{AgentHint, AgentLink, ProbeError};
use super::file::AgentFile;
use super::hints::{Hints, Watches};
use super::wire::{Answer, Op};
use crate::clock;
use crate::docker::{Details, Engine, EngineError, ExecSpec};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use vai_core::model::{Instance, ServiceName, Time};

/// A refusal is asked for again after this: a full disk or a slow engine may
/// have been all there was to it.
const ASK_AGAIN: Duration = Duration::from_secs(300);

/// Hints that wait to be passed on: hundreds of runs may end at once.
const HINTS: usize = 1024;

/// For a look at process 1, which nobody has to wait for.
const FIRST_PROCESS_WITHIN: Duration = Duration::from_secs(2);

/// Why there is no agent to ask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAgent {
    /// This run of the container takes none.
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
        self.watches.insert(watch, service);
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
    hints: Hints,
    /// The containers whose process 1 was looked at.
    looked_at: Arc<Mutex<HashSet<Instance>>>,
    /// Each with the time it was begun at.
    placements: Mutex<HashMap<Key, (Placement, Time)>>,
}

impl Pool {
    pub(super) fn new(engine: Arc<dyn Engine>, executable: PathBuf, hints: Hints) -> Self {
        Self {
            engine,
            file: Arc::new(AgentFile::new(executable)),
            hints,
            looked_at: Arc::default(),
            placements: Mutex::default(),
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
            let now = clock::boot_time();
            match placements.get(&key) {
                Some((placement, begun)) if is_of_use(placement, now.since(*begun)) => {
                    placement.clone()
                }
                _ => {
                    let placement = self.place(key.clone(), &container.presence.name);
                    placements.insert(key, (placement.clone(), now));
                    placement
                }
            }
        };
        placement.await
    }

    /// Where the file is, once it has been placed.
    pub(super) async fn program(&self) -> std::io::Result<String> {
        self.file.path().await
    }

    /// Ends the agents of all containers but these.
    pub(super) fn retain(&self, instances: &BTreeSet<Instance>) {
        self.lock().retain(|key, _| instances.contains(&key.instance));
    }

    /// Ends all agents.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, (Placement, Time)>> {
        self.placements.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, key: Key, name: &str) -> Placement {
        let placer = Placer {
            engine: Arc::clone(&self.engine),
            file: Arc::clone(&self.file),
            key,
            name: name.to_owned(),
            looked_at: Arc::clone(&self.looked_at),
        };
        let hints = self.hints.clone();
        let placing = self.hints.tasks.spawn(async move {
            let placing = placer.place(&hints);
            let placed = hints.stopping.run_until_cancelled(placing).await;
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

fn is_of_use(placement: &Placement, age: Duration) -> bool {
    match placement.peek() {
        None => true,
        Some(Err(NoAgent::Refused(_))) => age < ASK_AGAIN,
        Some(Ok(agent)) => !agent.link.is_closed(),
        Some(Err(NoAgent::Lost(_))) => false,
    }
}

/// Places one agent.
struct Placer {
    engine: Arc<dyn Engine>,
    file: Arc<AgentFile>,
    key: Key,
    name: String,
    looked_at: Arc<Mutex<HashSet<Instance>>>,
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
    async fn place(&self, hints: &Hints) -> Result<Arc<Agent>, NoAgent> {
        let path = self.file.path().await.map_err(unreadable)?;
        let (sender, hinted) = mpsc::channel(HINTS);
        let link = match self.start(&path, sender.clone()).await {
            Ok(link) => link,
            Err(NoStart::Engine(error)) => return Err(sort_out(&error)),
            Err(NoStart::NotOurs(_)) => {
                self.upload().await?;
                match self.start(&path, sender).await {
                    Ok(link) => link,
                    Err(NoStart::Engine(error)) => return Err(sort_out(&error)),
                    Err(NoStart::NotOurs(error)) => return Err(self.still_not_ours(error).await),
                }
            }
        };
        tracing::debug!("agent placed in container {} as {path}", self.name);
        self.look_at_first_process(&link).await;
        let watches = Arc::<Watches>::default();
        hints.of_agent(hinted, Arc::clone(&watches), self.name.clone());
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
        let stream =
            self.engine.exec_stream(&self.key.instance.id, &spec).await.map_err(NoStart::Engine)?;
        AgentLink::open(stream.input, stream.output, hints).await.map_err(NoStart::NotOurs)
    }

    /// Says once of a run of a container that its dead will stay lying.
    async fn look_at_first_process(&self, link: &AgentLink) {
        let instance = &self.key.instance;
        {
            let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
            looked_at.retain(|other| other.id != instance.id || other == instance);
            if !looked_at.insert(instance.clone()) {
                return;
            }
        }
        if let Ok(Answer::Lines(lines)) = link.ask(Op::FirstProcess, FIRST_PROCESS_WITHIN).await {
            for line in lines {
                tracing::info!("container {}: {line}", self.name);
            }
        }
    }

    async fn upload(&self) -> Result<(), NoAgent> {
        let archive = self.file.archive().await.map_err(unreadable)?;
        self.engine
            .upload(&self.key.instance.id, "/", archive)
            .await
            .map_err(|error| sort_out(&error))
    }

    /// The file is there and yet no agent: for good, unless the container went
    /// away under it.
    async fn still_not_ours(&self, error: ProbeError) -> NoAgent {
        match self.engine.inspect(&self.key.instance.id).await {
            Ok(now)
                if now.presence.instance == self.key.instance
                    && now.presence.status.is_running() =>
            {
                NoAgent::Refused(error.to_string())
            }
            _ => NoAgent::Lost(error.to_string()),
        }
    }
}

/// Tells a refusal from an engine or container that is just not there.
fn sort_out(error: &EngineError) -> NoAgent {
    match error {
        EngineError::Refused { .. } | EngineError::Forbidden(_) => {
            NoAgent::Refused(error.to_string())
        }
        EngineError::Gone(_) | EngineError::NotFound(_) | EngineError::Conflict(_) => {
            NoAgent::Lost(error.to_string())
        }
    }
}

fn unreadable(error: std::io::Error) -> NoAgent {
    NoAgent::Lost(format!("vai cannot read its own executable: {error}"))
}
