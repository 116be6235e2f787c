//! What is known over networks (behaviour.md, sections 1 and 3): whether
//! anything outside the host can be believed, and whose network is there.

use super::known::{Known, hides};
use super::restarts::Restarts;
use super::tally::Tally;
use crate::plan::Ms;
use vai_core::model::{
    Check, ContainerView, OnFail, Place, Presence, Service, ServiceKind, ServiceName, StateLabel,
};

/// What looks at anchors go by.
pub(crate) const ANCHORS: &str = "(anchors)";

impl Known {
    /// What comes of doubts about the network: what surely cannot be believed
    /// is no fail, and what may be doubted is none that surely is one.
    pub(crate) fn doubt_outside(&mut self) {
        let any = self.watchlist.services.values().any(|it| outside(it).next().is_some());
        if !any || !self.may_be_doubted() {
            return;
        }
        let surely = self.is_doubted();
        let watchlist = &self.watchlist;
        for ((name, check), tally) in &mut self.tallies {
            let service = watchlist.services.get(name);
            let check = service.and_then(|it| it.checks.iter().find(|it| it.name == *check));
            if check.is_some_and(|check| check.kind.is_outside()) {
                tally.may_be_doubted();
                if surely {
                    tally.doubted();
                }
            }
        }
    }

    fn anchors(&self) -> impl Iterator<Item = &Tally> {
        let anchors = self.watchlist.anchors.iter();
        anchors.filter_map(|it| self.tallies.get(&(ANCHORS.into(), it.name.clone())))
    }

    /// Whether every anchor failed when it was last seen.
    fn no_anchor_answers(&self) -> bool {
        self.anchors().count() == self.watchlist.anchors.len()
            && self.anchors().all(Tally::fails_now)
    }

    fn looks_outside(&self, service: &Service) -> bool {
        let watched = service.enabled && service.kind == ServiceKind::Watched;
        watched && outside(service).next().is_some()
    }

    /// Whether it is among those that are compared, beyond doubt: it is meant
    /// to run, and its state can be seen.
    fn surely_counts(&self, service: &Service) -> bool {
        let state = self.state(&service.name);
        self.looks_outside(service)
            && self.container_runs(&service.place)
            && state.is_some_and(|it| {
                !hides(it)
                    && !matches!(
                        it,
                        StateLabel::StoppedByHand
                            | StateLabel::Missing
                            | StateLabel::Finished
                            | StateLabel::Disabled
                    )
            })
    }

    fn failed_last(&self, service: &Service) -> Option<bool> {
        let last = outside(service).map(|check| {
            self.tallies.get(&(service.name.clone(), check.name.clone()))?.failed_last()
        });
        let last: Vec<Option<bool>> = last.collect();
        match last.contains(&Some(true)) {
            true => Some(true),
            false => last.into_iter().all(|it| it.is_some()).then_some(false),
        }
    }

    /// Whether nothing outside the host can be believed, beyond doubt.
    fn is_doubted(&self) -> bool {
        if !self.watchlist.anchors.is_empty() {
            return self.no_anchor_answers();
        }
        let mut outside = self.watchlist.services.values().filter(|it| self.looks_outside(it));
        outside.all(|it| self.failed_last(it) == Some(true)) && self.compares()
    }

    /// Whether there is anything to compare a failing target with.
    fn compares(&self) -> bool {
        let services = self.watchlist.services.values();
        !self.watchlist.anchors.is_empty()
            || services.filter(|it| self.surely_counts(it)).count() >= 2
    }

    fn may_be_doubted(&self) -> bool {
        if !self.watchlist.anchors.is_empty() {
            return self.no_anchor_answers();
        }
        let mut services = self.watchlist.services.values();
        !services.any(|it| self.surely_counts(it) && self.failed_last(it) == Some(false))
    }

    /// R4: what is only seen from outside is not touched while that may be us.
    pub(crate) fn outside_is_believed(
        &self,
        service: &Service,
        lost: Option<Ms>,
    ) -> Result<(), String> {
        if !self.container_runs(&service.place) {
            return Ok(());
        }
        let failing = || {
            let confirmed = service.checks.iter().filter(|it| it.on_fail == OnFail::Restart);
            confirmed.filter_map(|check| {
                let tally = self.tallies.get(&(service.name.clone(), check.name.clone()))?;
                tally.confirms(check).then_some((check, tally))
            })
        };
        if failing().next().is_none() || failing().any(|(check, _)| !check.kind.is_outside()) {
            return Ok(());
        }
        if self.is_doubted() {
            return Err("nothing outside the host can be believed".into());
        }
        let since = failing().map(|(_, tally)| tally.fails_since()).min().unwrap_or(0);
        if !self.watchlist.anchors.is_empty()
            && !self.anchors().any(|anchor| anchor.answered_since(since))
        {
            return Err(format!("no anchor answered since it fails, {since} ms"));
        }
        match lost {
            Some(lost) if lost <= since && self.compares() => {
                Err(format!("it fails since {since} ms, and all that is outside since {lost} ms"))
            }
            _ => Ok(()),
        }
    }

    /// Who shares another's network is not touched before that is there.
    pub(crate) fn network_is_there(
        &self,
        service: &Service,
        restarts: &Restarts,
    ) -> Result<(), String> {
        let Place::Container(key) = &service.place else { return Ok(()) };
        let Some(ContainerView::Present(presence)) = self.containers.get(key) else {
            return Ok(());
        };
        let Some(id) = &presence.network_of else { return Ok(()) };
        if presence.network_gone {
            return Err(format!("it shares the network of {id}, which is no more"));
        }
        let owners: Vec<&Presence> = self
            .containers
            .values()
            .filter_map(|view| match view {
                ContainerView::Present(presence) if presence.instance.id == *id => Some(presence),
                _ => None,
            })
            .collect();
        if owners.is_empty() && self.ids.contains_key(id) {
            return Err(format!("it shares the network of {id}, which was recreated"));
        }
        if !owners.is_empty() && !owners.iter().any(|owner| owner.status.is_running()) {
            return Err(format!("it shares the network of {id}, which does not run"));
        }
        if restarts.stops(id) {
            return Err(format!("it shares the network of {id}, which is being restarted"));
        }
        Ok(())
    }

    /// Which of the anchors' names a look was at.
    pub(crate) fn anchor_checks(&self) -> impl Iterator<Item = (ServiceName, &Check)> {
        self.watchlist.anchors.iter().map(|check| (ServiceName::from(ANCHORS), check))
    }
}

/// The checks that look outside the host and call for a restart.
fn outside(service: &Service) -> impl Iterator<Item = &Check> {
    let restarts = service.checks.iter().filter(|it| it.on_fail == OnFail::Restart);
    restarts.filter(|it| it.kind.is_outside())
}
