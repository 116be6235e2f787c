use super::container::Standing;
use super::effort::Effort;
use super::gate::Gate;
use super::run::Run;
use super::tally::{Failing, Verdict, restarts};
use crate::model::{
    Act, ActId, ActOutcome, ActReport, ContainerKey, Evidence, Fault, FaultKind, Instance, Now,
    OnFail, Place, ProcId, Rung, Service, ServiceKind, StateLabel, Time,
};
use crate::words;
use std::sync::Arc;
use std::time::Duration;

/// One service: what it is doing and what it calls for. It proposes; the
/// arbiter admits.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) service: Arc<Service>,
    state: State,
    since: Now,
    pub(crate) runs: Vec<Run>,
    pub(crate) instance: Option<Instance>,
    /// The instance in which its one start was spent.
    start_spent: Option<Instance>,
    /// The instance in which it was last seen well.
    well_in: Option<Instance>,
    /// From confirmation to proof, through whatever states lie between.
    pub(crate) outage: Option<Outage>,
    pub(crate) effort: Effort,
    hold: Hold,
    /// Why it is not being healed right now, where it should be.
    gate: Option<Gate>,
    /// Results of looks handed out in an earlier epoch are dropped.
    epoch: u64,
}

/// What a service is doing. Each state carries its own data and no other's.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Disabled,
    Unknown(String),
    Starting(Starting),
    Healthy,
    Degraded(String),
    Suspect(Fault),
    Down,
    Healing { act: ActId },
    Verifying(Proof),
    StoppedByHand(String),
}

impl State {
    /// Tells the steps of a story apart that has the same name all along.
    fn phase(&self) -> u8 {
        match self {
            Self::Disabled => 0,
            Self::Unknown(_) => 1,
            Self::Starting(Starting::Looking { .. }) => 2,
            Self::Starting(Starting::Wanted { .. }) => 3,
            Self::Starting(Starting::Running { .. }) => 4,
            Self::Starting(Starting::Proving(_)) => 5,
            Self::Healthy => 6,
            Self::Degraded(_) => 7,
            Self::Suspect(_) => 8,
            Self::Down => 9,
            Self::Healing { .. } => 10,
            Self::Verifying(_) => 11,
            Self::StoppedByHand(_) => 12,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Starting {
    /// It may be coming up by itself until then.
    Looking { until: Time },
    /// It is down in a new instance and wants its start; why it is thought so.
    Wanted { fault: Fault, since: Now, asked: bool },
    /// Its start is under way.
    Running { act: ActId, since: Now },
    /// Its start was made and is being proven.
    Proving(Proof),
}

/// What has to be proven after an act, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Proof {
    acted: Time,
    deadline: Time,
    /// The command's own words, where it failed.
    command_failed: Option<String>,
    /// A process from before that outlived the act.
    still_there: Option<String>,
}

/// What an operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Nothing,
    Paused,
    Stopped,
}

/// A confirmed failure, until it is proven over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outage {
    pub(crate) kind: OutageKind,
    pub(crate) check: String,
    pub(crate) reason: String,
    /// The first fail.
    pub(crate) since: Now,
    pub(crate) confirmed: Now,
    pub(crate) attempts: u32,
    /// What was done and what came of it.
    pub(crate) history: Vec<String>,
    pub(crate) evidence: Evidence,
}

impl Outage {
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self.kind {
            OutageKind::Broken(kind) => Some(Fault::new(kind, self.reason.clone())),
            OutageKind::Degraded | OutageKind::Blind | OutageKind::Stopped => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutageKind {
    /// Works, not as it should; nothing is restarted for it.
    Degraded,
    /// Cannot be looked at.
    Blind,
    /// Somebody stopped its container; told after ten minutes.
    Stopped,
    /// Down.
    Broken(FaultKind),
}

/// A line for the log: what changed and why.
pub(crate) struct Note {
    pub(crate) from: StateLabel,
    pub(crate) to: StateLabel,
    pub(crate) reason: String,
}

/// What a step of a machine came to, for the core to act on.
#[derive(Default)]
pub(crate) struct Step {
    pub(crate) notes: Vec<Note>,
    /// How its outage ended, if it did.
    pub(crate) recovered: Option<String>,
    /// It became healthy: those that depend on it are looked at again.
    pub(crate) became_well: bool,
}

impl Machine {
    pub(crate) fn new(now: Now, service: Arc<Service>) -> Self {
        let runs = Run::all(now.mono, &service);
        let watched = service.enabled && service.kind == ServiceKind::Watched;
        let state =
            if watched { State::Unknown("not looked at yet".into()) } else { State::Disabled };
        Self {
            service,
            state,
            since: now,
            runs,
            instance: None,
            start_spent: None,
            well_in: None,
            outage: None,
            effort: Effort::default(),
            hold: Hold::Nothing,
            gate: None,
            epoch: 0,
        }
    }

    /// Takes over a changed entry of the registry. What was learnt and spent
    /// stays; checks that changed start anew.
    pub(crate) fn reconfigure(&mut self, now: Now, service: Arc<Service>, step: &mut Step) {
        let watched = service.enabled && service.kind == ServiceKind::Watched;
        let moved = service.place != self.service.place;
        self.runs = Run::carry_over(std::mem::take(&mut self.runs), now.mono, &service);
        self.service = service;
        if !watched {
            if self.outage.take().is_some() {
                let how = "disabled in the registry".to_owned();
                step.recovered = Some(how);
            }
            self.enter(now, State::Disabled, "disabled in the registry", step);
        } else if self.state == State::Disabled || moved {
            self.instance = None;
            self.epoch += 1;
            let unknown = State::Unknown("not looked at yet".into());
            self.enter(now, unknown, "the registry changed", step);
        }
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.state != State::Disabled
    }

    // ---- what it shows ----

    pub(crate) fn label(&self) -> StateLabel {
        if self.hold == Hold::Paused {
            return StateLabel::Paused;
        }
        match &self.state {
            State::Disabled => StateLabel::Disabled,
            State::Unknown(_) => StateLabel::Unknown,
            State::Starting(Starting::Wanted { .. }) => {
                self.gate.as_ref().and_then(Gate::label).unwrap_or(StateLabel::Starting)
            }
            State::Starting(Starting::Looking { .. }) if !self.has_result() => StateLabel::Unknown,
            State::Starting(_) => StateLabel::Starting,
            State::Healthy => StateLabel::Healthy,
            State::Degraded(_) => StateLabel::Degraded,
            State::Suspect(_) => StateLabel::Suspect,
            State::Down => match self.gate.as_ref().and_then(Gate::label) {
                Some(label) => label,
                None if self.effort.has_given_up() => StateLabel::GaveUp,
                None => StateLabel::Down,
            },
            State::Healing { .. } => StateLabel::Healing,
            State::Verifying(_) => StateLabel::Verifying,
            State::StoppedByHand(_) => StateLabel::StoppedByHand,
        }
    }

    /// Why it is in its state, in words; the times in them are as of `now`.
    pub(crate) fn reason(&self, now: Time) -> String {
        match &self.state {
            State::Disabled => match self.service.kind {
                ServiceKind::Watched => "disabled in the registry".into(),
                ServiceKind::Documentation => "listed in the registry, not watched".into(),
            },
            State::Unknown(why) | State::Degraded(why) | State::StoppedByHand(why) => why.clone(),
            State::Starting(starting) => match starting {
                Starting::Looking { .. } => self
                    .failing()
                    .map_or_else(|| "waiting for its first look".into(), |(_, f)| f.fault.detail),
                Starting::Wanted { fault, .. } => self.with_gate(&fault.detail, now),
                Starting::Running { .. } => "its start is under way".into(),
                Starting::Proving(_) => "started, waiting for its check".into(),
            },
            State::Healthy => String::new(),
            State::Suspect(fault) => fault.detail.clone(),
            State::Down => match &self.outage {
                Some(outage) => self.with_gate(&outage.reason, now),
                None => String::new(),
            },
            State::Healing { .. } => "being restarted".into(),
            State::Verifying(_) => "restarted, waiting for its check".into(),
        }
    }

    fn with_gate(&self, reason: &str, now: Time) -> String {
        match &self.gate {
            Some(gate) if !matches!(gate, Gate::Looking | Gate::Busy) => {
                format!("{reason}; {}", gate.words(now))
            }
            _ => reason.to_owned(),
        }
    }

    pub(crate) fn since(&self) -> Now {
        self.since
    }

    pub(crate) fn gate(&self) -> Option<&Gate> {
        self.gate.as_ref()
    }

    fn has_result(&self) -> bool {
        self.runs.iter().any(|run| run.tally.last().is_some())
    }

    // ---- what it is ----

    pub(crate) fn is_paused(&self) -> bool {
        self.hold == Hold::Paused
    }

    /// Whether it stands where those that depend on it may be healed.
    pub(crate) fn is_well(&self) -> bool {
        matches!(self.state, State::Healthy | State::Degraded(_))
    }

    /// Whether a marker file says that somebody stopped it.
    pub(crate) fn is_marked_stopped(&self) -> bool {
        matches!(self.gate, Some(Gate::Marker { .. }))
    }

    /// Whether nobody waits for it: it is not supposed to run.
    pub(crate) fn blocks_nobody(&self) -> bool {
        matches!(self.state, State::Disabled | State::StoppedByHand(_)) || self.is_marked_stopped()
    }

    /// Whether an act of its own is under way, and which.
    pub(crate) fn act(&self) -> Option<ActId> {
        match &self.state {
            State::Healing { act } | State::Starting(Starting::Running { act, .. }) => Some(*act),
            _ => None,
        }
    }

    /// Whether it is to be looked at at all.
    fn is_looked_at(&self) -> bool {
        match &self.state {
            State::Disabled | State::Healing { .. } | State::StoppedByHand(_) => false,
            State::Starting(Starting::Running { .. }) => false,
            _ => self.hold != Hold::Stopped,
        }
    }

    /// Whether results are wanted sooner than the interval brings them.
    fn wants_results(&self) -> bool {
        matches!(
            self.state,
            State::Verifying(_) | State::Starting(Starting::Looking { .. } | Starting::Proving(_))
        )
    }

    /// All processes seen alive behind it when it was last well.
    pub(crate) fn processes(&self) -> Vec<ProcId> {
        let mut all: Vec<ProcId> = Vec::new();
        for process in self.runs.iter().flat_map(|run| run.tally.processes()) {
            if !all.contains(process) {
                all.push(process.clone());
            }
        }
        all
    }

    // ---- looking ----

    /// Checks whose time has come; each is handed out once.
    pub(crate) fn due(&mut self, now: Time, number: &mut u64) -> Vec<(usize, u64)> {
        let looked_at = self.is_looked_at();
        let epoch = self.epoch;
        let service = &self.service;
        let due = self.runs.iter_mut().enumerate().filter_map(|(index, run)| {
            run.due(now, &service.name, service.checks.get(index)?, looked_at, epoch, number)
                .map(|number| (index, number))
        });
        due.collect()
    }

    /// Takes in a result. Whether it is the first fail after a pass.
    pub(crate) fn checked(
        &mut self,
        now: Now,
        index: usize,
        number: u64,
        report: crate::model::Report,
    ) -> bool {
        let (epoch, wants_results) = (self.epoch, self.wants_results());
        let service = Arc::clone(&self.service);
        let (Some(run), Some(check)) = (self.runs.get_mut(index), service.checks.get(index)) else {
            return false;
        };
        if !run.ended(now, number, epoch, report) {
            return false;
        }
        if wants_results || run.tally.in_flux(check, now.mono) {
            run.soon(now.mono + check.confirm_interval);
        }
        run.tally.failing().is_some_and(|failing| failing.count == 1)
    }

    pub(crate) fn look_now(&mut self, now: Time) {
        for run in &mut self.runs {
            run.soon(now);
        }
    }

    pub(crate) fn process_ended(&mut self, process: &ProcId) {
        for run in &mut self.runs {
            run.tally.process_ended(process);
        }
    }

    /// Whether every check that counts was looked at since `when`.
    pub(crate) fn looked_since(&self, when: Time) -> bool {
        self.restarting().all(|(run, _)| run.tally.looked_since(when))
    }

    pub(crate) fn next_look(&self) -> Option<Time> {
        let looked_at = self.is_looked_at();
        self.runs.iter().filter_map(|run| run.wake(looked_at)).min()
    }

    /// When time alone changes something.
    pub(crate) fn next_wake(&self, now: Time) -> Option<Time> {
        let state = match &self.state {
            State::Starting(Starting::Looking { until }) => Some(*until),
            State::Verifying(proof) | State::Starting(Starting::Proving(proof)) => {
                Some(proof.deadline)
            }
            _ => None,
        };
        let confirmed = self
            .runs
            .iter()
            .zip(&self.service.checks)
            .filter_map(|(run, check)| run.tally.confirmed_at(check));
        let gate = self.gate.as_ref().and_then(Gate::until);
        state.into_iter().chain(confirmed).chain(gate).filter(|&at| at > now).min()
    }

    fn restarting(&self) -> impl Iterator<Item = (&Run, &crate::model::Check)> {
        self.runs.iter().zip(&self.service.checks).filter(|(_, check)| restarts(check))
    }

    /// The first check that fails right now.
    fn failing(&self) -> Option<(String, Failing)> {
        self.restarting().find_map(|(run, check)| Some((check.name.clone(), run.tally.failing()?)))
    }

    // ---- judging ----

    /// What all checks together say: the worst of them.
    fn condition(&self, now: Time) -> Condition {
        let mut worst = Condition::Well;
        for (run, check) in self.runs.iter().zip(&self.service.checks) {
            let condition = Condition::of(run.tally.verdict(check, now), check, &self.state);
            if condition.rank() > worst.rank() {
                worst = condition;
            }
        }
        worst
    }

    /// Moves on by what is known at `now`.
    pub(crate) fn review(
        &mut self,
        now: Now,
        standing: &Standing,
        start_timeout: Duration,
        step: &mut Step,
    ) {
        if self.state == State::Disabled || self.act().is_some() {
            return;
        }
        if self.hold == Hold::Stopped {
            self.enter(now, State::StoppedByHand("by `vai stop`".into()), "by `vai stop`", step);
            return;
        }
        if matches!(self.state, State::Starting(Starting::Wanted { asked: true, .. })) {
            return;
        }
        match standing {
            Standing::Unseen | Standing::Changing(_) => {}
            Standing::Unclear(why) => self.blind(now, why, step),
            Standing::ByHand(why) => self.stopped_by_hand(now, why, step),
            Standing::Died(fault) => self.container_died(now, fault, step),
            Standing::Up { instance, since } => {
                let returned = matches!(self.state, State::StoppedByHand(_));
                if self.instance.as_ref() != Some(instance) || returned {
                    self.arrived(now, instance, *since, start_timeout, step);
                }
                self.review_state(now, step);
            }
        }
    }

    fn review_state(&mut self, now: Now, step: &mut Step) {
        match self.state.clone() {
            State::Disabled | State::Healing { .. } => {}
            State::Starting(starting) => self.review_start(now, starting, step),
            State::Verifying(proof) => self.review_proof(now, &proof, step),
            State::Unknown(_)
            | State::Healthy
            | State::Degraded(_)
            | State::Suspect(_)
            | State::Down
            | State::StoppedByHand(_) => self.review_condition(now, step),
        }
    }

    fn review_condition(&mut self, now: Now, step: &mut Step) {
        match self.condition(now.mono) {
            Condition::Pending | Condition::Starting | Condition::Recovering => {}
            Condition::Failed(check, failing) => self.confirmed(now, &check, &failing, step),
            Condition::Suspect(failing) => {
                if self.outage.is_none() {
                    self.effort.failing(now.mono);
                    let reason = failing.fault.detail.clone();
                    self.enter(now, State::Suspect(failing.fault), &reason, step);
                }
            }
            Condition::Blind(why) => {
                if !self.is_broken() {
                    self.blind(now, &why, step);
                }
            }
            Condition::Degraded(check, why) => {
                if self.is_broken() {
                    self.recovered("came back, degraded", step);
                }
                self.degraded(now, check, why, step);
            }
            Condition::Well => {
                let how = if self.outage.as_ref().is_some_and(|outage| outage.attempts > 0) {
                    "came back between vai's attempts"
                } else {
                    "came back without vai's doing"
                };
                self.become_well(now, how, step);
            }
        }
    }

    fn is_broken(&self) -> bool {
        self.outage.as_ref().is_some_and(|outage| matches!(outage.kind, OutageKind::Broken(_)))
    }

    /// The container came up, or came back, or is seen for the first time.
    fn arrived(
        &mut self,
        now: Now,
        instance: &Instance,
        up_since: Time,
        start_timeout: Duration,
        step: &mut Step,
    ) {
        let first_sight = self.instance.is_none();
        let stopped = self.outage.take_if(|outage| outage.kind == OutageKind::Stopped);
        if stopped.is_some() {
            step.recovered = Some("running again".into());
        }
        self.instance = Some(instance.clone());
        self.gate = None;
        let looks_from = (up_since + self.service.startup_delay).max(now.mono);
        self.look_afresh(if first_sight && looks_from == now.mono {
            None
        } else {
            Some(looks_from)
        });
        let from = if first_sight { up_since } else { now.mono };
        let reason = if first_sight { "" } else { "its container came up" };
        let starting = Starting::Looking { until: from + start_timeout };
        self.enter(now, State::Starting(starting), reason, step);
    }

    /// Drops what was seen so far and, where `from` is given, looks from then.
    fn look_afresh(&mut self, from: Option<Time>) {
        self.epoch += 1;
        for run in &mut self.runs {
            run.afresh(from);
        }
    }

    fn review_start(&mut self, now: Now, starting: Starting, step: &mut Step) {
        match starting {
            Starting::Running { .. } => {}
            Starting::Proving(proof) => self.review_proof(now, &proof, step),
            Starting::Looking { until } => match self.condition(now.mono) {
                Condition::Failed(check, failing) => {
                    if self.may_start() {
                        let reason = failing.fault.detail.clone();
                        let wanted =
                            Starting::Wanted { fault: failing.fault, since: now, asked: false };
                        self.enter(now, State::Starting(wanted), &reason, step);
                    } else if failing.proven || now.mono >= until {
                        self.confirmed(now, &check, &failing, step);
                    }
                }
                condition => self.arriving(now, condition, step),
            },
            Starting::Wanted { .. } => {
                let condition = self.condition(now.mono);
                self.arriving(now, condition, step);
            }
        }
    }

    /// While a service may be coming up, only good news moves it on.
    fn arriving(&mut self, now: Now, condition: Condition, step: &mut Step) {
        match condition {
            Condition::Well if self.outage.is_none() || self.is_proven() => {
                self.become_well(now, "came back", step);
            }
            Condition::Degraded(check, why) if self.outage.is_none() || self.is_proven() => {
                self.recovered("came back, degraded", step);
                self.degraded(now, check, why, step);
            }
            Condition::Blind(why) if self.outage.is_none() => self.blind(now, &why, step),
            Condition::Well
            | Condition::Degraded(..)
            | Condition::Blind(_)
            | Condition::Pending
            | Condition::Starting
            | Condition::Recovering
            | Condition::Suspect(_)
            | Condition::Failed(..) => {}
        }
    }

    /// A start is for services with a `restart_cmd` that were not seen well in
    /// this instance, and is spent once.
    fn may_start(&self) -> bool {
        self.service.restart_cmd.is_some()
            && !self.service.recovery.ladder.is_empty()
            && self.start_spent != self.instance
            && self.well_in != self.instance
    }

    fn is_proven(&self) -> bool {
        self.restarting().all(|(run, check)| run.tally.passed(check.success_threshold))
    }

    fn review_proof(&mut self, now: Now, proof: &Proof, step: &mut Step) {
        if self.is_proven() {
            self.proven(now, proof, step);
            return;
        }
        let Some((check, failing)) = self.failing() else {
            return;
        };
        let verb = if self.is_starting() { "start" } else { "restart" };
        let why = if let Some(words) = &proof.command_failed {
            format!("{verb} failed: {words}")
        } else if failing.proven {
            format!("{verb}ed, and it ended again: {}", failing.fault)
        } else if now.mono >= proof.deadline {
            let process = proof.still_there.as_ref().map_or(String::new(), |it| format!("; {it}"));
            format!("{verb}ed but still failing: {}{process}", failing.fault)
        } else {
            return;
        };
        self.attempt_failed(now, &check, &why, &failing, step);
    }

    fn is_starting(&self) -> bool {
        matches!(self.state, State::Starting(_))
    }

    fn proven(&mut self, now: Now, proof: &Proof, step: &mut Step) {
        if self.is_starting() {
            let took = words::duration(now.mono.since(proof.acted));
            self.become_well(now, &format!("started in {took}"), step);
            return;
        }
        let by = self.healer_name();
        let (total, attempts) = match &mut self.outage {
            Some(outage) => {
                let total = words::duration(now.mono.since(outage.since.mono));
                outage.history.push(format!("healed in {total}"));
                (total, outage.attempts)
            }
            None => (words::duration(now.mono.since(proof.acted)), 1),
        };
        let plural = if attempts == 1 { "" } else { "s" };
        self.effort.healed(now.mono, &self.service.recovery, &self.salt(now));
        self.recovered(&format!("healed by {by}, {attempts} attempt{plural}"), step);
        self.become_well(now, &format!("healed in {total} by {by}"), step);
    }

    /// Makes each delay's jitter its own.
    fn salt(&self, now: Now) -> String {
        format!("{}/{}", self.service.name, now.mono.as_millis())
    }

    fn healer_name(&self) -> &'static str {
        if self.service.restart_cmd.is_some() { "restart_cmd" } else { "a container restart" }
    }

    fn attempt_failed(
        &mut self,
        now: Now,
        check: &str,
        why: &str,
        failing: &Failing,
        step: &mut Step,
    ) {
        if self.is_starting() {
            self.effort.failing(now.mono);
            self.open(
                now,
                OutageKind::Broken(failing.fault.kind),
                check,
                &failing.fault.detail,
                failing.since,
            );
            self.tell_history(why.to_owned());
            self.enter(now, State::Down, why, step);
            return;
        }
        let salt = self.salt(now);
        let recovery = &self.service.recovery;
        let gave_up = self.effort.failed(now.mono, recovery, &salt);
        let next = match self.effort.gate(now.mono, recovery) {
            Some(gate) => gate.words(now.mono),
            None => "trying again".into(),
        };
        if let Some(outage) = &mut self.outage {
            outage.reason.clone_from(&failing.fault.detail);
            let line = format!("attempt {}: {why}", outage.attempts);
            outage.history.push(line);
        }
        let reason = if gave_up {
            let failed = self.effort.failed_in_row();
            format!("{why}; {failed} attempts failed in a row: {next}")
        } else {
            format!("{why}; {next}")
        };
        self.enter(now, State::Down, &reason, step);
    }

    fn tell_history(&mut self, line: String) {
        if let Some(outage) = &mut self.outage {
            outage.history.push(line);
        }
    }

    /// The container ended by itself: a proof, whatever the checks say.
    fn container_died(&mut self, now: Now, fault: &Fault, step: &mut Step) {
        let failing = Failing { fault: fault.clone(), since: now, count: 1, proven: true };
        match &self.state {
            State::Verifying(_) => {
                let why = format!("restarted, and {fault}");
                self.attempt_failed(now, "container", &why, &failing, step);
            }
            _ => self.confirmed(now, "container", &failing, step),
        }
    }

    /// A failure is confirmed.
    fn confirmed(&mut self, now: Now, check: &str, failing: &Failing, step: &mut Step) {
        let kind = OutageKind::Broken(failing.fault.kind);
        if self.is_broken() && self.state == State::Down {
            if let Some(outage) = &mut self.outage {
                outage.kind = kind;
                outage.reason.clone_from(&failing.fault.detail);
            }
            return;
        }
        self.effort.failing(now.mono);
        self.open(now, kind, check, &failing.fault.detail, failing.since);
        let how = if failing.proven || failing.count <= 1 {
            String::new()
        } else {
            format!(" ({} fails in a row)", failing.count)
        };
        let reason = format!("{}{how}", failing.fault);
        self.enter(now, State::Down, &reason, step);
    }

    /// Opens an outage, or turns the one that is open into another kind.
    fn open(&mut self, now: Now, kind: OutageKind, check: &str, reason: &str, since: Now) {
        let outage = self.outage.get_or_insert_with(|| Outage {
            kind,
            check: String::new(),
            reason: String::new(),
            since,
            confirmed: now,
            attempts: 0,
            history: Vec::new(),
            evidence: Evidence::default(),
        });
        if outage.kind != kind && !matches!(outage.kind, OutageKind::Broken(_)) {
            outage.confirmed = now;
            outage.since = since;
        }
        outage.kind = kind;
        check.clone_into(&mut outage.check);
        reason.clone_into(&mut outage.reason);
    }

    fn degraded(&mut self, now: Now, check: String, why: String, step: &mut Step) {
        if self.outage.is_none() {
            self.open(now, OutageKind::Degraded, &check, &why, now);
        }
        self.was_well(now);
        step.became_well |= !self.is_well();
        self.enter(now, State::Degraded(why.clone()), &why, step);
    }

    fn blind(&mut self, now: Now, why: &str, step: &mut Step) {
        if self.outage.is_none() {
            self.open(now, OutageKind::Blind, "", &format!("cannot be looked at: {why}"), now);
        }
        self.enter(now, State::Unknown(why.to_owned()), why, step);
    }

    fn stopped_by_hand(&mut self, now: Now, why: &str, step: &mut Step) {
        if self.outage.take_if(|outage| outage.kind != OutageKind::Stopped).is_some() {
            step.recovered = Some(why.to_owned());
        }
        if self.outage.is_none() {
            self.open(now, OutageKind::Stopped, "container", why, now);
        }
        self.enter(now, State::StoppedByHand(why.to_owned()), why, step);
    }

    fn was_well(&mut self, now: Now) {
        self.well_in.clone_from(&self.instance);
        self.effort.well(now.mono);
    }

    fn become_well(&mut self, now: Now, how: &str, step: &mut Step) {
        if self.state == State::Healthy {
            self.was_well(now);
            return;
        }
        self.recovered(how, step);
        for (run, check) in self.runs.iter_mut().zip(&self.service.checks) {
            if restarts(check) {
                run.tally.proven_well();
            }
        }
        self.was_well(now);
        step.became_well = true;
        self.enter(now, State::Healthy, how, step);
    }

    fn recovered(&mut self, how: &str, step: &mut Step) {
        if self.outage.take().is_some() {
            step.recovered = Some(how.to_owned());
        }
    }

    fn enter(&mut self, now: Now, state: State, reason: &str, step: &mut Step) {
        let (from, phase) = (self.label(), self.state.phase());
        if !matches!(state, State::Down | State::Starting(Starting::Wanted { .. })) {
            self.gate = None;
        }
        self.state = state;
        let to = self.label();
        if from != to {
            self.since = now;
        }
        if from != to || (phase != self.state.phase() && !reason.is_empty()) {
            step.notes.push(Note { from, to, reason: reason.to_owned() });
        }
    }

    // ---- acting ----

    /// What it calls for and since when, whether or not it may be done now.
    pub(crate) fn proposal(&self, standing: &Standing, now: Time) -> Option<Proposal> {
        match &self.state {
            State::Starting(Starting::Wanted { since, asked, .. }) => {
                Some(Proposal { act: Act::Start, since: since.mono, asked: *asked })
            }
            State::Down => {
                let since = self.outage.as_ref()?.confirmed.mono;
                let died = matches!(standing, Standing::Died(_));
                if !died && !matches!(self.condition(now), Condition::Failed(..)) {
                    return None;
                }
                // For an empty ladder the arbiter's gate says so; what is
                // proposed then is only ever done where a container died.
                let rung = self.effort.rung(&self.service.recovery).unwrap_or(Rung::Container);
                Some(Proposal { act: Act::Restart(rung), since, asked: false })
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
        let news = gate.is_told()
            && self.gate.as_ref().map(std::mem::discriminant)
                != Some(std::mem::discriminant(&gate));
        let words = gate.words(now.mono);
        self.gate = Some(gate);
        let to = self.label();
        if from != to {
            self.since = now;
        }
        (news || from != to).then(|| Note { from, to, reason: format!("not attempted: {words}") })
    }

    /// An act is dispatched.
    pub(crate) fn admitted(&mut self, now: Now, id: ActId, act: &Act, step: &mut Step) {
        self.gate = None;
        match act {
            Act::Restart(_) => {
                let recovery = self.service.recovery.clone();
                self.effort.spend(now.mono, &recovery);
                let max = recovery.max_attempts;
                let (attempt, fault) = match &mut self.outage {
                    Some(outage) => {
                        outage.attempts += 1;
                        (outage.attempts, outage.reason.clone())
                    }
                    None => (1, String::new()),
                };
                let reason = format!("restarting, attempt {attempt} of {max}: {fault}");
                self.enter(now, State::Healing { act: id }, &reason, step);
            }
            Act::Start => {
                self.start_spent.clone_from(&self.instance);
                let running = Starting::Running { act: id, since: now };
                self.enter(now, State::Starting(running), "starting it by restart_cmd", step);
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
        let steps = report.steps.join("; ");
        if let Some(outage) = &mut self.outage {
            outage.history.extend(report.steps);
            outage.evidence = report.evidence;
        }
        let (command_failed, still_there) = match report.outcome {
            ActOutcome::Refused { gate, by_hand } => {
                self.refused(now, gate, by_hand, starting, step);
                return;
            }
            ActOutcome::Done { instance, still_there } => {
                if instance.is_some() {
                    self.instance = instance;
                }
                (None, still_there)
            }
            ActOutcome::Failed(words) => (Some(words), None),
            ActOutcome::CommandOverdue(_) => (None, None),
        };
        let looks_from = now.mono + self.service.startup_delay;
        let proof = Proof {
            acted: now.mono,
            deadline: (now.mono + start_timeout).max(looks_from),
            command_failed,
            still_there,
        };
        self.look_afresh(Some(looks_from));
        let state = if starting {
            self.start_spent.clone_from(&self.instance);
            State::Starting(Starting::Proving(proof))
        } else {
            State::Verifying(proof)
        };
        self.enter(now, state, &steps, step);
    }

    fn refused(&mut self, now: Now, why: String, by_hand: bool, starting: bool, step: &mut Step) {
        const ASK_AGAIN: Duration = Duration::from_secs(10);
        let until = now.mono + ASK_AGAIN;
        let gate = if by_hand { Gate::Marker { why, until } } else { Gate::Refused { why, until } };
        if starting {
            self.start_spent = None;
            self.effort.start_refused(gate.clone());
            let fault = self
                .failing()
                .map_or_else(|| Fault::new(FaultKind::ProcessAbsent, ""), |(_, f)| f.fault);
            let wanted = Starting::Wanted { fault, since: now, asked: false };
            self.enter(now, State::Starting(wanted), "", step);
        } else {
            self.effort.refused(gate.clone());
            if let Some(outage) = &mut self.outage {
                outage.attempts = outage.attempts.saturating_sub(1);
            }
            self.enter(now, State::Down, &format!("not attempted: {}", gate.words(now.mono)), step);
        }
        self.look_now(now.mono);
        if let Some(note) = self.gated(now, gate) {
            step.notes.push(note);
        }
    }

    // ---- operators, dependencies ----

    pub(crate) fn pause(&mut self, now: Now, step: &mut Step) {
        self.held(now, Hold::Paused, "paused by an operator", step);
    }

    pub(crate) fn resume(&mut self, now: Now, step: &mut Step) {
        if self.hold == Hold::Paused {
            self.held(now, Hold::Nothing, "resumed by an operator", step);
            self.look_now(now.mono);
        }
    }

    fn held(&mut self, now: Now, hold: Hold, reason: &str, step: &mut Step) {
        let from = self.label();
        self.hold = hold;
        self.since = now;
        step.notes.push(Note { from, to: self.label(), reason: reason.to_owned() });
    }

    /// `vai stop`: it is left alone from here on.
    pub(crate) fn stop(&mut self, now: Now, step: &mut Step) {
        self.hold = Hold::Stopped;
        self.epoch += 1;
        self.recovered("stopped by `vai stop`", step);
        self.enter(now, State::StoppedByHand("by `vai stop`".into()), "by `vai stop`", step);
    }

    /// `vai start`: whatever held it is forgotten and it is started now.
    pub(crate) fn start(&mut self, now: Now, step: &mut Step) {
        self.hold = Hold::Nothing;
        self.effort.forgive();
        let fault = Fault::new(FaultKind::ProcessAbsent, "an operator asked for its start");
        let wanted = Starting::Wanted { fault, since: now, asked: true };
        self.enter(now, State::Starting(wanted), "by `vai start`", step);
    }

    /// Something that it depends on is well again: it is touched only if it
    /// fails from here on, too.
    pub(crate) fn dependency_returned(&mut self, now: Time) {
        if self.outage.is_some() && self.state == State::Down {
            for run in &mut self.runs {
                run.tally.confirm_again();
            }
            self.effort.retry_now(now);
            self.look_now(now);
        }
    }

    /// Whether it is down or wants its start, as opposed to any other state.
    pub(crate) fn waits_for_help(&self) -> bool {
        matches!(self.state, State::Down | State::Starting(Starting::Wanted { .. }))
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

/// What a machine calls for.
pub(crate) struct Proposal {
    pub(crate) act: Act,
    pub(crate) since: Time,
    /// By an operator, who need not wait for anything but the container.
    pub(crate) asked: bool,
}

/// What all checks of a service together say.
enum Condition {
    Well,
    Degraded(String, String),
    Pending,
    Starting,
    Blind(String),
    Recovering,
    Suspect(Failing),
    Failed(String, Failing),
}

impl Condition {
    fn of(verdict: Verdict, check: &crate::model::Check, state: &State) -> Self {
        let alert_only = check.on_fail == OnFail::Alert;
        let degraded = |why: String| Self::Degraded(check.name.clone(), why);
        match verdict {
            Verdict::Well => Self::Well,
            Verdict::Slow(why) => degraded(why),
            Verdict::Blind(why) => Self::Blind(why),
            Verdict::Failed(failing) if alert_only => degraded(failing.fault.detail),
            Verdict::Recovering if alert_only => match state {
                State::Degraded(why) => degraded(why.clone()),
                _ => Self::Well,
            },
            _ if alert_only => Self::Well,
            Verdict::Pending => Self::Pending,
            Verdict::Starting => Self::Starting,
            Verdict::Recovering => Self::Recovering,
            Verdict::Suspect(failing) => Self::Suspect(failing),
            Verdict::Failed(failing) => Self::Failed(check.name.clone(), failing),
        }
    }

    /// How bad it is; of several the worst counts.
    fn rank(&self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Degraded(..) => 1,
            Self::Pending => 2,
            Self::Starting => 3,
            Self::Blind(_) => 4,
            Self::Recovering => 5,
            Self::Suspect(_) => 6,
            Self::Failed(..) => 7,
        }
    }
}
