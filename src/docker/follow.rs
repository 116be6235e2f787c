//! Follows the containers that the registry names: by events, by a new list
//! after every gap, and by asking whether the engine still answers.

use super::directory::{Keys, Known, Sight};
use super::resolve::{Found, resolve};
use super::{Details, Engine, EngineError, EngineEvent, EngineEventKind, Listed, Own};
use crate::config::{ContainerEntry, nearest_name};
use futures_util::StreamExt;
use jiff::Timestamp;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use vai_core::model::{ContainerChange, ContainerKey, ContainerStatus, Event, Presence};

/// Between two questions whether the engine still answers: a hung one closes
/// no stream.
const ALIVE_EVERY: Duration = Duration::from_millis(2500);

/// Between two complete lists, for whatever no event told.
const LIST_EVERY: Duration = Duration::from_secs(60);

/// Between two questions whether the engine is back; with [`RETURN_DEADLINE`]
/// it is found within 5 s.
const RETURN_EVERY: Duration = Duration::from_millis(500);

/// How long a returning engine may take to answer.
const RETURN_DEADLINE: Duration = Duration::from_secs(2);

/// The task behind a [`Directory`](super::Directory).
pub struct Follower {
    engine: Arc<dyn Engine>,
    own: Own,
    events: mpsc::Sender<Event>,
    keys: watch::Receiver<Keys>,
    known: watch::Sender<Known>,
}

/// Why following ended.
enum End {
    /// The engine does not answer; why.
    EngineGone(String),
    /// Nobody listens to our events any more.
    NobodyListens,
}

impl From<EngineError> for End {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Gone(why) => Self::EngineGone(why),
            other => Self::EngineGone(other.to_string()),
        }
    }
}

/// Which containers to look at again.
#[derive(Clone, Copy)]
enum Again<'a> {
    All,
    /// The one with this id, and every key that means another one by now.
    Id(&'a str),
}

impl Follower {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        own: Own,
        events: mpsc::Sender<Event>,
        keys: watch::Receiver<Keys>,
        known: watch::Sender<Known>,
    ) -> Self {
        Self { engine, own, events, keys, known }
    }

    /// Follows until `shutdown`, or until nobody listens.
    pub async fn run(mut self, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(self.follow()).await;
    }

    async fn follow(&mut self) {
        let mut told_gone = false;
        loop {
            let Err(end) = self.session().await;
            let End::EngineGone(why) = end else {
                return;
            };
            let mut was_up = false;
            self.known.send_modify(|known| {
                was_up = std::mem::take(&mut known.engine_up);
            });
            if was_up || !told_gone {
                told_gone = true;
                if self.tell(Event::EngineGone(why)).await.is_err() {
                    return;
                }
            }
            self.until_it_answers().await;
        }
    }

    async fn until_it_answers(&self) {
        loop {
            sleep(RETURN_EVERY).await;
            if let Ok(Ok(())) = timeout(RETURN_DEADLINE, self.engine.ping()).await {
                return;
            }
        }
    }

    /// Follows while the engine answers.
    async fn session(&mut self) -> Result<Infallible, End> {
        // Before the list, so that nothing falls between the two.
        let mut events = self.engine.events().await?;
        self.keys.mark_unchanged();
        self.look_again(Again::All).await?;
        self.known.send_modify(|known| known.engine_up = true);
        self.tell(Event::EngineBack).await?;

        let mut alive = interval(ALIVE_EVERY);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut list = interval(LIST_EVERY);
        list.set_missed_tick_behavior(MissedTickBehavior::Delay);
        list.reset();
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.take(event?).await?,
                    None => return Err(End::EngineGone("its event stream ended".to_owned())),
                },
                changed = self.keys.changed() => match changed {
                    Ok(()) => self.look_again(Again::All).await?,
                    Err(_) => return Err(End::NobodyListens),
                },
                _ = list.tick() => self.look_again(Again::All).await?,
                _ = alive.tick() => self.engine.ping().await?,
            }
        }
    }

    /// Tells at once what an event says, and then what a look says, also at
    /// those that share the network of what started or ended.
    async fn take(&mut self, event: EngineEvent) -> Result<(), End> {
        use EngineEventKind as Kind;
        let sharers = match event.kind {
            Kind::Start | Kind::Die | Kind::Destroy => self.sharers_of(&event.id, &event.name),
            _ => Vec::new(),
        };
        self.take_own(event).await?;
        for (key, id) in sharers {
            let sight = self.inspect(&id).await?;
            self.see(key, sight).await?;
        }
        Ok(())
    }

    async fn take_own(&mut self, event: EngineEvent) -> Result<(), End> {
        use EngineEventKind as Kind;
        let EngineEvent { id, kind, .. } = event;
        let concerned = self.keys_of(&id);
        let change = match kind {
            Kind::Kill => Some(ContainerChange::Signalled),
            Kind::Die => Some(ContainerChange::Died),
            Kind::Stop => Some(ContainerChange::StopRequested),
            Kind::Oom => Some(ContainerChange::OutOfMemory),
            Kind::Create
            | Kind::Start
            | Kind::Pause
            | Kind::Unpause
            | Kind::Health
            | Kind::Rename
            | Kind::Destroy => None,
        };
        if let Some(change) = change {
            for key in &concerned {
                self.tell_change(key, change.clone()).await?;
            }
        }
        match kind {
            Kind::Create | Kind::Rename | Kind::Destroy | Kind::Start => {
                self.look_again(Again::Id(&id)).await
            }
            Kind::Kill
            | Kind::Die
            | Kind::Stop
            | Kind::Oom
            | Kind::Pause
            | Kind::Unpause
            | Kind::Health => {
                for key in concerned {
                    let sight = self.inspect(&id).await?;
                    self.see(key, sight).await?;
                }
                Ok(())
            }
        }
    }

    fn keys_of(&self, id: &str) -> Vec<ContainerKey> {
        let known = self.known.borrow();
        known
            .containers
            .iter()
            .filter(|(_, sight)| sight.id() == Some(id))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Finds out anew which container each key means, and looks at those
    /// asked for.
    async fn look_again(&mut self, again: Again<'_>) -> Result<(), End> {
        let containers = self.engine.list().await?;
        let own = self.own_details(&containers).await?;
        let own_project = own.as_ref().and_then(|own| own.compose_project.clone());
        let keys = self.keys.borrow().clone();
        self.known.send_modify(|known| {
            known.own = own;
            known.containers.retain(|key, _| keys.contains_key(key));
        });
        for (key, entry) in keys {
            let followed =
                self.known.borrow().containers.get(&key).and_then(Sight::id).map(ToOwned::to_owned);
            let found =
                resolve(&key, &entry, &containers, own_project.as_deref(), followed.as_deref());
            if let Some(sight) = self.sight(&key, found, again).await? {
                if matches!(sight, Sight::Missing) {
                    self.tell_change(&key, unmatched(&key, &entry, &containers)).await?;
                }
                self.see(key, sight).await?;
            }
        }
        Ok(())
    }

    /// What `found` looks like now; `None` if there is nothing to tell.
    async fn sight(
        &self,
        key: &ContainerKey,
        found: Found<'_>,
        again: Again<'_>,
    ) -> Result<Option<Sight>, End> {
        let known = self.known.borrow().containers.get(key).cloned();
        let all = matches!(again, Again::All);
        Ok(match found {
            Found::Nothing => {
                let same = matches!(known, Some(Sight::Missing));
                (all || !same).then_some(Sight::Missing)
            }
            Found::Several(names) => {
                let same = matches!(&known, Some(Sight::Ambiguous(old)) if *old == names);
                (all || !same).then_some(Sight::Ambiguous(names))
            }
            Found::One(listed) => {
                let same = known.as_ref().and_then(Sight::id) == Some(&listed.id);
                let asked = match again {
                    Again::All => true,
                    Again::Id(id) => id == listed.id,
                };
                if asked || !same { Some(self.inspect(&listed.id).await?) } else { None }
            }
        })
    }

    async fn own_details(&self, containers: &[Listed]) -> Result<Option<Arc<Details>>, End> {
        let Some(own) = containers.iter().find(|listed| self.own.is(&listed.id)) else {
            return Ok(None);
        };
        match self.inspect(&own.id).await? {
            Sight::Present(details) => Ok(Some(details)),
            Sight::Missing | Sight::Ambiguous(_) => Ok(None),
        }
    }

    async fn inspect(&self, id: &str) -> Result<Sight, End> {
        match self.engine.inspect(id).await {
            Ok(mut details) => {
                if let Some(owner) = details.presence.network_of.clone() {
                    self.look_at_network(&mut details, &owner).await?;
                }
                Ok(Sight::Present(Arc::new(details)))
            }
            Err(EngineError::NotFound(_)) => Ok(Sight::Missing),
            Err(error) => Err(error.into()),
        }
    }

    /// What became of the container whose network `sharer` joined at its start.
    async fn look_at_network(&self, sharer: &mut Details, owner: &str) -> Result<(), End> {
        let presence = &mut sharer.presence;
        match self.engine.inspect(owner).await {
            Ok(owner) => {
                let runs = matches!(
                    owner.presence.status,
                    ContainerStatus::Running | ContainerStatus::Paused
                );
                presence.network_lost = presence.status.is_running()
                    && !(runs && started_before(&owner.presence, presence));
            }
            Err(EngineError::NotFound(_)) => presence.network_gone = true,
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The keys of what shares the network of this container, and their ids.
    fn sharers_of(&self, id: &str, name: &str) -> Vec<(ContainerKey, String)> {
        let known = self.known.borrow();
        let sharers = known.containers.iter().filter_map(|(key, sight)| {
            let Sight::Present(details) = sight else { return None };
            let owner = details.presence.network_of.as_deref()?;
            let is_sharer = owner == id || owner == name;
            is_sharer.then(|| (key.clone(), details.presence.instance.id.clone()))
        });
        sharers.collect()
    }

    async fn see(&self, key: ContainerKey, sight: Sight) -> Result<(), End> {
        let view = sight.view();
        self.known.send_modify(|known| {
            known.containers.insert(key.clone(), sight);
        });
        self.tell_change(&key, ContainerChange::Seen(view)).await
    }

    async fn tell_change(&self, key: &ContainerKey, change: ContainerChange) -> Result<(), End> {
        self.tell(Event::Container { key: key.clone(), change }).await
    }

    async fn tell(&self, event: Event) -> Result<(), End> {
        let sent = self.events.send(event).await;
        sent.map_err(|_| End::NobodyListens)
    }
}

/// Whether `owner` was up before `sharer` joined its network.
fn started_before(owner: &Presence, sharer: &Presence) -> bool {
    let at = |presence: &Presence| presence.instance.started_at.parse::<Timestamp>().ok();
    match (at(owner), at(sharer)) {
        (Some(owner), Some(sharer)) => owner <= sharer,
        // Nothing can be said against it.
        _ => true,
    }
}

/// No container goes by `key`: what it may have been meant to be.
fn unmatched(key: &ContainerKey, entry: &ContainerEntry, containers: &[Listed]) -> ContainerChange {
    let wanted = entry.name.clone().unwrap_or_else(|| key.to_string());
    let names = containers.iter().map(|listed| listed.name.as_str());
    let services = containers.iter().filter_map(|listed| Some(listed.compose.as_ref()?.1.as_str()));
    let nearest = match entry.name {
        Some(_) => nearest_name(&wanted, names),
        None => nearest_name(&wanted, names.chain(services)),
    };
    ContainerChange::Unmatched { nearest: nearest.map(ToOwned::to_owned), wanted }
}
