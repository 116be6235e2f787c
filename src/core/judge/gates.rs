//! Why an act may not be done now: every gate with its own reason
//! (behaviour.md, section 3).

use super::*;
use crate::model::StateLabel;
use machine::Risk;

/// A failure that nothing proves waits so long for another of about the same
/// time, which may be its cause.
pub(super) const ROOT_WAIT: Duration = Duration::from_secs(120);

impl Core {
    /// The first gate that an act stands before, in the order in which a person
    /// would want to hear of them.
    pub(super) fn gate(
        &mut self,
        name: &ServiceName,
        proposal: &Proposal,
        standing: &Standing,
        now: Now,
    ) -> Option<Gate> {
        let machine = self.services.get(name)?;
        self.gate_of_vai(proposal, now)
            .or_else(|| policy_gate(machine, proposal, standing, now.mono))
            .or_else(|| self.container_gate(machine, standing))
            .or_else(|| self.judgement_gate(name, proposal, standing, now))
            .or_else(|| self.settings.observe.then_some(Gate::Observe))
            .or_else(|| {
                let full = self.acts.len() >= self.settings.parallel_actions.max(1);
                let place = &self.services.get(name)?.service.place;
                (full || self.is_busy(place)).then_some(Gate::Busy)
            })
    }

    /// What keeps `vai` itself from acting on anything.
    fn gate_of_vai(&self, proposal: &Proposal, now: Now) -> Option<Gate> {
        if self.stopping {
            return Some(Gate::Stopping);
        }
        if let Some((_, why)) = &self.store_failed {
            return Some(Gate::Store(why.clone()));
        }
        let mistrusted = self.host.mistrusted_until(now.mono).filter(|_| !proposal.asked);
        mistrusted.map(Gate::Mistrusted)
    }

    /// What keeps an act that nobody asked for from being done; an operator
    /// need not wait for any of it.
    fn judgement_gate(
        &mut self,
        name: &ServiceName,
        proposal: &Proposal,
        standing: &Standing,
        now: Now,
    ) -> Option<Gate> {
        if proposal.asked {
            return None;
        }
        if let Some(gate) = self.dependency_gate(name, now) {
            return Some(gate);
        }
        if let Some(gate) = self.outside_gate(name, standing, now) {
            return Some(gate);
        }
        let machine = self.services.get(name)?;
        if let Some(gate) = machine.left_to_supervisor(standing, now.mono) {
            return Some(gate);
        }
        if proposal.act == Act::Start {
            return machine.kept.effort.refusal(now.mono);
        }
        if proposal.risk != Risk::Proven
            && let Some(gate) = self.doubt_gate(name, now)
        {
            return Some(gate);
        }
        let machine = self.services.get(name)?;
        let gate = machine.kept.effort.gate(now.mono, &machine.service.recovery);
        gate.or_else(|| self.host_gate(proposal, now))
            .or_else(|| self.freshness_gate(name, standing, now))
    }

    /// What holds a restart that no death calls for.
    fn doubt_gate(&mut self, name: &ServiceName, now: Now) -> Option<Gate> {
        if self.services.get(name)?.is_flapping() {
            return Some(Gate::Flapping);
        }
        self.possible_root(name, now).or_else(|| self.mass_failure_gate(name, now))
    }

    /// Something that failed within two minutes of this and may be its cause,
    /// while that is being looked at or healed.
    fn possible_root(&self, name: &ServiceName, now: Now) -> Option<Gate> {
        let machine = self.services.get(name)?;
        let own = machine.kept.outage.as_ref()?;
        let until = own.confirmed.mono + ROOT_WAIT;
        if now.mono >= until {
            return None;
        }
        let rank = self.rank_as_root(name, machine)?;
        let dependents = self.graph.all_dependents(name);
        let roots = self.services.iter().filter(|(other, root)| {
            *other != name
                && !dependents.contains(*other)
                && root.may_yet_be_healed()
                && root.failing_since().is_some_and(|since| {
                    since.mono.since(own.since.mono) <= ROOT_WAIT
                        && own.since.mono.since(since.mono) <= ROOT_WAIT
                })
        });
        let ranked =
            roots.filter_map(|(other, root)| Some((self.rank_as_root(other, root)?, other)));
        let (best, root) = ranked.min()?;
        (best < rank).then(|| Gate::PossibleRoot(root.clone(), until))
    }

    /// How likely a failing service is the root of others, the likeliest
    /// first: a death that was seen, then who has others depend on it, then who
    /// failed first.
    fn rank_as_root(
        &self,
        name: &ServiceName,
        machine: &Machine,
    ) -> Option<(bool, std::cmp::Reverse<usize>, Time, ServiceName)> {
        let since = machine.failing_since()?;
        let proven = machine.kept.outage.as_ref().is_some_and(|outage| outage.proven);
        let dependents = self.graph.all_dependents(name).len();
        Some((!proven, std::cmp::Reverse(dependents), since.mono, name.clone()))
    }

    /// The ceiling over restarts of what is still alive.
    fn host_gate(&self, proposal: &Proposal, now: Now) -> Option<Gate> {
        let (max, window) = (self.settings.host_max_restarts, self.settings.host_window);
        let full = self.host.restarts.full_until(now.mono, window, max)?;
        proposal.spends_host().then_some(Gate::HostCeiling { until: full, max, window })
    }

    fn container_gate(&self, machine: &Machine, standing: &Standing) -> Option<Gate> {
        let key = machine.container()?;
        if matches!(self.engine, EngineLink::Gone { .. }) {
            return Some(Gate::Engine);
        }
        let presence = self.containers.get(key).and_then(Container::presence);
        if presence.is_some_and(|it| it.is_self) {
            return Some(Gate::Myself);
        }
        if let Some(gate) = presence.and_then(|presence| self.namespace_gate(presence)) {
            return Some(gate);
        }
        match standing {
            Standing::Changing(why) | Standing::Unclear(why) => Some(Gate::Changing(why.clone())),
            Standing::Unseen => Some(Gate::Engine),
            Standing::Looping { by_policy: true, .. } => Some(Gate::CrashLoop),
            Standing::Looping { by_policy: false, .. }
            | Standing::Up { .. }
            | Standing::Died(_)
            | Standing::ByHand(_) => None,
        }
    }

    /// A dependency has to be well, and known to be so since the failure began.
    fn dependency_gate(&mut self, name: &ServiceName, now: Now) -> Option<Gate> {
        let began = self.services.get(name)?.kept.outage.as_ref().map(|outage| outage.since.mono);
        let mut unsure = false;
        for dependency in self.graph.dependencies(name).to_vec() {
            let Some(machine) = self.services.get_mut(&dependency) else {
                continue;
            };
            if machine.is_marked_stopped() && !machine.is_marker_current(now.mono) {
                // Somebody may have removed the marker file meanwhile.
                unsure = true;
                continue;
            }
            if machine.blocks_nobody() {
                continue;
            }
            if !machine.is_well() {
                return Some(Gate::Dependency(dependency, machine.label()));
            }
            let Some(began) = began.filter(|&began| !machine.passed_since(began)) else {
                continue;
            };
            if machine.looked_since(began) {
                // It was looked at, and could not be seen.
                return Some(Gate::Dependency(dependency, StateLabel::Unknown));
            }
            machine.look_since(began, now.mono);
            unsure = true;
        }
        unsure.then_some(Gate::Looking)
    }

    /// What is acted on was seen failing a moment ago: somebody may have mended
    /// it since the look before.
    fn freshness_gate(
        &mut self,
        name: &ServiceName,
        standing: &Standing,
        now: Now,
    ) -> Option<Gate> {
        const ASK_AGAIN: Duration = Duration::from_secs(10);
        let machine = self.services.get_mut(name)?;
        if matches!(standing, Standing::Died(_)) || machine.failed_lately(now.mono) {
            return None;
        }
        if let Some(gate @ Gate::Unsure(until)) = machine.gate()
            && now.mono < *until
        {
            return Some(gate.clone());
        }
        machine.look_now(now.mono);
        Some(Gate::Unsure(now.mono + ASK_AGAIN))
    }

    /// A container that shares another's network comes after that one. One
    /// that shares the network of a container that is no more cannot be helped
    /// by a restart.
    fn namespace_gate(&self, presence: &Presence) -> Option<Gate> {
        let owner = presence.network_of.as_ref()?;
        let found = self.containers.iter().find_map(|(key, container)| {
            let presence = container.presence()?;
            let is_it = presence.instance.id == *owner || presence.name == *owner;
            is_it.then_some((key, presence))
        });
        match found {
            Some((key, presence)) => {
                let place = Place::Container(key.clone());
                let up = presence.status.is_running() && !self.is_busy(&place);
                (!up).then(|| Gate::Namespace(presence.name.clone()))
            }
            None => presence.network_gone.then_some(Gate::NamespaceGone),
        }
    }
}

/// What its operator or its registry entry says about acting on it.
fn policy_gate(
    machine: &Machine,
    proposal: &Proposal,
    standing: &Standing,
    now: Time,
) -> Option<Gate> {
    let service = &machine.service;
    if machine.is_paused() {
        return Some(Gate::Paused);
    }
    // What its dependents may do depends on this, so no other reason hides it.
    if let Some(marker @ Gate::Marker { .. }) = machine.kept.effort.refusal(now) {
        return Some(marker);
    }
    if let Some(reason) = machine.maintenance().filter(|_| !proposal.asked) {
        return Some(Gate::Maintenance(reason.clone()));
    }
    if !proposal.asked && machine.is_alert_only(standing) {
        let why = service.recovery.alert_only.clone();
        return Some(Gate::AlertOnly(why.unwrap_or_else(|| "it is only watched".into())));
    }
    let held = service.held.as_ref().filter(|_| service.restart_cmd.is_some())?;
    Some(Gate::Unset(held.clone()))
}
