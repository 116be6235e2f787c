use super::AppError;
use crate::config::Config;
use crate::crontabs;
use crate::docker::{Address, Bollard, Directory, Engine, Follower, Own, keys_of};
use crate::heal;
use crate::probe::Prober;
use crate::probe::keep::Kept;
use crate::probe::wire::{Answer, Crontabs, Op};
use async_trait::async_trait;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use vai_core::model::{ContainerKey, ContainerView, Event, Place};

/// A socket file that was replaced under our mount refuses for ever; by then it
/// is no restart of the engine any more (docker-facts: "Engine gone").
const DEAD_SOCKET_AFTER: Duration = Duration::from_secs(60);

/// For the crontabs of a place, an agent that has to be placed first included.
const CRONTABS_WITHIN: Duration = Duration::from_secs(15);

/// The engine, the containers, and the ways to look into them.
pub struct Reach {
    /// The engine behind its allow-list.
    pub engine: Arc<dyn Engine>,
    /// The containers that the registry names.
    pub directory: Directory,
    /// Looks and acts at any place.
    pub prober: Arc<Prober>,
    bollard: Arc<Bollard>,
    address: Address,
}

impl Reach {
    /// Nothing is connected yet: the returned task does that, and tells
    /// `events` of everything.
    ///
    /// # Errors
    /// `$DOCKER_HOST` makes no sense.
    pub fn new(events: mpsc::Sender<Event>) -> Result<(Self, Follower), AppError> {
        let address = Address::from_env()?;
        let own = Own::find(&address);
        let bollard = Arc::new(Bollard::new(&address, own.clone())?);
        let engine: Arc<dyn Engine> = Arc::clone(&bollard) as _;
        let (directory, follower) = Directory::new(Arc::clone(&engine), own, events.clone());
        let executable = PathBuf::from("/proc/self/exe");
        let prober = Prober::new(Arc::clone(&engine), directory.clone(), events, executable);
        let prober = Arc::new(prober);
        Ok((Self { engine, directory, prober, bollard, address }, follower))
    }

    /// Follows the containers that `config` names, and no others.
    pub fn follow(&self, config: &Config) {
        self.directory.set_keys(keys_of(config));
        self.prober.prune();
    }

    /// For how long the engine's socket has been a dead file, if it is one.
    #[must_use]
    pub fn dead_socket(&self) -> Option<Duration> {
        let refused = self.bollard.refused_for()?;
        (refused >= DEAD_SOCKET_AFTER && self.address.is_mounted_file()).then_some(refused)
    }

    /// Ends all agents.
    pub async fn close(&self) {
        self.prober.close().await;
    }
}

#[async_trait]
impl heal::Places for Reach {
    fn view(&self, key: &ContainerKey) -> Option<ContainerView> {
        self.directory.view(key)
    }

    async fn ask(&self, place: &Place, op: Op, deadline: Duration) -> Result<Answer, String> {
        self.prober.ask(place, None, op, deadline).await.map_err(|error| error.to_string())
    }

    async fn keeper(&self, place: &Place, user: Option<&str>, mark: &str) -> Result<Kept, String> {
        self.prober.keeper(place, user, mark).await
    }
}

#[async_trait]
impl crontabs::Places for Reach {
    async fn crontabs(&self, place: &Place) -> Result<Crontabs, String> {
        let reading = self.prober.crontabs(place, CRONTABS_WITHIN);
        reading.await.map_err(|error| error.to_string())
    }
}
