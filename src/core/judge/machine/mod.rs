//! The machine of one service: its states, and in the files beside this one
//! how it looks, judges, proves, acts and shows.

mod act;
mod look;
mod operate;
mod prove;
mod remember;
mod review;
mod show;

use super::container::Standing;
use super::effort::Effort;
use super::gate::Gate;
use super::run::{CheckMemory, Run};
use super::services::Attention;
use super::stability::Stability;
use super::tally::{Failing, Verdict, restarts};
use crate::model::{
    Act, ActId, ActOutcome, ActReport, CheckKind, ContainerKey, Evidence, Fault, FaultKind,
    Instance, Now, OnFail, Outcome, Place, ProcId, Report, Rung, Service, ServiceKind, StateLabel,
    Time,
};
use crate::words;
pub(crate) use act::{Proposal, Risk};
use review::Condition;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One service: what it is doing and what it calls for. It proposes; the
/// arbiter admits.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) service: Arc<Service>,
    pub(crate) kept: Kept,
    pub(crate) runs: Vec<Run>,
    /// Why it is not being healed right now, where it should be; or, while an
    /// act is under way, why the one before it was refused.
    gate: Option<Gate>,
    /// Results of looks handed out in an earlier epoch are dropped.
    epoch: u64,
    /// The reason of the maintenance window that it is in.
    maintenance: Option<String>,
    pub(crate) attention: Attention,
}

/// The part of a machine that a restart of `vai` does not change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    state: State,
    since: Now,
    pub(crate) instance: Option<Instance>,
    /// The instance in which its one start was spent.
    start_spent: Option<Instance>,
    /// The instance in which it was last seen well.
    well_in: Option<Instance>,
    /// From confirmation to proof, through whatever states lie between.
    pub(crate) outage: Option<Outage>,
    pub(crate) effort: Effort,
    hold: Hold,
    #[serde(default)]
    last_act: Option<ActId>,
    /// The last act, where it failed: what it left behind must not live beside
    /// what the next one starts.
    #[serde(default)]
    left_over: Option<ActId>,
    #[serde(default)]
    pub(crate) stability: Stability,
}

/// What is remembered of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceMemory {
    #[serde(flatten)]
    kept: Kept,
    /// By the check's name.
    checks: BTreeMap<String, CheckMemory>,
}

/// What a service is doing. Each state carries its own data and no other's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Disabled,
    Unknown(String),
    Starting(Starting),
    Healthy,
    Degraded(String),
    Suspect(Fault),
    Down,
    Healing {
        act: ActId,
        /// What is proven on if the act is refused: it is the second of its attempt.
        #[serde(default)]
        second_after: Option<Proof>,
    },
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Starting {
    /// It may be coming up by itself until then.
    Looking { until: Time },
    /// It is down in a new instance and wants its start; why it is thought so.
    Wanted { fault: Fault, since: Now, asked: bool },
    /// Its start is under way. If it comes to nothing, the one of this instance
    /// was spent where it had been `before`.
    Running {
        act: ActId,
        since: Now,
        #[serde(default)]
        before: Option<Instance>,
    },
    /// Its start was made and is being proven.
    Proving(Proof),
}

/// What has to be proven after an act, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Proof {
    acted: Time,
    deadline: Time,
    /// The command's own words, where it failed.
    command_failed: Option<String>,
    /// A process from before that outlived the act.
    still_there: Option<String>,
    /// It is not known whether the engine has restarted the container yet.
    #[serde(default)]
    may_change_instance: bool,
    #[serde(default)]
    next_rung: NextRung,
}

/// Whether the next rung of the ladder belongs to the attempt that is being
/// proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NextRung {
    /// It is another attempt.
    #[default]
    Later,
    /// It follows at once if the check gets no answer: an old process was left
    /// as it was.
    IfUnanswered,
    /// It follows as soon as it is admitted, until then at the latest.
    Due { until: Time },
}

/// What an operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Hold {
    Nothing,
    Paused,
    Stopped,
}

/// A confirmed failure, until it is proven over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outage {
    pub(crate) kind: OutageKind,
    pub(crate) reason: String,
    /// The first fail.
    pub(crate) since: Now,
    pub(crate) confirmed: Now,
    /// Since when it waits to be helped: the confirmation, or the last verdict.
    #[serde(default)]
    waiting: Time,
    /// A death was seen, not only its absence of answers.
    #[serde(default)]
    pub(crate) proven: bool,
    pub(crate) attempts: u32,
    /// What was done and what came of it: of a long one its beginning and end.
    history: Vec<String>,
    /// Lines that are not kept of what came between.
    #[serde(default)]
    left_out: u32,
    pub(crate) evidence: Evidence,
}

impl Outage {
    /// Lines kept of the beginning of its history, and in all.
    const FIRST_LINES: usize = 4;
    const MOST_LINES: usize = 40;

    fn tell(&mut self, line: String) {
        if self.history.len() >= Self::MOST_LINES {
            self.history.remove(Self::FIRST_LINES);
            self.left_out += 1;
        }
        self.history.push(line);
    }

    /// What was done and what came of it, oldest first.
    pub(crate) fn history(&self) -> Vec<String> {
        let mut lines = self.history.clone();
        if self.left_out > 0 {
            lines.insert(Self::FIRST_LINES, format!("… {} more …", self.left_out));
        }
        lines
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
            kept: Kept {
                state,
                since: now,
                instance: None,
                start_spent: None,
                well_in: None,
                outage: None,
                effort: Effort::default(),
                hold: Hold::Nothing,
                last_act: None,
                left_over: None,
                stability: Stability::default(),
            },
            runs,
            gate: None,
            epoch: 0,
            maintenance: None,
            attention: Attention::Touched,
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
            if self.kept.outage.take().is_some() {
                let how = "disabled in the registry".to_owned();
                step.recovered = Some(how);
            }
            self.enter(now, State::Disabled, "disabled in the registry", step);
        } else if self.kept.state == State::Disabled || moved {
            self.kept.instance = None;
            self.look_afresh(now.mono);
            let unknown = State::Unknown("not looked at yet".into());
            self.enter(now, unknown, "the registry changed", step);
        }
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.kept.state != State::Disabled
    }

    pub(crate) fn maintenance(&self) -> Option<&String> {
        self.maintenance.as_ref()
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.kept.hold == Hold::Paused
    }

    /// Whether it stands where those that depend on it may be healed.
    pub(crate) fn is_well(&self) -> bool {
        matches!(self.kept.state, State::Healthy | State::Degraded(_))
    }

    /// Whether a marker file says that somebody stopped it.
    pub(crate) fn is_marked_stopped(&self) -> bool {
        matches!(self.gate, Some(Gate::Marker { .. }))
    }

    /// Whether nobody waits for it: it is not supposed to run.
    pub(crate) fn blocks_nobody(&self) -> bool {
        matches!(self.kept.state, State::Disabled | State::StoppedByHand(_))
            || self.is_marked_stopped()
    }

    /// Whether an act of its own is under way, and which.
    pub(crate) fn act(&self) -> Option<ActId> {
        match &self.kept.state {
            State::Healing { act, .. } | State::Starting(Starting::Running { act, .. }) => {
                Some(*act)
            }
            _ => None,
        }
    }

    /// Whether it is to be looked at at all.
    fn is_looked_at(&self) -> bool {
        match &self.kept.state {
            State::Disabled | State::Healing { .. } | State::StoppedByHand(_) => false,
            State::Starting(Starting::Running { .. }) => false,
            _ => self.kept.hold != Hold::Stopped,
        }
    }

    /// Whether results are wanted sooner than the interval brings them.
    fn wants_results(&self) -> bool {
        matches!(
            self.kept.state,
            State::Verifying(_) | State::Starting(Starting::Looking { .. } | Starting::Proving(_))
        )
    }

    /// All processes seen alive behind it when it was last well in this
    /// instance, whatever was tried since.
    pub(crate) fn processes(&self) -> Vec<ProcId> {
        let mut all: Vec<ProcId> = Vec::new();
        for process in self.runs.iter().flat_map(|run| run.seen_alive()) {
            if !all.contains(process) {
                all.push(process.clone());
            }
        }
        all
    }
}
