//! The container engine: what its containers do, and what its events say.

use crate::plan::{ContainerPlan, Ms};
use crate::world::{Thing, World};
use std::time::Duration;
use vai_core::model::{
    ContainerChange, ContainerKey, ContainerStatus, ContainerView, Event, Instance, Presence,
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

    pub(crate) fn runs(&self) -> bool {
        !self.removed && self.status.is_running()
    }

    fn view(&self, now: Ms) -> ContainerView {
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
            network_of: None,
            network_gone: false,
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
        container.status = ContainerStatus::Exited { code, oom };
        for target in self.targets.values_mut() {
            if target.plan.container.as_deref() == Some(name) {
                target.end(now);
            }
        }
    }

    pub(crate) fn container_starts(&mut self, name: &str) {
        let now = self.now;
        let Some(container) = self.containers.get_mut(name) else { return };
        if container.removed {
            container.number += 1;
            container.removed = false;
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
        let view = container.view(self.now);
        for key in container.keys() {
            let change = ContainerChange::Seen(view.clone());
            self.feed(Event::Container { key, change })?;
        }
        Ok(())
    }

    pub(crate) fn list(&mut self) -> crate::Step {
        let names: Vec<String> = self.containers.keys().cloned().collect();
        for name in names {
            self.seen(&name)?;
        }
        Ok(())
    }

    /// vai finds out that the engine went or came.
    pub(crate) fn follow(&mut self) -> crate::Step {
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
        let notices = self.rng.range(1, 2500);
        self.later(notices, Thing::Follow { run: self.run });
    }
}
