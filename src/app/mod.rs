//! The composition root: builds the parts, runs the one loop, and stops
//! everything in reverse.

mod commands;
mod crontabs;
mod jobs;
mod keep;
mod outgoing;
mod reach;
mod registry;
mod sinks;
mod summary;
mod text;
mod turn;
mod watchdog;

pub use reach::Reach;
pub use registry::{Registry, StartRegistry};

use crate::alert::{self, Alerter, Before, StartError};
use crate::clock;
use crate::config::Config;
use crate::docker::EngineError;
use crate::heal::Healer;
use crate::job::Runner;
use crate::schedule::{Digest, Due, Windows};
use crate::show::{self, Control, LockError, Snapshot, StateLock, Vitals};
use crate::store::{Opened, Shown, Store, StoreError};
use crate::when;
use futures_util::FutureExt;
use jobs::RunOutputs;
use keep::Keeping;
use outgoing::Outgoing;
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use turn::{Inputs, Turn};
use vai_core::judge::{Core, Memory};
use vai_core::model::{Instance, Watchlist};
use vai_core::vitals::Heartbeat;
use watchdog::Watchdog;

/// Events that wait for the loop. It takes them in microseconds; a full
/// channel only slows the edges down.
const EVENTS: usize = 1024;

/// How the daemon is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The registry.
    pub config: PathBuf,
    /// Where state is kept.
    pub state_dir: PathBuf,
    /// Everything but acting.
    pub observe: bool,
}

/// Why the daemon did not start, or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The registry has errors and there is no good copy of it; the
    /// diagnostics.
    #[error("{0}")]
    BadRegistry(String),
    /// Another daemon runs, or the state folder cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The state in it cannot be gone on from.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operator's socket cannot be opened.
    #[error("the operator's socket in {dir}: {source}")]
    Socket {
        /// The state folder.
        dir: String,
        /// Why.
        source: io::Error,
    },
    /// The engine's address makes no sense.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// No message could ever be sent.
    #[error(transparent)]
    Alerts(#[from] StartError),
    /// Nobody would see it stuck.
    #[error("the thread that watches over vai itself cannot be started: {0}")]
    Watchdog(io::Error),
    /// Signals cannot be received.
    #[error("signals: {0}")]
    Signals(io::Error),
    /// One of the tasks that last as long as `vai` has ended.
    #[error("vai itself broke: {0}; please report it")]
    Broke(String),
    /// The engine's socket was replaced under our mount of it.
    #[error(
        "the engine's socket has refused for {0:?}, and it is mounted as a single file that may be \
         a dead one: exiting, so that the restart policy mounts the new one"
    )]
    DeadSocket(Duration),
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// [`AppError`], when there is nothing to go on with.
pub async fn run(options: Options) -> Result<(), AppError> {
    let _lock = StateLock::acquire(&options.state_dir)?;
    let last_words = watchdog::take_last_words(&options.state_dir);
    let opened = Opened::open(&options.state_dir)?;
    clock::set_base(opened.clock_base);
    let StartRegistry { registry, settled, source, known, before } =
        Registry::start(&options.config, opened.last_good.clone()).await?;
    let config = registry.current();

    let shutdown = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let (events, event_inbox) = mpsc::channel(EVENTS);
    let (reach, follower) = Reach::new(events.clone())?;
    let reach = Arc::new(reach);
    reach.follow(&config);
    tasks.spawn(follower.run(shutdown.clone()));

    let mark = opened.mark.clone();
    let rebooted = opened.rebooted;
    let (store, mut memory, notified) = Store::start(opened)?;
    if let Some(words) = last_words {
        memory.set_last_words(words);
    }
    let (alerter, reports) = Alerter::start(
        &config.notifications,
        config.redactor.clone(),
        when::zone(),
        commands::commands(&options, &reach.directory),
        Before { plan: before.map(|before| before.notifications.plan), notified },
    )?;
    let healer = Arc::new(Healer::new(
        Arc::clone(&reach.engine),
        Arc::clone(&reach) as _,
        Arc::clone(&registry) as _,
        mark.clone(),
    ));
    let runner = Arc::new(Runner::new(
        Arc::clone(&reach.engine),
        reach.directory.clone(),
        Arc::clone(&reach.prober),
        Arc::clone(&registry) as _,
        mark,
        local_instance(),
    ));
    let shown = Shown::new(as_remembered(options.observe, &memory));
    let vitals = Vitals { deliveries: alerter.pulse(), ..Vitals::default() };
    let outputs = Arc::new(RunOutputs(Arc::clone(&runner)));
    let requests = serve_operators(&options, &shown, &vitals, outputs, &mut tasks, &shutdown)?;
    let watchdog = Watchdog::start(vitals.clone(), {
        let state_dir = options.state_dir.clone();
        move |reason| watchdog::end(&state_dir, &reason)
    });
    let _watchdog = watchdog.map_err(AppError::Watchdog)?;

    let (registries, registry_inbox) = watch::channel(Arc::clone(&config));
    tasks.spawn({
        let (vitals, snapshot) = (vitals.clone(), shown.subscribe());
        let beat = move |heartbeat: &mut Heartbeat, now, interval| {
            heartbeat.beat(now, interval, &vitals.parts_shown(&snapshot.borrow()))
        };
        alert::heartbeat(registry_inbox.clone(), beat, shutdown.clone())
    });
    tasks.spawn(crontabs::follow(
        Arc::clone(&reach),
        registry_inbox.clone(),
        events.clone(),
        shown.clone(),
        shutdown.clone(),
    ));
    let (forced, force_inbox) = mpsc::channel(1);
    tasks.spawn({
        let (registry, shutdown) = (Arc::clone(&registry), shutdown.clone());
        async move { registry.follow(settled, registries, force_inbox, shutdown).await }
    });
    tasks.spawn({
        let (shutdown, content) = (shutdown.clone(), registry.settled_sender());
        async move { source.watch(known, content, shutdown).await }
    });

    summary::tell(&config, &options);
    if rebooted {
        tracing::info!("the host was rebooted since vai ran last");
    }
    let signals = |kind| signal(kind).map_err(AppError::Signals);
    let watchlist = watchlist(&config, options.observe);
    let undelivered = memory.messages().clone();
    let (core, first) = Core::new(clock::now(), watchlist, memory);
    let failing_sinks = core.failing_sinks();
    let failing_sinks =
        failing_sinks.map(|(name, why)| (name.to_owned(), why.to_owned())).collect();
    let mut turn = Turn {
        registry_trouble: core.registry_failure().map(str::to_owned),
        failing_sinks,
        core,
        keeping: Keeping::new(store),
        outgoing: Outgoing::default(),
        shown,
        vitals,
        alerter,
        reach: Arc::clone(&reach),
        healer: Arc::clone(&healer),
        registry,
        events,
        observe: options.observe,
        windows: Windows::new(config.maintenance.clone(), when::zone()),
        unlisted: BTreeSet::new(),
        due: Due::new(when::zone()),
        runner,
        trying: BTreeMap::new(),
        digest: Digest::new(config.notifications.digest.clone(), when::zone()),
        looks: JoinSet::new(),
        acts: JoinSet::new(),
        runs: JoinSet::new(),
        evidence: JoinSet::new(),
    };
    turn.follow_schedules(&config);
    let inputs = Inputs {
        events: event_inbox,
        reports,
        requests,
        registries: registry_inbox,
        forced,
        terminate: signals(SignalKind::terminate())?,
        interrupt: signals(SignalKind::interrupt())?,
        hangup: signals(SignalKind::hangup())?,
    };
    let turning = AssertUnwindSafe(turn.run(inputs, first, undelivered)).catch_unwind();
    let ended = tokio::select! {
        ended = turning => ended.unwrap_or_else(|panic| Err(AppError::Broke(words_of(&*panic)))),
        // Each of them runs until `shutdown`.
        Some(ended) = tasks.join_next() => Err(AppError::Broke(match ended {
            Ok(()) => "a part of it ended".to_owned(),
            Err(error) => error.to_string(),
        })),
    };
    if let Err(error) = &ended {
        watchdog::leave_last_words(&options.state_dir, &error.to_string());
    }

    healer.stop().await;
    reach.close().await;
    shutdown.cancel();
    while tasks.join_next().await.is_some() {}
    if ended.is_ok() {
        tracing::info!("stopped");
    }
    ended
}

fn serve_operators(
    options: &Options,
    shown: &Shown,
    vitals: &Vitals,
    outputs: Arc<dyn show::Outputs>,
    tasks: &mut JoinSet<()>,
    shutdown: &CancellationToken,
) -> Result<mpsc::Receiver<show::ControlRequest>, AppError> {
    let listener = show::bind(&options.state_dir).map_err(|source| AppError::Socket {
        dir: options.state_dir.display().to_string(),
        source,
    })?;
    let (requests, inbox) = mpsc::channel(16);
    let control =
        Control { snapshot: shown.subscribe(), vitals: vitals.clone(), requests, outputs };
    tasks.spawn(show::run(listener, control, shutdown.clone()));
    Ok(inbox)
}

/// What can be shown before anything was looked at.
fn as_remembered(observe: bool, memory: &Memory) -> Snapshot {
    let mut snapshot = Snapshot::new(clock::wall(), observe);
    let open = memory.incidents().map(|it| (it.id.clone(), it.clone()));
    snapshot.incidents.extend(open);
    snapshot
}

/// The part of the registry that is judged.
fn watchlist(config: &Config, observe: bool) -> Watchlist {
    Watchlist {
        jobs: config.jobs.clone(),
        services: config.services.clone(),
        parallel_actions: config.limits.parallel_actions,
        host_max_restarts: config.limits.host_max_restarts,
        host_window: config.limits.window,
        anchors: config.anchors.clone(),
        observe,
        repeat_interval: config.notifications.repeat_interval,
        local: local_instance(),
    }
}

/// The boot, and the start of process 1: it is another one when our own
/// container was restarted and everything beside us is gone.
fn local_instance() -> Instance {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let started = procfs::process::Process::new(1).and_then(|process| process.stat());
    Instance {
        id: boot.trim().to_owned(),
        started_at: started.map_or(0, |stat| stat.starttime).to_string(),
    }
}

/// What a panic said.
fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "it panicked".to_owned())
}

/// The name of a file for a message.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
