//! Events on their way in: what each of them changes before anything is judged.

use super::*;
use host::Failing;

impl Core {
    pub(super) fn take_in(&mut self, now: Now, event: Event, out: &mut Out) {
        match event {
            Event::Configured(watchlist) => {
                self.configure(now, watchlist, out);
                self.maintain(now, out);
            }
            Event::Checked { ticket, report } => {
                if self.anchors.checked(now, &ticket, report.clone()) {
                    return;
                }
                let Some(machine) = self.services.get_mut(&ticket.service) else {
                    return;
                };
                let Some(counted) = machine.checked(now, ticket.number, report) else {
                    return;
                };
                out.changes.push(Change::Sampled(counted.sample));
                if counted.first_fail {
                    for dependency in self.graph.all_dependencies(&ticket.service) {
                        if let Some(machine) = self.services.get_mut(&dependency) {
                            machine.look_now(now.mono);
                        }
                    }
                    self.suspect_network(now, &ticket.service);
                }
            }
            Event::Hint { service, died, .. } => {
                if let Some(machine) = self.services.get_mut(&service) {
                    if let Some(process) = died {
                        machine.process_ended(&process);
                    }
                    machine.look_now(now.mono);
                }
            }
            // Whoever stops vai may be stopping everything.
            Event::Container { change: ContainerChange::StopRequested, .. } if self.stopping => {}
            Event::Container { key, change } => self.container_changed(now, key, change),
            Event::EngineGone(why) => {
                if !matches!(self.engine, EngineLink::Gone { .. }) {
                    let instances = self.instances();
                    self.engine = EngineLink::Gone { since: now, why, instances };
                    for container in self.containers.values_mut() {
                        container.stops_prove_nothing(now.mono);
                    }
                    self.services.touch_all();
                }
            }
            Event::EngineBack => self.engine_back(now),
            Event::Scheduled(scheduled) => self.scheduled(now, scheduled, out),
            Event::Ran { id, report } => self.ran(now, id, report, out),
            Event::Crontabs(found) => self.found_in_crontabs(now, found),
            Event::Job(request) => self.ask_job(now, &request, out),
            Event::Acted { id, report } => self.acted(now, id, report, out),
            Event::Operator(request) => self.operate(now, &request, out),
            Event::Alerts(request) => self.attend(now, &request, out),
            Event::StoreFailed(why) => self.store_failed = Some((now, why)),
            Event::StoreBack => self.store_failed = None,
            Event::Maintenance(windows) => {
                self.windows = windows;
                self.maintain(now, out);
            }
            Event::Registry(why) => {
                let was = self.host.registry.take();
                self.host.registry = Failing::go_on(was, now, why);
            }
            Event::Sink { name, failing } => {
                let was = self.host.sinks.remove(&name);
                let failing = Failing::go_on(was, now, failing);
                self.host.sinks.extend(failing.map(|failing| (name, failing)));
            }
            Event::Digest => self.tell_digest(now, out),
            Event::Told(id) => {
                self.remembered.apply(&Change::Forget(RecordKey::Message(id)));
                out.changes.push(Change::Forget(RecordKey::Message(id)));
            }
            Event::Stopping => {
                self.stopping = true;
                self.host.running = false;
                for container in self.containers.values_mut() {
                    container.stops_prove_nothing(now.mono);
                }
                self.services.touch_all();
            }
            Event::Wake => {}
        }
    }

    fn engine_back(&mut self, now: Now) {
        let before = std::mem::replace(&mut self.engine, EngineLink::Up);
        let EngineLink::Gone { instances, .. } = before else { return };
        self.note_engine(now, &instances);
        for machine in self.services.values_mut() {
            // What was told before the engine went is told to its end.
            let told = self.incidents.of(&machine.service.name).is_some();
            if machine.container().is_some() && !told {
                machine.may_be_seen_again(now.mono);
            }
        }
    }

    pub(super) fn configure(&mut self, now: Now, watchlist: Watchlist, out: &mut Out) {
        self.settings = Settings::of(&watchlist);
        if self.anchors.checks() != watchlist.anchors {
            self.anchors = Anchors::new(now.mono, &watchlist.anchors);
        }
        self.graph = Graph::new(&watchlist.services);
        self.watches_outside = watchlist.services.values().any(|service| {
            service.checks.iter().any(|check| restarts(check) && check.kind.is_outside())
        });
        let gone: Vec<ServiceName> = self
            .services
            .keys()
            .filter(|name| !watchlist.services.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            if let Some(mut machine) = self.services.remove(&name) {
                // What was spent on it is remembered, should it come back.
                machine.forget_outage(now);
                if let Some(memory) = machine.memory(self.remembered.services.get(&name)) {
                    let record = Record::Service(name.clone(), memory);
                    let change = Change::Keep(Box::new(record));
                    self.remembered.apply(&change);
                    out.changes.push(change);
                }
            }
            self.published.remove(&name);
            self.incidents.recovered(&name, "removed from the registry");
            out.changes.push(Change::Removed(name));
        }
        for (name, service) in watchlist.services {
            let mut step = Step::default();
            match self.services.get_mut(&name) {
                Some(machine) => machine.reconfigure(now, service, &mut step),
                None => {
                    let machine = match self.remembered.services.get(&name) {
                        Some(memory) => Machine::recall(now, service, memory.clone(), &mut step),
                        None => Machine::new(now, service),
                    };
                    self.services.insert(name.clone(), machine);
                }
            }
            self.story(&name, step, out);
        }
        self.configure_jobs(now, watchlist.jobs, out);
        let services = self.services.values().filter_map(|machine| machine.container());
        let wanted: BTreeSet<ContainerKey> =
            services.chain(self.job_containers()).cloned().collect();
        self.containers.retain(|key, _| wanted.contains(key));
    }

    fn container_changed(&mut self, now: Now, key: ContainerKey, change: ContainerChange) {
        let killed_for_memory = change == ContainerChange::OutOfMemory;
        self.services.touch_in(&key);
        let container = self.containers.entry(key.clone()).or_default();
        let before = container.presence().map(|presence| presence.health.clone());
        let replaced = container.replaced_by(&change);
        container.change(now, change);
        let after = container.presence().map(|presence| presence.health.clone());
        if let Some(id) = replaced {
            for sharer in self.containers.values_mut() {
                sharer.lost_network_of(&id);
            }
        }
        // What the engine's own check says is worth a look, not a verdict.
        if killed_for_memory || (before.is_some() && before != after) {
            for machine in self.services.values_mut() {
                if machine.container() == Some(&key) {
                    machine.look_now(now.mono);
                }
            }
        }
    }
}
