//! The one loop: takes in events, lets the core decide, stores, dispatches.

use super::keep::{Keeping, STORED_WITHIN, not_stored};
use super::registry::Forced;
use super::{AppError, Reach, Registry, sinks, watchlist};
use crate::alert::Alerter;
use crate::clock;
use crate::config::Config;
use crate::docker::keys_of;
use crate::heal::Healer;
use crate::job::Runner;
use crate::schedule::{Digest, Due, Windows};
use crate::show::{
    Answer, ControlRequest, Demand, EngineState, SinkView, Vitals, narrate, narrate_report,
};
use crate::store::{Shown, Written};
use futures_util::FutureExt;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};
use vai_core::dispatch::Told;
use vai_core::judge::{Core, Delta};
use vai_core::model::{
    ActOutcome, ActReport, ActRequest, Action, ContainerChange, ContainerKey, ContainerView, Duty,
    Event, Evidence, MessageId, Notice, OperatorError, Outcome, Place, Report, RunReport,
    RunRequest, Service, ServiceKind, Ticket, Time, TryId,
};
use vai_core::vitals::BEAT;
use vai_core::words;

/// From SIGTERM on, for the acts under way; messages are sent meanwhile. With
/// what follows it is 8 s: the engine kills after 10.
const ACTS_END_WITHIN: Duration = Duration::from_millis(6500);

/// For the messages that are left then.
const MESSAGES_LEAVE_WITHIN: Duration = Duration::from_millis(1500);

/// Everything that the loop waits for.
pub(super) struct Inputs {
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) reports: mpsc::UnboundedReceiver<Told>,
    pub(super) requests: mpsc::Receiver<ControlRequest>,
    pub(super) registries: watch::Receiver<Arc<Config>>,
    pub(super) forced: mpsc::Sender<Forced>,
    pub(super) terminate: Signal,
    pub(super) interrupt: Signal,
    pub(super) hangup: Signal,
}

/// The loop's own.
pub(super) struct Turn {
    pub(super) core: Core,
    pub(super) keeping: Keeping,
    pub(super) shown: Shown,
    pub(super) vitals: Vitals,
    pub(super) alerter: Alerter,
    pub(super) reach: Arc<Reach>,
    pub(super) healer: Arc<Healer>,
    pub(super) registry: Arc<Registry>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) observe: bool,
    pub(super) windows: Windows,
    /// Containers of services and jobs that were not looked for since the registry was
    /// read.
    pub(super) unlisted: BTreeSet<ContainerKey>,
    /// Why what is on disk is not in force, as the core knows it.
    pub(super) registry_trouble: Option<String>,
    /// Sinks that took nothing when they were tried last, and why, as the core
    /// knows it.
    pub(super) failing_sinks: BTreeMap<String, String>,
    /// When the daily digest is due.
    pub(super) digest: Digest,
    /// When jobs are due.
    pub(super) due: Due,
    pub(super) runner: Arc<Runner>,
    /// The tries of runs that are under way.
    pub(super) trying: BTreeMap<TryId, Arc<RunRequest>>,
    pub(super) looks: JoinSet<()>,
    pub(super) acts: JoinSet<()>,
    pub(super) runs: JoinSet<()>,
}

impl Turn {
    /// Turns until a signal ends it. `first` is what the core had to say at its
    /// start, `undelivered` what a `vai` before this one did not get across.
    pub(super) async fn run(
        mut self,
        mut inputs: Inputs,
        first: Delta,
        undelivered: BTreeMap<MessageId, Notice>,
    ) -> Result<(), AppError> {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop_by: Option<Time> = None;
        let mut progress = self.keeping.store.progress();
        self.registry_changed();
        narrate(&first, &self.shown.snapshot());
        self.keep(first);
        self.follow_store();
        for (id, notice) in undelivered {
            self.alerter.deliver_again(id, notice);
        }
        self.keep_maintenance();
        self.step(Event::Wake);
        self.keep_schedules();
        let ended = loop {
            self.follow_registry();
            if stop_by.is_some_and(|by| self.acts.is_empty() || clock::boot_time() >= by) {
                break Ok(());
            }
            let wake = self.core.next_wake(clock::now());
            let instant = self.next_instant();
            tokio::select! {
                Some(event) = inputs.events.recv() => self.event(event),
                Some(told) = inputs.reports.recv() => self.told(told),
                Ok(()) = progress.changed() => self.follow_store(),
                Some(request) = inputs.requests.recv() => self.request(request, &inputs.forced),
                Ok(()) = inputs.registries.changed() => {
                    let config = Arc::clone(&inputs.registries.borrow_and_update());
                    self.reconfigure(&config).await;
                }
                Some(_) = inputs.terminate.recv() => self.stop_or_exit(&mut stop_by, "SIGTERM"),
                Some(_) = inputs.interrupt.recv() => self.stop_or_exit(&mut stop_by, "SIGINT"),
                Some(_) = inputs.hangup.recv() => reload(&inputs.forced),
                Some(_) = self.looks.join_next() => {}
                Some(_) = self.acts.join_next() => {}
                Some(_) = self.runs.join_next() => {}
                () = sleep_until(wake) => self.step(Event::Wake),
                () = sleep_until(instant) => self.keep_schedules(),
                () = sleep_until(stop_by) => {}
                () = sleep_until(self.keeping.next_wake()) => self.follow_store(),
                _ = beat.tick() => {
                    self.follow_store();
                    if let Some(refused) = self.reach.dead_socket() {
                        break Err(AppError::DeadSocket(refused));
                    }
                    self.keep_maintenance();
                    self.keep_schedules();
                    self.follow_sinks();
                    if self.digest.is_due(clock::wall()) {
                        self.step(Event::Digest);
                    }
                }
            }
            self.vitals.turns.beat();
        };
        // What came of the last acts is told, too.
        while let Ok(event) = inputs.events.try_recv() {
            self.event(event);
        }
        self.finish(inputs).await;
        ended
    }

    fn event(&mut self, event: Event) {
        match &event {
            // Nobody misses an engine that no service is in.
            Event::EngineGone(_) if keys_of(&self.registry.current()).is_empty() => {}
            Event::EngineGone(reason) => {
                warn!("{}", words::engine_gone(reason));
                let since = clock::wall();
                self.shown.set_engine(EngineState::Gone { reason: reason.clone(), since });
            }
            Event::EngineBack => self.engine_back(),
            Event::Container { key, change: ContainerChange::Seen(view) } => {
                self.listed(key, view);
            }
            &Event::Ran { id, report: RunReport::Ended(_) } => {
                let written = self.step_stored(event);
                return self.try_over(id, written);
            }
            _ => {}
        }
        self.step(event);
    }

    fn engine_back(&mut self) {
        self.shown.set_engine(EngineState::Up { version: String::new() });
        let engine = Arc::clone(&self.reach.engine);
        let shown = self.shown.clone();
        self.looks.spawn(async move {
            if let Ok(info) = engine.info().await {
                info!("connected to {}", info.version);
                shown.set_engine(EngineState::Up { version: info.version });
            }
        });
    }

    /// The engine was asked for a container.
    fn listed(&mut self, key: &ContainerKey, view: &ContainerView) {
        if self.unlisted.remove(key) && *view == ContainerView::Missing {
            self.registry.tell_missing(key);
        }
    }

    pub(super) fn step(&mut self, event: Event) {
        let _stored_in_its_time = self.step_stored(event);
    }

    /// Lets the core decide and dispatches; tells when it is stored.
    pub(super) fn step_stored(&mut self, event: Event) -> Written {
        let (delta, actions) = self.core.handle(clock::now(), event);
        // Let go before the change: what is shared has to be copied for it.
        narrate(&delta, &self.shown.snapshot());
        let written = self.keep(delta);
        for action in actions {
            match action {
                Action::Look { ticket, service } => self.look(ticket, service),
                Action::Act(request) => self.act(*request, written.clone()),
                Action::Run(request) => self.run_job(*request, written.clone()),
                Action::EndRun(id) => self.end_run(id),
                Action::Tell(id, notice) => self.keeping.hold(written.clone(), id, *notice),
            }
        }
        written
    }

    fn look(&mut self, ticket: Ticket, service: Arc<Service>) {
        let (reach, events) = (Arc::clone(&self.reach), self.events.clone());
        let redactor = self.registry.current().redactor.clone();
        self.looks.spawn(async move {
            let Some(check) = service.checks.get(ticket.check) else { return };
            let looking = reach.prober.look(&service, check, ticket.instance.as_ref());
            // Whatever happens to a look, the core hears of its end.
            let report = AssertUnwindSafe(looking).catch_unwind().await.unwrap_or_else(|_| {
                Report::new(Outcome::Unknown("the check itself broke".into()), Duration::ZERO)
            });
            // Replies and outputs may quote a secret; nothing behind here sees it.
            let outcome = report.outcome.map_words(|words| redactor.redact(words));
            let report = Report { outcome, ..report };
            // The loop is gone only when vai stops.
            let _ = events.send(Event::Checked { ticket, report }).await;
        });
    }

    /// Carries out an act once its intent, part of `written`, is stored.
    fn act(&mut self, request: ActRequest, written: Written) {
        let (healer, events) = (Arc::clone(&self.healer), self.events.clone());
        self.acts.spawn(async move {
            let report = match written.wait(STORED_WITHIN).await {
                Ok(()) => {
                    let acting = AssertUnwindSafe(healer.perform(&request)).catch_unwind().await;
                    acting.unwrap_or_else(|_| broken_act())
                }
                Err(why) => not_stored(&why),
            };
            narrate_report(&request, &report);
            let _ = events.send(Event::Acted { id: request.id, report }).await;
        });
    }

    fn request(&mut self, request: ControlRequest, forced: &mpsc::Sender<Forced>) {
        let ControlRequest { demand, reply } = request;
        match demand {
            Demand::Reload { force } => {
                if let Err(full) = forced.try_send(Forced { force, reply }) {
                    let busy = OperatorError("the registry is being read right now".into());
                    let _ = full.into_inner().reply.send(Err(busy));
                }
            }
            Demand::Alerts(request) => {
                let answer = self.core.answer_about_alerts(clock::now(), &request);
                if answer.is_ok() {
                    self.step(Event::Alerts(request));
                }
                // Whoever asked may have gone.
                let _ = reply.send(answer.map(Answer::Said));
            }
            Demand::Job(request) => {
                // Whoever asked may have gone.
                let _ = reply.send(self.ask_job(request));
            }
            Demand::Operator(request) => {
                let answer = self.core.answer(&request);
                if answer.is_ok() {
                    self.step(Event::Operator(request));
                }
                // Whoever asked may have gone.
                let _ = reply.send(answer.map(Answer::Said));
            }
        }
    }

    async fn reconfigure(&mut self, config: &Config) {
        self.reach.follow(config);
        self.alerter.reconfigure(&config.notifications, config.redactor.clone()).await;
        self.windows.replace(config.maintenance.clone());
        self.digest.replace(config.notifications.digest.clone());
        self.step(Event::Configured(watchlist(config, self.observe)));
        self.follow_schedules(config);
        self.keep_maintenance();
        self.registry_changed();
    }

    /// At every beat: a clock that was set is noticed, too.
    fn keep_maintenance(&mut self) {
        if let Some(open) = self.windows.changed(clock::wall()) {
            self.step(Event::Maintenance(open));
        }
    }

    fn registry_changed(&mut self) {
        self.keeping.store.registry(clock::now(), self.registry.text());
        self.show_registry();
        self.unlisted = containers_in_use(&self.registry.current());
    }

    /// Hands over why what is on disk is not in force, where that changed.
    fn follow_registry(&mut self) {
        let trouble = self.registry.trouble();
        if trouble != self.registry_trouble {
            self.registry_trouble.clone_from(&trouble);
            self.step(Event::Registry(trouble));
            self.show_registry();
        }
    }

    /// Hands over which sinks took nothing when they were tried last, where
    /// that changed.
    fn follow_sinks(&mut self) {
        let failing = sinks::failing(&self.failing_sinks, self.alerter.status());
        let names: BTreeSet<String> =
            failing.keys().chain(self.failing_sinks.keys()).cloned().collect();
        let before = std::mem::replace(&mut self.failing_sinks, failing);
        for name in names {
            let failing = self.failing_sinks.get(&name).cloned();
            if failing.as_ref() != before.get(&name) {
                self.step(Event::Sink { name, failing });
            }
        }
    }

    fn show_registry(&self) {
        let sinks = self.alerter.status().into_iter();
        let sinks = sinks.map(|sink| SinkView { name: sink.name, held: sink.held }).collect();
        self.shown.set_registry(sinks, self.registry.warnings());
    }

    fn stop_or_exit(&mut self, stop_by: &mut Option<Time>, signal: &str) {
        if stop_by.is_some() {
            warn!("{signal} again: exiting at once");
            std::process::exit(1);
        }
        *stop_by = Some(clock::boot_time() + ACTS_END_WITHIN);
        match self.acts.len() {
            0 => info!("{signal}: stopping"),
            acts => info!("{signal}: stopping; waiting for {acts} act(s) under way"),
        }
        self.step(Event::Stopping);
    }

    async fn finish(mut self, mut inputs: Inputs) {
        let unfinished = self.acts.len();
        if unfinished > 0 {
            error!("{unfinished} act(s) did not end in time and are left to the engine");
        }
        self.acts.shutdown().await;
        self.runner.stop().await;
        self.runs.shutdown().await;
        self.looks.shutdown().await;
        self.follow_store();
        self.alerter.stop(MESSAGES_LEAVE_WITHIN).await;
        while let Ok(told) = inputs.reports.try_recv() {
            self.told(told);
        }
        self.keeping.close().await;
    }
}

/// Of an act that came to no end of its own.
fn broken_act() -> ActReport {
    ActReport {
        outcome: ActOutcome::Failed("vai itself broke while acting; please report it".into()),
        instance: None,
        steps: Vec::new(),
        evidence: Evidence::default(),
        took: Duration::ZERO,
    }
}

/// The containers of what is watched, and of what is run by the clock.
fn containers_in_use(config: &Config) -> BTreeSet<ContainerKey> {
    let services = config.services.values();
    let watched = services.filter(|it| it.enabled && it.kind == ServiceKind::Watched);
    let jobs = config.jobs.values().filter(|job| job.duty == Duty::Scheduled);
    let places = watched.map(|service| &service.place).chain(jobs.map(|job| &job.place));
    places
        .filter_map(|place| match place {
            Place::Local => None,
            Place::Container(key) => Some(key.clone()),
        })
        .collect()
}

async fn sleep_until(wake: Option<Time>) {
    match wake {
        Some(at) => clock::sleep_until_time(at).await,
        None => std::future::pending().await,
    }
}

/// SIGHUP; what becomes of it is in the log.
fn reload(forced: &mpsc::Sender<Forced>) {
    let (reply, _) = tokio::sync::oneshot::channel();
    // A full queue reads the registry anyway.
    let _ = forced.try_send(Forced { force: false, reply });
}
