//! One task per sink: takes notices in, sends what is due, tries again what
//! did not arrive.

use super::alerter::Commands;
use super::message::{self, Context, Message};
use super::outbox::{News, Parcel, Reached, Report};
use super::queue::{Queue, Timing};
use super::router::SinkId;
use super::sinks::{SendError, Transport};
use crate::clock;
use futures_util::future::{BoxFuture, OptionFuture};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, error, info, warn};
use vai_core::model::{Notice, Redactor, Time, Wall};

/// A sink that has not answered by then counts as failed.
const SEND_DEADLINE: Duration = Duration::from_secs(15);

/// How a sink stands, for `vai status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkStatus {
    /// Its name: `alerts[0] ntfy`.
    pub name: String,
    /// Why it is not used, if so.
    pub held: Option<String>,
    /// Incidents with news that has not arrived.
    pub pending: usize,
    /// When a message last arrived.
    pub last_sent: Option<Wall>,
    /// Why the last try failed; none if it arrived.
    pub last_error: Option<String>,
}

/// What the task of a sink is asked to do.
pub(super) enum Command {
    /// Tell this.
    Tell(Box<Parcel>),
    /// Go on with what waits under this configuration.
    Configure(Box<Setup>),
    /// End, and hand back what has not arrived.
    Retire(oneshot::Sender<Vec<Parcel>>),
    /// Deliver what waits and end, by then at the latest.
    Stop(Instant),
}

/// How a sink is reached and what its messages look like.
pub(super) struct Setup {
    /// For logs.
    pub(super) name: String,
    /// Sends once.
    pub(super) transport: Arc<dyn Transport>,
    /// When things go out.
    pub(super) timing: Timing,
    /// Takes secrets out of messages and errors.
    pub(super) redactor: Redactor,
    /// The zone that times are shown in.
    pub(super) zone: TimeZone,
    /// How a person calls `vai`.
    pub(super) commands: Commands,
}

/// Where the task of a sink says what happened there.
#[derive(Clone)]
pub(super) struct Reporter {
    /// Of whom.
    pub(super) sink: SinkId,
    /// To whom.
    pub(super) reports: UnboundedSender<Report>,
}

type Sending = BoxFuture<'static, (Message, Result<(), SendError>)>;

/// The state of one sink's task.
pub(super) struct Worker {
    setup: Setup,
    queue: Queue,
    commands: UnboundedReceiver<Command>,
    reporter: Reporter,
    status: watch::Sender<SinkStatus>,
    /// Zero on the queue's clock.
    epoch: Instant,
}

impl Worker {
    /// A task for one sink that was `told` of these incidents already, not yet
    /// running, and where it shows how it stands.
    pub(super) fn new(
        setup: Setup,
        told: &[Reached],
        commands: UnboundedReceiver<Command>,
        reporter: Reporter,
    ) -> (Self, watch::Receiver<SinkStatus>) {
        let (status, shown) =
            watch::channel(SinkStatus { name: setup.name.clone(), ..SinkStatus::default() });
        let mut queue = Queue::new(setup.timing);
        queue.resume(told, Time::default());
        let worker = Self { queue, setup, commands, reporter, status, epoch: clock::instant() };
        (worker, shown)
    }

    /// Runs until it is retired or stopped.
    pub(super) async fn run(mut self) {
        let mut sending: Option<Sending> = None;
        let mut stop_by: Option<Instant> = None;
        loop {
            self.show_pending();
            self.report();
            if stop_by.is_some() && self.queue.pending() == 0 {
                return;
            }
            let due = self.queue.next_due().map(|due| self.instant(due));
            tokio::select! {
                biased;
                Some(command) = self.commands.recv() => match command {
                    Command::Tell(parcel) => self.queue.push(*parcel, self.now()),
                    Command::Configure(setup) => self.configure(*setup),
                    Command::Retire(reply) => {
                        // The asker may have been dropped in the middle of a stop.
                        _ = reply.send(self.queue.drain());
                        return;
                    }
                    Command::Stop(deadline) => {
                        self.queue.hurry();
                        stop_by = Some(deadline);
                    }
                },
                Some(()) = OptionFuture::from(stop_by.map(sleep_until)) => {
                    return self.leave_undelivered();
                }
                Some((message, result)) = OptionFuture::from(sending.as_mut()) => {
                    sending = None;
                    self.sent(&message, result);
                }
                Some(()) = OptionFuture::from(due.map(sleep_until)) => {
                    sending = self.send();
                }
                else => return self.leave_undelivered(),
            }
        }
    }

    fn configure(&mut self, setup: Setup) {
        self.queue.reconfigure(setup.timing);
        if self.setup.name != setup.name {
            self.rename(&setup.name);
        }
        self.status.send_modify(|status| status.name.clone_from(&setup.name));
        self.setup = setup;
    }

    /// What it was told of is known by its name.
    fn rename(&self, name: &str) {
        for news in self.queue.reached() {
            if let News::Reached { incident, .. } = &news {
                self.say(&self.setup.name, News::Over(incident.clone()));
            }
            self.say(name, news);
        }
    }

    fn report(&mut self) {
        for news in self.queue.take_news() {
            self.say(&self.setup.name, news);
        }
    }

    fn say(&self, name: &str, news: News) {
        let report = Report { sink: self.reporter.sink, name: name.to_owned(), news };
        // The loop is gone only when vai stops.
        _ = self.reporter.reports.send(report);
    }

    /// Starts to send everything that waits; nothing if none of it is wanted.
    fn send(&mut self) -> Option<Sending> {
        let notices = self.queue.take();
        if notices.is_empty() {
            return None;
        }
        let follows = self.queue.openings(&notices);
        let message = self.compose(&notices, follows);
        let transport = Arc::clone(&self.setup.transport);
        Some(Box::pin(async move {
            let result =
                timeout(SEND_DEADLINE, transport.send(&message)).await.unwrap_or_else(|_| {
                    let seconds = SEND_DEADLINE.as_secs();
                    Err(SendError::passing(format!("no answer within {seconds} s")))
                });
            (message, result)
        }))
    }

    fn sent(&mut self, message: &Message, result: Result<(), SendError>) {
        let name = &self.setup.name;
        let title = &message.title;
        match result {
            Ok(()) => {
                match self.queue.failures() {
                    0 => info!("sent to {name}: {title}"),
                    failures => info!("sent to {name} after {failures} failed tries: {title}"),
                }
                self.queue.delivered(&message.dedup_key, self.now());
                self.status.send_modify(|status| {
                    status.last_sent = Some(clock::wall());
                    status.last_error = None;
                });
            }
            Err(error) => {
                let reason = message::line(&error.to_string(), &self.setup.redactor);
                match error {
                    SendError::Passing { after, .. } => self.failed(title, &reason, after),
                    SendError::Rejected(_) => {
                        error!("not sent to {name}, {reason}: {title}");
                        self.queue.rejected();
                    }
                }
                self.status.send_modify(|status| status.last_error = Some(reason));
            }
        }
    }

    fn failed(&mut self, title: &str, reason: &str, after: Option<Duration>) {
        let name = &self.setup.name;
        // The same fault is said once; how it ended is said in any case.
        if self.status.borrow().last_error.as_deref() == Some(reason) {
            debug!("still not sent to {name}, {reason}: {title}");
        } else {
            warn!("not sent to {name} yet, will be tried again: {reason}: {title}");
        }
        let expired = self.queue.failed(self.now(), after);
        if !expired.is_empty() {
            let title = self.compose(&expired, Vec::new()).title;
            error!("given up after 24 h, never sent to {name}: {reason}: {title}");
        }
    }

    fn leave_undelivered(mut self) {
        let (kept, lost): (Vec<Parcel>, Vec<Parcel>) =
            self.queue.drain().into_iter().partition(|parcel| !parcel.ids.is_empty());
        let name = &self.setup.name;
        let why = match &self.status.borrow().last_error {
            Some(reason) => format!(" ({reason})"),
            None => String::new(),
        };
        if let Some(title) = self.title(kept) {
            warn!("stopped before it was sent to {name}{why}, kept for the next start: {title}");
        }
        if let Some(title) = self.title(lost) {
            error!("stopped before it was sent to {name}{why}: {title}");
        }
    }

    fn title(&self, parcels: Vec<Parcel>) -> Option<String> {
        let notices: Vec<Notice> = parcels.into_iter().map(|parcel| parcel.notice).collect();
        (!notices.is_empty()).then(|| self.compose(&notices, Vec::new()).title)
    }

    fn compose(&self, notices: &[Notice], follows: Vec<String>) -> Message {
        let delay = self.status.borrow().last_error.clone();
        let delay = delay.map(|why| format!("it could not be sent: {why}"));
        let context = Context {
            zone: &self.setup.zone,
            now: clock::wall(),
            redactor: &self.setup.redactor,
            delay: delay.as_deref(),
            command: &*self.setup.commands,
            evidence: self.setup.transport.evidence(),
        };
        message::compose(notices, follows, &context)
    }

    fn show_pending(&self) {
        let pending = self.queue.pending();
        self.status.send_if_modified(|status| {
            let changed = status.pending != pending;
            status.pending = pending;
            changed
        });
    }

    fn now(&self) -> Time {
        let since = clock::instant().saturating_duration_since(self.epoch);
        Time::default() + since
    }

    fn instant(&self, time: Time) -> Instant {
        self.epoch + time.since(Time::default())
    }
}

#[cfg(test)]
mod tests;
