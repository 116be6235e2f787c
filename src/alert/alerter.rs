use super::delivery::{Command, Setup, SinkStatus, Worker};
use super::message::{self, Context};
use super::queue::Timing;
use super::router::{Route, Router, SinkId};
use super::sinks;
use crate::clock;
use crate::config::Notifications;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout_at;
use tracing::{error, warn};
use vai_core::model::{EvidenceDetail, Notice, NoticeKind, Redactor};

/// Workers end by themselves at their deadline; this is for a machine so busy
/// that they cannot.
const STOP_MARGIN: Duration = Duration::from_millis(500);

/// Tells people, through every sink of the registry.
///
/// Dropping it ends its tasks at once; [`stop`](Self::stop) lets them finish.
pub struct Alerter {
    router: Router,
    workers: BTreeMap<SinkId, Handle>,
    tasks: JoinSet<()>,
    http: reqwest::Client,
    redactor: Redactor,
    zone: TimeZone,
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
    /// Starts a task for every sink of `config`. Free text is redacted by
    /// `redactor`; times are shown in `zone`.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub async fn start(
        config: &Notifications,
        redactor: Redactor,
        zone: TimeZone,
    ) -> Result<Self, StartError> {
        let mut alerter = Self {
            router: Router::default(),
            workers: BTreeMap::new(),
            tasks: JoinSet::new(),
            http: sinks::client()?,
            redactor: Redactor::default(),
            zone,
            said: BTreeSet::new(),
        };
        alerter.reconfigure(config, redactor).await;
        Ok(alerter)
    }

    /// Takes a notice on its way. It is in the log at once, and at each sink
    /// as soon as that sink takes it.
    pub fn tell(&mut self, notice: Notice) {
        let sinks = self.router.route(&notice);
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
            evidence: EvidenceDetail::None,
        };
        let message = message::compose(std::slice::from_ref(&notice), Vec::new(), &context);
        sinks::log::write(&message, &names);
        for id in sinks {
            let command = Command::Tell(Box::new(notice.clone()));
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
        for notice in self.retire_all_but(&kept).await {
            // Whoever was to hear of the end only cannot be reached any more.
            if notice.kind != NoticeKind::Resolved {
                self.tell(notice);
            }
        }
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
    /// is in the log.
    pub async fn stop(mut self, within: Duration) {
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
        }
    }

    fn spawn(&mut self, id: SinkId, setup: Setup) {
        let (commands, inbox) = mpsc::unbounded_channel();
        let (worker, status) = Worker::new(setup, inbox);
        self.tasks.spawn(worker.run());
        self.workers.insert(id, Handle { commands, status });
    }

    fn command(&self, id: SinkId, command: Command) -> bool {
        self.workers.get(&id).is_some_and(|worker| worker.commands.send(command).is_ok())
    }

    /// Ends the tasks of all other sinks and returns what they had not
    /// delivered.
    async fn retire_all_but(&mut self, kept: &BTreeSet<SinkId>) -> Vec<Notice> {
        let mut undelivered: Vec<Notice> = Vec::new();
        let gone: Vec<SinkId> =
            self.workers.keys().copied().filter(|id| !kept.contains(id)).collect();
        for id in gone {
            let (reply, answer) = oneshot::channel();
            if self.command(id, Command::Retire(reply)) {
                for notice in answer.await.unwrap_or_default() {
                    // Two sinks that have gone may both have waited for it.
                    if !undelivered.contains(&notice) {
                        undelivered.push(notice);
                    }
                }
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
