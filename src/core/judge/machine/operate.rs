use super::*;

impl Machine {
    pub(crate) fn pause(&mut self, now: Now, step: &mut Step) {
        self.held(now, Hold::Paused, "paused by an operator", step);
    }

    pub(crate) fn resume(&mut self, now: Now, step: &mut Step) {
        if self.kept.hold == Hold::Paused {
            self.held(now, Hold::Nothing, "resumed by an operator", step);
            self.look_now(now.mono);
        }
    }

    /// A maintenance window over it opens or ends. What was judged before its
    /// end is looked at again.
    pub(crate) fn maintain(&mut self, now: Now, window: Option<String>, step: &mut Step) {
        if self.maintenance == window || !self.is_watched() {
            self.maintenance = window;
            return;
        }
        let from = self.label();
        let reason = match &window {
            Some(reason) if reason.is_empty() => "a maintenance window opened".to_owned(),
            Some(reason) => format!("a maintenance window opened: {reason}"),
            None => "the maintenance window is over".to_owned(),
        };
        self.maintenance = window;
        self.kept.since = now;
        self.look_now(now.mono);
        step.notes.push(Note { from, to: self.label(), reason });
    }

    fn held(&mut self, now: Now, hold: Hold, reason: &str, step: &mut Step) {
        let from = self.label();
        self.kept.hold = hold;
        self.kept.since = now;
        step.notes.push(Note { from, to: self.label(), reason: reason.to_owned() });
    }

    /// `vai stop`: it is left alone from here on.
    pub(crate) fn stop(&mut self, now: Now, step: &mut Step) {
        self.kept.hold = Hold::Stopped;
        self.epoch += 1;
        self.recovered(now, "stopped by `vai stop`", step);
        self.enter(now, State::StoppedByHand("by `vai stop`".into()), "by `vai stop`", step);
    }

    /// A `vai stop` came to nothing: it is watched as before.
    pub(crate) fn not_stopped(&mut self, now: Now, step: &mut Step) {
        self.kept.hold = Hold::Nothing;
        self.kept.instance = None;
        let unknown = State::Unknown("it could not be stopped".into());
        self.enter(now, unknown, "it could not be stopped and is watched again", step);
    }

    pub(crate) fn is_stopped_by_operator(&self) -> bool {
        self.kept.hold == Hold::Stopped
    }

    /// `vai start`: whatever held it is forgotten and it is started now.
    pub(crate) fn start(&mut self, now: Now, step: &mut Step) {
        self.kept.hold = Hold::Nothing;
        self.gate = None;
        self.look_afresh(now.mono);
        self.kept.effort.forgive();
        let fault = Fault::new(FaultKind::ProcessAbsent, "an operator asked for its start");
        let wanted = Starting::Wanted { fault, since: now, asked: true };
        self.enter(now, State::Starting(wanted), "by `vai start`", step);
    }

    /// Something that it depends on is well again: it is touched only if it
    /// fails from here on, too.
    pub(crate) fn dependency_returned(&mut self, now: Time) {
        let wants_start =
            matches!(self.kept.state, State::Starting(Starting::Wanted { asked: false, .. }));
        if wants_start || (self.kept.outage.is_some() && self.kept.state == State::Down) {
            for run in &mut self.runs {
                run.tally.confirm_again();
            }
            self.kept.effort.retry_now(now);
            self.look_now(now);
        }
    }

    /// What it may have failed of is gone: unless its own death was seen, its
    /// failure is confirmed anew before anything is done.
    pub(crate) fn confirm_again(&mut self, now: Time) {
        let untouched = self.kept.outage.as_ref().is_none_or(|it| !it.proven && it.attempts == 0);
        if untouched && matches!(self.kept.state, State::Suspect(_) | State::Down) {
            for run in &mut self.runs {
                run.tally.confirm_again();
            }
            self.look_now(now);
        }
    }

    /// Since when it fails, confirmed or not.
    pub(crate) fn failing_since(&self) -> Option<Now> {
        match &self.kept.outage {
            Some(outage) if matches!(outage.kind, OutageKind::Broken(_)) => Some(outage.since),
            _ if matches!(self.kept.state, State::Suspect(_)) => {
                self.failing().map(|failing| failing.since)
            }
            _ => None,
        }
    }

    /// The time that whatever supervises it has left to bring it back. With its
    /// container its supervisor is gone as well.
    pub(crate) fn left_to_supervisor(&self, standing: &Standing, now: Time) -> Option<Gate> {
        let supervised = self.service.supervised.as_ref()?;
        if matches!(standing, Standing::Died(_)) {
            return None;
        }
        let since = match &self.kept.state {
            State::Starting(Starting::Wanted { since, .. }) => {
                self.failing().map_or(since.mono, |it| it.since.mono.min(since.mono))
            }
            _ => self.kept.outage.as_ref()?.since.mono,
        };
        let until = since + supervised.patience;
        (now < until).then(|| Gate::Supervised { by: supervised.by.clone(), until })
    }

    /// Since when something else has to restart it again and again, how often
    /// it did, and what it is.
    pub(crate) fn deaths(&self) -> Option<(Now, u32, &str)> {
        let supervised = self.service.supervised.as_ref()?;
        let worst = self.restarting().filter_map(|(run, _)| run.kept.deaths.many());
        let (since, count) = worst.max_by_key(|(_, count)| *count)?;
        Some((since, count, &supervised.by))
    }

    /// Whether its failure is being looked at or healed, so that others may
    /// wait for what comes of it.
    pub(crate) fn may_yet_be_healed(&self) -> bool {
        match &self.kept.state {
            State::Suspect(_) | State::Healing { .. } | State::Verifying(_) => true,
            State::Down => {
                !self.kept.effort.has_given_up()
                    && self.kept.hold == Hold::Nothing
                    && !self.gate.as_ref().is_some_and(Gate::is_final)
            }
            State::Disabled
            | State::Unknown(_)
            | State::Starting(_)
            | State::Healthy
            | State::Degraded(_)
            | State::StoppedByHand(_) => false,
        }
    }

    pub(crate) fn left_over(&self) -> Option<ActId> {
        self.kept.left_over
    }

    /// Whether it is down, or wants its start or the next rung of its restart.
    pub(crate) fn waits_for_help(&self) -> bool {
        match &self.kept.state {
            State::Down | State::Starting(Starting::Wanted { .. }) => true,
            State::Verifying(proof) => matches!(proof.next_rung, NextRung::Due { .. }),
            _ => false,
        }
    }

    pub(crate) fn is_local(&self) -> bool {
        self.service.place == Place::Local
    }

    /// The container that it runs in, unless it is local.
    pub(crate) fn container(&self) -> Option<&ContainerKey> {
        match &self.service.place {
            Place::Local => None,
            Place::Container(key) => Some(key),
        }
    }
}
