//! What the end of its container means for a service.

use super::*;

impl Machine {
    /// The container does not run, and it is not settled yet what that means.
    pub(super) fn container_ended(&mut self, now: Now, why: &str, step: &mut Step) {
        if matches!(self.kept.state, State::Healthy | State::Degraded(_)) {
            self.kept.effort.failing(now.mono);
            let fault = Fault::new(FaultKind::ContainerStopped, why);
            self.enter(now, State::Suspect(fault), why, step);
        }
    }

    /// The container runs in a network that leads nowhere, and it is not settled
    /// yet whether somebody mends that. What fails meanwhile is judged as ever.
    pub(super) fn loses_network(&mut self, now: Now, why: &str, step: &mut Step) {
        if matches!(self.kept.state, State::Starting(_) | State::Verifying(_)) {
            self.review_state(now, step);
        } else if let Condition::Failed(failing) = self.condition(now.mono) {
            self.confirmed(now, &failing, step);
        } else {
            self.container_ended(now, why, step);
        }
    }

    /// The container ended and stays down: a proof, whatever the checks say.
    pub(super) fn container_died(&mut self, now: Now, fault: &Fault, step: &mut Step) {
        let failing = Failing { fault: fault.clone(), since: now, count: 1, proven: true };
        match &self.kept.state {
            State::Verifying(proof) => {
                let why = match &proof.command_failed {
                    Some(words) => format!("restart failed: {words}"),
                    None => format!("restarted, and {fault}"),
                };
                self.attempt_failed(now, &why, &failing, step);
            }
            _ => self.confirmed(now, &failing, step),
        }
    }

    /// Somebody took its container away or stopped it.
    pub(super) fn left_alone(&mut self, now: Now, state: State, why: &str, step: &mut Step) {
        self.kept.effort.failing(now.mono);
        if self.kept.outage.take_if(|outage| outage.kind != OutageKind::Stopped).is_some() {
            step.recovered = Some(why.to_owned());
        }
        match &mut self.kept.outage {
            Some(outage) => why.clone_into(&mut outage.reason),
            None => self.open(now, OutageKind::Stopped, why, now),
        }
        self.enter(now, state, why, step);
    }

    /// Its container ran to its end, as what is run once does.
    pub(super) fn finished(&mut self, now: Now, why: &str, step: &mut Step) {
        if matches!(self.kept.state, State::Finished(_)) {
            return;
        }
        self.recovered(now, "it ran to its end", step);
        step.became_well = true;
        self.enter(now, State::Finished(why.to_owned()), why, step);
    }
}
