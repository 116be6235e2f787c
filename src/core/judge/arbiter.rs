//! What may be done now: the gates, the budgets, one act per place.

use super::*;
use crate::model::StateLabel;

impl Core {
    /// Admits what may be done now, the longest-waiting first, one act per
    /// place; everything else learns which gate it stands before.
    pub(super) fn admit(&mut self, now: Now, out: &mut Out) {
        let mut proposals: Vec<(ServiceName, Proposal, Standing)> = Vec::new();
        for (name, machine) in &self.services {
            if !machine.waits_for_help() {
                continue;
            }
            let standing = self.standing(name, now.mono);
            if let Some(proposal) = machine.proposal(&standing, now.mono) {
                proposals.push((name.clone(), proposal, standing));
            }
        }
        proposals.sort_by_key(|(_, proposal, _)| proposal.since);
        for (name, proposal, standing) in proposals {
            let gate = self.gate(&name, &proposal, &standing, now);
            let Some(machine) = self.services.get_mut(&name) else {
                continue;
            };
            let mut step = Step::default();
            match gate {
                Some(gate) => step.notes.extend(machine.gated(now, gate)),
                None => {
                    self.host.next_act += 1;
                    let id = ActId(self.host.next_act);
                    machine.admitted(now, id, &proposal.act, &mut step);
                    self.dispatch(now, &name, id, proposal.act, out);
                }
            }
            self.story(&name, step, out);
        }
    }

    /// The first gate that an act stands before, in the order in which a person
    /// would want to hear of them.
    fn gate(
        &mut self,
        name: &ServiceName,
        proposal: &Proposal,
        standing: &Standing,
        now: Now,
    ) -> Option<Gate> {
        let machine = self.services.get(name)?;
        let service = &machine.service;
        if self.stopping {
            return Some(Gate::Stopping);
        }
        if machine.is_paused() {
            return Some(Gate::Paused);
        }
        if !proposal.asked && machine.is_alert_only(standing) {
            let why = service.recovery.alert_only.clone();
            return Some(Gate::AlertOnly(why.unwrap_or_else(|| "it is only watched".into())));
        }
        if let Some(why) = service.held.as_ref().filter(|_| service.restart_cmd.is_some()) {
            return Some(Gate::Unset(why.clone()));
        }
        if let Some(gate) = self.container_gate(machine, standing) {
            return Some(gate);
        }
        if !proposal.asked {
            if let Some(gate) = self.dependency_gate(name, now) {
                return Some(gate);
            }
            let machine = self.services.get(name)?;
            let gate = match proposal.act {
                Act::Start | Act::Stop => machine.kept.effort.refusal(now.mono),
                Act::Restart(_) => machine.kept.effort.gate(now.mono, &machine.service.recovery),
            };
            let gate = gate.or_else(|| self.freshness_gate(name, standing, now));
            if gate.is_some() {
                return gate;
            }
        }
        let machine = self.services.get(name)?;
        if self.settings.observe {
            return Some(Gate::Observe);
        }
        let full = self.acts.len() >= self.settings.parallel_actions.max(1);
        (full || self.is_busy(&machine.service.place)).then_some(Gate::Busy)
    }

    fn container_gate(&self, machine: &Machine, standing: &Standing) -> Option<Gate> {
        let key = machine.container()?;
        if matches!(self.engine, EngineLink::Gone { .. }) {
            return Some(Gate::Engine);
        }
        if self.containers.get(key).and_then(Container::presence).is_some_and(|it| it.is_self) {
            return Some(Gate::Myself);
        }
        match standing {
            Standing::Changing(why) | Standing::Unclear(why) => Some(Gate::Changing(why.clone())),
            Standing::Unseen => Some(Gate::Engine),
            Standing::Up { .. } | Standing::Died(_) | Standing::ByHand(_) => None,
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
            machine.look_now(now.mono);
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

    /// Whether an act is under way there, by whatever key it was named.
    pub(super) fn is_busy(&self, place: &Place) -> bool {
        let container = self.container_id(place);
        self.acts.values().any(|flight| {
            flight.place == *place
                || (container.is_some() && self.container_id(&flight.place) == container)
        })
    }

    fn container_id(&self, place: &Place) -> Option<&str> {
        match place {
            Place::Local => None,
            Place::Container(key) => {
                Some(self.containers.get(key)?.presence()?.instance.id.as_str())
            }
        }
    }

    /// Sends an act on its way.
    pub(super) fn dispatch(
        &mut self,
        now: Now,
        name: &ServiceName,
        id: ActId,
        act: Act,
        out: &mut Out,
    ) {
        let Some(machine) = self.services.get(name) else { return };
        let service = Arc::clone(&machine.service);
        let instance = machine.kept.instance.clone();
        if act.may_stop_container()
            && let Place::Container(key) = &service.place
            && let Some(container) = self.containers.get_mut(key)
        {
            container.act_begins();
        }
        let flight = ActMemory {
            service: name.clone(),
            place: service.place.clone(),
            act: act.clone(),
            instance: instance.clone(),
            at: now.mono,
        };
        self.acts.insert(id, flight);
        out.actions.push(Action::Act(Box::new(ActRequest {
            id,
            instance: instance.filter(|_| !machine.is_local()),
            processes: machine.processes(),
            supersedes: None,
            service,
            act,
        })));
    }
}
