//! The one task that delivers: it hands messages to the sinks when
//! [`Dispatch`] says so, each send in a task of its own, and says what came of
//! them.

use super::alerter::{Before, Commands};
use super::message::{self, Context, Message};
use super::sinks::{self, SendError, Transport};
use crate::clock::{self, Pulse};
use crate::config::SinkKind;
use futures_util::FutureExt;
use futures_util::future::OptionFuture;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep_until, timeout};
use tracing::{debug, error, info, warn};
use vai_core::dispatch::{Dispatch, FallenBack, Parcel, Plan, Refusal, Sending, SinkId, Told};
use vai_core::model::{EvidenceDetail, Notice, Redactor, Time, Wall};
use vai_core::vitals::BEAT;

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
    sink: SinkId,
    message: Message,
    result: Result<(), SendError>,
}

/// The state of the task.
pub(super) struct Delivery {
    dispatch: Dispatch<SinkKind>,
    transports: BTreeMap<SinkId, Arc<dyn Transport>>,
    sends: JoinSet<Sent>,
    reports: UnboundedSender<Told>,
    shown: watch::Sender<Vec<SinkStatus>>,
    /// When the last message arrived at each sink, and why the last try failed.
    results: BTreeMap<SinkId, (Option<Wall>, Option<String>)>,
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
        let mut dispatch = Dispatch::new(plan, before.told, Time::default());
        dispatch.configure(setup.plan, Time::default());
        let mut delivery = Self {
            dispatch,
            transports: BTreeMap::new(),
            sends: JoinSet::new(),
            reports,
            shown: watch::Sender::new(Vec::new()),
            results: BTreeMap::new(),
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
        let Sending { sink, notices, follows } = sending;
        let Some(transport) = self.transports.get(&sink).map(Arc::clone) else { return };
        let message = {
            let error = self.results.get(&sink).and_then(|(_, error)| error.as_ref());
            let delay = error.map(|why| format!("it could not be sent: {why}"));
            self.compose(&notices, follows, delay.as_deref(), transport.evidence())
        };
        self.sends.spawn(async move {
            let result = send_once(&*transport, &message).await;
            Sent { sink, message, result }
        });
    }

    fn sent(&mut self, sent: Sent) {
        let Sent { sink, message: Message { title, dedup_key, .. }, result } = sent;
        let name = self.name(sink);
        let now = self.now();
        let (result, error) = match result {
            Ok(()) => (Ok(()), None),
            Err(error) => {
                let reason = message::line(&error.to_string(), &self.redactor);
                let refusal = match error {
                    SendError::Passing { after, .. } => Refusal::Passing(after),
                    SendError::Rejected(_) => Refusal::Final,
                };
                (Err(refusal), Some(reason))
            }
        };
        let aftermath = self.dispatch.sent(sink, &dedup_key, result, now);
        let (last_sent, last_error) = self.results.entry(sink).or_default();
        match (result, &error) {
            (Err(Refusal::Final), Some(reason)) => error!("not sent to {name}, {reason}: {title}"),
            // The same fault is said once; how it ended is said in any case.
            (Err(Refusal::Passing(_)), Some(reason)) if *last_error == error => {
                debug!("still not sent to {name}, {reason}: {title}");
            }
            (Err(Refusal::Passing(_)), Some(reason)) => {
                warn!("not sent to {name} yet, will be tried again: {reason}: {title}");
            }
            _ => {
                *last_sent = Some(clock::wall());
                match aftermath.failures {
                    0 => info!("sent to {name}: {title}"),
                    failures => info!("sent to {name} after {failures} failed tries: {title}"),
                }
            }
        }
        last_error.clone_from(&error);
        if let Some(title) = self.title(&aftermath.given_up) {
            let reason = error.unwrap_or_default();
            error!("given up after 24 h, never sent to {name}: {reason}: {title}");
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
        self.show();
    }

    fn say_who_is_told_instead(&self, fallen_back: &FallenBack) {
        let FallenBack { sink, notice, told_to, known_to } = fallen_back;
        let name = self.name(*sink);
        let names = |sinks: &[SinkId]| {
            sinks.iter().map(|sink| self.name(*sink)).collect::<Vec<_>>().join(", ")
        };
        let title = self.title(std::slice::from_ref(notice)).unwrap_or_default();
        match (told_to.as_slice(), known_to.as_slice()) {
            ([], []) => {
                warn!("{name} did not take it, and no fallback channel has anybody else: {title}");
            }
            ([], known) => {
                info!("{name} did not take it, {} has it already: {title}", names(known))
            }
            (told, _) => warn!("{} is told instead of {name}: {title}", names(told)),
        }
    }

    fn show(&self) {
        let status = |route: &vai_core::dispatch::Route<SinkKind>| {
            let (last_sent, last_error) = self.results.get(&route.id).cloned().unwrap_or_default();
            SinkStatus {
                name: route.sink.name.clone(),
                held: route.sink.held.clone(),
                pending: self.dispatch.pending(route.id),
                last_sent,
                last_error,
            }
        };
        let all: Vec<SinkStatus> = self.dispatch.routes().iter().map(status).collect();
        self.shown.send_if_modified(|shown| {
            let changed = *shown != all;
            *shown = all;
            changed
        });
    }

    /// Says what is new since it was last said.
    fn say_what_is_not_used(&mut self) {
        let routes = self.dispatch.routes();
        let mut sayings: BTreeSet<String> = routes
            .iter()
            .filter_map(|route| {
                let why = route.sink.held.as_ref()?;
                Some(format!("{} is not used: {why}", route.sink.name))
            })
            .collect();
        if self.transports.is_empty() {
            let which = if routes.is_empty() { "is configured" } else { "can be used" };
            sayings
                .insert(format!("no notification channel {which}: messages go to this log only"));
        }
        for news in sayings.difference(&self.said) {
            warn!("{news}");
        }
        self.said = sayings;
    }

    fn leave_undelivered(mut self) {
        for sink in self.transports.keys().copied().collect::<Vec<_>>() {
            let left: Vec<Notice> =
                self.dispatch.undelivered(sink).into_iter().map(|it| it.notice).collect();
            if let Some(title) = self.title(&left) {
                let last_error = self.results.get(&sink).and_then(|(_, error)| error.as_ref());
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

    fn name(&self, sink: SinkId) -> String {
        let route = self.dispatch.routes().iter().find(|route| route.id == sink);
        route.map_or_else(|| "a sink that has gone".to_owned(), |route| route.sink.name.clone())
    }

    fn now(&self) -> Time {
        let since = clock::instant().saturating_duration_since(self.epoch);
        Time::default() + since
    }

    fn instant(&self, time: Time) -> Instant {
        self.epoch + time.since(Time::default())
    }
}

/// Sends `message`, within the deadline of every send.
pub(super) async fn send_once(
    transport: &dyn Transport,
    message: &Message,
) -> Result<(), SendError> {
    let sending = AssertUnwindSafe(transport.send(message)).catch_unwind();
    match timeout(SEND_DEADLINE, sending).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(SendError::passing("vai itself broke; please report it")),
        Err(_) => {
            let seconds = SEND_DEADLINE.as_secs();
            Err(SendError::passing(format!("no answer within {seconds} s")))
        }
    }
}

#[cfg(test)]
mod tests;
