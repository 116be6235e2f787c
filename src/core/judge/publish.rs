//! What is shown of a step: incidents and views.

use super::*;

impl Core {
    pub(super) fn scene(&self, now: Now) -> Scene<'_> {
        Scene {
            now,
            services: &self.services,
            graph: &self.graph,
            engine_gone: match &self.engine {
                EngineLink::Gone { since, why } => Some((*since, why.clone())),
                EngineLink::Up | EngineLink::Unseen => None,
            },
            repeat_interval: self.settings.repeat_interval,
        }
    }

    pub(super) fn refresh_incidents(&mut self, now: Now, out: &mut Out) {
        let mut incidents = std::mem::take(&mut self.incidents);
        incidents.refresh(&self.scene(now), &mut out.changes, &mut out.actions);
        self.incidents = incidents;
    }

    pub(super) fn publish(&mut self, now: Now, out: &mut Out) {
        for (name, machine) in &self.services {
            let view = self.view(machine, now);
            if self.published.get(name) != Some(&view) {
                out.changes.push(Change::Service(Box::new(view.clone())));
                self.published.insert(name.clone(), view);
            }
        }
    }

    fn view(&self, machine: &Machine, now: Now) -> ServiceView {
        let service = &machine.service;
        let recovery = &service.recovery;
        ServiceView {
            name: service.name.clone(),
            container: machine.container().map_or_else(String::new, ToString::to_string),
            state: machine.label(),
            reason: machine.reason(now.mono),
            since: machine.since().wall,
            checks: machine.runs.iter().zip(&service.checks).map(check_view).collect(),
            restarts_in_window: machine.effort.restarts(now.mono, recovery.window),
            failed_attempts: machine.effort.failed_in_row(),
            incident: self.incidents.of(&service.name).map(|id| id.0.clone()),
        }
    }
}

fn check_view((run, check): (&run::Run, &crate::model::Check)) -> CheckView {
    let (last, detail) = match run.shown().map(|last| &last.report.outcome) {
        None => ("pending", ""),
        Some(Outcome::Pass) => ("pass", ""),
        Some(Outcome::Slow(why)) => ("slow", why.as_str()),
        Some(Outcome::Fail(fault)) => ("fail", fault.detail.as_str()),
        Some(Outcome::Starting(why)) => ("starting", why.as_str()),
        Some(Outcome::Unknown(why)) => ("unknown", why.as_str()),
    };
    let took = run.shown().map_or(Duration::ZERO, |last| last.report.took);
    CheckView {
        name: check.name.clone(),
        last: last.to_owned(),
        detail: detail.to_owned(),
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        at: run.shown().map(|last| last.ended.wall),
        skipped: run.skipped(),
    }
}
