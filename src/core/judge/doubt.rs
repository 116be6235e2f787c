//! Whether what is seen over the network can be believed: anchors, targets
//! outside the host, and failures so many that it may be us (behaviour.md,
//! sections 1 and 3).

use super::*;
use crate::model::{Check, Service};
use machine::OutageKind;
use run::Run;
use tally::Verdict;

/// So many failures at once, and so large a part, cast doubt on our network.
const MASS: usize = 3;
const MASS_PERCENT: usize = 55;

/// The name that looks at anchors go by; no service can have it.
const ANCHORS: &str = "(anchors)";

const NO_ANCHOR: &str = "no anchor answers, so it may be vai's own network";

fn all_fail(count: usize) -> String {
    format!("all {count} services outside the host fail at once, so it may be vai's network")
}

/// The addresses that must answer before anything outside the host is believed
/// to be down.
#[derive(Clone, Debug)]
pub(super) struct Anchors {
    service: Arc<Service>,
    runs: Vec<Run>,
}

impl Anchors {
    pub(super) fn new(now: Time, checks: &[Check]) -> Self {
        let service = Service::pseudo(ANCHORS, checks.to_vec());
        Self { runs: Run::all(now, &service), service: Arc::new(service) }
    }

    pub(super) fn checks(&self) -> &[Check] {
        &self.service.checks
    }

    fn is_none(&self) -> bool {
        self.runs.is_empty()
    }

    /// Whether none of them answers.
    fn all_fail(&self) -> bool {
        !self.runs.is_empty() && self.runs.iter().all(|run| run.tally.failing().is_some())
    }

    fn looked_since(&self, when: Time) -> bool {
        self.runs.iter().all(|run| run.tally.looked_since(when))
    }

    /// Whether one of them answered in a look that began at or after `when`.
    fn answered_since(&self, when: Time) -> bool {
        self.runs.iter().any(|run| run.tally.passed_since(when))
    }

    fn look_now(&mut self, now: Time) {
        for run in &mut self.runs {
            run.soon(now);
        }
    }

    fn look_since(&mut self, when: Time, now: Time) {
        for run in self.runs.iter_mut().filter(|run| !run.tally.looked_since(when)) {
            run.soon(now);
        }
    }

    pub(super) fn checked(&mut self, now: Now, ticket: &Ticket, report: Report) -> bool {
        if ticket.service.as_str() != ANCHORS {
            return false;
        }
        if let Some(run) = self.runs.iter_mut().find(|run| run.waits_for(ticket.number)) {
            run.ended(now, 0, false, report);
        }
        true
    }

    pub(super) fn due(&mut self, now: Time, number: &mut u64, out: &mut Out) {
        for (index, run) in self.runs.iter_mut().enumerate() {
            let Some(check) = self.service.checks.get(index) else { continue };
            if let Some(number) = run.due(now, &self.service.name, check, true, 0, number) {
                let service = Arc::clone(&self.service);
                let name = service.name.clone();
                let ticket = Ticket { service: name, check: index, number, instance: None };
                out.actions.push(Action::Look { ticket, service });
            }
        }
    }

    pub(super) fn next_look(&self) -> Option<Time> {
        self.runs.iter().filter_map(|run| run.wake(true)).min()
    }
}

impl Core {
    /// Something outside the host failed: whether it is us is to be known
    /// before that is confirmed.
    pub(super) fn suspect_network(&mut self, now: Now, name: &ServiceName) {
        if !self.services.get(name).is_some_and(Machine::fails_outside) {
            return;
        }
        self.anchors.look_now(now.mono);
        for machine in self.services.values_mut().filter(|machine| machine.looks_outside()) {
            machine.look_now(now.mono);
        }
    }

    /// Why nothing that is seen outside the host can be believed now, if so.
    fn outside_doubt(&self) -> Option<String> {
        if !self.watches_outside {
            return None;
        }
        if self.anchors.all_fail() {
            return Some(NO_ANCHOR.into());
        }
        let outside: Vec<&Machine> =
            self.services.values().filter(|machine| machine.looks_outside()).collect();
        (self.anchors.is_none()
            && outside.len() >= 2
            && outside.iter().all(|machine| machine.fails_outside()))
        .then(|| all_fail(outside.len()))
    }

    /// Fails outside the host are unknowns while our network is in doubt.
    pub(super) fn doubt_outside(&mut self, now: Now) {
        let Some(why) = self.outside_doubt() else { return };
        for machine in self.services.values_mut() {
            machine.doubt_outside(now, &why);
        }
    }

    /// What only fails as seen outside the host is not acted on before it is
    /// known, by looks since it began to fail, that this is not us.
    pub(super) fn outside_gate(
        &mut self,
        name: &ServiceName,
        standing: &Standing,
        now: Now,
    ) -> Option<Gate> {
        let since = match standing {
            Standing::Up { .. } => self.services.get(name)?.fails_outside_since(now.mono)?,
            _ => return None,
        };
        if !self.anchors.is_none() {
            if self.anchors.answered_since(since) {
                return None;
            }
            if self.anchors.looked_since(since) {
                return Some(Gate::Outside(NO_ANCHOR.into()));
            }
            self.anchors.look_since(since, now.mono);
            return Some(Gate::Looking);
        }
        let others: Vec<ServiceName> = self
            .services
            .iter()
            .filter(|(other, machine)| *other != name && machine.looks_outside())
            .map(|(other, _)| other.clone())
            .collect();
        let (mut unsure, mut believed) = (false, others.is_empty());
        for other in &others {
            let Some(machine) = self.services.get_mut(other) else { continue };
            if machine.looked_outside_since(since) {
                believed |= machine.answers_outside();
            } else {
                machine.look_since(since, now.mono);
                unsure = true;
            }
        }
        match (believed, unsure) {
            (true, _) => None,
            (false, true) => Some(Gate::Looking),
            (false, false) => Some(Gate::Outside(all_fail(others.len() + 1))),
        }
    }

    /// Before the first restart that nothing proves, all that is seen over the
    /// network is looked at again.
    pub(super) fn mass_failure_gate(&mut self, name: &ServiceName, now: Now) -> Option<Gate> {
        let machine = self.services.get(name)?;
        if !machine.fails_over_network() {
            return None;
        }
        let since = machine.kept.outage.as_ref()?.confirmed.mono;
        let seen: Vec<ServiceName> = self
            .services
            .iter()
            .filter(|(_, machine)| machine.looks_over_network())
            .map(|(name, _)| name.clone())
            .collect();
        let answered = !self.anchors.is_none() && !self.anchors.all_fail();
        if seen.len() < MASS || (answered && self.anchors.looked_since(since)) {
            return None;
        }
        let mut unsure = false;
        for name in &seen {
            if let Some(machine) = self.services.get_mut(name)
                && !machine.looked_since(since)
                && !machine.blocks_nobody()
            {
                machine.look_since(since, now.mono);
                unsure = true;
            }
        }
        if !self.anchors.looked_since(since) {
            self.anchors.look_since(since, now.mono);
            unsure = true;
        }
        if unsure {
            return Some(Gate::Looking);
        }
        let failing: Vec<&ServiceName> = seen
            .iter()
            .filter(|name| self.services.get(*name).is_some_and(Machine::fails_over_network))
            .collect();
        let many = failing.len() >= MASS && failing.len() * 100 >= seen.len() * MASS_PERCENT;
        (many && !self.have_common_cause(&failing))
            .then_some(Gate::MassFailure { failing: failing.len(), of: seen.len() })
    }

    /// Whether all of them hang on one failing service, or run in one place.
    fn have_common_cause(&self, failing: &[&ServiceName]) -> bool {
        let mut places =
            failing.iter().filter_map(|name| Some(&self.services.get(*name)?.service.place));
        let first = places.next();
        if places.all(|place| Some(place) == first) {
            return true;
        }
        self.services.iter().filter(|(_, machine)| machine.explains_failures()).any(|(root, _)| {
            let dependents = self.graph.all_dependents(root);
            failing.iter().all(|name| *name == root || dependents.contains(*name))
        })
    }
}

impl Machine {
    /// Whether what is wrong with it explains that others fail.
    fn explains_failures(&self) -> bool {
        let kind = self.kept.outage.as_ref().map(|outage| outage.kind);
        matches!(kind, Some(OutageKind::Broken(_) | OutageKind::Stopped))
    }

    fn network_runs(&self, which: fn(&CheckKind) -> bool) -> impl Iterator<Item = &Run> {
        let watched = self.is_watched() && !self.blocks_nobody();
        self.restarting()
            .filter(move |(_, check)| watched && which(&check.kind))
            .map(|(run, _)| run)
    }

    fn looks_over_network(&self) -> bool {
        self.network_runs(CheckKind::is_over_network).next().is_some()
    }

    pub(crate) fn fails_over_network(&self) -> bool {
        self.network_runs(CheckKind::is_over_network).any(|run| run.tally.failing().is_some())
    }

    fn looks_outside(&self) -> bool {
        self.network_runs(CheckKind::is_outside).next().is_some()
    }

    fn fails_outside(&self) -> bool {
        self.network_runs(CheckKind::is_outside).any(|run| run.tally.failed_last())
    }

    fn looked_outside_since(&self, when: Time) -> bool {
        self.network_runs(CheckKind::is_outside).all(|run| run.tally.looked_since(when))
    }

    fn answers_outside(&self) -> bool {
        self.network_runs(CheckKind::is_outside).all(|run| run.tally.answers())
    }

    /// Since when it is confirmed to fail, if only as seen outside the host.
    fn fails_outside_since(&self, now: Time) -> Option<Time> {
        let mut first = None;
        for (run, check) in self.restarting() {
            if let Verdict::Failed(failing) = run.tally.verdict(check, now) {
                if !check.kind.is_outside() {
                    return None;
                }
                let since = failing.since.mono;
                first = Some(first.map_or(since, |first: Time| first.min(since)));
            }
        }
        first
    }

    fn doubt_outside(&mut self, now: Now, why: &str) {
        for (run, check) in self.runs.iter_mut().zip(&self.service.checks) {
            if restarts(check) && check.kind.is_outside() {
                run.doubt(now, why);
            }
        }
    }
}
