//! The container engine: what its containers do, and what its events say.

use crate::heart::Part;
use crate::plan::{ContainerPlan, Ms};
use crate::world::{Thing, World};
use std::time::Duration;
use vai_core::model::{
    ContainerChange, ContainerKey, ContainerStatus, ContainerView, Event, Instance, Presence, Rung,
};

/// A container as it is.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) plan: ContainerPlan,
    number: u64,
    starts: u64,
    pub(crate) status: ContainerStatus,
    up_since: Ms,
    pub(crate) removed: bool,
    /// Somebody wants it stopped: its policy leaves it alone.
    pub(crate) by_hand: bool,
    pub(crate) agent_lost_until: Ms,
    /// The id of the container whose network it was made to share.
    network_of: Option<String>,
    /// The run of that one whose network it is really in.
    joined: Option<Instance>,
}

impl Container {
    pub(crate) fn new(plan: ContainerPlan) -> Self {
        Self {
            plan,
            number: 1,
            starts: 0,
            status: ContainerStatus::Created,
            up_since: 0,
            removed: false,
            by_hand: false,
            agent_lost_until: 0,
            network_of: None,
            joined: None,
        }
    }

    pub(crate) fn instance(&self) -> Instance {
        Instance {
            id: format!("{}-{:012}", self.plan.name, self.number),
            started_at: self.starts.to_string(),
        }
    }

    pub(crate) fn keys(&self) -> Vec<ContainerKey> {
        let names = std::iter::once(&self.plan.name).chain(&self.plan.alias);
        names.map(|name| ContainerKey::from(name.as_str())).collect()
    }

    /// Whether others can share its network.
    fn has_network(&self) -> bool {
        !self.removed && matches!(self.status, ContainerStatus::Running | ContainerStatus::Paused)
    }

    pub(crate) fn runs(&self) -> bool {
        !self.removed && self.status.is_running()
    }

    fn view(&self, now: Ms, network_gone: bool) -> ContainerView {
        if self.removed {
            return ContainerView::Missing;
        }
        ContainerView::Present(Presence {
            instance: self.instance(),
            name: self.plan.name.clone(),
            status: self.status.clone(),
            health: None,
            up_for: Duration::from_millis(now - self.up_since),
            health_start: None,
            engine_restarts: self.plan.policy,
            network_of: self.network_of.clone(),
            network_gone,
            network_lost: false,
            start_error: None,
            is_self: self.plan.is_self,
        })
    }
}

/// What vai knows of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Unknown,
    Up,
    Gone,
}

impl World {
    /// The main process ends and everything inside with it.
    pub(crate) fn container_ends(&mut self, name: &str, code: i64, oom: bool) {
        let now = self.now;
        let Some(container) = self.containers.get_mut(name) else { return };
        self.runner.place_ends(&container.instance());
        container.status = ContainerStatus::Exited { code, oom };
        for target in self.targets.values_mut() {
            if target.plan.container.as_deref() == Some(name) {
                target.end(now);
            }
        }
    }

    /// Whether that works: a container that shares another's network cannot
    /// come up without it.
    pub(crate) fn container_starts(&mut self, name: &str) -> bool {
        let now = self.now;
        let owner = self.containers.get(name).and_then(|it| it.plan.network_of.as_ref());
        let owner = owner.map(|owner| self.containers.get(owner));
        let owner = match owner {
            None => None,
            Some(owner) => match owner.filter(|it| it.has_network()) {
                Some(owner) => Some(owner.instance()),
                None => return false,
            },
        };
        let Some(container) = self.containers.get_mut(name) else { return false };
        if container.removed {
            container.number += 1;
            container.removed = false;
            container.network_of = None;
        }
        if let Some(owner) = owner {
            if *container.network_of.get_or_insert_with(|| owner.id.clone()) != owner.id {
                return false;
            }
            container.joined = Some(owner);
        }
        container.starts += 1;
        container.by_hand = false;
        container.up_since = now;
        container.status = ContainerStatus::Running;
        for target in self.targets.values_mut() {
            if target.plan.container.as_deref() == Some(name) {
                target.arrive(now);
            }
        }
        self.say(name, None, 5);
        true
    }

    /// A start came to nothing, as the network that it shares is not there. The
    /// engine's policy leaves it at that; people go on trying, and recreate it
    /// in the end.
    pub(crate) fn start_failed(&mut self, name: String) {
        const TRIED_AGAIN: Ms = 30_000;
        let gone = self.network_gone(&name);
        let Some(container) = self.containers.get_mut(&name) else { return };
        if container.status == ContainerStatus::Restarting {
            container.status = ContainerStatus::Exited { code: 128, oom: false };
            self.say(&name, None, 5);
            return;
        }
        container.removed |= gone && self.rng.chance(30);
        self.later(TRIED_AGAIN, Thing::Starts { container: name });
    }

    /// Whether the container whose network it was made to share is no more.
    pub(crate) fn network_gone(&self, name: &str) -> bool {
        let Some(container) = self.containers.get(name) else { return false };
        let Some(id) = &container.network_of else { return false };
        let owner = container.plan.network_of.as_ref().and_then(|it| self.containers.get(it));
        owner.is_none_or(|it| it.removed || it.instance().id != *id)
    }

    /// Whether a container is in the network that it shares as that is now.
    pub(crate) fn has_joined(&self, container: &Container) -> bool {
        let owner = container.plan.network_of.as_ref().map(|it| self.containers.get(it));
        owner.is_none_or(|owner| {
            let owner = owner.filter(|it| it.has_network()).map(Container::instance);
            owner.is_some() && container.joined == owner
        })
    }

    /// Whether it is in its network, or vai can bring it there.
    pub(crate) fn vai_can_rejoin(&self, container: &Container, ladder: &[Rung]) -> bool {
        self.has_joined(container)
            || (ladder.contains(&Rung::Container) && !self.network_gone(&container.plan.name))
    }

    /// People bring it up, anew if it cannot come up as it is.
    pub(crate) fn brought_up(&mut self, name: &str) {
        let gone = self.network_gone(name);
        if let Some(container) = self.containers.get_mut(name) {
            container.removed |= gone;
        }
        self.container_starts(name);
    }

    /// What `docker stop` does, told as the engine tells it; how long it takes.
    pub(crate) fn stop_container(&mut self, name: &str) -> Ms {
        let takes = self.rng.range(20, 800);
        self.say(name, Some(ContainerChange::Signalled), 5);
        self.later(takes, Thing::Ends { container: name.into(), code: 143, oom: false });
        let tells = self.rng.range(35, 53);
        self.say(name, Some(ContainerChange::Died), takes + tells);
        self.say(name, Some(ContainerChange::StopRequested), takes + tells + 20);
        takes + tells + 30
    }

    /// An event of the engine, `after` milliseconds from now: what it says, and
    /// then what a look says.
    pub(crate) fn say(&mut self, name: &str, change: Option<ContainerChange>, after: Ms) {
        self.later(after, Thing::Said { container: name.into(), change, run: self.run });
    }

    pub(crate) fn said(&mut self, name: &str, change: Option<ContainerChange>) -> crate::Step {
        if self.link != Link::Up || !self.engine_up {
            return Ok(());
        }
        let Some(container) = self.containers.get(name) else { return Ok(()) };
        let keys = container.keys();
        if let Some(change) = change {
            for key in &keys {
                self.feed(Event::Container { key: key.clone(), change: change.clone() })?;
            }
        }
        self.seen(name)
    }

    fn seen(&mut self, name: &str) -> crate::Step {
        let Some(container) = self.containers.get(name) else { return Ok(()) };
        let view = container.view(self.now, self.network_gone(name));
        for key in container.keys() {
            let change = ContainerChange::Seen(view.clone());
            self.feed(Event::Container { key, change })?;
        }
        Ok(())
    }

    pub(crate) fn list(&mut self) -> crate::Step {
        let mut names: Vec<String> = self.containers.keys().cloned().collect();
        // Who shares another's network is as likely seen before that one.
        if self.containers.values().any(|it| it.plan.network_of.is_some()) && self.rng.chance(50) {
            names.reverse();
        }
        for name in names {
            self.seen(&name)?;
        }
        Ok(())
    }

    /// vai finds out that the engine went or came.
    pub(crate) fn follow(&mut self) -> crate::Step {
        // A vai that is not there yet finds out by itself.
        if self.core.is_none() {
            return Ok(());
        }
        match (self.engine_up, self.link) {
            (true, Link::Unknown | Link::Gone) => {
                self.list()?;
                self.link = Link::Up;
                self.feed(Event::EngineBack)
            }
            (false, Link::Unknown | Link::Up) => {
                self.link = Link::Gone;
                self.feed(Event::EngineGone("refused".into()))
            }
            (true, Link::Up) | (false, Link::Gone) => Ok(()),
        }
    }

    pub(crate) fn engine_is(&mut self, up: bool) {
        self.engine_up = up;
        match up {
            true => self.heart.is_well(Part::Engine, self.now),
            false => self.heart.goes_wrong(Part::Engine, self.now),
        }
        let notices = self.rng.range(1, 2500);
        self.later(notices, Thing::Follow { run: self.run });
    }
}
