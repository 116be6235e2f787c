use super::*;
use crate::judge::delta::Sample;

/// An act follows a fail that is no older than this.
const FRESH: Duration = Duration::from_secs(10);

/// A result that counts.
pub(crate) struct Counted {
    pub(crate) sample: Sample,
    /// Whether it is the first fail after something else.
    pub(crate) first_fail: bool,
}

impl Machine {
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

    /// Notes looks that do not come back.
    pub(crate) fn note_overdue(&mut self, now: Now) {
        for run in &mut self.runs {
            run.note_overdue(now);
        }
    }

    /// Takes in a result; `None` if it does not count any more.
    pub(crate) fn checked(&mut self, now: Now, number: u64, report: Report) -> Option<Counted> {
        let (epoch, wants_results) = (self.epoch, self.wants_results());
        let judged = !matches!(self.kept.state, State::Starting(_) | State::Verifying(_));
        let service = Arc::clone(&self.service);
        // By its number: an edit may have moved the check meanwhile.
        let mut runs = self.runs.iter_mut().zip(&service.checks);
        let (run, check) = runs.find(|(run, _)| run.waits_for(number))?;
        let sample = Sample {
            service: service.name.clone(),
            check: check.name.clone(),
            outcome: report.outcome.clone(),
            took: report.took,
        };
        // What cannot be believed is counted from one each time.
        let fails_anew = matches!(sample.outcome, Outcome::Fail(_)) && !run.tally.failed_last();
        if !run.ended(now, epoch, judged, report) {
            return None;
        }
        if wants_results || run.tally.in_flux(check) {
            run.soon(now.mono + check.confirm_interval);
        }
        let counted_first = run.tally.failing().is_some_and(|failing| failing.count == 1);
        let first_fail = counted_first && fails_anew;
        Some(Counted { sample, first_fail })
    }

    pub(crate) fn look_now(&mut self, now: Time) {
        for run in &mut self.runs {
            run.soon(now);
        }
    }

    /// Wants a look of every check that was not looked at since `when`.
    pub(crate) fn look_since(&mut self, when: Time, now: Time) {
        for run in self.runs.iter_mut().filter(|run| !run.tally.looked_since(when)) {
            run.soon(now);
        }
    }

    /// The engine is back. What could not be seen while it was away is nothing
    /// to tell on its own.
    pub(crate) fn may_be_seen_again(&mut self, now: Time) {
        self.kept.outage.take_if(|outage| outage.kind == OutageKind::Blind);
        for run in &mut self.runs {
            run.tally.may_be_seen_again();
        }
        self.look_now(now);
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

    /// Whether every check that counts passed in a look since `when`.
    pub(crate) fn passed_since(&self, when: Time) -> bool {
        self.restarting().all(|(run, _)| run.tally.passed_since(when))
    }

    /// Whether its failure was seen so lately that it may be acted on.
    pub(crate) fn failed_lately(&self, now: Time) -> bool {
        self.restarting()
            .any(|(run, check)| run.tally.failed_lately(now, FRESH.max(check.confirm_interval)))
    }

    /// Whether anything about it may be otherwise than when it was last judged.
    pub(crate) fn needs_judgement(&self, now: Time) -> bool {
        let settled = self.kept.outage.is_none() && !self.waits_for_help() && self.act().is_none();
        match self.attention {
            Attention::QuietUntil(until) if settled => until.is_some_and(|until| now >= until),
            Attention::QuietUntil(_) | Attention::Touched => true,
        }
    }

    pub(crate) fn next_look(&self) -> Option<Time> {
        let looked_at = self.is_looked_at();
        self.runs.iter().filter_map(|run| run.wake(looked_at)).min()
    }

    /// When time alone changes something.
    pub(crate) fn next_wake(&self, now: Time) -> Option<Time> {
        let state = match &self.kept.state {
            State::Starting(Starting::Looking { until }) => Some(*until),
            State::Verifying(proof) | State::Starting(Starting::Proving(proof)) => {
                Some(proof.deadline)
            }
            State::Starting(Starting::Wanted { since, .. }) => {
                Some(since.mono + prove::START_TOLD_AFTER)
            }
            _ => None,
        };
        let gate = self.gate.as_ref().and_then(Gate::until);
        let clean = self.kept.stability.clean_at();
        let deaths = self.runs.iter().filter_map(|run| run.kept.deaths.over_at());
        state.into_iter().chain(gate).chain(clean).chain(deaths).filter(|&at| at > now).min()
    }

    pub(crate) fn restarting(&self) -> impl Iterator<Item = (&Run, &crate::model::Check)> {
        self.runs.iter().zip(&self.service.checks).filter(|(_, check)| restarts(check))
    }

    /// Whether it fails only by not answering at all.
    pub(super) fn is_unanswered(&self) -> bool {
        let unanswered = |(run, check): (&Run, &crate::model::Check)| {
            let kind = run.tally.failing()?.fault.kind;
            let asks =
                matches!(check.kind, CheckKind::Http(_) | CheckKind::Tcp(_) | CheckKind::Custom(_));
            Some(asks && matches!(kind, FaultKind::Timeout | FaultKind::ConnectTimeout))
        };
        let mut failing = self.restarting().filter_map(unanswered).peekable();
        failing.peek().is_some() && failing.all(|unanswered| unanswered)
    }

    /// The first check that fails right now.
    pub(super) fn failing(&self) -> Option<Failing> {
        self.restarting().find_map(|(run, _)| run.tally.failing())
    }
}
