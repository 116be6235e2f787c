//! What befalls the world, and how all of it is mended in the end.

use crate::heart::Part;
use crate::plan::{CrashPoint, Edit, Ms, Request, SECOND, What};
use crate::target::Life;
use crate::world::{Thing, World};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use vai_core::model::{
    AlertRequest, ContainerChange, ContainerStatus, Event, Instance, MaintenanceWindow,
    OperatorRequest, Service, ServiceName, SilenceScope, StateLabel, Wall,
};

impl World {
    pub(crate) fn befalls(&mut self, what: What) -> crate::Step {
        let now = self.now;
        match what {
            What::Dies { service } => self.process_dies(&service),
            What::Hangs { service } => self.target(&service, |it| {
                if it.answers(now) {
                    it.life = Life::Hung;
                }
            }),
            What::Revives { service } => self.revives(&service),
            What::BreaksFor { service, lasts } => {
                self.process_dies(&service);
                self.target(&service, |it| it.broken_until = now + lasts);
            }
            What::DiesEvery { service, every, lasts } => {
                let lasts = lasts.min(self.plan.busy.saturating_sub(now));
                for turn in 0..=lasts / every.max(1) {
                    self.later(turn * every, Thing::Dies { service: service.clone() });
                }
            }
            What::StartsIn { service, takes } => self.target(&service, |it| it.start = takes),
            What::CommandIs { service, command, lasts } => self.target(&service, |it| {
                it.command = command;
                it.command_until = now + lasts;
            }),
            What::MarkedFor { service, lasts } => {
                self.target(&service, |it| it.marked_until = now + lasts);
            }
            What::LowOnDisk { service, lasts } => {
                self.target(&service, |it| it.low_disk_until = now + lasts);
            }
            What::SlowFor { service, lasts } => {
                self.target(&service, |it| it.slow_until = now + lasts);
            }
            What::EndpointDown { service, lasts } => {
                self.target(&service, |it| it.endpoint_down_until = now + lasts);
            }
            What::AgentLost { container, lasts } => {
                if let Some(it) = self.containers.get_mut(&container) {
                    it.agent_lost_until = now + lasts;
                }
            }
            What::Crashes { container, oom } => self.container_crashes(&container, oom, 0),
            What::CrashLoops { container, times } => {
                self.container_crashes(&container, false, times);
            }
            What::RestartedByHand { container } => {
                if self.is_up(&container) {
                    let takes = self.stop_container(&container);
                    self.later(takes + 200, Thing::Starts { container });
                }
            }
            What::StoppedByHand { container, back } => self.stopped_by_hand(container, back),
            What::PausedByHand { container, lasts } => {
                if self.is_up(&container)
                    && let Some(it) = self.containers.get_mut(&container)
                {
                    it.status = ContainerStatus::Paused;
                    self.say(&container, None, 5);
                    self.later(lasts, Thing::Unpause { container });
                }
            }
            What::Recreated { container, gone } => {
                self.sharers_follow(&container, gone);
                self.recreated(container, gone);
            }
            What::EngineGone { lasts } => {
                self.engine_is(false);
                self.later(lasts, Thing::EngineIs { up: true, restart: Vec::new() });
            }
            What::EngineRestarts { lasts, live_restore } => {
                self.engine_restarts(lasts, live_restore);
            }
            What::NetworkLost { lasts } => self.network_lost_until = now + lasts,
            What::OutsideLost { lasts } => self.outside.is_lost(now, lasts),
            What::AnchorDown { anchor, lasts } => self.outside.anchor_is_down(anchor, now + lasts),
            What::Reboot { off } => self.reboots(off),
            What::KilledAt { point, down } => {
                self.armed = Some((point, down));
                if point == CrashPoint::Idle && self.lives() {
                    self.dies();
                }
            }
            What::Stopped { down } => {
                self.feed(Event::Stopping)?;
                self.later(2 * SECOND + down, Thing::Boot);
                if self.lives() {
                    self.gone();
                }
            }
            What::DiskFails { lasts } => {
                self.disk.fails = true;
                self.heart.goes_wrong(Part::Store, now);
                self.later(lasts, Thing::DiskBack);
                self.feed(Event::StoreFailed("the disk is full".into()))?;
            }
            What::WallJumps { by } => {
                self.wall_offset += by;
                self.clock_was_set();
            }
            What::Suspended { lasts } => {
                let lasts = lasts.min(self.plan.busy - now);
                self.frozen_until = now + lasts;
                self.heart.suspended(lasts);
                self.oracle.suspended(now + lasts);
                self.clock_was_set();
            }
            What::SinkDown { lasts } => {
                self.post.nobody_until(now + lasts);
            }
            What::SinkFails { inbox, how, lasts } => self.post.fails(inbox, how, now + lasts),
            What::SinksEdited { edit, lasts } => {
                self.later(lasts, Thing::SinksAsBefore { edit });
                return self.sinks_edited(edit, true);
            }
            What::Acknowledged { service } => {
                return self.asks_about_alerts(AlertRequest::Acknowledge(service));
            }
            What::Silenced { scope, lasts } => {
                let lasts = Duration::from_millis(lasts);
                let reason = String::new();
                return self.asks_about_alerts(AlertRequest::Silence { scope, lasts, reason });
            }
            What::Unsilenced { scope } => {
                return self.asks_about_alerts(AlertRequest::Unsilence(scope));
            }
            What::Stuck { part } => self.gets_stuck(part),
            What::Digest => return self.feed(Event::Digest),
            What::Reloaded { edit } => return self.reloads(edit),
            What::Asked { service, request } => return self.asks(&service, request),
            What::Maintenance { service, lasts } => {
                self.maintenance.insert(service.clone(), now + lasts);
                self.later(lasts, Thing::MaintenanceOver { service });
                return self.maintenance_again();
            }
            What::RunsFail { .. }
            | What::RunsLast { .. }
            | What::JobMarked { .. }
            | What::JobEdited { .. }
            | What::JobAsked { .. }
            | What::JobMaintenance { .. }
            | What::InCrontab { .. } => return self.job_befalls(what),
        }
        Ok(())
    }

    fn target(&mut self, name: &str, change: impl FnOnce(&mut crate::target::Target)) {
        if let Some(target) = self.targets.get_mut(name) {
            change(target);
        }
    }

    fn is_up(&self, container: &str) -> bool {
        self.engine_up && self.containers.get(container).is_some_and(|it| it.runs())
    }

    /// It comes back without vai's doing.
    fn revives(&mut self, service: &str) {
        let now = self.now;
        let Some(target) = self.targets.get_mut(service) else { return };
        let runs = match &target.plan.container {
            None => true,
            Some(name) => self.containers.get(name).is_some_and(|it| it.runs()),
        };
        if runs && !target.answers(now) {
            target.launch(now);
        }
    }

    pub(crate) fn container_crashes(&mut self, name: &str, oom: bool, again: u64) {
        if !self.is_up(name) || self.mended {
            return;
        }
        if oom {
            self.say(name, Some(ContainerChange::OutOfMemory), 1);
        }
        self.container_ends(name, 137, oom);
        let tells = self.rng.range(35, 53);
        self.say(name, Some(ContainerChange::Died), tells);
        let Some(container) = self.containers.get_mut(name) else { return };
        if container.plan.policy {
            container.status = ContainerStatus::Restarting;
            self.later(tells + 100, Thing::Starts { container: name.into() });
            if again > 0 {
                let container = name.to_owned();
                self.later(2 * SECOND, Thing::Crash { container, oom, again: again - 1 });
            }
        }
    }

    fn stopped_by_hand(&mut self, container: String, back: Ms) {
        if !self.is_up(&container) {
            return;
        }
        if let Some(it) = self.containers.get_mut(&container) {
            it.by_hand = true;
        }
        let takes = self.stop_container(&container);
        self.later(takes + back, Thing::Starts { container });
    }

    pub(crate) fn unpause(&mut self, name: &str) {
        let Some(container) = self.containers.get_mut(name) else { return };
        if container.status == ContainerStatus::Paused && !container.removed {
            container.status = ContainerStatus::Running;
            self.say(name, None, 5);
        }
    }

    /// Who recreates a container may recreate those that share its network.
    fn sharers_follow(&mut self, owner: &str, gone: Ms) {
        let sharers =
            self.containers.values().filter(|it| it.plan.network_of.as_deref() == Some(owner));
        let sharers: Vec<String> = sharers.map(|it| it.plan.name.clone()).collect();
        for container in sharers {
            if self.rng.chance(50) {
                self.later(gone + SECOND, Thing::Recreate { container });
            }
        }
    }

    pub(crate) fn recreated(&mut self, name: String, gone: Ms) {
        if !self.is_up(&name) {
            return;
        }
        self.container_ends(&name, 143, false);
        self.say(&name, Some(ContainerChange::Signalled), 1);
        self.say(&name, Some(ContainerChange::Died), 40);
        self.say(&name, Some(ContainerChange::StopRequested), 60);
        if let Some(it) = self.containers.get_mut(&name) {
            it.removed = true;
        }
        self.say(&name, None, 200);
        self.later(gone + 300, Thing::Starts { container: name });
    }

    fn engine_restarts(&mut self, lasts: Ms, live_restore: bool) {
        let mut restart = Vec::new();
        if !live_restore {
            let names: Vec<String> = self.containers.keys().cloned().collect();
            for name in names {
                if self.is_up(&name) {
                    self.container_ends(&name, 143, false);
                    self.say(&name, Some(ContainerChange::Signalled), 1);
                    self.say(&name, Some(ContainerChange::Died), 40);
                    self.say(&name, Some(ContainerChange::StopRequested), 60);
                    if self.containers.get(&name).is_some_and(|it| it.plan.policy) {
                        restart.push(name);
                    }
                }
            }
        }
        self.later(100, Thing::EngineIs { up: false, restart: Vec::new() });
        self.later(100 + lasts, Thing::EngineIs { up: true, restart });
    }

    /// The host goes down and comes up; what time it was off is in no clock but
    /// the wall's.
    fn reboots(&mut self, off: Ms) {
        self.armed = None;
        if self.lives() {
            self.gone();
        }
        self.wall_offset += off as i64;
        self.boots += 1;
        self.runner.place_ends(&self.watchlist.local);
        self.watchlist.local =
            Instance { id: format!("boot-{}", self.boots), started_at: "1".into() };
        let names: Vec<String> = self.containers.keys().cloned().collect();
        for name in names {
            if self.containers.get(&name).is_some_and(|it| it.removed) {
                continue;
            }
            self.container_ends(&name, 255, false);
            let policy = self.containers.get(&name).is_some_and(|it| it.plan.policy && !it.by_hand);
            if policy {
                self.later(3 * SECOND, Thing::Starts { container: name });
            }
        }
        for target in self.targets.values_mut().filter(|it| it.plan.container.is_none()) {
            target.arrive(self.now);
        }
        self.engine_up = true;
        self.heart.is_well(Part::Engine, self.now);
        self.later(10 * SECOND, Thing::Boot);
    }

    fn reloads(&mut self, edit: Edit) -> crate::Step {
        let mut edited = self.watchlist.clone();
        let change =
            |edited: &mut vai_core::model::Watchlist, name: &str, change: &dyn Fn(&mut Service)| {
                if let Some(service) = edited.services.get_mut(&ServiceName::from(name)) {
                    change(Arc::make_mut(service));
                }
            };
        match edit {
            Edit::Nothing => {}
            Edit::MaxRestarts { service, to } => {
                change(&mut edited, &service, &|it| it.recovery.max_restarts = to);
            }
            Edit::Threshold { service, to } => change(&mut edited, &service, &|it| {
                for check in &mut it.checks {
                    check.failure_threshold = to;
                }
            }),
            Edit::Disable { service, lasts } => {
                change(&mut edited, &service, &|it| it.enabled = false);
                self.later(lasts, Thing::Returns { service });
            }
            Edit::Remove { service, lasts } => {
                edited.services.remove(&ServiceName::from(service.as_str()));
                for other in edited.services.values_mut() {
                    if other.dependencies.iter().any(|it| it.as_str() == service) {
                        let other = Arc::make_mut(other);
                        other.dependencies.retain(|it| it.as_str() != service);
                    }
                }
                self.later(lasts, Thing::Returns { service });
            }
        }
        self.watchlist = edited;
        // What time alone brings comes first, so that the rest is the edit's.
        self.feed(Event::Wake)?;
        self.configured()
    }

    /// An entry of the registry is what it was at first.
    pub(crate) fn returns(&mut self, service: &str) -> crate::Step {
        let original = self.plan.watchlist().services;
        let removed: BTreeSet<ServiceName> = original
            .keys()
            .filter(|it| !self.watchlist.services.contains_key(*it) && it.as_str() != service)
            .cloned()
            .collect();
        for (name, plan) in &original {
            let mut plan = Arc::clone(plan);
            let concerned = name.as_str() == service
                || plan.dependencies.iter().any(|it| it.as_str() == service);
            if concerned && !removed.contains(name) {
                if plan.dependencies.iter().any(|it| removed.contains(it)) {
                    Arc::make_mut(&mut plan).dependencies.retain(|it| !removed.contains(it));
                }
                self.watchlist.services.insert(name.clone(), plan);
            }
        }
        self.configured()
    }

    fn asks(&mut self, service: &str, request: Request) -> crate::Step {
        let name = ServiceName::from(service);
        let request = match request {
            Request::Pause => OperatorRequest::Pause(name),
            Request::Resume => OperatorRequest::Resume(name),
            Request::Stop => OperatorRequest::Stop(name),
            Request::Start => OperatorRequest::Start(name),
        };
        if self.core.as_ref().is_some_and(|core| core.answer(&request).is_ok()) {
            return self.feed(Event::Operator(request));
        }
        Ok(())
    }

    fn asks_about_alerts(&mut self, request: AlertRequest) -> crate::Step {
        let now = self.clock();
        let answer = self.core.as_ref().map(|core| core.answer_about_alerts(now, &request));
        if answer.is_some_and(|answer| answer.is_ok()) {
            return self.feed(Event::Alerts(request));
        }
        Ok(())
    }

    pub(crate) fn maintenance_over(&mut self, service: &str) -> crate::Step {
        if self.maintenance.get(service).is_some_and(|&until| until <= self.now) {
            self.maintenance.remove(service);
            return self.maintenance_again();
        }
        Ok(())
    }

    pub(crate) fn maintenance_again(&mut self) -> crate::Step {
        let window = |services, jobs, until: Ms| MaintenanceWindow {
            services,
            jobs,
            reason: "planned".into(),
            until: Wall::from_millis(until as i64),
        };
        let of_services = self.maintenance.iter();
        let of_services =
            of_services.map(|(name, &until)| window(vec![name.as_str().into()], Vec::new(), until));
        let of_jobs = self.people.maintenance.iter();
        let of_jobs =
            of_jobs.map(|(name, &until)| window(Vec::new(), vec![name.as_str().into()], until));
        self.feed(Event::Maintenance(of_services.chain(of_jobs).collect()))
    }

    /// Faults stop, and whatever vai cannot heal is mended.
    pub(crate) fn quiet(&mut self) -> crate::Step {
        self.mended = true;
        self.armed = None;
        self.network_lost_until = self.now;
        self.outside = crate::look::Outside::default();
        self.maintenance.clear();
        self.people.maintenance.clear();
        self.maintenance_again()?;
        self.runs_mended();
        self.later(0, Thing::DiskBack);
        self.sinks_mended()?;
        self.asks_about_alerts(AlertRequest::Unsilence(SilenceScope::Everything))?;
        self.later(SECOND, Thing::Boot);
        if !self.engine_up {
            self.engine_is(true);
        }
        let names: Vec<String> = self.containers.keys().cloned().collect();
        for name in names {
            self.unpause(&name);
            let Some(container) = self.containers.get_mut(&name) else { continue };
            container.agent_lost_until = self.now;
            if !container.runs() {
                self.brought_up(&name);
            }
        }
        self.watchlist.services = self.plan.watchlist().services;
        for service in self.watchlist.services.values_mut().filter(|it| it.held.is_some()) {
            Arc::make_mut(service).held = None;
        }
        self.watchlist.jobs = self.plan.watchlist().jobs;
        self.configured()?;
        self.crontabs_are_empty()?;
        self.later(5 * SECOND, Thing::Mended);
        Ok(())
    }

    /// What people held or broke is theirs to mend; asked for until it is.
    pub(crate) fn release(&mut self) -> crate::Step {
        let names: Vec<String> = self.targets.keys().cloned().collect();
        for name in &names {
            let container = self.targets.get(name).and_then(|it| it.plan.container.clone());
            if let Some(container) = &container
                && self.containers.get(container).is_some_and(|it| !it.runs())
            {
                self.brought_up(container);
            }
            let can = self.vai_can_heal(name);
            if let Some(container) = container
                && !can
                && self.containers.get(&container).is_some_and(|it| !self.has_joined(it))
            {
                self.recreated(container, 0);
            }
            let now = self.now;
            self.target(name, |it| it.mend(now, can));
            match self.oracle.shown(name) {
                Some(StateLabel::Paused) => self.asks(name, Request::Resume)?,
                Some(StateLabel::StoppedByHand) => self.asks(name, Request::Start)?,
                _ => {}
            }
        }
        self.release_jobs()?;
        if self.now + 30 * SECOND < self.plan.busy + self.plan.quiet / 2 {
            self.later(30 * SECOND, Thing::Mended);
        }
        Ok(())
    }
}
