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
                    follows: false,
                })
            }
            State::Down => {
                let since = self.kept.outage.as_ref()?.waiting;
                let risk = match (standing, self.condition(now)) {
                    (Standing::Died(_) | Standing::Looping { by_policy: true, .. }, _) => {
                        Risk::Proven
                    }
                    (_, Condition::Failed(failing)) => Risk::of(&failing),
                    _ => return None,
                };
                // For an empty ladder the arbiter's gate says so; what is
                // proposed then is only ever done where a container died.
                let rung = self.kept.effort.rung(&self.service.recovery).unwrap_or(Rung::Container);
                let act = Act::Restart(rung);
                Some(Proposal { act, since, asked: false, risk, follows: false })
            }
            State::Verifying(Proof { next_rung: NextRung::Due { until }, .. })
                if now < *until && self.is_unanswered() =>
            {
                Some(Proposal {
                    act: Act::Restart(Rung::KillAndCommand),
                    since: self.kept.outage.as_ref()?.waiting,
                    asked: false,
                    risk: Risk::Alive,
                    follows: true,
                })
            }
            _ => None,
        }
    }

    /// Whether nothing may ever be done for it as it stands.
    pub(crate) fn is_alert_only(&self, standing: &Standing) -> bool {
        let recovery = &self.service.recovery;
        recovery.ladder.is_empty()
            && !(recovery.start_container && matches!(standing, Standing::Died(_)))
    }

    /// Remembers why it is not admitted. Returns a line if that is news.
    pub(crate) fn gated(&mut self, now: Now, gate: Gate) -> Option<Note> {
        let from = self.label();
        if let State::Verifying(proof) = &mut self.kept.state {
            if matches!(gate, Gate::Looking | Gate::Unsure(_) | Gate::Busy) {
                self.gate = Some(gate);
                return None;
            }
            // It goes on being proven, and may be another attempt later.
            proof.next_rung = NextRung::Later;
            let reason = format!("the next rung is not attempted now: {}", gate.words(now.mono));
            return Some(Note { from, to: from, reason });
        }
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
    pub(crate) fn admitted(&mut self, now: Now, id: ActId, proposal: &Proposal, step: &mut Step) {
        if proposal.follows {
            self.goes_on(now, id, step);
            return;
        }
        let act = &proposal.act;
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
                let attempt = numbered(attempt, max);
                let reason = format!("restarting by {by}, {attempt}: {fault}");
                let healing = State::Healing { act: id, second_after: None };
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

    /// The attempt under way goes on with the next rung, which spends nothing.
    fn goes_on(&mut self, now: Now, id: ActId, step: &mut Step) {
        let State::Verifying(proof) = self.kept.state.clone() else { return };
        self.kept.left_over = self.kept.last_act.replace(id);
        let (attempt, fault) =
            self.kept.outage.as_ref().map_or((1, ""), |it| (it.attempts, it.reason.as_str()));
        let attempt = numbered(attempt, self.service.recovery.max_attempts);
        let by = by(Rung::KillAndCommand);
        let reason = format!("restarting by {by}, still {attempt}: {fault}");
        self.enter(now, State::Healing { act: id, second_after: Some(proof) }, &reason, step);
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
        let is_second = matches!(self.kept.state, State::Healing { second_after: Some(_), .. });
        if let Some(outage) = &mut self.kept.outage {
            report.steps.into_iter().for_each(|step| outage.tell(step));
            outage.evidence = report.evidence;
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
            ActOutcome::CommandOverdue(_) => (None, None),
        };
        let is_old = report.survivor_age.is_some_and(|age| age > start_timeout);
        let may_kill = !starting && self.kept.effort.may_kill_next(&self.service.recovery);
        let next_rung = if is_second {
            self.kept.effort.went_on();
            NextRung::Later
        } else if is_old && may_kill {
            NextRung::IfUnanswered
        } else {
            NextRung::Later
        };
        let looks_from = now.mono + self.service.startup_delay;
        let proof = Proof {
            acted: now.mono,
            deadline: (now.mono + start_timeout).max(looks_from),
            command_failed,
            still_there,
            may_change_instance: false,
            next_rung,
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

    fn refused(&mut self, now: Now, why: String, by_hand: bool, step: &mut Step) {
        const ASK_AGAIN: Duration = Duration::from_secs(10);
        if let State::Healing { second_after: Some(proof), .. } = self.kept.state.clone() {
            self.kept.last_act = self.kept.left_over.take();
            self.look_afresh(now.mono);
            let proof = Proof { next_rung: NextRung::Later, ..proof };
            let reason = format!("the next rung is not attempted now: {why}");
            self.enter(now, State::Verifying(proof), &reason, step);
            return;
        }
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

fn numbered(attempt: u32, max: u32) -> String {
    let of = if attempt > max { String::new() } else { format!(" of {max}") };
    format!("attempt {attempt}{of}")
}

/// What a machine calls for.
pub(crate) struct Proposal {
    pub(crate) act: Act,
    pub(crate) since: Time,
    /// By an operator, who need not wait for anything but the container.
    pub(crate) asked: bool,
    pub(crate) risk: Risk,
    /// It belongs to the attempt that is being proven, which was counted.
    pub(crate) follows: bool,
}

impl Proposal {
    /// An operator's stop.
    pub(crate) fn stop(now: Time) -> Self {
        Self { act: Act::Stop, since: now, asked: true, risk: Risk::Proven, follows: false }
    }

    /// Whether it counts under the host's ceiling.
    pub(crate) fn spends_host(&self) -> bool {
        matches!(self.act, Act::Restart(_)) && self.risk == Risk::Alive && !self.follows
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
            FaultKind::ProcessAbsent | FaultKind::Refused | FaultKind::ContainerStopped => {
                Self::Dead
            }
            FaultKind::Dns
            | FaultKind::ConnectTimeout
            | FaultKind::Connect
            | FaultKind::Tls
            | FaultKind::Timeout
            | FaultKind::Stalled
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
