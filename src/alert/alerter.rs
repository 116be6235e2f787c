use super::delivery::{Command, Reporter, Setup, SinkStatus, Worker};
use super::message::{self, Context};
use super::outbox::{News, Outbox, Parcel, Reached, Report, Told};
use super::queue::Timing;
use super::router::{Route, Router, SinkId};
use super::sinks;
use crate::clock;
use crate::config::Notifications;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout_at;
use tracing::{error, warn};
use vai_core::model::{EvidenceDetail, MessageId, Notice, NoticeKind, Redactor};

/// Workers end by themselves at their deadline; this is for a machine so busy
/// that they cannot.
const STOP_MARGIN: Duration = Duration::from_millis(500);

/// From `status redis` to the whole command that shows it on this host.
pub type Commands = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Tells people, through every sink of the registry.
///
/// Dropping it ends its tasks at once; [`stop`](Self::stop) lets them finish.
pub struct Alerter {
    router: Router,
    workers: BTreeMap<SinkId, Handle>,
    tasks: JoinSet<()>,
    outbox: Outbox,
    reports: mpsc::UnboundedSender<Report>,
    /// What sinks were told by a `vai` before this one.
    resumed: Vec<Reached>,
    http: reqwest::Client,
    redactor: Redactor,
    zone: TimeZone,
    commands: Commands,
    /// What was said about sinks that cannot be used.
    said: BTreeSet<String>,
}

struct Handle {
    commands: mpsc::UnboundedSender<Command>,
    status: watch::Receiver<SinkStatus>,
}

/// Why no message can ever be sent.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client of the notification sinks cannot be made: {0}")]
pub struct StartError(#[from] reqwest::Error);

impl Alerter {
    /// Starts a task for every sink of `config`; `resumed` says what they were
    /// told by a `vai` before this one. Free text is redacted by `redactor`;
    /// times are shown in `zone`, and what a person may run as `commands` makes it.
    /// What the tasks report is for [`take_in`](Self::take_in).
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub async fn start(
        config: &Notifications,
        redactor: Redactor,
        zone: TimeZone,
        commands: Commands,
        resumed: Vec<Reached>,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Report>), StartError> {
        let (reports, inbox) = mpsc::unbounded_channel();
        let mut alerter = Self {
            router: Router::default(),
            workers: BTreeMap::new(),
            tasks: JoinSet::new(),
            outbox: Outbox::default(),
            reports,
            resumed,
            http: sinks::client()?,
            redactor: Redactor::default(),
            zone,
            commands,
            said: BTreeSet::new(),
        };
        alerter.reconfigure(config, redactor).await;
        alerter.router.resume(&alerter.resumed);
        Ok((alerter, inbox))
    }

    /// Takes a notice on its way that nobody remembers.
    pub fn tell(&mut self, notice: Notice) {
        self.route(notice.into());
    }

    /// Takes a message on its way. It is in the log at once, and at each sink
    /// as soon as that sink takes it; once all are done with it, the reports
    /// say so.
    pub fn deliver(&mut self, id: MessageId, notice: Notice) {
        self.route(Parcel { notice, ids: vec![id], age: Duration::ZERO });
    }

    /// The same for one that a `vai` before this one did not deliver everywhere.
    pub fn deliver_again(&mut self, id: MessageId, notice: Notice) {
        let tried = clock::wall().as_millis().saturating_sub(notice.at.as_millis());
        let age = Duration::from_millis(u64::try_from(tried).unwrap_or(0));
        self.route(Parcel { notice, ids: vec![id], age });
    }

    /// Takes in what the task of a sink reported: what of it is to be stored.
    pub fn take_in(&mut self, report: Report) -> Vec<Told> {
        let Report { sink, name, news } = report;
        match news {
            News::Reached { incident, opening, severity } => {
                vec![Told::Reached(Reached { incident, sink: name, opening, severity })]
            }
            News::Over(incident) => vec![Told::Over { incident, sink: name }],
            News::Settled(ids) => {
                self.outbox.settle(sink, &ids).into_iter().map(Told::Everybody).collect()
            }
        }
    }

    fn route(&mut self, parcel: Parcel) {
        let notice = &parcel.notice;
        let sinks = self.router.route(notice);
        let statuses: Vec<_> = sinks
            .iter()
            .filter_map(|id| self.workers.get(id))
            .map(|worker| worker.status.borrow().name.clone())
            .collect();
        let names: Vec<&str> = statuses.iter().map(String::as_str).collect();
        let context = Context {
            zone: &self.zone,
            now: clock::wall(),
            redactor: &self.redactor,
            delay: None,
            command: &*self.commands,
            evidence: EvidenceDetail::None,
        };
        let message = message::compose(std::slice::from_ref(notice), Vec::new(), &context);
        sinks::log::write(&message, &names);
        for id in &parcel.ids {
            self.outbox.hand_out(*id, &sinks);
        }
        if sinks.is_empty() {
            self.settle(SinkId::default(), parcel.ids.clone());
        }
        for id in sinks {
            let command = Command::Tell(Box::new(parcel.clone()));
            if !self.command(id, command) {
                error!("the task of a sink has died, it is not told: {}", message.title);
            }
        }
    }

    /// Applies a changed registry. What waits for a sink that is still there
    /// stays with it; what waits for one that has gone is told anew through
    /// the sinks that there are now.
    pub async fn reconfigure(&mut self, config: &Notifications, redactor: Redactor) {
        self.redactor = redactor;
        self.router.reconfigure(config);
        let usable: Vec<Route> = self.router.usable().cloned().collect();
        for route in &usable {
            let setup = self.setup(route, config);
            match self.workers.get(&route.id) {
                Some(worker) => {
                    // A dead task is reported when it is to tell something.
                    _ = worker.commands.send(Command::Configure(Box::new(setup)));
                }
                None => self.spawn(route.id, setup),
            }
        }
        self.say_what_is_not_used(usable.is_empty());
        let kept: BTreeSet<SinkId> = usable.iter().map(|route| route.id).collect();
        let mut told_anew: Vec<Notice> = Vec::new();
        for (sink, parcel) in self.retire_all_but(&kept).await {
            let Parcel { notice, ids, .. } = parcel.clone();
            // Whoever was to hear of the end only cannot be reached any more,
            // and two sinks that have gone may both have waited for it.
            if notice.kind != NoticeKind::Resolved && !told_anew.contains(&notice) {
                self.route(parcel);
                told_anew.push(notice);
            }
            self.settle(sink, ids);
        }
    }

    /// Reports that `sink` is done with these messages.
    fn settle(&self, sink: SinkId, ids: Vec<MessageId>) {
        let report = Report { sink, name: String::new(), news: News::Settled(ids) };
        // The loop is gone only when vai stops.
        _ = self.reports.send(report);
    }

    /// How each sink stands, in the registry's order. Empty: messages go to
    /// the log only.
    #[must_use]
    pub fn status(&self) -> Vec<SinkStatus> {
        let status = |route: &Route| match self.workers.get(&route.id) {
            Some(worker) => worker.status.borrow().clone(),
            None => SinkStatus {
                name: route.sink.name.clone(),
                held: route.sink.held.clone(),
                ..SinkStatus::default()
            },
        };
        self.router.routes().iter().map(status).collect()
    }

    /// Delivers what waits, for at most `within`; what has not arrived by then
    /// is told by the next `vai`.
    pub async fn stop(&mut self, within: Duration) {
        let deadline = clock::instant() + within;
        for worker in self.workers.values() {
            // A task that is gone has nothing left to stop.
            _ = worker.commands.send(Command::Stop(deadline));
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout_at(deadline + STOP_MARGIN, all).await.is_err() {
            error!("a notification sink did not stop in time and is cut off");
        }
    }

    fn setup(&self, route: &Route, config: &Notifications) -> Setup {
        Setup {
            name: route.sink.name.clone(),
            transport: sinks::open(&route.sink.kind, &self.http),
            timing: Timing {
                group_wait: config.group_wait,
                group_interval: config.group_interval,
                send_resolved: route.sink.send_resolved,
            },
            redactor: self.redactor.clone(),
            zone: self.zone.clone(),
            commands: Arc::clone(&self.commands),
        }
    }

    fn spawn(&mut self, id: SinkId, setup: Setup) {
        let (commands, inbox) = mpsc::unbounded_channel();
        let told: Vec<Reached> =
            self.resumed.iter().filter(|it| it.sink == setup.name).cloned().collect();
        let reporter = Reporter { sink: id, reports: self.reports.clone() };
        let (worker, status) = Worker::new(setup, &told, inbox, reporter);
        self.tasks.spawn(worker.run());
        self.workers.insert(id, Handle { commands, status });
    }

    fn command(&self, id: SinkId, command: Command) -> bool {
        self.workers.get(&id).is_some_and(|worker| worker.commands.send(command).is_ok())
    }

    /// Ends the tasks of all other sinks and returns what they had not
    /// delivered.
    async fn retire_all_but(&mut self, kept: &BTreeSet<SinkId>) -> Vec<(SinkId, Parcel)> {
        let mut undelivered: Vec<(SinkId, Parcel)> = Vec::new();
        let gone: Vec<SinkId> =
            self.workers.keys().copied().filter(|id| !kept.contains(id)).collect();
        for id in gone {
            let (reply, answer) = oneshot::channel();
            if self.command(id, Command::Retire(reply)) {
                let parcels = answer.await.unwrap_or_default();
                undelivered.extend(parcels.into_iter().map(|parcel| (id, parcel)));
            }
            self.workers.remove(&id);
        }
        undelivered
    }

    /// Says what is new since it was last said.
    fn say_what_is_not_used(&mut self, log_only: bool) {
        let routes = self.router.routes();
        let mut sayings: BTreeSet<String> = routes
            .iter()
            .filter_map(|route| {
                let why = route.sink.held.as_ref()?;
                Some(format!("{} is not used: {why}", route.sink.name))
            })
            .collect();
        if log_only {
            let which = if routes.is_empty() { "is configured" } else { "can be used" };
            sayings
                .insert(format!("no notification channel {which}: messages go to this log only"));
        }
        for news in sayings.difference(&self.said) {
            warn!("{news}");
        }
        self.said = sayings;
    }
}
