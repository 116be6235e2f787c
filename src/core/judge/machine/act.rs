use super::*;

impl Machine {
    /// What it calls for and since when, whether or not it may be done now.
    pub(crate) fn proposal(&self, standing: &Standing, now: Time) -> Option<Proposal> {
        match &self.kept.state {
            State::Starting(Starting::Wanted { since, asked, .. }) => {
                let failing = *asked || matches!(self.condition(now), Condition::Failed(_));
                failing.then_some(Proposal {
                    act: Act::Start,
                    since: since.mono,
                    asked: *asked,
                    risk: Risk::Proven,
                })
            }
            State::Down => {
                let since = self.kept.outage.as_ref()?.waiting;
                let risk = match (standing, self.condition(now)) {
                    (
                        Standing::Died(_)
                        | Standing::CutOff(_)
                        | Standing::Looping { by_policy: true, .. },
                        _,
                    ) => Risk::Proven,
                    (_, Condition::Failed(failing)) => Risk::of(&failing),
                    _ => return None,
                };
                // For an empty ladder the arbiter's gate says so; what is
                // proposed then is only ever done where a container died.
                let rung = match standing {
                    // No command brings its network back.
                    Standing::CutOff(_) => Rung::Container,
                    _ => {
                        let rung = self.kept.effort.rung(&self.service.recovery);
                        rung.unwrap_or(Rung::Container)
                    }
                };
                Some(Proposal { act: Act::Restart(rung), since, asked: false, risk })
            }
            _ => None,
        }
    }

    /// Whether nothing may ever be done for it as it stands.
    pub(crate) fn is_alert_only(&self, standing: &Standing) -> bool {
        let recovery = &self.service.recovery;
        recovery.ladder.is_empty()
            && !(recovery.start_container
                && matches!(standing, Standing::Died(_) | Standing::CutOff(_)))
    }

    /// Remembers why it is not admitted. Returns a line if that is news.
    pub(crate) fn gated(&mut self, now: Now, gate: Gate) -> Option<Note> {
        let from = self.label();
        let news = gate.is_told()
            && self.gate.as_ref().map(std::mem::discriminant)
                != Some(std::mem::discriminant(&gate));
        let words = gate.words(now.mono);
        self.gate = Some(gate);
        if let State::Starting(Starting::Wanted { since, .. }) = self.kept.state
            && let Some(failing) = self.failing()
        {
            self.start_is_late(now, since, &failing);
        }
        let to = self.label();
        if from != to {
            self.kept.since = now;
        }
        (news || from != to).then(|| Note { from, to, reason: format!("not attempted: {words}") })
    }

    /// An act is dispatched. One that was refused before keeps its gate, and
    /// nothing is told, until it is known whether it is refused again.
    pub(crate) fn admitted(&mut self, now: Now, id: ActId, act: &Act, step: &mut Step) {
        let asks_again = matches!(self.gate, Some(Gate::Refused { .. } | Gate::Marker { .. }));
        if !asks_again {
            self.gate = None;
        }
        self.kept.last_act = Some(id);
        match act {
            Act::Restart(rung) => {
                let recovery = self.service.recovery.clone();
                self.kept.effort.spend(now.mono, &recovery);
                let max = recovery.max_attempts;
                let (attempt, fault) = match &mut self.kept.outage {
                    Some(outage) => {
                        outage.attempts += 1;
                        (outage.attempts, outage.reason.clone())
                    }
                    None => (1, String::new()),
                };
                let by = by(*rung);
                let of = if attempt > max { String::new() } else { format!(" of {max}") };
                let reason = format!("restarting by {by}, attempt {attempt}{of}: {fault}");
                let healing = State::Healing { act: id };
                if asks_again {
                    self.kept.state = healing;
                } else {
                    self.enter(now, healing, &reason, step);
                }
            }
            Act::Start => {
                let spent = self.kept.instance.clone();
                let before = std::mem::replace(&mut self.kept.start_spent, spent);
                let running = State::Starting(Starting::Running { act: id, since: now, before });
                if asks_again {
                    self.kept.state = running;
                } else {
                    self.enter(now, running, "starting it by restart_cmd", step);
                }
            }
            Act::Stop => {}
        }
    }

    /// An act of its own ended.
    pub(crate) fn acted(
        &mut self,
        now: Now,
        report: ActReport,
        start_timeout: Duration,
        step: &mut Step,
    ) {
        let starting = self.is_starting();
        let mut findings = Findings { wrote: report.wrote, ..Findings::default() };
        if let Some(outage) = &mut self.kept.outage {
            report.steps.into_iter().for_each(|step| outage.tell(step));
            outage.evidence = report.evidence;
        } else {
            findings = Findings { steps: report.steps, evidence: report.evidence, ..findings };
        }
        if let Some(instance) = report.instance {
            self.change_instance(instance);
        }
        let (command_failed, still_there) = match report.outcome {
            ActOutcome::Refused { gate, by_hand } => {
                self.refused(now, gate, by_hand, step);
                return;
            }
            ActOutcome::Done { still_there } => (None, still_there),
            ActOutcome::Failed(words) => (Some(words), None),
            ActOutcome::NotStarted(words) => {
                (Some(format!("the engine could not start the container: {words}")), None)
            }
            ActOutcome::CommandOverdue(_) => (None, None),
        };
        let looks_from = now.mono + self.service.startup_delay;
        let proof = Proof {
            acted: now.mono,
            deadline: (now.mono + start_timeout).max(looks_from),
            command_failed,
            still_there,
            may_change_instance: false,
            findings: Box::new(findings),
        };
        self.look_afresh(looks_from);
        let state = if starting {
            self.kept.start_spent.clone_from(&self.kept.instance);
            State::Starting(Starting::Proving(proof))
        } else {
            State::Verifying(proof)
        };
        self.enter(now, state, "waiting for its check", step);
    }

    /// The command of `act` wrote more after the act ended.
    pub(crate) fn command_wrote(&mut self, act: ActId, wrote: &str) {
        if self.kept.last_act != Some(act) {
            return;
        }
        if let State::Verifying(proof) | State::Starting(Starting::Proving(proof)) =
            &mut self.kept.state
        {
            wrote.clone_into(&mut proof.findings.wrote);
        }
    }

    /// What the commands of `act` left behind has ended: that is looked at now,
    /// however soon that is.
    pub(crate) fn died_early(&mut self, now: Time, act: ActId, how: String) {
        if self.kept.last_act != Some(act) {
            return;
        }
        if let State::Verifying(proof) | State::Starting(Starting::Proving(proof)) =
            &mut self.kept.state
        {
            proof.findings.died = Some((now, how));
            for run in &mut self.runs {
                run.look_at_once(now);
            }
        }
    }

    fn refused(&mut self, now: Now, why: String, by_hand: bool, step: &mut Step) {
        const ASK_AGAIN: Duration = Duration::from_secs(10);
        let until = now.mono + ASK_AGAIN;
        let gate = if by_hand { Gate::Marker { why, until } } else { Gate::Refused { why, until } };
        let from = self.label();
        if let State::Starting(Starting::Running { before, .. }) = &mut self.kept.state {
            self.kept.start_spent = before.take();
            self.kept.effort.start_refused(gate.clone());
            let fault = self
                .failing()
                .map_or_else(|| Fault::new(FaultKind::ProcessAbsent, ""), |failing| failing.fault);
            self.kept.state = State::Starting(Starting::Wanted { fault, since: now, asked: false });
        } else {
            self.kept.effort.refused(gate.clone());
            if let Some(outage) = &mut self.kept.outage {
                outage.attempts = outage.attempts.saturating_sub(1);
            }
            self.kept.state = State::Down;
        }
        let words = gate.words(now.mono);
        let is_news =
            self.gate.as_ref().map(|before| before.words(now.mono)) != Some(words.clone());
        self.gate = Some(gate);
        let to = self.label();
        if from != to {
            self.kept.since = now;
        }
        if is_news || from != to {
            step.notes.push(Note { from, to, reason: format!("not attempted: {words}") });
        }
        self.look_now(now.mono);
    }
}

fn by(rung: Rung) -> &'static str {
    match rung {
        Rung::Command => "restart_cmd",
        Rung::KillAndCommand => "restart_cmd, after ending what is left of it",
        Rung::Container => "a container restart",
    }
}

/// What a machine calls for.
pub(crate) struct Proposal {
    pub(crate) act: Act,
    pub(crate) since: Time,
    /// By an operator, who need not wait for anything but the container.
    pub(crate) asked: bool,
    pub(crate) risk: Risk,
}

impl Proposal {
    /// Whether it counts under the host's ceiling.
    pub(crate) fn spends_host(&self) -> bool {
        matches!(self.act, Act::Restart(_)) && self.risk == Risk::Alive
    }
}

/// What a restart may harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Risk {
    /// A death was seen: there is nothing to lose.
    Proven,
    /// Nothing answers; what was there is most likely gone.
    Dead,
    /// Something still lives that the restart will end.
    Alive,
}

impl Risk {
    fn of(failing: &Failing) -> Self {
        match failing.fault.kind {
            _ if failing.has_ended() => Self::Proven,
            FaultKind::ProcessAbsent
            | FaultKind::Refused
            | FaultKind::ContainerStopped
            | FaultKind::NetworkLost => Self::Dead,
            FaultKind::Dns
            | FaultKind::ConnectTimeout
            | FaultKind::Connect
            | FaultKind::Tls
            | FaultKind::Timeout
            | FaultKind::Protocol
            | FaultKind::Status
            | FaultKind::Body
            | FaultKind::ProcessCount
            | FaultKind::ExitCode
            | FaultKind::ContainerMissing
            | FaultKind::Unhealthy
            | FaultKind::DiskFull
            | FaultKind::CrashLoop => Self::Alive,
        }
    }
}
