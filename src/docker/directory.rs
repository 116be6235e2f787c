//! What is known about the containers that the registry names.

use super::{Details, Engine, Follower, Own};
use crate::config::{Config, ContainerEntry, ProbeMode};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use vai_core::model::{ContainerKey, ContainerView, Event, Instance, Place};

/// The containers to follow.
pub type Keys = BTreeMap<ContainerKey, ContainerEntry>;

/// What [`Follower`] knows, for everybody to read. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Directory {
    keys: watch::Sender<Keys>,
    known: watch::Receiver<Known>,
}

/// Everything known at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) engine_up: bool,
    pub(super) containers: BTreeMap<ContainerKey, Sight>,
    pub(super) own: Option<Arc<Details>>,
}

/// What a key came to when it was last looked at.
#[derive(Clone, Debug)]
pub(super) enum Sight {
    Missing,
    Ambiguous(Vec<String>),
    Present(Arc<Details>),
}

impl Sight {
    pub(super) fn view(&self) -> ContainerView {
        match self {
            Self::Missing => ContainerView::Missing,
            Self::Ambiguous(names) => ContainerView::Ambiguous(names.clone()),
            Self::Present(details) => ContainerView::Present(details.presence.clone()),
        }
    }

    /// The id of the container, if it is exactly one.
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::Missing | Self::Ambiguous(_) => None,
            Self::Present(details) => Some(&details.presence.instance.id),
        }
    }
}

impl Directory {
    /// A directory of nothing yet, and the task that fills it and tells
    /// `events` of every change.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, own: Own, events: mpsc::Sender<Event>) -> (Self, Follower) {
        let (keys, followed) = watch::channel(Keys::default());
        let (publish, known) = watch::channel(Known::default());
        let follower = Follower::new(engine, own, events, followed, publish);
        (Self { keys, known }, follower)
    }

    /// Follows these containers from now on; each is looked at at once.
    pub fn set_keys(&self, keys: Keys) {
        self.keys.send_replace(keys);
    }

    /// The entry that `key` is followed by.
    #[must_use]
    pub fn entry(&self, key: &ContainerKey) -> Option<ContainerEntry> {
        self.keys.borrow().get(key).cloned()
    }

    /// What `key` came to when it was last looked at, which is a moment ago
    /// while [`engine_up`](Self::engine_up); `None` before the first look.
    #[must_use]
    pub fn view(&self, key: &ContainerKey) -> Option<ContainerView> {
        self.known.borrow().containers.get(key).map(Sight::view)
    }

    /// The container behind `key`, if it is exactly one.
    #[must_use]
    pub fn details(&self, key: &ContainerKey) -> Option<Arc<Details>> {
        match self.known.borrow().containers.get(key)? {
            Sight::Present(details) => Some(Arc::clone(details)),
            Sight::Missing | Sight::Ambiguous(_) => None,
        }
    }

    /// The runs of containers that the agent may be placed in.
    #[must_use]
    pub fn instances_for_agents(&self) -> BTreeSet<Instance> {
        let (keys, known) = (self.keys.borrow(), self.known.borrow());
        let wanted = known.containers.iter().filter(|(key, _)| {
            let entry = keys.get(*key);
            entry.is_some() && may_place(entry)
        });
        wanted
            .filter_map(|(_, sight)| match sight {
                Sight::Present(details) => Some(details.presence.instance.clone()),
                Sight::Missing | Sight::Ambiguous(_) => None,
            })
            .collect()
    }

    /// Our own container; `None` on the host and before the first look.
    #[must_use]
    pub fn own(&self) -> Option<Arc<Details>> {
        self.known.borrow().own.clone()
    }

    /// Whether the engine answers and its events arrive.
    #[must_use]
    pub fn engine_up(&self) -> bool {
        self.known.borrow().engine_up
    }
}

/// Every container that `config` names or that one of its services or jobs is
/// in, each with the probe mode in force.
#[must_use]
pub fn keys_of(config: &Config) -> Keys {
    let of_services = config.services.values().map(|service| &service.place);
    let of_jobs = config.jobs.values().map(|job| &job.place);
    let places = of_services.chain(of_jobs).filter_map(|place| match place {
        Place::Local => None,
        Place::Container(key) => Some(key),
    });
    places
        .chain(config.containers.keys())
        .map(|key| {
            let mut entry = config.containers.get(key).cloned().unwrap_or_default();
            entry.probe = Some(entry.probe.unwrap_or(config.probe));
            (key.clone(), entry)
        })
        .collect()
}

/// Whether `entry` lets the agent be placed.
#[must_use]
pub fn may_place(entry: Option<&ContainerEntry>) -> bool {
    entry.and_then(|entry| entry.probe).unwrap_or_default() == ProbeMode::Auto
}
