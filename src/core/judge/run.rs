use super::deaths::Deaths;
use super::quality::Quality;
use super::tally::{Last, Tally, Verdict};
use crate::model::{
    Check, FaultKind, Instance, Now, Outcome, ProcId, Report, Service, ServiceName, Time,
};
use crate::{plan, words};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a look may take beyond its timeout before its result is missed.
const LATEST: Duration = Duration::from_secs(10);
/// A look that ended so much later than it took spans a suspend of the host.
const SUSPENDED: Duration = Duration::from_secs(10);

/// One check of one service on its way through time.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    check: Check,
    pub(crate) tally: Tally,
    /// The next tick of its fixed rate.
    next: Time,
    /// A look asked for before that.
    soon: Option<Time>,
    /// Nothing is looked at earlier, whatever asks for it.
    not_before: Time,
    in_flight: Option<InFlight>,
    skipped: u64,
    /// The last result that counted, for show.
    shown: Option<Last>,
    pub(crate) kept: CheckMemory,
}

/// What is remembered of a check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CheckMemory {
    /// Seen alive behind it at its last pass in this instance.
    seen_alive: Vec<ProcId>,
    pub(crate) quality: Quality,
    pub(crate) deaths: Deaths,
    /// Where it has passed from outside the container.
    passed_outside: Option<PassedOutside>,
}

/// A check that has passed over the network, in place of its container's own
/// localhost: from then on its failures count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PassedOutside {
    /// The engine's id of the container; its restarts change nothing.
    container: String,
    /// Tells what was checked from what an edit makes of it.
    check: u64,
}

impl PassedOutside {
    fn new(container: &Instance, check: &Check) -> Self {
        // Its `Debug` leaves secrets out.
        let check = plan::stable_hash(&format!("{:?}", check.kind));
        Self { container: container.id.clone(), check }
    }
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    number: u64,
    epoch: u64,
    started: Time,
    /// Its interval asked for it.
    on_tick: bool,
    /// It was said that it does not come back.
    overdue: bool,
}

impl Run {
    /// A run for each check of `service`, first looked at soon.
    pub(crate) fn all(now: Time, service: &Service) -> Vec<Self> {
        service.checks.iter().map(|check| Self::new(now, &service.name, check)).collect()
    }

    fn new(now: Time, service: &ServiceName, check: &Check) -> Self {
        let key = key(service, check);
        Self {
            check: check.clone(),
            tally: Tally::default(),
            next: plan::next_tick(now, check.interval, &key),
            soon: Some(plan::first_look(now, check.interval, &key)),
            not_before: Time::default(),
            in_flight: None,
            skipped: 0,
            shown: None,
            kept: CheckMemory::default(),
        }
    }

    /// The runs of a service whose entry changed: those of checks that did not
    /// change go on.
    pub(crate) fn carry_over(mut before: Vec<Self>, now: Time, service: &Service) -> Vec<Self> {
        let carry = |check: &Check| {
            before
                .iter()
                .position(|run| run.check == *check)
                .map(|index| before.swap_remove(index))
                .unwrap_or_else(|| {
                    let mut run = Self::new(now, &service.name, check);
                    let old = before.iter().find(|old| old.check.name == check.name);
                    run.kept.passed_outside = old.and_then(|old| old.kept.passed_outside.clone());
                    run
                })
        };
        service.checks.iter().map(carry).collect()
    }

    /// Hands the look out if its time has come: its number.
    pub(crate) fn due(
        &mut self,
        now: Time,
        service: &ServiceName,
        check: &Check,
        looked_at: bool,
        epoch: u64,
        number: &mut u64,
    ) -> Option<u64> {
        let ticked = self.next <= now;
        if ticked {
            self.next = plan::next_tick(now, check.interval, &key(service, check));
        }
        let lasted = self.tally.look_at(check).is_some_and(|at| at <= now);
        let wanted = ticked || lasted || self.soon.is_some_and(|soon| soon <= now);
        if !wanted || !looked_at || now < self.not_before {
            return None;
        }
        if self.in_flight.is_some() {
            self.skipped += u64::from(ticked);
            return None;
        }
        self.soon = None;
        *number += 1;
        self.in_flight = Some(InFlight {
            number: *number,
            epoch,
            started: now,
            on_tick: ticked,
            overdue: false,
        });
        Some(*number)
    }

    /// Whether the look with this number is under way.
    pub(crate) fn waits_for(&self, number: u64) -> bool {
        self.in_flight.is_some_and(|look| look.number == number)
    }

    /// Weighs a result that was taken in `container`.
    pub(crate) fn weigh(&mut self, container: Option<&Instance>, report: Report) -> Report {
        if !report.from_outside {
            return report;
        }
        let way = container.map(|container| PassedOutside::new(container, &self.check));
        let passes = matches!(report.outcome, Outcome::Pass | Outcome::Slow(_));
        if passes && way.is_some() {
            self.kept.passed_outside.clone_from(&way);
        }
        report.weigh(way.is_some() && self.kept.passed_outside == way)
    }

    /// Takes the result of the look under way in. Whether it counts: it is of
    /// this epoch. It is held against the check's quality if it is `judged`:
    /// what comes up may fail.
    pub(crate) fn ended(&mut self, now: Now, epoch: u64, judged: bool, report: Report) -> bool {
        let Some(look) = self.in_flight.take() else {
            return false;
        };
        let away = now.mono.since(look.started).saturating_sub(report.took);
        if look.epoch != epoch || away >= SUSPENDED {
            self.soon(now.mono);
            return false;
        }
        let failed = matches!(report.outcome, Outcome::Fail(_));
        let seen = !matches!(report.outcome, Outcome::Starting(_) | Outcome::Unknown(_));
        if judged && seen {
            self.kept.quality.count(failed, look.on_tick);
        }
        if judged && self.came_back(&report) {
            self.kept.deaths.count(now);
        }
        self.tally.count(now, look.started, report);
        self.tally.settle(&self.check);
        if matches!(self.tally.verdict(&self.check, now.mono), Verdict::Failed(_)) {
            self.kept.quality.confirmed();
        }
        self.shown = self.tally.last().cloned();
        if !self.tally.processes().is_empty() {
            self.kept.seen_alive = self.tally.processes().to_vec();
        }
        true
    }

    /// Whether what was behind it ended since its last pass, and something else
    /// is there now: all of its processes are others, or where none can be
    /// seen, nothing was there in between.
    fn came_back(&self, report: &Report) -> bool {
        if !matches!(report.outcome, Outcome::Pass | Outcome::Slow(_)) {
            return false;
        }
        let before = &self.kept.seen_alive;
        if before.is_empty() || report.processes.is_empty() {
            let failing = self.tally.failing().map(|failing| failing.fault.kind);
            return before.is_empty()
                && matches!(failing, Some(FaultKind::Refused | FaultKind::ProcessAbsent));
        }
        report.processes.iter().all(|process| !before.contains(process))
    }

    /// A look that has not come back for two intervals is no look: until it
    /// does, nothing is known.
    pub(crate) fn note_overdue(&mut self, now: Now) {
        let due = self.overdue_at();
        let Some(look) = self.in_flight.as_mut().filter(|look| !look.overdue) else { return };
        if due.is_some_and(|due| now.mono >= due) {
            look.overdue = true;
            let span = now.mono.since(look.started);
            let why = format!("monitor stale: no result for {}", words::duration(span));
            let report = Report::new(Outcome::Unknown(why), span);
            self.tally.count(now, look.started, report);
            self.shown = self.tally.last().cloned();
        }
    }

    fn overdue_at(&self) -> Option<Time> {
        let look = self.in_flight.filter(|look| !look.overdue)?;
        Some(look.started + (self.check.interval * 2).max(self.check.timeout + LATEST))
    }

    /// Wants a look at `at`, unless an earlier one is wanted already.
    pub(crate) fn soon(&mut self, at: Time) {
        self.soon = Some(self.soon.map_or(at, |soon| soon.min(at)));
    }

    /// Wants a look now, although what is looked at was left time.
    pub(crate) fn look_at_once(&mut self, now: Time) {
        self.not_before = self.not_before.min(now);
        self.soon(now);
    }

    /// What it saw fail cannot be believed, so there is nothing to confirm soon.
    pub(crate) fn doubt(&mut self, now: Now, why: &str) {
        if self.tally.doubt(now, why) {
            self.soon = None;
        }
    }

    /// Forgets the results so far; `from` is when the next look is wanted, and
    /// none comes before it.
    pub(crate) fn afresh(&mut self, from: Time) {
        self.tally = Tally::default();
        self.soon = Some(from);
        self.not_before = from;
    }

    /// The instance is another one: of what was seen in the one before nothing
    /// counts any more, but the way to its container is the same.
    pub(crate) fn arrived(&mut self) {
        let passed_outside = self.kept.passed_outside.take();
        self.kept = CheckMemory { passed_outside, ..CheckMemory::default() };
    }

    /// The processes that may have to be ended before it can be started anew.
    pub(crate) fn seen_alive(&self) -> &[ProcId] {
        &self.kept.seen_alive
    }

    /// When this check next wants something done.
    pub(crate) fn wake(&self, looked_at: bool) -> Option<Time> {
        let early = self.soon.into_iter().chain(self.tally.look_at(&self.check)).min();
        let early = early.filter(|_| looked_at && self.in_flight.is_none());
        let early = early.map(|early| early.max(self.not_before));
        let next = early.map_or(self.next, |early| early.min(self.next));
        Some(self.overdue_at().map_or(next, |overdue| overdue.min(next)))
    }

    pub(crate) fn shown(&self) -> Option<&Last> {
        self.shown.as_ref()
    }

    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }
}

fn key(service: &ServiceName, check: &Check) -> String {
    format!("{service}/{}", check.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Fault;

    /// A run of an hour in which every second look came to `outcome`.
    fn alternating(judged: bool, outcome: &Outcome) -> Run {
        let fail = Outcome::Fail(Fault::new(FaultKind::Timeout, "timeout"));
        let service = crate::judge::tests::builders::service("web");
        let check = &service.checks[0];
        let mut run = Run::new(Time::default(), &service.name, check);
        for tick in 0..60 {
            let mono = Time::from_millis(tick * 60_000);
            let now = Now { mono, ..Now::default() };
            run.due(mono, &service.name, check, true, 0, &mut 0);
            let outcome = if tick % 2 == 0 { &fail } else { outcome };
            run.ended(now, 0, judged, Report::new(outcome.clone(), Duration::ZERO));
        }
        run
    }

    #[test]
    fn only_what_was_seen_of_what_should_be_up_is_held_against_its_quality() {
        let complaint = |run: Run| run.kept.quality.complaint("tcp");
        assert!(complaint(alternating(true, &Outcome::Pass)).is_some());
        assert_eq!(complaint(alternating(false, &Outcome::Pass)), None, "it is coming up");
        let unknown = Outcome::Unknown("the agent is lost".into());
        assert_eq!(complaint(alternating(true, &unknown)), None, "that is no coming and going");
    }
}
