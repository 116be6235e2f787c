//! Acts: carried out in the world as `heal` does it, and reported.

use crate::secrets;
use crate::target::CommandEnd;
use crate::world::{Thing, World};
use std::time::Duration;
use vai_core::model::{
    Act, ActOutcome, ActReport, ActRequest, ContainerStatus, Event, Evidence, Rung,
};

impl World {
    /// Looks again, right before acting.
    pub(crate) fn act_gate(&mut self, request: Box<ActRequest>) {
        let run = self.run;
        if let Some(outcome) = self.refusal(&request) {
            self.later(1, Thing::Acted { request, outcome, run });
            return;
        }
        let takes = self.rng.range(50, 500);
        self.later(takes, Thing::Effect { request, run });
    }

    fn container_of(&self, request: &ActRequest) -> Option<String> {
        self.targets.get(request.service.name.as_str())?.plan.container.clone()
    }

    fn refusal(&self, request: &ActRequest) -> Option<ActOutcome> {
        let refused =
            |gate: &str, by_hand| Some(ActOutcome::Refused { gate: gate.to_owned(), by_hand });
        let service = self.watchlist.services.get(&request.service.name);
        if !service.is_some_and(|it| **it == *request.service && it.enabled) {
            return refused("the registry changed", false);
        }
        if let Some(name) = self.container_of(request) {
            let Some(container) = self.containers.get(&name).filter(|it| !it.removed) else {
                return refused("there is no such container", false);
            };
            if !self.engine_up {
                return refused("the engine does not answer", false);
            }
            if container.plan.is_self {
                return refused("the container is vai's own", false);
            }
            if request.instance.as_ref().is_some_and(|it| *it != container.instance()) {
                return refused("the container was restarted by somebody else", false);
            }
            match container.status {
                ContainerStatus::Paused => return refused("the container is paused", false),
                ContainerStatus::Restarting | ContainerStatus::Removing => {
                    return refused("the container is changing", false);
                }
                ContainerStatus::Running
                | ContainerStatus::Created
                | ContainerStatus::Exited { .. } => {}
            }
        }
        let target = self.targets.get(request.service.name.as_str())?;
        let old = target.process(self.now).is_some_and(|it| request.processes.contains(&it));
        if request.follows_at_once && !old {
            return refused("nothing of what hung is left", false);
        }
        if request.act != Act::Stop && target.marked_until > self.now {
            return refused("it was stopped by hand", true);
        }
        None
    }

    /// The first thing that an act changes. vai may be gone meanwhile: what it
    /// asked for is done all the same, or was not asked for any more.
    pub(crate) fn act_effect(&mut self, request: Box<ActRequest>, run: u32) {
        if run != self.run && self.rng.chance(50) {
            return;
        }
        let container = self.container_of(&request);
        let down = container
            .as_ref()
            .filter(|name| self.containers.get(*name).is_some_and(|it| !it.runs()))
            .cloned();
        if let Some(name) = &down {
            let gone = self.containers.get(name).is_none_or(|it| it.removed);
            if gone || !self.engine_up {
                return self.ends(request, ActOutcome::Failed("no such container".into()), run);
            }
            if request.act == Act::Stop {
                return self.ends(request, ActOutcome::Done { still_there: None }, run);
            }
            if !self.container_starts(name) {
                return self.ends(request, no_network(), run);
            }
        }
        match request.act {
            Act::Restart(Rung::Container) => match (container, down) {
                (Some(name), None) => {
                    let takes = self.stop_container(&name);
                    self.later(takes, Thing::Second { request, run });
                }
                (Some(_), Some(_)) => {
                    self.ends(request, ActOutcome::Done { still_there: None }, run);
                }
                (None, _) => self.ends(request, ActOutcome::Failed("local".into()), run),
            },
            Act::Stop => {
                let name = request.service.name.to_string();
                if let Some(target) = self.targets.get_mut(&name) {
                    target.end(self.now);
                }
                self.ends(request, ActOutcome::Done { still_there: None }, run);
            }
            // Who came up with the container starts it.
            Act::Start | Act::Restart(Rung::Command)
                if down.is_some() && request.service.supervised.is_some() =>
            {
                self.ends(request, ActOutcome::Done { still_there: None }, run);
            }
            Act::Start | Act::Restart(Rung::Command | Rung::KillAndCommand) => {
                self.run_command(request, run);
            }
        }
    }

    /// The rest of a container's restart.
    pub(crate) fn act_second(&mut self, request: Box<ActRequest>, run: u32) {
        let up = self.container_of(&request).is_none_or(|name| self.container_starts(&name));
        let outcome = if up { ActOutcome::Done { still_there: None } } else { no_network() };
        self.ends(request, outcome, run);
    }

    fn run_command(&mut self, request: Box<ActRequest>, run: u32) {
        let name = request.service.name.to_string();
        let kill = request.act == Act::Restart(Rung::KillAndCommand);
        let now = self.now;
        if request.service.restart_cmd.is_none() {
            // An operator's start of a container's own service.
            if let Some(target) = self.targets.get_mut(&name)
                && target.process(now).is_none()
            {
                target.launch(now);
            }
            return self.ends(request, ActOutcome::Done { still_there: None }, run);
        }
        let Some(target) = self.targets.get_mut(&name) else { return };
        match target.command(now, kill) {
            CommandEnd::Done { still_there } => {
                let still_there = still_there.then(|| "it (pid 1) is still there".to_owned());
                self.ends(request, ActOutcome::Done { still_there }, run);
            }
            CommandEnd::Failed => {
                self.ends(request, ActOutcome::Failed("restart_cmd exited 1".into()), run);
            }
            CommandEnd::Overdue(after) => {
                let outcome = ActOutcome::CommandOverdue(after);
                let takes = after.as_millis() as u64;
                self.later(takes, Thing::Acted { request, outcome, run });
            }
        }
    }

    fn ends(&mut self, request: Box<ActRequest>, outcome: ActOutcome, run: u32) {
        let takes = self.rng.range(5, 2000);
        self.later(takes, Thing::Acted { request, outcome, run });
    }

    pub(crate) fn act_ended(&mut self, request: &ActRequest, outcome: ActOutcome) -> crate::Step {
        let refused = matches!(outcome, ActOutcome::Refused { .. });
        let survived = matches!(outcome, ActOutcome::Done { still_there: Some(_) })
            && request.act == Act::Restart(Rung::Command);
        let target = self.targets.get(request.service.name.as_str()).filter(|_| survived);
        let survivor_age = target.map(|it| Duration::from_millis(it.age(self.now)));
        let instance = match self.container_of(request) {
            None => request.instance.clone(),
            Some(name) => self.containers.get(&name).filter(|it| it.runs()).map(|it| it.instance()),
        };
        let report = ActReport {
            outcome: secrets::acted(outcome),
            instance: instance.filter(|_| !refused),
            steps: Vec::new(),
            survivor_age,
            evidence: if refused { Evidence::default() } else { secrets::seen() },
            took: Duration::from_secs(1),
        };
        self.feed(Event::Acted { id: request.id, report })
    }
}

fn no_network() -> ActOutcome {
    ActOutcome::Failed("cannot join the network of a container that does not run".into())
}
