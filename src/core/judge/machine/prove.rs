use super::*;

/// The next rung of an attempt waits so long for others at most.
const AT_ONCE: Duration = Duration::from_secs(60);

/// A start that waits for longer than this is told.
pub(super) const START_TOLD_AFTER: Duration = Duration::from_secs(60);

impl Machine {
    /// The container came up, or came back, or is seen for the first time.
    pub(super) fn arrived(
        &mut self,
        now: Now,
        instance: &Instance,
        up_since: Time,
        start_timeout: Duration,
        step: &mut Step,
    ) {
        let first_sight = self.kept.instance.is_none();
        let stopped = self.kept.outage.take_if(|outage| outage.kind == OutageKind::Stopped);
        if stopped.is_some() {
            step.recovered = Some("running again".into());
        }
        self.change_instance(instance.clone());
        // Until it is seen well again there are no passes.
        self.kept.effort.failing(now.mono);
        self.gate = None;
        let looks_from = (up_since + self.service.startup_delay).max(now.mono);
        self.look_afresh(looks_from);
        let from = if first_sight { up_since } else { now.mono };
        let reason = if first_sight { "" } else { "its container came up" };
        let starting = Starting::Looking { until: from + start_timeout };
        self.enter(now, State::Starting(starting), reason, step);
    }

    /// Drops what was seen so far and looks from `from` on.
    pub(super) fn look_afresh(&mut self, from: Time) {
        self.epoch += 1;
        for run in &mut self.runs {
            run.afresh(from);
        }
    }

    pub(super) fn review_start(&mut self, now: Now, starting: Starting, step: &mut Step) {
        match starting {
            Starting::Running { .. } => {}
            Starting::Proving(proof) => self.review_proof(now, &proof, step),
            Starting::Looking { until } => match self.condition(now.mono) {
                Condition::Failed(failing) => {
                    if self.may_start() {
                        self.want_start(now, failing, step);
                    } else if failing.has_ended() || now.mono >= until {
                        self.confirmed(now, &failing, step);
                    }
                }
                condition => self.arriving(now, condition, step),
            },
            Starting::Wanted { since, .. } => {
                let condition = self.condition(now.mono);
                if let Condition::Failed(failing) = &condition {
                    self.start_is_late(now, since, failing);
                }
                self.arriving(now, condition, step);
            }
        }
    }

    /// A start is no incident, but one that is not made is.
    pub(super) fn start_is_late(&mut self, now: Now, wanted: Now, failing: &Failing) {
        let hopeless = self.gate.as_ref().is_some_and(Gate::is_final);
        let late = hopeless || now.mono >= wanted.mono + START_TOLD_AFTER;
        if late && self.kept.outage.is_none() {
            let kind = OutageKind::Broken(failing.fault.kind);
            self.open(now, kind, &failing.fault.detail, failing.since);
        }
    }

    pub(super) fn want_start(&mut self, now: Now, failing: Failing, step: &mut Step) {
        let reason = format!("not running yet: {}", failing.fault);
        let wanted = Starting::Wanted { fault: failing.fault, since: now, asked: false };
        self.enter(now, State::Starting(wanted), &reason, step);
    }

    /// While a service may be coming up, only good news moves it on.
    fn arriving(&mut self, now: Now, condition: Condition, step: &mut Step) {
        match condition {
            Condition::Well if self.kept.outage.is_none() || self.is_proven() => {
                let how = if self.kept.outage.is_some() { "came back" } else { "found well" };
                self.become_well(now, how, step);
            }
            Condition::Degraded(why) if self.kept.outage.is_none() || self.is_proven() => {
                self.half_recovered(now, "came back, degraded", step);
                self.degraded(now, why, step);
            }
            Condition::HalfBlind(why) if self.kept.outage.is_none() || self.is_proven() => {
                self.half_blind(now, &why, step);
            }
            Condition::Blind(why) if self.kept.outage.is_none() => self.blind(now, &why, step),
            Condition::Well
            | Condition::HalfBlind(_)
            | Condition::Degraded(_)
            | Condition::Blind(_)
            | Condition::Pending
            | Condition::Starting
            | Condition::Recovering
            | Condition::Suspect(_)
            | Condition::Failed(_) => {}
        }
    }

    /// A start is for services with a `restart_cmd` that were not seen well in
    /// this instance, and is spent once.
    pub(super) fn may_start(&self) -> bool {
        self.service.restart_cmd.is_some()
            && !self.service.recovery.ladder.is_empty()
            && self.kept.start_spent != self.kept.instance
            && self.kept.well_in != self.kept.instance
    }

    fn is_proven(&self) -> bool {
        self.restarting().all(|(run, check)| run.tally.passed(check.success_threshold))
    }

    pub(super) fn review_proof(&mut self, now: Now, proof: &Proof, step: &mut Step) {
        if self.is_proven() {
            self.proven(now, proof, step);
            return;
        }
        let Some(failing) = self.failing() else {
            if now.mono >= proof.deadline
                && self.kept.outage.is_none()
                && let Condition::Blind(why) = self.condition(now.mono)
            {
                self.blind(now, &why, step);
            }
            return;
        };
        if self.next_rung_is_due(now, proof, &failing, step) {
            return;
        }
        let verb = if self.is_starting() { "start" } else { "restart" };
        let why = if let Some(words) = &proof.command_failed {
            format!("{verb} failed: {words}")
        } else if failing.has_ended() {
            format!("{verb}ed, and it ended again: {}", failing.fault)
        } else if now.mono >= proof.deadline {
            let process = proof.still_there.as_ref().map_or(String::new(), |it| format!("; {it}"));
            format!("{verb}ed but still failing: {}{process}", failing.fault)
        } else {
            return;
        };
        self.attempt_failed(now, &why, &failing, step);
    }

    /// The command left an old process as it was, and nothing answers: that is
    /// not waited for any longer.
    fn next_rung_is_due(
        &mut self,
        now: Now,
        proof: &Proof,
        failing: &Failing,
        step: &mut Step,
    ) -> bool {
        match proof.next_rung {
            NextRung::Due { until } => now.mono < until && self.is_unanswered(),
            NextRung::IfUnanswered if self.is_unanswered() => {
                let failed = match &proof.command_failed {
                    Some(words) => format!("restart failed: {words}"),
                    None => format!("restarted but still failing: {}", failing.fault),
                };
                let left = proof.still_there.as_ref().map_or(String::new(), |it| format!("; {it}"));
                if let Some(outage) = &mut self.kept.outage {
                    outage.tell(format!("attempt {}: {failed}{left}", outage.attempts));
                }
                let next_rung = NextRung::Due { until: now.mono + AT_ONCE };
                let reason = format!("{failed}{left}; the next rung follows at once");
                let label = self.label();
                step.notes.push(Note { from: label, to: label, reason });
                self.kept.state = State::Verifying(Proof { next_rung, ..proof.clone() });
                true
            }
            NextRung::IfUnanswered | NextRung::Later => false,
        }
    }

    pub(super) fn is_starting(&self) -> bool {
        matches!(self.kept.state, State::Starting(_))
    }

    fn proven(&mut self, now: Now, proof: &Proof, step: &mut Step) {
        if self.is_starting() {
            let took = words::duration(now.mono.since(proof.acted));
            self.become_well(now, &format!("started in {took}"), step);
            return;
        }
        let by = self.healer_name();
        let (total, attempts) = match &mut self.kept.outage {
            Some(outage) => {
                let total = words::duration(now.mono.since(outage.since.mono));
                outage.tell(format!("healed in {total}"));
                (total, outage.attempts)
            }
            None => (words::duration(now.mono.since(proof.acted)), 1),
        };
        let plural = if attempts == 1 { "" } else { "s" };
        self.kept.effort.healed(now.mono, &self.service.recovery, &self.salt(now));
        self.kept.stability.healed(now);
        for run in &mut self.runs {
            run.kept.quality.healed();
        }
        let ended = format!("healed by {by}, {attempts} attempt{plural}");
        let how = format!("healed in {total} by {by}");
        match self.condition(now.mono) {
            Condition::Degraded(why) => {
                self.half_recovered(now, &ended, step);
                self.degraded(now, format!("{how}; {why}"), step);
            }
            _ => {
                self.recovered(now, &ended, step);
                self.become_well(now, &how, step);
            }
        }
    }

    /// Makes each delay's jitter its own.
    fn salt(&self, now: Now) -> String {
        format!("{}/{}", self.service.name, now.mono.as_millis())
    }

    fn healer_name(&self) -> &'static str {
        if self.service.restart_cmd.is_some() { "restart_cmd" } else { "a container restart" }
    }

    pub(super) fn attempt_failed(
        &mut self,
        now: Now,
        why: &str,
        failing: &Failing,
        step: &mut Step,
    ) {
        self.kept.left_over = self.kept.last_act;
        if self.is_starting() {
            self.kept.effort.failing(now.mono);
            self.open(
                now,
                OutageKind::Broken(failing.fault.kind),
                &failing.fault.detail,
                failing.since,
            );
            if let Some(outage) = &mut self.kept.outage {
                outage.tell(why.to_owned());
            }
            self.enter(now, State::Down, why, step);
            return;
        }
        let salt = self.salt(now);
        let recovery = &self.service.recovery;
        let gave_up = self.kept.effort.failed(now.mono, recovery, &salt);
        let next = match self.kept.effort.gate(now.mono, recovery) {
            Some(gate) => gate.words(now.mono),
            None => "trying again".into(),
        };
        if let Some(outage) = &mut self.kept.outage {
            outage.waiting = now.mono;
            outage.reason.clone_from(&failing.fault.detail);
            let line = format!("attempt {}: {why}", outage.attempts);
            outage.tell(line);
        }
        let reason = if gave_up {
            let failed = self.kept.effort.failed_in_row();
            format!("{why}; {failed} attempts failed in a row: {next}")
        } else {
            format!("{why}; {next}")
        };
        self.enter(now, State::Down, &reason, step);
    }
}
