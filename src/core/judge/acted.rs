//! What came of an act, also of one that `vai` ended in the middle of.

use super::*;

impl Core {
    pub(super) fn acted(&mut self, now: Now, id: ActId, report: ActReport, out: &mut Out) {
        let Some(flight) = self.acts.remove(&id) else {
            return;
        };
        if flight.spends_host && matches!(report.outcome, ActOutcome::Refused { .. }) {
            self.host.restarts.refund(flight.at);
        }
        if let Place::Container(key) = &flight.place
            && let Some(container) = self.containers.get_mut(key)
        {
            self.services.touch_in(key);
            if flight.act.may_stop_container() {
                container.act_ended(now.mono);
            }
            if let Some(instance) = &report.instance
                && flight.act != Act::Stop
            {
                container.runs_now(now, instance);
            }
            if let ActOutcome::NotStarted(words) = &report.outcome {
                container.was_not_started(words);
            }
        }
        let mut report = report;
        let start_timeout = self.start_timeout(&flight.service);
        let started_by = self.started_by(&flight.place, now);
        let Some(machine) = self.services.get_mut(&flight.service) else {
            return;
        };
        report.evidence.facts.extend(started_by);
        let mut step = Step::default();
        if machine.act() == Some(id) {
            machine.acted(now, report, start_timeout, &mut step);
        } else {
            // An operator's stop, or the service was disabled meanwhile.
            let act = if flight.act == Act::Stop { "the stop" } else { "the act before" };
            let words = match &report.outcome {
                ActOutcome::Done { .. } => report.steps.join("; "),
                ActOutcome::Failed(words) | ActOutcome::NotStarted(words) => {
                    format!("{act} failed: {words}")
                }
                ActOutcome::CommandOverdue(_) => format!("{act}: its command is still running"),
                ActOutcome::Refused { gate, .. } => format!("{act} was not attempted: {gate}"),
            };
            let label = machine.label();
            step.notes.push(Note { from: label, to: label, reason: words });
            let undone =
                !matches!(report.outcome, ActOutcome::Done { .. } | ActOutcome::CommandOverdue(_));
            if flight.act == Act::Stop && undone {
                machine.not_stopped(now, &mut step);
            }
        }
        self.story(&flight.service, step, out);
    }

    /// Acts that `vai` ended in the middle of are not done again.
    pub(super) fn reconcile(&mut self, now: Now, out: &mut Out) {
        for flight in self.remembered.acts.clone().into_values() {
            let start_timeout = self.start_timeout(&flight.service);
            let Some(machine) = self.services.get_mut(&flight.service) else {
                continue;
            };
            let mut step = Step::default();
            if machine.act().is_some() {
                machine.interrupted(now, &flight.act, start_timeout, &mut step);
            } else if flight.act == Act::Stop {
                machine.stop_interrupted(&mut step);
            }
            if let Place::Container(key) = &flight.place
                && flight.act.may_stop_container()
                && let Some(container) = self.containers.get_mut(key)
            {
                container.act_interrupted(flight.at);
            }
            self.story(&flight.service, step, out);
        }
    }

    /// Who brought the container up last, for people.
    fn started_by(&self, place: &Place, now: Now) -> Option<String> {
        let Place::Container(key) = place else { return None };
        let (who, at) = self.containers.get(key)?.started_by()?;
        let ago = crate::words::duration(now.mono.since(at.mono));
        Some(format!("container last started {who}, {ago} before"))
    }
}
