//! The one task that delivers: it hands messages to the sinks when
//! [`Dispatch`] says so, each send in a task of its own, and says what came of
//! them.

mod saying;
mod standing;

pub use standing::SinkStatus;

use super::alerter::{Before, Commands};
use super::message::{self, Context, Message};
use super::sinks::{self, SendError, Transport};
use crate::clock::{self, Pulse};
use crate::config::SinkKind;
use futures_util::FutureExt;
use futures_util::future::OptionFuture;
use jiff::tz::TimeZone;
use standing::{Failure, Standings, outcomes};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep_until, timeout};
use tracing::warn;
use vai_core::dispatch::{
    Answer, Destination, Dispatch, Parcel, Plan, Route, Sending, SinkId, Told,
};
use vai_core::model::{EvidenceDetail, Notice, Redactor, Time, Wall};
use vai_core::vitals::BEAT;

/// A sink ends each send by its own deadlines; this is for one that does not.
const SEND_DEADLINE: Duration = Duration::from_secs(3600);

/// What the task is asked to do.
pub(super) enum Command {
    /// Tell this.
    Tell(Box<Parcel>),
    /// Go on with what waits under this configuration, and say so.
    Configure(Box<Setup>, oneshot::Sender<()>),
    /// Deliver what waits and end, by then at the latest.
    Stop(Instant),
}

/// The part of the registry that is needed to deliver.
pub(super) struct Setup {
    /// The sinks and what reaches them when.
    pub(super) plan: Plan<SinkKind>,
    /// Takes secrets out of messages and errors.
    pub(super) redactor: Redactor,
}

/// What messages look like to whoever reads them.
pub(super) struct Style {
    /// The zone that times are shown in.
    pub(super) zone: TimeZone,
    /// How a person calls `vai`.
    pub(super) commands: Commands,
}

/// A send that ended.
struct Sent {
    number: u64,
    sink: SinkId,
    recipients: Vec<String>,
    message: Message,
    answer: Answer<SendError>,
}

/// The state of the task.
pub(super) struct Delivery {
    dispatch: Dispatch<SinkKind>,
    transports: BTreeMap<SinkId, Arc<dyn Transport>>,
    sends: JoinSet<Sent>,
    reports: UnboundedSender<Told>,
    shown: watch::Sender<Vec<SinkStatus>>,
    standings: Standings,
    /// When each sink is tried again, and how that is shown.
    next_tries: BTreeMap<SinkId, (Time, Wall)>,
    redactor: Redactor,
    style: Style,
    http: reqwest::Client,
    /// What was said about sinks that cannot be used.
    said: BTreeSet<String>,
    /// Zero on the clock of `dispatch`.
    epoch: Instant,
    pulse: Arc<Pulse>,
}

impl Delivery {
    /// A task that is not yet running.
    pub(super) fn new(
        setup: Setup,
        style: Style,
        http: reqwest::Client,
        before: Before,
        reports: UnboundedSender<Told>,
    ) -> Self {
        let plan = before.plan.unwrap_or_else(|| setup.plan.clone());
        let mut dispatch = Dispatch::new(plan, before.notified, Time::default());
        dispatch.configure(setup.plan, Time::default());
        let mut delivery = Self {
            dispatch,
            transports: BTreeMap::new(),
            sends: JoinSet::new(),
            reports,
            shown: watch::Sender::new(Vec::new()),
            standings: Standings::default(),
            next_tries: BTreeMap::new(),
            redactor: setup.redactor,
            style,
            http,
            said: BTreeSet::new(),
            epoch: clock::instant(),
            pulse: Arc::new(Pulse::new()),
        };
        delivery.open();
        delivery
    }

    /// How each sink stands, now and from now on.
    pub(super) fn status(&self) -> watch::Receiver<Vec<SinkStatus>> {
        self.shown.subscribe()
    }

    /// Shows that it is alive.
    pub(super) fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// Runs until it is stopped.
    pub(super) async fn run(mut self, mut commands: UnboundedReceiver<Command>) {
        let mut stop_by: Option<Instant> = None;
        let mut beat = interval(BEAT);
        loop {
            self.pulse.beat();
            self.say();
            if stop_by.is_some() && self.pending() == 0 {
                return;
            }
            let due = self.dispatch.next_wake().map(|due| self.instant(due));
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Tell(parcel)) => self.tell(*parcel),
                    Some(Command::Configure(setup, done)) => {
                        self.configure(*setup);
                        // Whoever asked may have been dropped in a stop.
                        _ = done.send(());
                    }
                    Some(Command::Stop(deadline)) => {
                        self.dispatch.hurry();
                        stop_by = Some(deadline);
                    }
                    None => return,
                },
                Some(()) = OptionFuture::from(stop_by.map(sleep_until)) => {
                    return self.leave_undelivered();
                }
                Some(Ok(sent)) = self.sends.join_next() => self.sent(sent),
                _ = beat.tick() => {}
                Some(()) = OptionFuture::from(due.map(sleep_until)) => {
                    for sending in self.dispatch.due(self.now()) {
                        self.send(sending);
                    }
                }
            }
        }
    }

    fn configure(&mut self, setup: Setup) {
        self.redactor = setup.redactor;
        let now = self.now();
        self.dispatch.configure(setup.plan, now);
        self.open();
    }

    /// Makes what the sinks are reached by.
    fn open(&mut self) {
        let routes = self.dispatch.routes();
        let usable = routes.iter().filter(|route| route.sink.held.is_none());
        let open = |kind| sinks::open(kind, &self.http);
        self.transports = usable.map(|route| (route.id, open(&route.sink.kind))).collect();
        self.say_what_is_not_used();
        self.show();
    }

    fn tell(&mut self, parcel: Parcel) {
        let now = self.now();
        let message = self.compose(
            std::slice::from_ref(&parcel.notice),
            Vec::new(),
            None,
            EvidenceDetail::None,
        );
        let sinks = self.dispatch.tell(parcel, now);
        let names: Vec<String> = sinks.into_iter().map(|sink| self.name(sink)).collect();
        sinks::log::write(&message, &names);
    }

    fn send(&mut self, sending: Sending) {
        let Sending { number, sink, recipients, notices, follows } = sending;
        let Some(transport) = self.transports.get(&sink).map(Arc::clone) else { return };
        let message = {
            let error = self.standings.last_error(sink, &recipients);
            let delay = error.map(|why| format!("it could not be sent: {why}"));
            self.compose(&notices, follows, delay.as_deref(), transport.evidence())
        };
        self.sends.spawn(async move {
            let answer = send_once(&*transport, &message, &recipients, SEND_DEADLINE).await;
            Sent { number, sink, recipients, message, answer }
        });
    }

    fn sent(&mut self, sent: Sent) {
        let Sent { number, sink, recipients, message, answer } = sent;
        let words = |words: &str| message::line(words, &self.redactor);
        let answer = answer.map_err(|error| Failure::new(error, words));
        let refusals = answer.map_err(|failure| failure.refusal);
        let failures = self.dispatch.sent(number, &message.dedup_key, &refusals, self.now());
        let outcomes = outcomes(&answer, &recipients, &message.notices);
        let news = self.standings.take_in(sink, &outcomes, clock::wall());
        for (outcome, is_new) in outcomes.iter().zip(news) {
            self.say_outcome(sink, outcome, is_new, failures);
        }
    }

    /// Reports what became of messages, and shows how the sinks stand.
    fn say(&mut self) {
        for told in self.dispatch.take_told() {
            // The loop is gone only when vai stops.
            _ = self.reports.send(told);
        }
        for fallen_back in self.dispatch.take_fallen_back() {
            self.say_who_is_told_instead(&fallen_back);
        }
        for given_up in self.dispatch.take_given_up() {
            self.say_what_is_given_up(&given_up);
        }
        self.show();
    }

    fn show(&mut self) {
        let now = (self.now(), clock::wall());
        let routes = self.dispatch.routes().to_vec();
        let all: Vec<SinkStatus> = routes
            .into_iter()
            .map(|route| {
                let (id, recipients) = (route.id, route.sink.kind.recipients());
                SinkStatus {
                    name: route.sink.name,
                    held: route.sink.held,
                    pending: self.dispatch.pending(id),
                    last_sent: self.standings.last_sent(id),
                    last_error: self.standings.last_error(id, &recipients),
                    next_try: self.next_try(id, now),
                }
            })
            .collect();
        self.shown.send_if_modified(|shown| {
            let changed = *shown != all;
            *shown = all;
            changed
        });
    }

    /// When a sink is sent something next, by the clock of people. It is put
    /// into words once, so that it does not tremble.
    fn next_try(&mut self, sink: SinkId, (now, wall): (Time, Wall)) -> Option<Wall> {
        let due = self.dispatch.next_try(sink)?;
        let wait = i64::try_from(due.since(now).as_millis()).unwrap_or(i64::MAX);
        let shown = self.next_tries.entry(sink).or_default();
        if shown.0 != due {
            *shown = (due, Wall::from_millis(wall.as_millis().saturating_add(wait)));
        }
        Some(shown.1)
    }

    fn leave_undelivered(mut self) {
        for sink in self.transports.keys().copied().collect::<Vec<_>>() {
            let left: Vec<Notice> =
                self.dispatch.undelivered(sink).into_iter().map(|it| it.notice).collect();
            if let Some(title) = self.title(&left) {
                let last_error = self.standings.last_error(sink, &self.recipients(sink));
                let why = last_error.map_or_else(String::new, |reason| format!(" ({reason})"));
                let name = self.name(sink);
                warn!(
                    "stopped before it was sent to {name}{why}, kept for the next start: {title}"
                );
            }
        }
    }

    fn title(&self, notices: &[Notice]) -> Option<String> {
        let compose = || self.compose(notices, Vec::new(), None, EvidenceDetail::None).title;
        (!notices.is_empty()).then(compose)
    }

    fn compose(
        &self,
        notices: &[Notice],
        follows: Vec<String>,
        delay: Option<&str>,
        most: EvidenceDetail,
    ) -> Message {
        let context = Context {
            zone: &self.style.zone,
            now: clock::wall(),
            redactor: &self.redactor,
            delay,
            command: &*self.style.commands,
            evidence: most,
        };
        message::compose(notices, follows, &context)
    }

    fn pending(&self) -> usize {
        self.transports.keys().map(|sink| self.dispatch.pending(*sink)).sum()
    }

    fn route(&self, sink: SinkId) -> Option<&Route<SinkKind>> {
        self.dispatch.routes().iter().find(|route| route.id == sink)
    }

    fn name(&self, sink: SinkId) -> String {
        let gone = || "a sink that has gone".to_owned();
        self.route(sink).map_or_else(gone, |route| route.sink.name.clone())
    }

    fn recipients(&self, sink: SinkId) -> Vec<String> {
        self.route(sink).map_or_else(Vec::new, |route| route.sink.kind.recipients())
    }

    /// The name of a sink, and of those of its recipients who are meant, if
    /// these are not all.
    fn whom(&self, sink: SinkId, recipients: &[String]) -> String {
        let name = self.name(sink);
        if recipients.is_empty() || recipients.len() >= self.recipients(sink).len() {
            return name;
        }
        format!("{name} ({})", recipients.join(", "))
    }

    fn now(&self) -> Time {
        let since = clock::instant().saturating_duration_since(self.epoch);
        Time::default() + since
    }

    fn instant(&self, time: Time) -> Instant {
        self.epoch + time.since(Time::default())
    }
}

/// Sends `message`, for at most `deadline`.
pub(super) async fn send_once(
    transport: &dyn Transport,
    message: &Message,
    recipients: &[String],
    deadline: Duration,
) -> Answer<SendError> {
    let sending = AssertUnwindSafe(transport.send(message, recipients)).catch_unwind();
    let error = match timeout(deadline, sending).await {
        Ok(Ok(answer)) => return answer,
        Ok(Err(_)) => SendError::passing("vai itself broke; please report it"),
        Err(_) => {
            let within = vai_core::words::duration(deadline);
            SendError::unanswered(format!("no answer within {within}"))
        }
    };
    Err(error).into()
}

#[cfg(test)]
mod tests;
