use super::delivery::{Command, Delivery, Setup, SinkStatus, Style};
use super::sinks;
use crate::clock::{self, Pulse};
use crate::config::{Notifications, SinkKind};
use jiff::tz::TimeZone;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout_at;
use tracing::error;
use vai_core::dispatch::{Notified, Parcel, Plan, Told};
use vai_core::model::{MessageId, Notice, Redactor};

/// Deliveries end by themselves at their deadline; this is for a machine so
/// busy that they cannot.
const STOP_MARGIN: Duration = Duration::from_millis(500);

/// From `status redis` to the whole command that shows it on this host.
pub type Commands = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Tells people, through every sink of the registry.
///
/// Dropping it ends its task at once; [`stop`](Self::stop) lets it finish.
pub struct Alerter {
    commands: mpsc::UnboundedSender<Command>,
    status: watch::Receiver<Vec<SinkStatus>>,
    pulse: Arc<Pulse>,
    /// Ends with this.
    _task: JoinSet<()>,
}

/// What a `vai` before this one left.
#[derive(Default)]
pub struct Before {
    /// Whom it told, where that may be others than now: an edit while no `vai`
    /// runs is followed like any other.
    pub plan: Option<Plan<SinkKind>>,
    /// What they were told.
    pub notified: Notified,
}

/// Why no message can ever be sent.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client of the notification sinks cannot be made: {0}")]
pub struct StartError(pub(super) String);

impl Alerter {
    /// Starts to deliver to the sinks of `config`, going on from `before`. Free text is redacted by `redactor`;
    /// times are shown in `zone`, and what a person may run as `commands` makes
    /// it. What becomes of messages comes out of the receiver, to be stored.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub fn start(
        config: &Notifications,
        redactor: Redactor,
        zone: TimeZone,
        commands: Commands,
        before: Before,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Told>), StartError> {
        let (sender, inbox) = mpsc::unbounded_channel();
        let (reports, reported) = mpsc::unbounded_channel();
        let setup = Setup { plan: config.plan.clone(), redactor };
        let style = Style { zone, commands };
        let http = sinks::client().map_err(StartError)?;
        let delivery = Delivery::new(setup, style, http, before, reports);
        let (status, pulse) = (delivery.status(), delivery.pulse());
        let mut task = JoinSet::new();
        task.spawn(delivery.run(inbox));
        Ok((Self { commands: sender, status, pulse, _task: task }, reported))
    }

    /// Takes a message on its way. It is in the log at once, and at each sink
    /// as soon as that sink takes it; once all are done with it, that is
    /// reported.
    pub fn deliver(&self, id: MessageId, notice: Notice) {
        self.tell(Parcel { notice, ids: vec![id], age: Duration::ZERO });
    }

    /// The same for one that a `vai` before this one did not deliver everywhere.
    pub fn deliver_again(&self, id: MessageId, notice: Notice) {
        let tried = |decided| clock::boot_time().since(decided);
        let age = notice.decided.map_or(Duration::ZERO, tried);
        self.tell(Parcel { notice, ids: vec![id], age });
    }

    fn tell(&self, parcel: Parcel) {
        let title = parcel.notice.incident.root.clone();
        if self.commands.send(Command::Tell(Box::new(parcel))).is_err() {
            error!("the task that delivers messages has died, nobody is told of {title}");
        }
    }

    /// Applies a changed registry. What waits for a sink that is still there
    /// stays with it; what waits for one that has gone is told anew through
    /// the sinks that there are now.
    pub async fn reconfigure(&self, config: &Notifications, redactor: Redactor) {
        let setup = Setup { plan: config.plan.clone(), redactor };
        let (done, applied) = oneshot::channel();
        // A task that has died is reported when there is something to tell.
        _ = self.commands.send(Command::Configure(Box::new(setup), done));
        _ = applied.await;
    }

    /// How each sink stands, in the registry's order. Empty: messages go to
    /// the log only.
    #[must_use]
    pub fn status(&self) -> Vec<SinkStatus> {
        self.status.borrow().clone()
    }

    /// Beats at least every 2 s while messages are delivered.
    #[must_use]
    pub fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// Delivers what waits, for at most `within`; what has not arrived by then
    /// is told by the next `vai`.
    pub async fn stop(&self, within: Duration) {
        let deadline = clock::instant() + within;
        // A task that is gone has nothing left to stop.
        _ = self.commands.send(Command::Stop(deadline));
        if timeout_at(deadline + STOP_MARGIN, self.commands.closed()).await.is_err() {
            error!("a notification sink did not stop in time and is cut off");
        }
    }
}
