//! What anybody could know who reads along: the registry, the containers as
//! told, the results as delivered, what operators asked, what was published.

use super::network::ANCHORS;
use super::restarts::Restarts;
use super::tally::Tally;
use crate::plan::Ms;
use std::collections::{BTreeMap, BTreeSet};
use vai_core::judge::{Change, Delta};
use vai_core::model::{
    Act, ActOutcome, Check, ContainerChange, ContainerKey, ContainerStatus, ContainerView, Event,
    Instance, OnFail, OperatorRequest, Place, Report, Service, ServiceName, ServiceView,
    StateLabel, Ticket, Watchlist,
};

/// A container that outlives its signal by this does not mean to end.
const ENDING_LASTS: Ms = 30_000;
/// Stops so shortly before the engine went were its own (behaviour.md, "By
/// hand").
const ENGINE_STOPS: Ms = 60_000;

#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) watchlist: Watchlist,
    pub(crate) views: BTreeMap<ServiceName, ServiceView>,
    /// The states before the step, of services whose view changed in it.
    pub(crate) before: BTreeMap<ServiceName, ServiceView>,
    pub(crate) containers: BTreeMap<ContainerKey, ContainerView>,
    /// The run of each container that was last told of.
    instances: BTreeMap<ContainerKey, Instance>,
    /// The keys of containers by all ids that they had.
    pub(super) ids: BTreeMap<String, ContainerKey>,
    /// When that was, or when it was told to run again.
    arrived: BTreeMap<ContainerKey, Ms>,
    pub(crate) paused: BTreeSet<String>,
    pub(crate) stopped: BTreeSet<String>,
    pub(crate) maintenance: BTreeSet<ServiceName>,
    /// Containers that somebody stopped, and when that was told.
    pub(crate) by_hand: BTreeMap<ContainerKey, Ms>,
    /// When a container last got a signal to end, or ended.
    ending: BTreeMap<ContainerKey, Ms>,
    /// Unless it was told that the engine does not answer.
    pub(crate) engine_up: bool,
    pub(crate) tallies: BTreeMap<(ServiceName, String), Tally>,
    /// The instance in which a service was published as well.
    pub(crate) well_in: BTreeMap<ServiceName, Option<Instance>>,
    /// What the last registry changed.
    pub(crate) edited: BTreeSet<ServiceName>,
    next: u64,
}

/// What outlives vai of what is known.
#[derive(Debug)]
pub(crate) struct Remembered {
    paused: BTreeSet<String>,
    stopped: BTreeSet<String>,
    well_in: BTreeMap<ServiceName, Option<Instance>>,
}

impl Known {
    pub(crate) fn new(watchlist: Watchlist) -> Self {
        Self {
            watchlist,
            views: BTreeMap::new(),
            before: BTreeMap::new(),
            containers: BTreeMap::new(),
            instances: BTreeMap::new(),
            ids: BTreeMap::new(),
            arrived: BTreeMap::new(),
            paused: BTreeSet::new(),
            stopped: BTreeSet::new(),
            maintenance: BTreeSet::new(),
            by_hand: BTreeMap::new(),
            ending: BTreeMap::new(),
            engine_up: true,
            tallies: BTreeMap::new(),
            well_in: BTreeMap::new(),
            edited: BTreeSet::new(),
            next: 0,
        }
    }

    /// What of this is remembered over a restart of vai.
    pub(crate) fn remembered(&self) -> Remembered {
        Remembered {
            paused: self.paused.clone(),
            stopped: self.stopped.clone(),
            well_in: self.well_in.clone(),
        }
    }

    /// `saved` is what was remembered last, if later things were lost.
    pub(crate) fn crashed(&mut self, saved: Option<Remembered>) {
        self.tallies.clear();
        self.views.clear();
        self.containers.clear();
        self.ids.clear();
        self.by_hand.clear();
        self.maintenance.clear();
        self.engine_up = true;
        if let Some(saved) = saved {
            self.paused = saved.paused;
            self.stopped = saved.stopped;
            self.well_in = saved.well_in;
        }
    }

    pub(crate) fn hear(&mut self, now: Ms, event: &Event, restarts: &Restarts) {
        match event {
            Event::Configured(watchlist) => self.configured(watchlist),
            Event::Checked { ticket, report } => self.checked(now, ticket, report),
            Event::Container { key, change } => self.container(now, key, change, restarts),
            Event::EngineGone(_) => {
                self.engine_up = false;
                self.by_hand.retain(|_, at| now - *at >= ENGINE_STOPS);
            }
            Event::EngineBack if self.engine_up => {}
            Event::EngineBack => {
                self.engine_up = true;
                self.count_anew();
            }
            Event::Acted { id, report } => {
                let refused = matches!(report.outcome, ActOutcome::Refused { .. });
                if let Some(flight) = restarts.flight(*id)
                    && !refused
                {
                    let name = flight.service.clone();
                    self.restart_tallies(|it| *it == name);
                    if let (Some(instance), Place::Container(key)) =
                        (&report.instance, &flight.place)
                        && flight.act != Act::Stop
                    {
                        self.came_up(now, key.clone(), instance);
                        self.runs_now(key, instance);
                    }
                }
                if let Some(flight) = restarts.flight(*id)
                    && flight.act == Act::Stop
                    && matches!(report.outcome, ActOutcome::Refused { .. } | ActOutcome::Failed(_))
                {
                    let name = flight.service.clone();
                    self.stopped.remove(name.as_str());
                    self.restart_tallies(|it| *it == name);
                }
            }
            Event::Maintenance(windows) => {
                let services = windows.iter().flat_map(|window| window.services.clone());
                self.maintenance = services.collect();
            }
            Event::Operator(request) => self.asked(request),
            Event::Hint { service, died: Some(process), .. } => {
                for ((name, _), tally) in &mut self.tallies {
                    if name == service {
                        tally.hinted_at(process);
                    }
                }
            }
            _ => {}
        }
    }

    fn configured(&mut self, watchlist: &Watchlist) {
        let before = std::mem::replace(&mut self.watchlist, watchlist.clone());
        let changed: BTreeSet<ServiceName> = before
            .services
            .iter()
            .filter(|(name, service)| watchlist.services.get(*name) != Some(*service))
            .map(|(name, _)| name.clone())
            .collect();
        self.tallies.retain(|(name, check), _| {
            let find = |list: &Watchlist| {
                let service = list.services.get(name)?;
                let check = service.checks.iter().find(|it| it.name == *check)?;
                Some((service.enabled, check.clone()))
            };
            find(&before) == find(watchlist)
        });
        self.views.retain(|name, _| watchlist.services.contains_key(name));
        let services = || watchlist.services.values();
        self.containers.retain(|key, _| services().any(|service| is_in(service, key)));
        self.ids.retain(|_, key| services().any(|service| is_in(service, key)));
        self.edited = changed;
    }

    fn checked(&mut self, now: Ms, ticket: &Ticket, report: &Report) {
        let Some(check) = self.check_of(ticket) else { return };
        let key = (ticket.service.clone(), check.name.clone());
        if let Some(tally) = self.tallies.get_mut(&key) {
            tally.checked(now, ticket.number, &check, report);
        }
    }

    /// What a look is at, which may be an anchor.
    fn check_of(&self, ticket: &Ticket) -> Option<Check> {
        let checks = match self.watchlist.services.get(&ticket.service) {
            Some(service) => &service.checks,
            None if ticket.service.as_str() == ANCHORS => &self.watchlist.anchors,
            None => return None,
        };
        checks.get(ticket.check).cloned()
    }

    fn container(
        &mut self,
        now: Ms,
        key: &ContainerKey,
        change: &ContainerChange,
        restarts: &Restarts,
    ) {
        match change {
            ContainerChange::StopRequested => {
                if !restarts.stops_container(key) {
                    self.by_hand.insert(key.clone(), now);
                }
            }
            ContainerChange::Seen(view) => {
                if let ContainerView::Present(presence) = view
                    && presence.status.is_running()
                {
                    self.by_hand.remove(key);
                    let place = Place::Container(key.clone());
                    if self.containers.contains_key(key) && !self.container_runs(&place) {
                        self.arrived.insert(key.clone(), now);
                        self.restart_tallies_in(key);
                    }
                    self.came_up(now, key.clone(), &presence.instance);
                }
                if let ContainerView::Present(presence) = view {
                    self.ids.insert(presence.instance.id.clone(), key.clone());
                }
                self.containers.insert(key.clone(), view.clone());
            }
            ContainerChange::Signalled | ContainerChange::Died => {
                self.ending.insert(key.clone(), now);
            }
            ContainerChange::OutOfMemory => {}
        }
    }

    /// Another instance: nothing seen before counts.
    fn came_up(&mut self, now: Ms, key: ContainerKey, instance: &Instance) {
        if self.instances.insert(key.clone(), instance.clone()).as_ref() == Some(instance) {
            return;
        }
        self.arrived.insert(key.clone(), now);
        self.restart_tallies_in(&key);
    }

    /// What an act left running is known before the engine tells.
    fn runs_now(&mut self, key: &ContainerKey, instance: &Instance) {
        if let Some(ContainerView::Present(presence)) = self.containers.get_mut(key) {
            presence.instance = instance.clone();
            presence.status = ContainerStatus::Running;
        }
    }

    fn restart_tallies_in(&mut self, key: &ContainerKey) {
        let inside: BTreeSet<ServiceName> = self
            .watchlist
            .services
            .values()
            .filter(|service| is_in(service, key))
            .map(|service| service.name.clone())
            .collect();
        self.restart_tallies(|name| inside.contains(name));
    }

    /// The core may want fails confirmed again, as what caused them may be gone.
    fn count_anew(&mut self) {
        for ((name, _), tally) in &mut self.tallies {
            if name.as_str() != ANCHORS {
                tally.may_be_forgotten();
            }
        }
    }

    fn restart_tallies(&mut self, of: impl Fn(&ServiceName) -> bool) {
        let next = self.next;
        for ((name, _), tally) in &mut self.tallies {
            if of(name) {
                tally.restart(next + 1);
            }
        }
        self.next += 1;
    }

    fn asked(&mut self, request: &OperatorRequest) {
        let name = request.service().clone();
        let text = name.to_string();
        match request {
            OperatorRequest::Pause(_) => _ = self.paused.insert(text),
            OperatorRequest::Resume(_) => _ = self.paused.remove(&text),
            OperatorRequest::Stop(_) => {
                self.paused.remove(&text);
                self.stopped.insert(text);
            }
            OperatorRequest::Start(_) => {
                self.paused.remove(&text);
                self.stopped.remove(&text);
                self.restart_tallies(|it| *it == name);
            }
        }
    }

    pub(crate) fn handed_out(&mut self, now: Ms, ticket: &Ticket, service: &Service) {
        let Some(check) = service.checks.get(ticket.check) else { return };
        self.next += 1;
        let key = (ticket.service.clone(), check.name.clone());
        self.tallies.entry(key).or_default().handed_out(ticket.number, self.next, now);
    }

    /// The host slept: what was under way may have been given up.
    pub(crate) fn suspended(&mut self) {
        self.count_anew();
    }

    pub(crate) fn publish(&mut self, delta: &Delta) {
        self.before.clear();
        for change in &delta.changes {
            match change {
                Change::Service(view) => {
                    let old = self.views.insert(view.name.clone(), (**view).clone());
                    // What is published first after a start is what was remembered.
                    let seen = old.is_some();
                    if let Some(old) = old {
                        self.before.insert(view.name.clone(), old);
                    }
                    if seen && matches!(view.state, StateLabel::Healthy | StateLabel::Degraded) {
                        let instance = self.instance_of(&view.name);
                        self.well_in.insert(view.name.clone(), instance);
                    }
                }
                Change::Removed(name) => _ = self.views.remove(name),
                // Behind a label that hides the state it may have been healed as well.
                Change::Transition(it)
                    if matches!(it.to, StateLabel::Healthy | StateLabel::Degraded)
                        || hides(it.to) =>
                {
                    self.count_anew();
                }
                _ => {}
            }
        }
    }

    /// Whether a restart may follow a fail of this look.
    pub(crate) fn counts(&self, ticket: &Ticket) -> bool {
        let service = self.watchlist.services.get(&ticket.service);
        let check = service.and_then(|service| service.checks.get(ticket.check));
        check.is_some_and(|check| check.on_fail == OnFail::Restart)
    }

    pub(crate) fn state(&self, name: &ServiceName) -> Option<StateLabel> {
        self.views.get(name).map(|view| view.state)
    }

    pub(crate) fn instance(&self, key: &ContainerKey) -> Option<&Instance> {
        self.instances.get(key)
    }

    /// The instance that a service is in, as told.
    pub(crate) fn instance_of(&self, name: &ServiceName) -> Option<Instance> {
        match &self.watchlist.services.get(name)?.place {
            Place::Local => Some(self.watchlist.local.clone()),
            Place::Container(key) => self.instance(key).cloned(),
        }
    }

    /// Whether its container got a signal to end, or ended, so lately that what
    /// comes of it is not known yet.
    pub(crate) fn is_ending(&self, place: &Place, now: Ms) -> bool {
        match place {
            Place::Local => false,
            Place::Container(key) => {
                self.ending.get(key).is_some_and(|&at| now - at <= ENDING_LASTS)
            }
        }
    }

    /// When its place last came up, as far as was told.
    pub(crate) fn arrived(&self, place: &Place) -> Ms {
        match place {
            Place::Local => 0,
            Place::Container(key) => self.arrived.get(key).copied().unwrap_or(0),
        }
    }

    /// Whether its container was last seen running.
    pub(crate) fn container_runs(&self, place: &Place) -> bool {
        match place {
            Place::Local => true,
            Place::Container(key) => matches!(
                self.containers.get(key),
                Some(ContainerView::Present(presence)) if presence.status.is_running()
            ),
        }
    }

    /// Whether a check's own results confirm that `name` is down, the last of
    /// them as well.
    pub(crate) fn fails_now(&self, name: &ServiceName) -> bool {
        self.first(name, |check, tally| tally.confirms(check) && tally.fails_now()).is_some()
    }

    /// The first check that confirms it beyond all doubt: by fails since
    /// something was last healed that may have been their cause.
    pub(crate) fn surely_confirmed(&self, name: &ServiceName) -> Option<&Check> {
        self.first(name, |check, tally| tally.surely_confirms(check))
    }

    /// Whether nothing of it that fails answers at all.
    pub(crate) fn is_unanswered(&self, service: &Service) -> bool {
        service.checks.iter().filter(|check| check.on_fail == OnFail::Restart).all(|check| {
            let tally = self.tallies.get(&(service.name.clone(), check.name.clone()));
            tally.is_none_or(Tally::is_unanswered)
        })
    }

    /// Whether what fails still lives, as far as every failing check can say.
    pub(crate) fn seems_alive(&self, service: &Service) -> bool {
        self.container_runs(&service.place)
            && service.checks.iter().all(|check| {
                let tally = self.tallies.get(&(service.name.clone(), check.name.clone()));
                tally.is_none_or(Tally::seems_alive)
            })
    }

    pub(super) fn first(
        &self,
        name: &ServiceName,
        which: impl Fn(&Check, &Tally) -> bool,
    ) -> Option<&Check> {
        self.watchlist.services.get(name)?.checks.iter().find(|check| {
            let tally = self.tallies.get(&(name.clone(), check.name.clone()));
            check.on_fail == OnFail::Restart && tally.is_some_and(|tally| which(check, tally))
        })
    }
}

fn is_in(service: &Service, key: &ContainerKey) -> bool {
    matches!(&service.place, Place::Container(place) if place == key)
}

/// Whether what a service is like cannot be seen behind this label.
pub(crate) fn hides(label: StateLabel) -> bool {
    matches!(label, StateLabel::Paused | StateLabel::Maintenance)
}
