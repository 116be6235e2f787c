//! R1–R9: what is done to services, and how often.

use super::Violation;
use super::known::{Known, hides};
use crate::plan::Ms;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use vai_core::judge::{Change, Delta, Record, RecordKey};
use vai_core::model::{
    Act, ActId, ActOutcome, ActRequest, ContainerKey, ContainerStatus, ContainerView, Event,
    Instance, OperatorRequest, Place, Recovery, Rung, Service, ServiceName, StateLabel,
};

/// Nothing is given up sooner after the first failed attempt.
const GIVES_UP_AFTER: Ms = 180_000;
/// Until then what was started may be coming up.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// So long well forgets the delays (behaviour.md, "Limits").
const RESET_AFTER: Ms = 600_000;
/// The slow retry doubles up to this.
const SLOWEST_RETRY: Ms = 1_800_000;
/// Stop events that arrive so much after an act of vai are still its own.
const OURS_SETTLES: Ms = 6_000;
/// The engine goes on so long with what was asked of it by who is no more.
const ENGINE_GOES_ON: Ms = 40_000;

#[derive(Clone, Debug, Default)]
pub(crate) struct Restarts {
    in_flight: BTreeMap<ActId, Flight>,
    intents: BTreeSet<ActId>,
    ever: BTreeSet<ActId>,
    efforts: BTreeMap<ServiceName, Effort>,
    /// Restarts of what seemed to live, on the whole host.
    of_living: VecDeque<(ActId, Ms)>,
    starts: BTreeMap<(ServiceName, Option<Instance>), ActId>,
    asked: BTreeSet<ServiceName>,
    /// Starts that were asked for and refused at first: still somebody's wish,
    /// which spends no start, and waits for every gate from then on.
    refused: BTreeSet<ServiceName>,
    stopped_lately: BTreeMap<ContainerKey, Ms>,
    /// Since when services fail that are not known to be well, at the latest.
    failing: BTreeMap<ServiceName, Ms>,
    now: Ms,
}

#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) service: ServiceName,
    pub(crate) place: Place,
    pub(crate) act: Act,
    container: Option<String>,
    /// By an operator.
    asked: bool,
    at: Ms,
    start_timeout: Duration,
}

/// What was spent on a service.
#[derive(Clone, Debug, Default)]
struct Effort {
    restarts: VecDeque<(ActId, Ms)>,
    /// Failed verdicts since the reset.
    level: u32,
    failed_in_row: u32,
    /// The first of these verdicts.
    failed_first: Option<Ms>,
    /// The last act was a command beside a process that was old by then.
    left_old: bool,
    /// It is healed again before any verdict.
    goes_on: bool,
    last_verdict: Option<Ms>,
    slow: Option<Ms>,
    well_since: Option<Ms>,
    /// A dependency came back since the last verdict.
    dependency_back: bool,
}

impl Restarts {
    pub(crate) fn flight(&self, id: ActId) -> Option<&Flight> {
        self.in_flight.get(&id)
    }

    pub(crate) fn acts_on(&self, service: &ServiceName) -> bool {
        self.in_flight.values().any(|flight| flight.service == *service)
    }

    pub(crate) fn is_asked(&self, id: ActId) -> bool {
        self.in_flight.get(&id).is_some_and(|flight| flight.asked)
    }

    /// Whether an act is under way that may stop the container of this id.
    pub(crate) fn stops(&self, id: &str) -> bool {
        self.in_flight
            .values()
            .any(|it| it.act.may_stop_container() && it.container.as_deref() == Some(id))
    }

    /// Whether an act of vai's own stops this container, or just did.
    pub(crate) fn stops_container(&self, key: &ContainerKey) -> bool {
        let place = Place::Container(key.clone());
        self.in_flight.values().any(|it| it.place == place && it.act.may_stop_container())
            || self
                .stopped_lately
                .get(key)
                .is_some_and(|&at| self.now.saturating_sub(at) <= OURS_SETTLES)
    }

    /// `saved` is how all this stood when it was last remembered, if later
    /// things were lost.
    pub(crate) fn crashed(&mut self, saved: Option<Self>) {
        for flight in std::mem::take(&mut self.in_flight).into_values() {
            if let Place::Container(key) = flight.place
                && flight.act.may_stop_container()
            {
                self.stopped_lately.insert(key, flight.at + ENGINE_GOES_ON);
            }
        }
        if let Some(saved) = saved {
            self.asked = saved.asked;
            self.refused = saved.refused;
            self.intents = saved.intents;
            self.starts = saved.starts;
            self.efforts = saved.efforts;
            self.of_living = saved.of_living;
        }
    }

    pub(crate) fn hear(&mut self, event: &Event) {
        match event {
            Event::Acted { id, report } => {
                let Some(flight) = self.in_flight.remove(id) else { return };
                if let Place::Container(key) = &flight.place {
                    self.stopped_lately.insert(key.clone(), self.now);
                }
                let effort = self.efforts.entry(flight.service.clone()).or_default();
                effort.left_old = flight.act == Act::Restart(Rung::Command)
                    && report.survivor_age.is_some_and(|age| age > flight.start_timeout);
                if matches!(report.outcome, ActOutcome::Refused { .. }) {
                    if flight.act == Act::Start && flight.asked {
                        self.refused.insert(flight.service.clone());
                    }
                    self.efforts
                        .entry(flight.service)
                        .or_default()
                        .restarts
                        .retain(|it| it.0 != *id);
                    self.starts.retain(|_, start| start != id);
                    self.of_living.retain(|it| it.0 != *id);
                } else if flight.act == Act::Start
                    && let Some(instance) = &report.instance
                {
                    // It may have started the container.
                    self.starts.insert((flight.service, Some(instance.clone())), *id);
                }
            }
            Event::Operator(OperatorRequest::Start(name)) => {
                self.asked.insert(name.clone());
                let effort = self.efforts.entry(name.clone()).or_default();
                effort.failed_in_row = 0;
                effort.failed_first = None;
                effort.slow = None;
                effort.last_verdict = None;
            }
            _ => {}
        }
    }

    pub(crate) fn follow(&mut self, now: Ms, delta: &Delta, known: &Known) {
        self.now = now;
        for change in &delta.changes {
            match change {
                Change::Keep(record) => {
                    if let Record::Act(id, _) = &**record {
                        self.intents.insert(*id);
                    }
                }
                Change::Forget(RecordKey::Act(id)) => _ = self.intents.remove(id),
                Change::Transition(it) => {
                    let Some(service) = known.watchlist.services.get(&it.service) else { continue };
                    let effort = self.efforts.entry(it.service.clone()).or_default();
                    effort.moved(now, it.from, it.to, &service.recovery);
                    if is_well(it.to) || hides(it.to) {
                        self.failing.remove(&it.service);
                    }
                    // Behind these labels it may have come back as well.
                    if hides(it.to) || (is_well(it.to) && !is_well(it.from)) {
                        self.came_back(&it.service, known);
                    }
                }
                _ => {}
            }
        }
    }

    fn came_back(&mut self, dependency: &ServiceName, known: &Known) {
        for service in known.watchlist.services.values() {
            if service.dependencies.contains(dependency) {
                self.efforts.entry(service.name.clone()).or_default().dependency_back = true;
            }
        }
    }

    pub(crate) fn dispatched(
        &mut self,
        now: Ms,
        request: &ActRequest,
        stored: bool,
        known: &Known,
    ) -> crate::Step {
        let service = &request.service;
        let violated = |invariant, words: String| {
            let words = format!("{:?} of {}: {words}", request.act, service.name);
            Err(Violation { invariant, at: now, words })
        };
        if !stored {
            // Refused before it left.
            self.in_flight.insert(request.id, flight(now, request, false, known));
            return Ok(());
        }
        if !self.ever.insert(request.id) {
            return violated("R5", format!("{:?} was dispatched before", request.id));
        }
        if !self.intents.contains(&request.id) {
            return violated("R5", "its intent was not stored".into());
        }
        if let Err(words) = self.is_alone(service, known) {
            return violated("R5", words);
        }
        if let Place::Container(key) = &service.place
            && let Some(ContainerView::Present(presence)) = known.containers.get(key)
            && presence.is_self
            && request.act != Act::Stop
        {
            return violated("R7", "it runs in vai's own container".into());
        }
        let asked = self.asked.remove(&service.name);
        if request.act != Act::Stop && !asked {
            if let Err(words) = are_well(&service.dependencies, known) {
                return violated("R3", words);
            }
            if let Err(words) = may_be_touched(service, known) {
                return violated("R4", words);
            }
            if let Err(words) = self.is_left_by_its_supervisor(now, service, known) {
                return violated("R4", words);
            }
        }
        match &request.act {
            Act::Restart(_) if self.goes_on(&service.name) => {
                // It was counted, and waited, with what it follows.
                if let Err(words) = self.may_follow(request, known) {
                    return violated("R2", words);
                }
            }
            Act::Restart(_) => {
                if let Err(words) = is_seen_failing(service, known) {
                    return violated("R6", words);
                }
                self.restarted(now, request)?;
                let (max, window) =
                    (known.watchlist.host_max_restarts, known.watchlist.host_window);
                if known.seems_alive(service) {
                    self.of_living.push_back((request.id, now));
                }
                let window = millis(window);
                let within = self.of_living.iter().filter(|&&(_, at)| now - at < window).count();
                if within > max as usize {
                    let words =
                        format!("{within} restarts on the host in {window} ms, at most {max}");
                    return violated("R1", words);
                }
            }
            Act::Start if !asked && !self.refused.remove(&service.name) => {
                let instance = request.instance.clone();
                let instance = instance.or_else(|| known.instance_of(&service.name));
                let key = (service.name.clone(), instance);
                if self.starts.insert(key, request.id).is_some() {
                    return violated("R9", "it was started in this instance before".into());
                }
            }
            Act::Start | Act::Stop => {}
        }
        self.in_flight.insert(request.id, flight(now, request, asked, known));
        Ok(())
    }

    /// A look failed: whatever supervises the service has its time from now on.
    pub(crate) fn seen_failing(&mut self, now: Ms, service: &ServiceName) {
        self.failing.entry(service.clone()).or_insert(now);
    }

    /// Whether its supervisor, where it has one that lives, had its time.
    fn is_left_by_its_supervisor(
        &self,
        now: Ms,
        service: &Service,
        known: &Known,
    ) -> Result<(), String> {
        let Some(supervised) = &service.supervised else { return Ok(()) };
        let gone = !known.container_runs(&service.place) || known.is_ending(&service.place, now);
        let (Some(&since), false) = (self.failing.get(&service.name), gone) else { return Ok(()) };
        let (waited, patience) = (now - since, millis(supervised.patience));
        if waited >= patience {
            return Ok(());
        }
        Err(format!("it fails for {waited} ms, its supervisor has {patience} ms"))
    }

    /// Whether it was restarted and is again, without a verdict in between.
    fn goes_on(&mut self, service: &ServiceName) -> bool {
        let effort = self.efforts.entry(service.clone()).or_default();
        std::mem::take(&mut effort.goes_on)
    }

    /// What follows at once ends an old process that no act asked to end, and
    /// that does not answer at all.
    fn may_follow(&mut self, request: &ActRequest, known: &Known) -> Result<(), String> {
        let effort = self.efforts.entry(request.service.name.clone()).or_default();
        if !std::mem::take(&mut effort.left_old) {
            return Err("it follows at once, and the command left no old process".into());
        }
        if request.act != Act::Restart(Rung::KillAndCommand) || !request.follows_at_once {
            return Err("only what ends the old process follows at once".into());
        }
        if !known.is_unanswered(&request.service) {
            return Err("it follows at once, and the service answers".into());
        }
        Ok(())
    }

    fn is_alone(&self, service: &Service, known: &Known) -> Result<(), String> {
        let container = container_id(&service.place, known);
        for (id, flight) in &self.in_flight {
            let same = container.is_some() && flight.container == container;
            if flight.place == service.place || same {
                return Err(format!("{id:?} of {} is under way there", flight.service));
            }
        }
        Ok(())
    }

    fn restarted(&mut self, now: Ms, request: &ActRequest) -> crate::Step {
        let service = &request.service;
        let violated = |invariant, words: String| {
            let words = format!("{:?} of {}: {words}", request.act, service.name);
            Err(Violation { invariant, at: now, words })
        };
        let recovery = &service.recovery;
        let effort = self.efforts.entry(service.name.clone()).or_default();
        if let Some(last) = effort.last_verdict {
            let waited = now - last;
            match effort.slow {
                Some(slow) if waited < slow && !effort.dependency_back => {
                    let words = format!("{waited} ms after it was given up, for {slow} ms");
                    return violated("R8", words);
                }
                None if waited < effort.least_delay(recovery) => {
                    let least = effort.least_delay(recovery);
                    return violated("R2", format!("{waited} ms after a failed one, not {least}"));
                }
                Some(_) | None => {}
            }
        }
        effort.restarts.push_back((request.id, now));
        let window = millis(recovery.window);
        let within = effort.restarts.iter().filter(|&&(_, at)| now - at < window).count();
        if within > recovery.max_restarts as usize {
            let max = recovery.max_restarts;
            return violated("R1", format!("{within} restarts in {window} ms, at most {max}"));
        }
        Ok(())
    }
}

impl Effort {
    fn moved(&mut self, now: Ms, from: StateLabel, to: StateLabel, recovery: &Recovery) {
        use StateLabel as S;
        let fails = matches!(to, S::Down | S::GaveUp | S::Held | S::Blocked);
        if hides(to) {
            // What goes on behind that label cannot be followed.
            let restarts = std::mem::take(&mut self.restarts);
            *self = Self { restarts, ..Self::default() };
        }
        self.goes_on = from == S::Verifying && to == S::Healing;
        if is_well(to) {
            self.failed_first = None;
            self.well_since.get_or_insert(now);
            self.failed_in_row = 0;
            self.slow = None;
            self.last_verdict = None;
        }
        if (fails || to == S::Suspect)
            && let Some(since) = self.well_since.take()
            && now - since >= RESET_AFTER
        {
            self.level = 0;
        }
        if from == S::Verifying && fails {
            self.level += 1;
            self.failed_in_row += 1;
            self.last_verdict = Some(now);
            self.dependency_back = false;
            let first = *self.failed_first.get_or_insert(now);
            let long = now - first >= GIVES_UP_AFTER || self.slow.is_some();
            if self.failed_in_row >= recovery.max_attempts && long {
                self.slow = Some(match self.slow {
                    None => millis(recovery.retry_after_give_up),
                    Some(slow) => (slow * 2).min(SLOWEST_RETRY.max(slow)),
                });
            }
        }
    }

    fn least_delay(&self, recovery: &Recovery) -> Ms {
        let doublings = self.level.saturating_sub(1).min(20);
        let delay = millis(recovery.backoff_initial) << doublings;
        delay.min(millis(recovery.backoff_max))
    }
}

fn flight(now: Ms, request: &ActRequest, asked: bool, known: &Known) -> Flight {
    let service = &request.service;
    Flight {
        service: service.name.clone(),
        place: service.place.clone(),
        act: request.act.clone(),
        container: container_id(&service.place, known),
        asked,
        at: now,
        start_timeout: service.start_timeout.unwrap_or(START_TIMEOUT),
    }
}

fn is_well(state: StateLabel) -> bool {
    matches!(state, StateLabel::Healthy | StateLabel::Degraded)
}

fn container_id(place: &Place, known: &Known) -> Option<String> {
    match place {
        Place::Local => None,
        Place::Container(key) => known.instance(key).map(|instance| instance.id.clone()),
    }
}

/// Whether nothing that `dependencies` names keeps it from running.
pub(super) fn are_well(dependencies: &[ServiceName], known: &Known) -> Result<(), String> {
    for name in dependencies {
        let Some(dependency) = known.watchlist.services.get(name).filter(|it| it.enabled) else {
            continue;
        };
        let fine = match known.state(name) {
            None | Some(StateLabel::Healthy | StateLabel::Degraded) => true,
            Some(StateLabel::StoppedByHand | StateLabel::Disabled) => true,
            // What it is behind that label cannot be seen from outside.
            Some(label) if hides(label) => {
                !known.container_runs(&dependency.place) || !known.fails_now(&dependency.name)
            }
            Some(_) => false,
        };
        if !fine {
            let state = known.state(name).map_or("", StateLabel::label);
            return Err(format!("it depends on {name}, which is {state}"));
        }
    }
    Ok(())
}

fn may_be_touched(service: &Service, known: &Known) -> Result<(), String> {
    let name = service.name.as_str();
    if known.paused.contains(name) {
        return Err("an operator paused it".into());
    }
    if known.stopped.contains(name) {
        return Err("an operator stopped it".into());
    }
    if known.maintenance.contains(&service.name) {
        return Err("it is in maintenance".into());
    }
    if !known.watchlist.services.get(&service.name).is_some_and(|it| it.enabled) {
        return Err("it is disabled".into());
    }
    let Place::Container(key) = &service.place else { return Ok(()) };
    if !known.engine_up {
        return Err("the engine does not answer".into());
    }
    if known.by_hand.contains_key(key) {
        return Err("its container was stopped by hand".into());
    }
    match known.containers.get(key) {
        Some(ContainerView::Present(presence)) => match presence.status {
            ContainerStatus::Running
            | ContainerStatus::Created
            | ContainerStatus::Exited { .. } => Ok(()),
            ContainerStatus::Paused => Err("its container is paused".into()),
            ContainerStatus::Restarting => Err("the engine is restarting it".into()),
            ContainerStatus::Removing => Err("its container is being removed".into()),
        },
        Some(_) => Err("there is no such container".into()),
        None => Err("its container was not seen yet".into()),
    }
}

/// A restart follows enough failed looks at this very instance, or a proof.
fn is_seen_failing(service: &Service, known: &Known) -> Result<(), String> {
    if !known.container_runs(&service.place) || known.fails_now(&service.name) {
        return Ok(());
    }
    Err("it was not seen failing in this instance".into())
}

fn millis(span: Duration) -> Ms {
    span.as_millis() as Ms
}
