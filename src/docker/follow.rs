//! Follows the containers that the registry names: by events, by a new list
//! after every gap, and by asking whether the engine still answers.

mod end;

use super::directory::{Keys, Known, Sight};
use super::resolve::{Found, resolve};
use super::{Details, Engine, EngineError, EngineEvent, EngineEventKind, Listed, Own};
use crate::clock;
use end::End;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use vai_core::model::{ContainerChange, ContainerKey, Event, Wall};
use vai_core::words::REFUSES;

/// Between two questions whether the engine still answers: a hung one closes
/// no stream.
const ALIVE_EVERY: Duration = Duration::from_millis(2500);

/// Between two complete lists, for whatever no event told.
const LIST_EVERY: Duration = Duration::from_secs(60);

/// Between two questions whether the engine is back; with [`RETURN_DEADLINE`]
/// it is found within 5 s.
const RETURN_EVERY: Duration = Duration::from_millis(500);

/// An engine that answers and refuses what we need is asked again after this,
/// then after twice as long each time.
const REFUSED_AGAIN: Duration = Duration::from_secs(1);

/// The longest time between two such questions.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The call for the stream of events.
const EVENTS: &str = "GET /events";

/// A refusal of the event stream comes within this.
const OPENS_WITHIN: Duration = Duration::from_millis(500);

/// A stream of events that was cut off sooner is replaced a second later.
const CUT_SOON: Duration = Duration::from_secs(10);

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

/// Events from now on, and the first of them if there was one at once.
struct Stream {
    first: Option<EngineEvent>,
    rest: BoxStream<'static, Result<EngineEvent, EngineError>>,
    opened: Instant,
}

impl Stream {
    async fn next(&mut self) -> Option<Result<EngineEvent, EngineError>> {
        match self.first.take() {
            Some(event) => Some(Ok(event)),
            None => self.rest.next().await,
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
        let mut wait = REFUSED_AGAIN;
        loop {
            let Err(end) = self.session().await;
            let (why, answers) = match end {
                End::EngineGone(why) => (why, false),
                End::Refused(why) => (why, true),
                End::NobodyListens => return,
            };
            let mut was_up = false;
            self.known.send_modify(|known| {
                was_up = std::mem::take(&mut known.engine_up);
            });
            if was_up {
                wait = REFUSED_AGAIN;
            }
            if was_up || !told_gone {
                told_gone = true;
                if self.tell(Event::EngineGone(why)).await.is_err() {
                    return;
                }
            }
            if answers {
                sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            } else {
                wait = REFUSED_AGAIN;
                self.until_it_answers().await;
            }
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
        let mut events = self.subscribe(clock::wall()).await?;
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
                    Some(Ok(event)) => self.take(event).await?,
                    Some(Err(EngineError::Gone(_))) | None => {
                        events = self.resume(events.opened).await?;
                        self.look_again(Again::All).await?;
                    }
                    Some(Err(error)) => return Err(End::of(EVENTS, error)),
                },
                changed = self.keys.changed() => match changed {
                    Ok(()) => self.look_again(Again::All).await?,
                    Err(_) => return Err(End::NobodyListens),
                },
                _ = list.tick() => self.look_again(Again::All).await?,
                _ = alive.tick() => self.ping().await?,
            }
        }
    }

    async fn ping(&self) -> Result<(), End> {
        self.engine.ping().await.map_err(|error| End::of("GET /_ping", error))
    }

    /// Opens the stream of events from `since` on, and waits as long as its
    /// refusal would take.
    async fn subscribe(&self, since: Wall) -> Result<Stream, End> {
        let failed = |error| End::of(EVENTS, error);
        let mut rest = self.engine.events(since).await.map_err(failed)?;
        let opened = clock::instant();
        let first = match timeout(OPENS_WITHIN, rest.next()).await {
            Err(_) => None,
            Ok(Some(Ok(event))) => Some(event),
            Ok(Some(Err(error))) => return Err(failed(error)),
            Ok(None) => {
                // Gone, or else it answers and gives no events.
                self.ping().await?;
                return Err(End::Refused(format!("{REFUSES} {EVENTS}: the stream ends at once")));
            }
        };
        Ok(Stream { first, rest, opened })
    }

    /// Replaces a stream of events that was cut off since it was `opened`, if it
    /// was only that: a proxy does so with one that was idle.
    async fn resume(&self, opened: Instant) -> Result<Stream, End> {
        let since = clock::wall();
        self.ping().await?;
        let lasted = opened.elapsed();
        tracing::debug!("the stream of the engine's events was cut off after {lasted:?}");
        if lasted < CUT_SOON {
            sleep(REFUSED_AGAIN).await;
        }
        self.subscribe(since).await
    }

    /// Tells at once what an event says, and then what a look says.
    async fn take(&mut self, event: EngineEvent) -> Result<(), End> {
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
        let listed = self.engine.list().await;
        let containers = listed.map_err(|error| End::of("GET /containers/json", error))?;
        let own = self.own_details(&containers).await?;
        let own_project = own.as_ref().and_then(|own| own.compose_project.clone());
        let keys = self.keys.borrow().clone();
        self.known.send_modify(|known| {
            known.own = own;
            known.containers.retain(|key, _| keys.contains_key(key));
        });
        for (key, entry) in keys {
            let found = resolve(&key, &entry, &containers, own_project.as_deref());
            if let Some(sight) = self.sight(&key, found, again).await? {
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
                if let Some(owner) = &details.presence.network_of {
                    details.presence.network_gone = self.is_gone(owner).await?;
                }
                Ok(Sight::Present(Arc::new(details)))
            }
            Err(EngineError::NotFound(_)) => Ok(Sight::Missing),
            Err(error) => Err(End::of("GET /containers/{id}/json", error)),
        }
    }

    async fn is_gone(&self, id: &str) -> Result<bool, End> {
        match self.engine.inspect(id).await {
            Ok(_) => Ok(false),
            Err(EngineError::NotFound(_)) => Ok(true),
            Err(error) => Err(End::of("GET /containers/{id}/json", error)),
        }
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

#[cfg(test)]
mod tests;
