use crate::model::{Check, Fault, FaultKind, Now, OnFail, Outcome, ProcId, Report, Time};
use std::time::Duration;

/// What one check's results in a row add up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Passes in a row.
    passes: u32,
    /// Fails in a row; results that could not be had do not break the row.
    fails: Option<Fails>,
    /// Slow passes in a row, and what the last of them said.
    slow: u32,
    slow_why: String,
    /// Since when nothing could be seen.
    blind: Option<(Now, String)>,
    /// Seen alive at the last pass.
    processes: Vec<ProcId>,
    /// Of these, the ones known to have ended since.
    ended: Vec<ProcId>,
    last: Option<Last>,
}

/// The last result, for show.
#[derive(Clone, Debug)]
pub(crate) struct Last {
    pub(crate) report: Report,
    pub(crate) ended: Now,
    pub(crate) started: Time,
    /// It cannot be believed.
    doubted: bool,
}

#[derive(Clone, Debug)]
struct Fails {
    count: u32,
    since: Now,
    last: Now,
    fault: Fault,
    proven: bool,
}

/// What a check says about its service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No result yet.
    Pending,
    /// As it should be.
    Well,
    /// As it should be, too slowly, and not just once.
    Slow(String),
    /// Docker's own health check is in its start period.
    Starting,
    /// Failing, not confirmed.
    Suspect(Failing),
    /// Failing, confirmed.
    Failed(Failing),
    /// Confirmed earlier, passing now, not proven yet.
    Recovering,
    /// Nothing could be seen for three intervals.
    Blind(String),
}

/// A failure as its check sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failing {
    pub(crate) fault: Fault,
    pub(crate) since: Now,
    pub(crate) count: u32,
    /// A death was seen, not only its absence of answers.
    pub(crate) proven: bool,
}

impl Fails {
    fn failing(&self) -> Failing {
        Failing {
            fault: self.fault.clone(),
            since: self.since,
            count: self.count,
            proven: self.proven,
        }
    }
}

impl Failing {
    /// Whether a process that was seen alive has ended, as opposed to Docker's
    /// own check having made up its mind some time ago.
    pub(crate) fn has_ended(&self) -> bool {
        self.proven && self.fault.kind != FaultKind::Unhealthy
    }
}

impl Tally {
    /// Counts a result.
    pub(crate) fn count(&mut self, now: Now, started: Time, report: Report) {
        match &report.outcome {
            Outcome::Pass => {
                self.pass(&report);
                self.slow = 0;
            }
            Outcome::Slow(why) => {
                self.pass(&report);
                self.slow += 1;
                self.slow_why.clone_from(why);
            }
            Outcome::Fail(fault) => self.fail(now, fault.clone()),
            Outcome::Starting(_) => {
                self.blind = None;
                self.passes = 0;
            }
            Outcome::Unknown(why) => {
                let since = self.blind.take().map_or(now, |(since, _)| since);
                self.blind = Some((since, why.clone()));
            }
        }
        self.last = Some(Last { report, ended: now, started, doubted: false });
    }

    fn pass(&mut self, report: &Report) {
        self.blind = None;
        self.passes += 1;
        self.processes.clone_from(&report.processes);
        self.ended.clear();
    }

    fn fail(&mut self, now: Now, fault: Fault) {
        // What was in doubt may be so still; that is decided after this.
        if !self.last.as_ref().is_some_and(|last| last.doubted) {
            self.blind = None;
        }
        self.passes = 0;
        self.slow = 0;
        let proven = self.proves_death(fault.kind);
        let before = self.fails.take();
        self.fails = Some(Fails {
            count: before.as_ref().map_or(1, |fails| fails.count + 1),
            since: before.as_ref().map_or(now, |fails| fails.since),
            last: now,
            proven: proven || before.is_some_and(|fails| fails.proven),
            fault,
        });
    }

    /// Whether a fault is more than a missed answer: the process seen before is
    /// gone, or the port's owner ended and the port refuses, or Docker has
    /// confirmed it already.
    fn proves_death(&self, kind: FaultKind) -> bool {
        match kind {
            FaultKind::ProcessAbsent => !self.processes.is_empty(),
            FaultKind::Refused => {
                !self.processes.is_empty()
                    && self.processes.iter().all(|process| self.ended.contains(process))
            }
            FaultKind::Unhealthy => true,
            _ => false,
        }
    }

    /// A watched process ended.
    pub(crate) fn process_ended(&mut self, process: &ProcId) {
        if self.processes.contains(process) && !self.ended.contains(process) {
            self.ended.push(process.clone());
        }
    }

    /// Starts counting fails anew; what was seen alive is remembered.
    pub(crate) fn confirm_again(&mut self) {
        self.fails = None;
        self.passes = 0;
        self.last = None;
    }

    /// What hid it is over: until the next look nothing is known, and being
    /// hidden starts anew.
    pub(crate) fn may_be_seen_again(&mut self) {
        if self.blind.take().is_some() {
            self.confirm_again();
        }
    }

    /// A fail that cannot be believed is something that could not be seen.
    /// Whether there was one.
    pub(crate) fn doubt(&mut self, now: Now, why: &str) -> bool {
        if self.passes > 0 || self.fails.take().is_none() {
            return false;
        }
        self.blind.get_or_insert((now, why.to_owned()));
        if let Some(last) = &mut self.last {
            last.doubted = true;
        }
        true
    }

    /// Whether the last look failed, believed or not.
    pub(crate) fn failed_last(&self) -> bool {
        self.last.as_ref().is_some_and(|last| matches!(last.report.outcome, Outcome::Fail(_)))
    }

    /// Whether it passed too slowly, be it once.
    pub(crate) fn was_slow(&self) -> bool {
        self.slow > 0
    }

    /// Whether the last look passed.
    pub(crate) fn answers(&self) -> bool {
        self.passed_since(Time::default())
    }

    /// Forgets fails that a pass has cleared: those that were never confirmed,
    /// and confirmed ones once their end is proven. What is left beside passes
    /// is recovering.
    pub(crate) fn settle(&mut self, check: &Check) {
        let passes = self.passes;
        let cleared =
            |fails: &mut Fails| !Self::confirmed(fails, check) || passes >= check.success_threshold;
        if passes > 0 {
            self.fails.take_if(cleared);
        }
    }

    /// What the results say at `now`.
    pub(crate) fn verdict(&self, check: &Check, now: Time) -> Verdict {
        if let Some((since, why)) = &self.blind
            && now.since(since.mono) >= check.interval * 3
        {
            return Verdict::Blind(why.clone());
        }
        match (&self.fails, &self.last) {
            (_, None) => Verdict::Pending,
            (Some(_), _) if self.passes > 0 => Verdict::Recovering,
            (Some(fails), _) => {
                let failing = fails.failing();
                if Self::confirmed(fails, check) {
                    Verdict::Failed(failing)
                } else {
                    Verdict::Suspect(failing)
                }
            }
            (None, Some(last)) if last.doubted => Verdict::Pending,
            (None, Some(last)) => match &last.report.outcome {
                Outcome::Starting(_) => Verdict::Starting,
                Outcome::Pass | Outcome::Slow(_) | Outcome::Fail(_) => self.passing(check),
                Outcome::Unknown(_) if self.passes > 0 => self.passing(check),
                Outcome::Unknown(_) => Verdict::Pending,
            },
        }
    }

    fn passing(&self, check: &Check) -> Verdict {
        match &self.last {
            Some(_) if self.slow >= check.failure_threshold => Verdict::Slow(self.slow_why.clone()),
            _ => Verdict::Well,
        }
    }

    /// Whether enough fails were seen, the last of them `fail_for` after the
    /// first: time alone proves nothing.
    fn confirmed(fails: &Fails, check: &Check) -> bool {
        (fails.proven || fails.count >= check.failure_threshold)
            && fails.last.mono.since(fails.since.mono) >= check.fail_for
    }

    /// When one more fail would confirm a failure that only has to last.
    pub(crate) fn look_at(&self, check: &Check) -> Option<Time> {
        let fails = self.fails.as_ref().filter(|fails| !Self::confirmed(fails, check))?;
        let enough = fails.proven || fails.count >= check.failure_threshold;
        let due = fails.since.mono + check.fail_for;
        (enough && !self.looked_since(due)).then_some(due)
    }

    /// Whether the next result would settle something, so that it is worth not
    /// waiting a whole interval for it.
    pub(crate) fn in_flux(&self, check: &Check) -> bool {
        match &self.fails {
            None => false,
            Some(_) if self.passes > 0 => true,
            // A long `fail_for` is waited for at the usual pace.
            Some(fails) => !Self::confirmed(fails, check) && fails.count < check.failure_threshold,
        }
    }

    /// Whether it has passed `times` times in a row.
    pub(crate) fn passed(&self, times: u32) -> bool {
        self.passes >= times
    }

    /// Whether the last result is a fail.
    pub(crate) fn failing(&self) -> Option<Failing> {
        self.fails.as_ref().filter(|_| self.passes == 0).map(Fails::failing)
    }

    /// Whether a look that began at or after `when` has ended.
    pub(crate) fn looked_since(&self, when: Time) -> bool {
        self.last.as_ref().is_some_and(|last| last.started >= when)
    }

    /// Whether a look that began at or after `when` has found it well.
    pub(crate) fn passed_since(&self, when: Time) -> bool {
        self.looked_since(when)
            && self
                .last
                .as_ref()
                .is_some_and(|last| matches!(last.report.outcome, Outcome::Pass | Outcome::Slow(_)))
    }

    /// Whether the last result, at `now` no older than `age`, is a fail.
    pub(crate) fn failed_lately(&self, now: Time, age: Duration) -> bool {
        self.last.as_ref().is_some_and(|last| {
            matches!(last.report.outcome, Outcome::Fail(_)) && now.since(last.ended.mono) <= age
        })
    }

    pub(crate) fn processes(&self) -> &[ProcId] {
        &self.processes
    }

    pub(crate) fn last(&self) -> Option<&Last> {
        self.last.as_ref()
    }
}

/// Whether a check's failure calls for a restart.
pub(crate) fn restarts(check: &Check) -> bool {
    check.on_fail == OnFail::Restart
}

#[cfg(test)]
mod tests;
