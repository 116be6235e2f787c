//! Looks: answered from the truth of the moment they were handed out, after
//! the time that such a look takes.

use crate::plan::Ms;
use crate::world::World;
use std::collections::BTreeMap;
use std::time::Duration;
use vai_core::model::{
    CheckKind, ContainerStatus, Fault, FaultKind, Instance, Outcome, Report, Service, Ticket,
    Vantage,
};

/// What lies outside the host.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    /// Since when nothing of it can be reached, and until when.
    lost: Option<(Ms, Ms)>,
    /// The anchors that are down, and until when.
    anchors: BTreeMap<usize, Ms>,
}

impl Outside {
    pub(crate) fn is_lost(&mut self, now: Ms, lasts: Ms) {
        let since = self.lost_since(now).unwrap_or(now);
        self.lost = Some((since, now + lasts));
    }

    pub(crate) fn lost_since(&self, now: Ms) -> Option<Ms> {
        self.lost.filter(|&(_, until)| until > now).map(|(since, _)| since)
    }

    pub(crate) fn anchor_is_down(&mut self, anchor: usize, until: Ms) {
        self.anchors.insert(anchor, until);
    }
}

impl World {
    /// What a look at `service` finds, and after how many milliseconds.
    pub(crate) fn look(&mut self, service: &Service, ticket: &Ticket) -> (Report, Ms) {
        let Some(check) = service.checks.get(ticket.check) else {
            return (Report::new(Outcome::Unknown("no such check".into()), Duration::ZERO), 1);
        };
        let timeout = check.timeout.as_millis() as Ms;
        let quick = self.rng.range(1, 50);
        let vantage = check.kind.vantage(&service.place);
        let hidden = match vantage {
            Vantage::Here => None,
            Vantage::Inside | Vantage::Engine => self.hidden(service, ticket, &vantage),
        };
        let reached = self.over_network(service, ticket, &check.kind, timeout);
        let (outcome, took) = match hidden {
            Some(outcome) => (outcome, quick),
            None if reached.is_some() => reached.unwrap_or((Outcome::Pass, quick)),
            None if vantage == Vantage::Here
                && self.network_lost_until > self.now
                && matches!(check.kind, CheckKind::Tcp(_)) =>
            {
                (fault(FaultKind::ConnectTimeout), timeout)
            }
            None => self.answer(service, &check.kind, quick, timeout),
        };
        let mut report = Report::new(outcome, Duration::from_millis(took));
        // Who answers over a network is not seen.
        if matches!(report.outcome, Outcome::Pass | Outcome::Slow(_))
            && !check.kind.is_over_network()
        {
            let target = self.targets.get(service.name.as_str());
            report.processes.extend(target.and_then(|it| it.process(self.now)));
        }
        (report, took)
    }

    /// Why nothing inside can be looked at, or what that says by itself.
    fn hidden(&self, service: &Service, ticket: &Ticket, vantage: &Vantage) -> Option<Outcome> {
        let target = self.targets.get(service.name.as_str())?;
        let container = self.containers.get(target.plan.container.as_deref()?)?;
        let unknown = |why: &str| Some(Outcome::Unknown(why.to_owned()));
        if !self.engine_up {
            return unknown("the engine does not answer");
        }
        if container.removed {
            return Some(fault(FaultKind::ContainerMissing));
        }
        match container.status {
            ContainerStatus::Running => {}
            ContainerStatus::Paused => return unknown("the container is paused"),
            ContainerStatus::Restarting | ContainerStatus::Removing => {
                return unknown("the container is changing");
            }
            ContainerStatus::Created | ContainerStatus::Exited { .. } => {
                return Some(fault(FaultKind::ContainerStopped));
            }
        }
        let expected: Option<&Instance> = ticket.instance.as_ref();
        if expected.is_some_and(|it| *it != container.instance()) {
            return unknown("the container just changed");
        }
        if *vantage == Vantage::Inside && container.agent_lost_until > self.now {
            return unknown("the agent is lost");
        }
        None
    }

    /// What becomes of a look over the network before it gets to its target;
    /// `None` if it gets there.
    fn over_network(
        &mut self,
        service: &Service,
        ticket: &Ticket,
        kind: &CheckKind,
        timeout: Ms,
    ) -> Option<(Outcome, Ms)> {
        const QUICK: Ms = 20;
        if !kind.is_over_network() {
            return None;
        }
        if self.network_lost_until > self.now {
            return Some((Outcome::Unknown("vai has no network".into()), QUICK));
        }
        if kind.is_outside() && self.outside.lost_since(self.now).is_some() {
            return Some(match self.rng.chance(50) {
                true => (fault(FaultKind::Dns), QUICK),
                false => (fault(FaultKind::ConnectTimeout), timeout),
            });
        }
        let name = service.name.as_str();
        let Some(target) = self.targets.get(name) else {
            // It is an anchor.
            let down = self.outside.anchors.get(&ticket.check).is_some_and(|&it| it > self.now);
            let answers = if down { fault(FaultKind::ConnectTimeout) } else { Outcome::Pass };
            return Some((answers, if down { timeout } else { QUICK }));
        };
        if target.endpoint_down_until > self.now {
            return Some((fault(FaultKind::ConnectTimeout), timeout));
        }
        let container = self.containers.get(target.plan.container.as_ref()?)?;
        (container.status == ContainerStatus::Paused).then(|| (fault(FaultKind::Timeout), timeout))
    }

    fn answer(&self, service: &Service, kind: &CheckKind, quick: Ms, timeout: Ms) -> (Outcome, Ms) {
        let Some(target) = self.targets.get(service.name.as_str()) else {
            return (Outcome::Unknown("no such service".into()), quick);
        };
        match kind {
            CheckKind::Docker => (Outcome::Pass, quick),
            CheckKind::Disk(_) if target.low_disk_until > self.now => {
                (fault(FaultKind::DiskFull), quick)
            }
            CheckKind::Disk(_) => (Outcome::Pass, quick),
            CheckKind::Process(_) => match target.process(self.now) {
                Some(_) => (Outcome::Pass, quick),
                None => (fault(FaultKind::ProcessAbsent), quick),
            },
            CheckKind::Tcp(_) | CheckKind::Http(_) | CheckKind::Custom(_) => {
                if self.works(service.name.as_str()) {
                    let slow = target.slow_until > self.now;
                    (if slow { Outcome::Slow("slow".into()) } else { Outcome::Pass }, quick)
                } else if target.answers(self.now) {
                    (fault(FaultKind::Protocol), quick)
                } else if target.life == crate::target::Life::Hung {
                    (fault(FaultKind::Timeout), timeout)
                } else {
                    (fault(FaultKind::Refused), quick)
                }
            }
        }
    }

    /// Whether it answers and everything that it needs does.
    pub(crate) fn works(&self, name: &str) -> bool {
        let Some(target) = self.targets.get(name) else {
            return true;
        };
        let place_runs = match &target.plan.container {
            None => true,
            Some(container) => {
                self.containers.get(container).is_some_and(|it| it.runs() && self.has_joined(it))
            }
        };
        place_runs
            && target.answers(self.now)
            && target.plan.needs.iter().all(|other| self.works(other))
    }
}

fn fault(kind: FaultKind) -> Outcome {
    Outcome::Fail(Fault::new(kind, kind.label()))
}
