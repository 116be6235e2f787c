use super::*;

impl Machine {
    /// What all checks together say: the worst of them.
    pub(super) fn condition(&self, now: Time) -> Condition {
        let mut worst = Condition::Well;
        for (run, check) in self.checks() {
            let condition = self.condition_of(run, check, now);
            if condition.rank() > worst.rank() {
                worst = condition;
            }
        }
        let mut checks = self.checks();
        match checks.find_map(|(run, check)| run.kept.quality.complaint(&check.name)) {
            Some(why) if worst.rank() < Condition::PENDING => Condition::Degraded(why),
            _ => worst,
        }
    }

    fn checks(&self) -> impl Iterator<Item = (&Run, &crate::model::Check)> {
        self.runs.iter().zip(&self.service.checks)
    }

    /// What one check says of the service. A check that only alerts holds
    /// nothing up while it is not settled.
    fn condition_of(&self, run: &Run, check: &crate::model::Check, now: Time) -> Condition {
        let alert_only = check.on_fail == OnFail::Alert;
        match run.tally.verdict(check, now) {
            Verdict::Well if run.tally.was_slow() => self.condition_until_settled(Condition::Well),
            Verdict::Well => Condition::Well,
            Verdict::Slow(why) => Condition::Degraded(why),
            Verdict::Blind(why) if alert_only => Condition::HalfBlind(why),
            Verdict::Blind(why) => Condition::Blind(why),
            Verdict::Failed(failing) if alert_only => Condition::Degraded(failing.fault.detail),
            Verdict::Pending if self.restarting().next().is_none() => {
                self.condition_until_settled(Condition::Pending)
            }
            _ if alert_only => self.condition_until_settled(Condition::Well),
            Verdict::Pending => Condition::Pending,
            Verdict::Starting => Condition::Starting,
            Verdict::Recovering => Condition::Recovering,
            Verdict::Suspect(failing) => Condition::Suspect(failing),
            Verdict::Failed(failing) => Condition::Failed(failing),
        }
    }

    /// That it was degraded is not over because `vai` or its container was
    /// started anew, nor by a single pass.
    fn condition_until_settled(&self, otherwise: Condition) -> Condition {
        match &self.kept.outage {
            Some(Outage { kind: OutageKind::Degraded, reason, .. }) => {
                Condition::Degraded(reason.clone())
            }
            _ => otherwise,
        }
    }

    pub(crate) fn is_flapping(&self) -> bool {
        self.restarting().any(|(run, _)| run.kept.quality.is_flapping())
    }

    /// Moves on by what is known at `now`.
    pub(crate) fn review(
        &mut self,
        now: Now,
        standing: &Standing,
        start_timeout: Duration,
        step: &mut Step,
    ) {
        if self.kept.state == State::Disabled || self.act().is_some() {
            return;
        }
        if self.kept.hold == Hold::Stopped {
            self.enter(now, State::StoppedByHand("by `vai stop`".into()), "by `vai stop`", step);
            return;
        }
        if !self.is_broken() {
            self.kept.stability.settle(now.mono);
        }
        for run in &mut self.runs {
            run.kept.deaths.settle(now.mono);
        }
        let asked =
            matches!(self.kept.state, State::Starting(Starting::Wanted { asked: true, .. }));
        match standing {
            Standing::ByHand(_)
            | Standing::Missing(_)
            | Standing::Finished { .. }
            | Standing::Died(_)
            | Standing::CutOff(_)
            | Standing::Looping { .. }
                if asked => {}
            Standing::Unseen | Standing::Changing(_) => {}
            Standing::Settling(why) => self.container_ended(now, why, step),
            Standing::CuttingOff(why) => self.loses_network(now, why, step),
            Standing::Unclear(why) => self.blind(now, why, step),
            Standing::ByHand(why) => {
                self.left_alone(now, State::StoppedByHand(why.clone()), why, step);
            }
            Standing::Missing(why) => self.left_alone(now, State::Missing(why.clone()), why, step),
            Standing::Finished { detail, .. } => self.finished(now, detail, step),
            Standing::Died(fault) | Standing::CutOff(fault) | Standing::Looping { fault, .. } => {
                self.container_died(now, fault, step);
            }
            Standing::Up { instance, since } => {
                self.adopt_instance(now, instance);
                let returned = self.is_left_alone();
                if !asked && (self.kept.instance.as_ref() != Some(instance) || returned) {
                    self.arrived(now, instance, *since, start_timeout, step);
                }
                self.review_state(now, step);
            }
        }
    }

    /// A restart that `vai` ended in the middle of has been done after all.
    fn adopt_instance(&mut self, now: Now, instance: &Instance) {
        if let State::Verifying(proof) = &self.kept.state
            && proof.may_change_instance
            && self.kept.instance.as_ref() != Some(instance)
        {
            self.change_instance(instance.clone());
            self.look_afresh(now.mono + self.service.startup_delay);
        }
    }

    /// From here on results come from this instance, and none from the one
    /// before counts.
    pub(super) fn change_instance(&mut self, instance: Instance) {
        if self.kept.instance.as_ref() != Some(&instance) {
            for run in &mut self.runs {
                run.arrived();
            }
            self.kept.instance = Some(instance);
        }
    }

    pub(super) fn review_state(&mut self, now: Now, step: &mut Step) {
        match self.kept.state.clone() {
            State::Disabled | State::Healing { .. } => {}
            State::Starting(starting) => self.review_start(now, starting, step),
            State::Verifying(proof) => self.review_proof(now, &proof, step),
            State::Unknown(_)
            | State::Healthy
            | State::Degraded(_)
            | State::Suspect(_)
            | State::Down
            | State::StoppedByHand(_)
            | State::Missing(_)
            | State::Finished(_) => self.review_condition(now, step),
        }
    }

    fn review_condition(&mut self, now: Now, step: &mut Step) {
        match self.condition(now.mono) {
            Condition::Pending | Condition::Starting | Condition::Recovering => {}
            Condition::Failed(failing) if self.may_start() && !self.is_broken() => {
                self.want_start(now, failing, step);
            }
            Condition::Failed(failing) => self.confirmed(now, &failing, step),
            Condition::Suspect(failing) => {
                if self.kept.outage.is_none() {
                    self.kept.effort.failing(now.mono);
                    let reason = failing.fault.detail.clone();
                    self.enter(now, State::Suspect(failing.fault), &reason, step);
                }
            }
            Condition::Blind(why) => {
                if !self.is_broken() {
                    self.blind(now, &why, step);
                }
            }
            Condition::HalfBlind(why) => self.half_blind(now, &why, step),
            Condition::Degraded(why) => {
                if self.is_broken() {
                    self.half_recovered(now, "came back, degraded", step);
                }
                self.degraded(now, why, step);
            }
            Condition::Well => {
                let attempts = self.kept.outage.as_ref().map_or(0, |outage| outage.attempts);
                let how = if attempts > 0 {
                    "came back between vai's attempts"
                } else if matches!(self.kept.state, State::Unknown(_)) && !self.is_broken() {
                    "can be looked at again"
                } else {
                    "came back without vai's doing"
                };
                self.become_well(now, how, step);
            }
        }
    }

    fn is_broken(&self) -> bool {
        self.kept.outage.as_ref().is_some_and(|outage| matches!(outage.kind, OutageKind::Broken(_)))
    }

    /// A failure is confirmed.
    pub(super) fn confirmed(&mut self, now: Now, failing: &Failing, step: &mut Step) {
        let kind = OutageKind::Broken(failing.fault.kind);
        if self.is_broken() && self.kept.state == State::Down {
            if let Some(outage) = &mut self.kept.outage {
                outage.kind = kind;
                outage.proven |= failing.has_ended();
                outage.reason.clone_from(&failing.fault.detail);
            }
            return;
        }
        self.kept.effort.failing(now.mono);
        self.kept.stability.failed(now.mono);
        self.open(now, kind, &failing.fault.detail, failing.since);
        if let Some(outage) = &mut self.kept.outage {
            outage.proven = failing.has_ended();
        }
        let how = if failing.proven || failing.count <= 1 {
            String::new()
        } else {
            format!(" ({} fails in a row)", failing.count)
        };
        let reason = format!("{}{how}", failing.fault);
        self.enter(now, State::Down, &reason, step);
    }

    /// Opens an outage, or turns the one that is open into another kind.
    pub(super) fn open(&mut self, now: Now, kind: OutageKind, reason: &str, since: Now) {
        let outage = self.kept.outage.get_or_insert_with(|| Outage {
            kind,
            reason: String::new(),
            since,
            confirmed: now,
            waiting: now.mono,
            proven: false,
            attempts: 0,
            history: Vec::new(),
            left_out: 0,
            evidence: Evidence::default(),
        });
        if outage.kind != kind && !matches!(outage.kind, OutageKind::Broken(_)) {
            outage.confirmed = now;
            outage.waiting = now.mono;
            outage.since = since;
        }
        outage.kind = kind;
        reason.clone_into(&mut outage.reason);
    }

    pub(super) fn degraded(&mut self, now: Now, why: String, step: &mut Step) {
        self.open(now, OutageKind::Degraded, &why, now);
        self.was_well(now);
        step.became_well |= !self.is_well();
        self.enter(now, State::Degraded(why.clone()), &why, step);
    }

    pub(super) fn blind(&mut self, now: Now, why: &str, step: &mut Step) {
        self.kept.effort.failing(now.mono);
        self.out_of_sight(now, &format!("cannot be looked at: {why}"));
        self.enter(now, State::Unknown(why.to_owned()), why, step);
    }

    /// How it was degraded says nothing any more; that it is down, or stopped by
    /// hand, is more than that nothing is seen.
    fn out_of_sight(&mut self, now: Now, reason: &str) {
        match self.kept.outage.as_ref().map(|outage| outage.kind) {
            None | Some(OutageKind::Degraded | OutageKind::Blind) => {
                self.open(now, OutageKind::Blind, reason, now);
            }
            Some(OutageKind::Stopped | OutageKind::Broken(_)) => {}
        }
    }

    /// Works as far as can be seen; a check that only alerts sees nothing.
    pub(super) fn half_blind(&mut self, now: Now, why: &str, step: &mut Step) {
        if self.is_broken() {
            self.recovered(now, "came back", step);
        }
        let reason = format!("cannot be looked at: {why}");
        self.out_of_sight(now, &reason);
        self.was_well(now);
        step.became_well |= !self.is_well();
        self.enter(now, State::Degraded(reason.clone()), &reason, step);
    }

    fn was_well(&mut self, now: Now) {
        self.kept.well_in.clone_from(&self.kept.instance);
        self.kept.left_over = None;
        self.kept.effort.well(now.mono);
    }

    pub(super) fn become_well(&mut self, now: Now, how: &str, step: &mut Step) {
        if self.kept.state == State::Healthy {
            self.was_well(now);
            return;
        }
        self.recovered(now, how, step);
        self.was_well(now);
        step.became_well |= !self.is_well();
        self.enter(now, State::Healthy, how, step);
    }

    /// It works, not as it should: the outage is over, unless it was no other,
    /// or it only flaps and may be back any moment.
    pub(super) fn half_recovered(&mut self, now: Now, how: &str, step: &mut Step) {
        match &mut self.kept.outage {
            Some(Outage { kind: OutageKind::Degraded, .. }) => {}
            Some(outage) if self.runs.iter().any(|run| run.kept.quality.is_flapping()) => {
                outage.kind = OutageKind::Degraded;
            }
            _ => self.recovered(now, how, step),
        }
    }

    pub(super) fn recovered(&mut self, now: Now, how: &str, step: &mut Step) {
        if let Some(outage) = self.kept.outage.take() {
            if matches!(outage.kind, OutageKind::Broken(_)) {
                self.kept.stability.over(now.mono);
            }
            step.recovered = Some(how.to_owned());
        }
    }

    pub(super) fn enter(&mut self, now: Now, state: State, reason: &str, step: &mut Step) {
        let (from, phase) = (self.label(), self.kept.state.phase());
        if !matches!(state, State::Down | State::Starting(Starting::Wanted { .. })) {
            self.gate = None;
        }
        self.kept.state = state;
        let to = self.label();
        if from != to {
            self.kept.since = now;
        }
        if from != to || (phase != self.kept.state.phase() && !reason.is_empty()) {
            step.notes.push(Note { from, to, reason: reason.to_owned() });
        }
    }
}

/// What all checks of a service together say.
pub(super) enum Condition {
    Well,
    Degraded(String),
    HalfBlind(String),
    Pending,
    Starting,
    Blind(String),
    Recovering,
    Suspect(Failing),
    Failed(Failing),
}

impl Condition {
    /// From this rank on it is not known to work.
    const PENDING: u8 = 3;

    /// How bad it is; of several the worst counts.
    fn rank(&self) -> u8 {
        match self {
            Self::Well => 0,
            Self::HalfBlind(_) => 1,
            Self::Degraded(_) => 2,
            Self::Pending => Self::PENDING,
            Self::Starting => 4,
            Self::Blind(_) => 5,
            Self::Recovering => 6,
            Self::Suspect(_) => 7,
            Self::Failed(_) => 8,
        }
    }
}
