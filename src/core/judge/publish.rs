//! What is shown of a step: incidents and views.

use super::*;

impl Core {
    pub(super) fn scene(&self, now: Now) -> Scene<'_> {
        Scene {
            now,
            services: &self.services,
            graph: &self.graph,
            engine_gone: match &self.engine {
                EngineLink::Gone { since, .. } => Some(*since),
                EngineLink::Up | EngineLink::Unseen => None,
            },
            sinks: &self.host.sinks,
            jobs: &self.jobs,
            silences: &self.host.silences,
            troubles: self.troubles(now),
            host_event: self.host.event,
            repeat_interval: self.settings.repeat_interval,
        }
    }

    pub(super) fn refresh_incidents(&mut self, now: Now, out: &mut Out) {
        let mut incidents = std::mem::take(&mut self.incidents);
        let mut notices = Vec::new();
        incidents.refresh(&self.scene(now), &mut out.changes, &mut notices);
        self.incidents = incidents;
        self.host.last_incident = self.incidents.last();
        let quiet = self.incidents.take_quiet();
        self.count_healed(quiet);
        for notice in notices {
            self.tell(notice, out);
        }
    }

    /// Remembers a message until it has arrived, and sends it on its way.
    pub(super) fn tell(&mut self, notice: Notice, out: &mut Out) {
        self.host.next_message += 1;
        let id = MessageId(self.host.next_message);
        let record = Record::Message(id, notice.clone());
        out.changes.push(Change::Keep(Box::new(record)));
        out.actions.push(Action::Tell(id, Box::new(notice)));
    }

    /// Hands out what has to be remembered from now on.
    pub(super) fn remember(&mut self, out: &mut Out) {
        let mut records = Vec::new();
        let known = &self.remembered;
        for (name, machine) in self.services.touched() {
            if let Some(memory) = machine.memory(known.services.get(name)) {
                records.push(Record::Service(name.clone(), memory));
            }
        }
        for (key, container) in &self.containers {
            if known.containers.get(key) != Some(&container.kept) {
                records.push(Record::Container(key.clone(), container.kept.clone()));
            }
        }
        self.remember_jobs(&mut records);
        for (id, open) in self.incidents.memories() {
            if known.incidents.get(id) != Some(open) {
                records.push(Record::Incident(id.clone(), open.clone()));
            }
        }
        for (id, flight) in &self.acts {
            if !known.acts.contains_key(id) {
                records.push(Record::Act(*id, flight.clone()));
            }
        }
        if known.host != self.host {
            records.push(Record::Host(self.host.clone()));
        }
        let open: BTreeSet<&IncidentId> = self.incidents.memories().map(|(id, _)| id).collect();
        let closed = known.incidents.keys().filter(|id| !open.contains(id));
        let ended = known.acts.keys().filter(|id| !self.acts.contains_key(id));
        let gone = known.containers.keys().filter(|key| !self.containers.contains_key(*key));
        let mut forgotten: Vec<RecordKey> = Vec::new();
        forgotten.extend(closed.cloned().map(RecordKey::Incident));
        forgotten.extend(ended.copied().map(RecordKey::Act));
        forgotten.extend(gone.cloned().map(RecordKey::Container));
        let kept = records.into_iter().map(|record| Change::Keep(Box::new(record)));
        let changes: Vec<Change> = kept.chain(forgotten.into_iter().map(Change::Forget)).collect();
        for change in &changes {
            self.remembered.apply(change);
        }
        out.changes.extend(changes);
    }

    pub(super) fn publish(&mut self, now: Now, out: &mut Out) {
        self.publish_jobs(out);
        for (name, machine) in self.services.touched() {
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
            restarts_in_window: machine.kept.effort.restarts(now.mono, recovery.window),
            failed_attempts: machine.kept.effort.failed_in_row(),
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
