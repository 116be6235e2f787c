use super::*;

impl ServiceMemory {
    /// How long ago its state last changed.
    pub(crate) fn age(&self, now: Now) -> Duration {
        now.mono.since(self.kept.since.mono)
    }
}

impl Machine {
    /// Goes on from what was remembered of it. What was under way when `vai`
    /// ended is not done again: its check tells what came of it.
    pub(crate) fn recall(
        now: Now,
        service: Arc<Service>,
        memory: ServiceMemory,
        step: &mut Step,
    ) -> Self {
        let fresh = Self::new(now, Arc::clone(&service));
        if matches!(fresh.kept.state, State::Disabled) {
            let mut machine =
                Self { kept: Kept { state: State::Disabled, ..memory.kept }, ..fresh };
            if machine.kept.outage.take().is_some() {
                step.recovered = Some("disabled in the registry".to_owned());
            }
            return machine;
        }
        let mut machine = Self { kept: memory.kept, ..fresh };
        for (run, check) in machine.runs.iter_mut().zip(&service.checks) {
            if let Some(kept) = memory.checks.get(&check.name) {
                run.kept = kept.clone();
            }
        }
        if machine.kept.state == State::Disabled {
            machine.kept.state = State::Unknown("not looked at yet".into());
            machine.kept.since = now;
        }
        machine
    }

    /// `vai` ended in the middle of this act of its own. Whether it was done is
    /// not known, so it counts as done and is proven.
    pub(crate) fn interrupted(
        &mut self,
        now: Now,
        act: &Act,
        start_timeout: Duration,
        step: &mut Step,
    ) {
        let proof = Proof {
            acted: now.mono,
            deadline: now.mono + start_timeout,
            command_failed: None,
            still_there: None,
            may_change_instance: act.may_stop_container(),
            next_rung: NextRung::Later,
        };
        self.look_afresh(now.mono);
        let state = if self.is_starting() {
            State::Starting(Starting::Proving(proof))
        } else {
            State::Verifying(proof)
        };
        if let Some(outage) = &mut self.kept.outage {
            outage.tell("vai itself ended before it knew what came of it".into());
        }
        self.enter(now, state, "vai ended in the middle of it; looking what came of it", step);
    }

    /// It left the registry: what it was in the middle of is over.
    pub(crate) fn forget_outage(&mut self, now: Now) {
        self.kept.outage = None;
        self.kept.since = now;
        self.kept.state = State::Unknown("not looked at yet".into());
    }

    /// `vai` ended in the middle of an operator's stop of it.
    pub(crate) fn stop_interrupted(&self, step: &mut Step) {
        let label = self.label();
        let name = &self.service.name;
        let reason = format!(
            "vai ended in the middle of stopping it; `vai stop {name}` again if it still runs"
        );
        step.notes.push(Note { from: label, to: label, reason });
    }

    /// What is to be remembered of it, unless that is `before` already.
    pub(crate) fn memory(&self, before: Option<&ServiceMemory>) -> Option<ServiceMemory> {
        let checks = || self.runs.iter().zip(&self.service.checks);
        let same = before.is_some_and(|before| {
            before.kept == self.kept
                && before.checks.len() == self.runs.len()
                && checks().all(|(run, check)| before.checks.get(&check.name) == Some(&run.kept))
        });
        (!same).then(|| ServiceMemory {
            kept: self.kept.clone(),
            checks: checks().map(|(run, check)| (check.name.clone(), run.kept.clone())).collect(),
        })
    }
}
