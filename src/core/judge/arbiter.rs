//! What is done now: the longest-waiting first, one act per place.

use super::*;

impl Core {
    /// Admits what may be done now, the longest-waiting first, one act per
    /// place; everything else learns which gate it stands before.
    pub(super) fn admit(&mut self, now: Now, out: &mut Out) {
        let mut proposals: Vec<(ServiceName, Proposal, Standing)> = Vec::new();
        for (name, machine) in self.services.iter() {
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
                    let id = self.host.number_act();
                    machine.admitted(now, id, &proposal, &mut step);
                    if proposal.spends_host() {
                        self.host.restarts.forget(now.mono, self.settings.host_window);
                        self.host.restarts.spend(now.mono);
                    }
                    self.dispatch(now, &name, id, &proposal, out);
                }
            }
            self.story(&name, step, out);
        }
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
        proposal: &Proposal,
        out: &mut Out,
    ) {
        let Some(machine) = self.services.get(name) else { return };
        let act = proposal.act.clone();
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
            spends_host: proposal.spends_host(),
        };
        self.acts.insert(id, flight);
        out.actions.push(Action::Act(Box::new(ActRequest {
            id,
            instance: instance.filter(|_| !machine.is_local()),
            processes: machine.processes(),
            supersedes: machine.left_over(),
            follows_at_once: proposal.follows,
            service,
            act,
        })));
    }
}
