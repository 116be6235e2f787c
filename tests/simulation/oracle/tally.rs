//! Results of one check, counted.

use crate::plan::Ms;
use std::collections::BTreeMap;
use vai_core::model::{Check, Fault, FaultKind, Outcome, ProcId, Report};

/// A look so much longer away than it took spans a suspend and does not count.
const SUSPENDED: Ms = 10_000;

/// Results of one check since its service was last touched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Fails until passes clear them.
    fails: u32,
    /// Passes in a row.
    passes: u32,
    first: Ms,
    /// When the look that was the first to fail was handed out.
    first_asked: Ms,
    proven: bool,
    /// Fails since the core last wanted them confirmed again, and the first.
    recent: u32,
    recent_first: Ms,
    last: Ms,
    in_doubt: bool,
    /// How it failed last.
    kind: Option<FaultKind>,
    /// What was behind it at its last pass.
    alive: Vec<ProcId>,
    /// When the last look that counts was handed out, and whether it failed;
    /// `None` if the core may have forgotten it.
    latest: Option<(Ms, bool)>,
    /// When the last look was handed out that passed, if it is the last.
    answered: Option<Ms>,
    /// Looks handed out earlier do not count.
    since: u64,
    handed_out: BTreeMap<u64, (u64, Ms)>,
}

impl Tally {
    pub(crate) fn handed_out(&mut self, number: u64, turn: u64, now: Ms) {
        self.handed_out.insert(number, (turn, now));
    }

    /// Forgets everything but the looks under way, which do not count either if
    /// they were handed out before `turn`.
    pub(crate) fn restart(&mut self, turn: u64) {
        let handed_out = std::mem::take(&mut self.handed_out);
        *self = Self { since: turn, handed_out, ..Self::default() };
    }

    /// A look came back.
    pub(crate) fn checked(&mut self, now: Ms, number: u64, check: &Check, report: &Report) {
        let Some((turn, asked)) = self.handed_out.remove(&number) else { return };
        let away = (now - asked).saturating_sub(report.took.as_millis() as Ms);
        if turn < self.since || away >= SUSPENDED {
            return;
        }
        self.latest = Some((asked, matches!(report.outcome, Outcome::Fail(_))));
        self.answered = None;
        match &report.outcome {
            Outcome::Pass | Outcome::Slow(_) => {
                self.alive.clone_from(&report.processes);
                self.passed(asked, check);
            }
            Outcome::Fail(fault) => self.failed(now, asked, fault),
            Outcome::Starting(_) | Outcome::Unknown(_) => {}
        }
    }

    fn passed(&mut self, asked: Ms, check: &Check) {
        self.answered = Some(asked);
        self.passes += 1;
        if !self.confirms(check) || self.passes >= check.success_threshold {
            self.fails = 0;
            self.proven = false;
        }
        self.recent = 0;
        self.in_doubt = false;
    }

    fn failed(&mut self, now: Ms, asked: Ms, fault: &Fault) {
        if self.fails == 0 {
            self.first = now;
            self.first_asked = asked;
        }
        if self.recent == 0 {
            self.recent_first = now;
        }
        self.passes = 0;
        self.fails += 1;
        self.recent += 1;
        self.last = now;
        self.kind = Some(fault.kind);
        self.proven |= match fault.kind {
            FaultKind::ProcessAbsent => !self.alive.is_empty(),
            FaultKind::Unhealthy => true,
            _ => false,
        };
    }

    /// A process ended that may have been its target's.
    pub(crate) fn hinted_at(&mut self, process: &ProcId) {
        if self.alive.contains(process) {
            self.proven = true;
            // A hint is no verdict on fails before it.
            self.in_doubt |= self.recent > 0;
        }
    }

    /// The core may want fails confirmed again, as what caused them may be gone.
    pub(crate) fn may_be_forgotten(&mut self) {
        self.recent = 0;
        self.in_doubt = true;
        self.latest = None;
    }

    /// What may be no fail at all counts for none that surely is one.
    pub(crate) fn may_be_doubted(&mut self) {
        self.recent = 0;
        self.in_doubt = true;
    }

    /// What fails is not known to fail.
    pub(crate) fn doubted(&mut self) {
        if self.passes == 0 {
            self.fails = 0;
            self.proven = false;
        }
    }

    /// Whether enough fails were seen, for long enough, or a death.
    pub(crate) fn confirms(&self, check: &Check) -> bool {
        self.fails > 0
            && (self.proven || self.fails >= check.failure_threshold)
            && self.last - self.first >= check.fail_for.as_millis() as Ms
    }

    /// The same beyond all doubt: by fails since something was last healed that
    /// may have been their cause.
    pub(crate) fn surely_confirms(&self, check: &Check) -> bool {
        // Of the end of a container its own event is the proof.
        let stopped = self.kind == Some(FaultKind::ContainerStopped);
        let proven = self.proven && !self.in_doubt && !stopped;
        self.recent > 0
            && (proven || self.recent >= check.failure_threshold)
            && self.last - self.recent_first >= check.fail_for.as_millis() as Ms
    }

    /// Whether it failed last, of the looks that saw anything.
    pub(crate) fn fails_now(&self) -> bool {
        self.fails > 0 && self.passes == 0
    }

    /// Whether the very last look failed; `None` if that is not sure.
    pub(crate) fn failed_last(&self) -> Option<bool> {
        self.latest.map(|(_, failed)| failed)
    }

    /// When the look was handed out that was the first to fail.
    pub(crate) fn fails_since(&self) -> Ms {
        self.first_asked
    }

    /// Whether the very last look passed and was handed out at `when` or later.
    pub(crate) fn answered_since(&self, when: Ms) -> bool {
        self.answered.is_some_and(|asked| asked >= when)
    }

    /// Whether it fails by getting no answer, if it fails.
    pub(crate) fn is_unanswered(&self) -> bool {
        let silent = [FaultKind::Timeout, FaultKind::ConnectTimeout];
        !self.fails_now() || self.kind.is_some_and(|kind| silent.contains(&kind))
    }

    /// Whether what failed may still live.
    pub(crate) fn seems_alive(&self) -> bool {
        let dead = [FaultKind::Refused, FaultKind::ProcessAbsent, FaultKind::ContainerStopped];
        !self.fails_now() || (!self.proven && self.kind.is_none_or(|kind| !dead.contains(&kind)))
    }
}
