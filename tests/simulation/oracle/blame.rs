//! A8: blame never points to what depends on it, nor to what works, and no
//! message calls well what fails.

use super::alerts::is_unstable;
use super::known::Known;
use super::{Heard, Violation};
use crate::plan::Ms;
use std::collections::BTreeSet;
use vai_core::judge::{Change, Record};
use vai_core::model::{Incident, Notice, ServiceName, StateLabel, Subject};

/// Holds what a step recorded and told against what is known after it.
pub(super) fn follow(now: Ms, heard: &Heard<'_>, known: &Known) -> crate::Step {
    let violated = |incident: &Incident, words: String| {
        let words = format!("{}: {words}", incident.id.0);
        Violation { invariant: "A8", at: now, words }
    };
    for change in &heard.delta.changes {
        match change {
            Change::Incident(incident) => {
                blames(incident, known).map_err(|words| violated(incident, words))?;
            }
            Change::Keep(record) => {
                if let Record::Message(_, notice) = &**record {
                    let incident = &notice.incident;
                    blames(incident, known).map_err(|words| violated(incident, words))?;
                    calls_well(notice, known).map_err(|words| violated(incident, words))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn blames(incident: &Incident, known: &Known) -> Result<(), String> {
    if incident.subject != Subject::Service || is_unstable(incident) {
        return Ok(());
    }
    let root = ServiceName::from(incident.root.as_str());
    let needed = needed_by(&root, known);
    for it in incident.affected.iter().filter(|it| !it.over) {
        let name = &it.name;
        if needed.contains(name) {
            return Err(format!("{name} fails because of {root}, which depends on it"));
        }
        let Some(because) = &it.because else { continue };
        if !needed_by(name, known).contains(because) {
            return Err(format!("{name} fails because of {because}, on which it does not depend"));
        }
        if it.state == StateLabel::Down && known.state(because) == Some(StateLabel::Degraded) {
            return Err(format!("{name} is down because of {because}, which works"));
        }
    }
    Ok(())
}

fn calls_well(notice: &Notice, known: &Known) -> Result<(), String> {
    let incident = &notice.incident;
    let is_told_of =
        matches!(incident.subject, Subject::Service | Subject::Container) && !is_unstable(incident);
    if !is_told_of {
        return Ok(());
    }
    let root = ServiceName::from(incident.root.as_str());
    let root = (incident.subject == Subject::Service && incident.is_over()).then_some(&root);
    let over = incident.affected.iter().filter(|it| it.over || incident.is_over());
    let fails = |name: &&ServiceName| {
        let state = known.state(name);
        let broken = |state| {
            use StateLabel as S;
            matches!(state, S::Down | S::GaveUp | S::Healing | S::Verifying)
        };
        state.is_some_and(broken)
    };
    match root.into_iter().chain(over.map(|it| &it.name)).find(fails) {
        Some(name) => Err(format!("{name} is called well and fails ({:?})", notice.kind)),
        None => Ok(()),
    }
}

/// Everything that `name` needs by the registry, directly or not.
fn needed_by(name: &ServiceName, known: &Known) -> BTreeSet<ServiceName> {
    let mut found = BTreeSet::new();
    let mut open = vec![name.clone()];
    while let Some(next) = open.pop() {
        let service = known.watchlist.services.get(&next);
        for needed in service.map_or(&[][..], |it| &it.dependencies) {
            if found.insert(needed.clone()) {
                open.push(needed.clone());
            }
        }
    }
    found
}
