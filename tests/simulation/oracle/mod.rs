//! Independent checks of the invariants (behaviour.md, section 9), by name,
//! drawn from what the core was told, what it said and what the world did.

mod alerts;
mod arrivals;
mod blame;
mod jobs;
mod known;
mod looks;
mod network;
mod restarts;
mod routing;
mod silences;
mod tally;
mod timetable;

use crate::plan::{Ms, Plan};
use crate::sinks::{Inbox, Sinks};
use alerts::Alerts;
use arrivals::{Arrivals, Debt};
use jobs::Jobs;
use known::{Known, Remembered};
use looks::Looks;
use restarts::Restarts;
use routing::{News, Routing};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use vai_core::dispatch::{Reached, Refusal};
use vai_core::judge::Delta;
use vai_core::model::{
    Act, ActRequest, Action, Event, IncidentId, Notice, Now, Outcome, Run, RunRequest, Scheduled,
    StateLabel, TryId, Wall, Watchlist,
};

/// An invariant that did not hold.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) invariant: &'static str,
    pub(crate) at: Ms,
    pub(crate) words: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.at as f64 / 1000.0;
        write!(f, "{} at second {second}: {}", self.invariant, self.words)
    }
}

/// One step of the core: what it was told, what it said, and which of its
/// actions were dispatched.
pub(crate) struct Heard<'a> {
    pub(crate) event: Option<&'a Event>,
    pub(crate) delta: &'a Delta,
    /// The outcomes of runs that were stored since the step before.
    pub(crate) kept: &'a [Run],
    pub(crate) actions: &'a [Action],
    /// Since when nothing outside the host can really be reached.
    pub(crate) outside_lost: Option<Ms>,
    /// The wall clock.
    pub(crate) wall: i64,
}

/// All checks.
pub(crate) struct Oracle {
    known: Known,
    restarts: Restarts,
    looks: Looks,
    alerts: Alerts,
    arrivals: Arrivals,
    routing: Routing,
    jobs: Jobs,
    /// What was stored last, from the first step on that could not be.
    stored: Option<Stored>,
}

/// What a crash leaves of what is remembered.
struct Stored {
    known: Remembered,
    restarts: Restarts,
    alerts: Alerts,
    debts: BTreeMap<IncidentId, Debt>,
    news: News,
    jobs: jobs::Remembered,
}

impl Oracle {
    pub(crate) fn new(plan: &Plan) -> Self {
        let repeat = plan.settings.repeat_interval.as_millis() as Ms;
        let known = Known::new(plan.watchlist());
        Self {
            jobs: Jobs::new(&known),
            known,
            restarts: Restarts::default(),
            looks: Looks::default(),
            alerts: Alerts::default(),
            arrivals: Arrivals::new(plan.sinks.clone(), repeat),
            routing: Routing::new(plan.sinks.clone()),
            stored: None,
        }
    }

    /// A step that was stored, or could not be.
    pub(crate) fn step(&mut self, now: Ms, heard: &Heard<'_>, stored: bool) -> crate::Step {
        if stored {
            self.stored = None;
            if heard.event.is_some() {
                self.jobs.stored();
            }
        } else if self.stored.is_none() {
            self.stored = Some(Stored {
                known: self.known.remembered(),
                restarts: self.restarts.clone(),
                alerts: self.alerts.clone(),
                debts: self.arrivals.debts.clone(),
                news: self.routing.news.clone(),
                jobs: self.jobs.remembered(),
            });
        }
        if let Some(event) = heard.event {
            self.looks.hear(now, event, heard.delta, &self.known)?;
            if let Event::Acted { id, .. } = event
                && let Some(flight) = self.restarts.flight(*id)
            {
                self.looks.acted(now, &flight.service, &self.known);
            }
            self.known.hear(now, event, &self.restarts);
            if let Event::Checked { ticket, report } = event {
                self.known.doubt_outside();
                if matches!(report.outcome, Outcome::Fail(_)) && self.known.counts(ticket) {
                    self.restarts.seen_failing(now, &ticket.service);
                }
            }
            self.restarts.hear(event);
        }
        self.known.publish(heard.delta);
        self.looks.follow(now, heard.delta);
        self.restarts.follow(now, heard.delta, &self.known);
        self.alerts.follow(now, heard, &self.known)?;
        blame::follow(now, heard, &self.known)?;
        self.arrivals.follow(now, heard.delta);
        self.routing.follow(now, heard.delta);
        self.jobs.follow(now, heard, &self.known)?;
        for action in heard.actions {
            match action {
                Action::Look { ticket, service } => {
                    self.looks.handed_out(now, ticket, service)?;
                    self.known.handed_out(now, ticket, service);
                }
                Action::Act(request) => {
                    self.restarts.dispatched(now, request, stored, &self.known)?;
                    self.seen_over_networks(now, request, stored, heard.outside_lost)?;
                }
                Action::Run(_) | Action::EndRun(_) => {}
                Action::Tell(id, _) => self.alerts.sent(now, *id)?,
            }
        }
        Ok(())
    }

    /// What nobody asked for is not done while it may be the network's doing,
    /// and nothing before the network that it needs is there.
    fn seen_over_networks(
        &self,
        now: Ms,
        request: &ActRequest,
        stored: bool,
        lost: Option<Ms>,
    ) -> crate::Step {
        if !stored || request.act == Act::Stop {
            return Ok(());
        }
        let violated = |invariant, words: String| {
            let words = format!("{:?} of {}: {words}", request.act, request.service.name);
            Violation { invariant, at: now, words }
        };
        let service = &request.service;
        let there = self.known.network_is_there(service, &self.restarts);
        there.map_err(|words| violated("Order", words))?;
        if self.restarts.is_asked(request.id) {
            return Ok(());
        }
        let believed = self.known.outside_is_believed(service, lost);
        believed.map_err(|words| violated("R4", words))
    }

    /// vai starts with this registry; whether that it does is `stored`.
    pub(crate) fn started(&mut self, now: Ms, watchlist: &Watchlist, stored: bool) {
        self.known.watchlist = watchlist.clone();
        self.jobs.started(now, &self.known, stored);
        self.looks.from(now);
    }

    /// vai is gone, and if `lossy`, what it had not stored with it.
    pub(crate) fn crashed(&mut self, lossy: bool) {
        let (known, restarts, alerts, debts, news, jobs) =
            match self.stored.take().filter(|_| lossy) {
                Some(Stored { known, restarts, alerts, debts, news, jobs }) => {
                    (Some(known), Some(restarts), Some(alerts), Some(debts), Some(news), Some(jobs))
                }
                None => (None, None, None, None, None, None),
            };
        self.known.crashed(known);
        self.looks.crashed();
        self.restarts.crashed(restarts);
        self.alerts.crashed(alerts);
        self.arrivals.crashed(debts);
        self.routing.crashed(news);
        self.jobs.crashed(jobs, lossy);
    }

    /// vai looks at the clock, and this is what its schedules say.
    pub(crate) fn clock_shows(&mut self, now: Ms, wall: Wall, told: &[Scheduled]) -> crate::Step {
        self.jobs.clock_shows(now, wall, told)
    }

    /// Until `now` nobody could see what came of runs, or that instants came.
    pub(crate) fn disturbed(&mut self, now: Ms) {
        self.jobs.disturbed(now);
    }

    /// A run really begins, beside another one of its job.
    pub(crate) fn run_begins(
        &mut self,
        now: Ms,
        request: &RunRequest,
        other: Option<TryId>,
    ) -> crate::Step {
        self.jobs.begins(now, request, other)
    }

    pub(crate) fn audit_jobs(&mut self, now: Ms, clock: Now) -> crate::Step {
        self.jobs.audit(now, clock, &self.known)
    }

    pub(crate) fn is_job_in_trouble(&self, job: &str) -> bool {
        self.jobs.is_in_trouble(job)
    }

    /// How many scheduled instants came.
    pub(crate) fn instants(&self) -> u64 {
        self.jobs.instants()
    }

    pub(crate) fn suspended(&mut self, until: Ms) {
        self.looks.from(until);
        self.known.suspended();
        self.routing.suspended(until);
    }

    /// What was sent at `asked`. `lives`: whoever sent it is there to know.
    pub(crate) fn arrived(
        &mut self,
        now: Ms,
        inbox: Inbox,
        notices: &[Notice],
        asked: Ms,
        lives: bool,
    ) -> crate::Step {
        self.routing.arrived(now, inbox, notices, asked)?;
        self.arrivals.arrived(now, inbox, notices, lives)
    }

    /// How the sender knows that a sink answered.
    pub(crate) fn answered(&mut self, now: Ms, inbox: Inbox, result: Result<(), Refusal>) {
        match result {
            Ok(()) | Err(Refusal::Final) => self.routing.takes(inbox),
            Err(Refusal::Passing(_)) => self.routing.fails(now, inbox),
        }
    }

    pub(crate) fn refused(&mut self, inbox: Inbox, notices: &[Notice]) {
        self.arrivals.refused(inbox, notices);
        self.routing.refused(inbox, notices);
    }

    /// Others are told instead of a sink.
    pub(crate) fn fell_back(
        &mut self,
        now: Ms,
        inbox: Inbox,
        notice: &Notice,
        others: &[Inbox],
    ) -> crate::Step {
        self.routing.fell_back(now, inbox, notice, others)
    }

    pub(crate) fn given_up(&mut self, now: Ms, inbox: Inbox, notices: &[Notice]) -> crate::Step {
        self.routing.refused(inbox, notices);
        self.arrivals.given_up(now, inbox, notices)
    }

    pub(crate) fn names_are_stored(&mut self) {
        self.arrivals.names_are_stored();
    }

    /// The registry has these sinks now; `told` is what a new vai knows.
    pub(crate) fn sinks_are(&mut self, sinks: &Sinks, told: Option<&[Reached]>) {
        self.arrivals.sinks_are(sinks, told);
        self.routing.sinks_are(sinks, told);
    }

    /// What time alone breaks, while vai lives. `up`: and sees everything.
    pub(crate) fn audit(&mut self, now: Ms, up: bool) -> crate::Step {
        self.routing.audit(now)?;
        if up { self.looks.audit(now, &self.known, &self.restarts) } else { Ok(()) }
    }

    /// How a service is shown.
    pub(crate) fn shown(&self, service: &str) -> Option<StateLabel> {
        self.known.state(&service.into())
    }

    /// L1: once faults stopped, everything converged.
    pub(crate) fn at_the_end(&self, now: Ms, undelivered: usize) -> crate::Step {
        let violated = |words: String| Err(Violation { invariant: "L1", at: now, words });
        let mut unreliable = BTreeSet::new();
        for view in self.known.views.values() {
            // Its last hundred looks may reach back before the quiet.
            let by_rate = view.reason.contains(" of its last ");
            if view.state == StateLabel::Degraded && by_rate {
                unreliable.insert(view.incident.clone());
            } else if view.state != StateLabel::Healthy {
                let (name, state) = (&view.name, view.state.label());
                return violated(format!("{name} is still {state}: {}", view.reason));
            }
        }
        if undelivered > 0 {
            return violated(format!("{undelivered} incidents have news that is still to be sent"));
        }
        self.jobs.at_the_end(now)?;
        self.arrivals.at_the_end(now)?;
        self.alerts.at_the_end(now, &unreliable)
    }
}
