//! C1, C4, C6: what is looked at, when, and what is made of it.

use super::Violation;
use super::known::{Known, hides};
use super::restarts::Restarts;
use crate::plan::{MINUTE, Ms};
use std::collections::{BTreeMap, BTreeSet};
use vai_core::judge::{Change, Delta};
use vai_core::model::{
    Check, Event, OnFail, Service, ServiceKind, ServiceName, StateLabel, Ticket,
};

/// What a start delay and the way there and back may add.
const SLACK: Ms = 12_000;
/// From audit to audit.
const AUDIT: Ms = 30_000;

/// However it is hurried, nothing is looked at more often than this a minute:
/// each second while something is confirmed, and as often again for hints.
const MOST_A_MINUTE: u32 = 150;

type Key = (ServiceName, String);

#[derive(Debug, Default)]
pub(crate) struct Looks {
    in_flight: BTreeMap<Key, u64>,
    last: BTreeMap<Key, Ms>,
    /// How often in a minute, and in which.
    often: BTreeMap<Key, (Ms, u32)>,
    /// Nothing is held against a look missing before.
    from: Ms,
    exempt: BTreeSet<ServiceName>,
}

impl Looks {
    pub(crate) fn hear(
        &mut self,
        now: Ms,
        event: &Event,
        delta: &Delta,
        known: &Known,
    ) -> crate::Step {
        let samples = delta.changes.iter().filter_map(|change| match change {
            Change::Sampled(sample) => Some(sample),
            _ => None,
        });
        let result = match event {
            Event::Checked { ticket, report } => {
                self.in_flight.retain(|_, number| *number != ticket.number);
                let service = known.watchlist.services.get(&ticket.service);
                let check = service.and_then(|it| it.checks.get(ticket.check));
                check.map(|check| (&ticket.service, &check.name, &report.outcome))
            }
            Event::Configured(watchlist) => {
                // A look of a check that was edited is another check's.
                self.in_flight.retain(|(name, _), _| {
                    watchlist.services.get(name) == known.watchlist.services.get(name)
                });
                self.last.retain(|(name, _), _| {
                    watchlist.services.get(name) == known.watchlist.services.get(name)
                });
                None
            }
            _ => None,
        };
        for sample in samples {
            let same = result.is_some_and(|(service, check, outcome)| {
                sample.service == *service && sample.check == *check && sample.outcome == *outcome
            });
            if !same {
                let words = format!("{sample:?} is no result of a look");
                return Err(Violation { invariant: "C6", at: now, words });
            }
        }
        Ok(())
    }

    /// While a service is acted on or stopped it is not looked at.
    pub(crate) fn follow(&mut self, now: Ms, delta: &Delta) {
        for change in &delta.changes {
            let Change::Service(view) = change else { continue };
            let exempt = matches!(
                view.state,
                StateLabel::Healing
                    | StateLabel::StoppedByHand
                    | StateLabel::Missing
                    | StateLabel::Finished
                    | StateLabel::Disabled
            );
            if hides(view.state) {
                // What it is behind that label is what it was before.
                continue;
            }
            if exempt {
                self.exempt.insert(view.name.clone());
            } else if self.exempt.remove(&view.name) {
                for check in &view.checks {
                    self.last.insert((view.name.clone(), check.name.clone()), now);
                }
            }
        }
    }

    pub(crate) fn handed_out(
        &mut self,
        now: Ms,
        ticket: &Ticket,
        service: &Service,
    ) -> crate::Step {
        let Some(check) = service.checks.get(ticket.check) else { return Ok(()) };
        let key = (ticket.service.clone(), check.name.clone());
        self.last.insert(key.clone(), now);
        let minute = now / MINUTE;
        let often = self.often.entry(key.clone()).or_insert((minute, 0));
        *often = if often.0 == minute { (minute, often.1 + 1) } else { (minute, 1) };
        if often.1 > MOST_A_MINUTE {
            let words = format!("{} of {} is looked at without a pause", check.name, service.name);
            return Err(Violation { invariant: "rate", at: now, words });
        }
        if self.in_flight.insert(key, ticket.number).is_some() {
            let words = format!("{} of {} overlaps itself", check.name, ticket.service);
            return Err(Violation { invariant: "C1", at: now, words });
        }
        Ok(())
    }

    /// While an act is under way nothing is looked at, nor until its start
    /// delay is over.
    pub(crate) fn acted(&mut self, now: Ms, service: &ServiceName, known: &Known) {
        let Some(service) = known.watchlist.services.get(service) else { return };
        let from = now + service.startup_delay.as_millis() as Ms;
        for check in &service.checks {
            self.last.insert((service.name.clone(), check.name.clone()), from);
        }
    }

    pub(crate) fn from(&mut self, now: Ms) {
        self.from = now;
    }

    pub(crate) fn crashed(&mut self) {
        self.in_flight.clear();
        self.last.clear();
        self.exempt.clear();
    }

    /// C4: every check runs within two intervals.
    pub(crate) fn audit(&mut self, now: Ms, known: &Known, restarts: &Restarts) -> crate::Step {
        for service in known.watchlist.services.values() {
            let watched = service.enabled && service.kind == ServiceKind::Watched;
            let shown = known.state(&service.name);
            if !watched || self.exempt.contains(&service.name) || shown.is_none() {
                continue;
            }
            for check in &service.checks {
                let key = (service.name.clone(), check.name.clone());
                let hidden = shown.is_some_and(hides) && !known.container_runs(&service.place);
                let stopped = known.stopped.contains(service.name.as_str());
                if hidden || stopped || restarts.acts_on(&service.name) {
                    // That may end any time before the next audit.
                    self.last.insert(key, now + AUDIT);
                    continue;
                }
                let last = *self.last.entry(key).or_insert(now);
                let since = last.max(self.from).max(known.arrived(&service.place));
                let silent = now.saturating_sub(since);
                if silent > most(check) && shown != Some(StateLabel::Unknown) {
                    let on_fail = if check.on_fail == OnFail::Alert { " (alerts)" } else { "" };
                    let words = format!(
                        "{}{on_fail} of {} was not looked at for {silent} ms and is {shown:?}",
                        check.name, service.name
                    );
                    return Err(Violation { invariant: "C4", at: now, words });
                }
            }
        }
        for (name, check) in known.anchor_checks() {
            let last = *self.last.entry((name, check.name.clone())).or_insert(now);
            let silent = now.saturating_sub(last.max(self.from));
            if silent > most(check) {
                let words = format!("the anchor {} was not looked at for {silent} ms", check.name);
                return Err(Violation { invariant: "C4", at: now, words });
            }
        }
        Ok(())
    }
}

/// How long a check may not be looked at.
fn most(check: &Check) -> Ms {
    (check.interval * 2 + check.timeout).as_millis() as Ms + SLACK
}
