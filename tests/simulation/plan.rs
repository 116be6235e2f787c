//! What happens to whom, as data: drawn from a seed, written by hand, or shrunk.

use crate::attention;
use crate::heart::{self, Part};
use crate::history;
use crate::jobs::{self, JobAsk, JobEdit};
use crate::network;
use crate::registry;
use crate::rng::Rng;
use crate::secrets;
use crate::sinks;
use crate::sinks::{Failing, Inbox, Sinks};
use crate::supervision;
use std::sync::Arc;
use vai_core::model::{Job, Service, SilenceScope, Watchlist};

/// Milliseconds of virtual time.
pub(crate) type Ms = u64;

pub(crate) const SECOND: Ms = 1000;
pub(crate) const MINUTE: Ms = 60 * SECOND;
pub(crate) const HOUR: Ms = 60 * MINUTE;

/// One simulated history.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) containers: Vec<ContainerPlan>,
    pub(crate) services: Vec<ServicePlan>,
    pub(crate) settings: Watchlist,
    pub(crate) sinks: Sinks,
    /// How often the address outside is pinged that misses vai.
    pub(crate) heartbeat: Ms,
    pub(crate) jobs: Vec<Arc<Job>>,
    pub(crate) faults: Vec<Fault>,
    /// The wall clock when the history begins, in milliseconds.
    pub(crate) epoch: i64,
    /// Faults come until then; from then on everything is mended.
    pub(crate) busy: Ms,
    /// How long it has to converge.
    pub(crate) quiet: Ms,
}

/// A container of the host.
#[derive(Clone, Debug)]
pub(crate) struct ContainerPlan {
    /// Its name, which is a key of the registry, too.
    pub(crate) name: String,
    /// Another key that means the same container.
    pub(crate) alias: Option<String>,
    /// The engine starts it after it exits by itself.
    pub(crate) policy: bool,
    /// vai itself runs in it.
    pub(crate) is_self: bool,
    /// The container whose network it shares.
    pub(crate) network_of: Option<String>,
}

/// A service: how it is watched, and what it is really like.
#[derive(Clone, Debug)]
pub(crate) struct ServicePlan {
    pub(crate) service: Arc<Service>,
    /// The name of its container; `None` is local.
    pub(crate) container: Option<String>,
    /// Comes up with its container.
    pub(crate) autostart: bool,
    /// From its start until it answers.
    pub(crate) start: Ms,
    /// Services without which it fails, declared or not.
    pub(crate) needs: Vec<String>,
    /// From its end until its own supervisor starts it again, if it has one.
    pub(crate) supervisor: Option<Ms>,
}

impl ServicePlan {
    pub(crate) fn name(&self) -> &str {
        self.service.name.as_str()
    }
}

/// Something that goes wrong, or that somebody does.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) at: Ms,
    pub(crate) what: What,
}

/// Names are those of services (`service`), containers (`container`) and jobs
/// (`job`); one that the plan does not have any more makes it a fault without effect.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Dies { service: String },
    Hangs { service: String },
    Revives { service: String },
    BreaksFor { service: String, lasts: Ms },
    DiesEvery { service: String, every: Ms, lasts: Ms },
    StartsIn { service: String, takes: Ms },
    CommandIs { service: String, command: Command, lasts: Ms },
    MarkedFor { service: String, lasts: Ms },
    LowOnDisk { service: String, lasts: Ms },
    SlowFor { service: String, lasts: Ms },
    EndpointDown { service: String, lasts: Ms },
    AgentLost { container: String, lasts: Ms },
    Crashes { container: String, oom: bool },
    CrashLoops { container: String, times: u64 },
    RestartedByHand { container: String },
    StoppedByHand { container: String, back: Ms },
    PausedByHand { container: String, lasts: Ms },
    Recreated { container: String, gone: Ms },
    EngineGone { lasts: Ms },
    EngineRestarts { lasts: Ms, live_restore: bool },
    NetworkLost { lasts: Ms },
    OutsideLost { lasts: Ms },
    AnchorDown { anchor: usize, lasts: Ms },
    Reboot { off: Ms },
    KilledAt { point: CrashPoint, down: Ms },
    Stopped { down: Ms },
    DiskFails { lasts: Ms },
    WallJumps { by: i64 },
    Suspended { lasts: Ms },
    SinkDown { lasts: Ms },
    SinkFails { inbox: Inbox, how: Failing, lasts: Ms },
    SinksEdited { edit: sinks::Edit, lasts: Ms },
    Acknowledged { service: String },
    Silenced { scope: SilenceScope, lasts: Ms },
    Unsilenced { scope: SilenceScope },
    Digest,
    Reloaded { edit: Edit },
    Asked { service: String, request: Request },
    Maintenance { service: String, lasts: Ms },
    RunsFail { job: String, lasts: Ms },
    RunsLast { job: String, lasts: Ms },
    JobMarked { job: String, lasts: Ms },
    JobEdited { job: String, edit: JobEdit, lasts: Ms },
    JobAsked { job: String, ask: JobAsk },
    JobMaintenance { job: String, lasts: Ms },
    InCrontab { job: String, lasts: Ms },
    Stuck { part: Part },
}

impl What {
    /// Its kind, for figures.
    pub(crate) fn kind(&self) -> String {
        let words = format!("{self:?}");
        words.split([' ', '{']).next().unwrap_or_default().to_owned()
    }
}

/// What `restart_cmd` comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Works,
    Fails,
    DoesNothing,
    NeverEnds,
}

/// Where vai is killed: at the next step that gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrashPoint {
    BeforeStoring,
    AfterStoring,
    /// After this many actions of the step.
    After(usize),
    /// As `AfterStoring`, of a step that acts.
    WithIntentStored,
    /// As soon as an act was dispatched.
    WithActDispatched,
    /// Before it is stored that the clock brought something.
    BeforeScheduled,
    /// Before it is stored how a run ended.
    BeforeRunEnds,
    /// As `AfterStoring`, of a step that runs something.
    WithRunStored,
    /// As soon as a run was dispatched.
    WithRunDispatched,
    /// As soon as a message arrived, before that is known.
    Arrived,
    /// After so much of what became of messages was stored.
    Reported(usize),
    /// Between the step and the next.
    Idle,
}

impl CrashPoint {
    pub(crate) fn is_before_storing(self) -> bool {
        matches!(self, Self::BeforeStoring | Self::BeforeScheduled | Self::BeforeRunEnds)
    }
}

/// What an operator edits in the registry.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Nothing,
    MaxRestarts { service: String, to: u32 },
    Threshold { service: String, to: u32 },
    Disable { service: String, lasts: Ms },
    Remove { service: String, lasts: Ms },
}

/// What an operator asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request {
    Pause,
    Resume,
    Stop,
    Start,
}

impl Plan {
    /// The history of a seed.
    pub(crate) fn random(seed: u64) -> Self {
        let of_one_host = supervision::supervised(Self::of_one_host(seed));
        let told = sinks::told(network::widened(of_one_host));
        jobs::scheduled(secrets::initiated(heart::watched(attention::attended(told))))
    }

    /// The history of a seed in which nobody looks further than into containers.
    pub(crate) fn of_one_host(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let (containers, services, settings) = registry::random(&mut rng);
        let busy = rng.range(3, 20) * HOUR;
        let faults = history::random(&mut rng, &containers, &services, busy);
        Self { seed, ..Self::with(containers, services, settings, faults, busy) }
    }

    /// A history written by hand: services in one container named `main`.
    pub(crate) fn of(services: Vec<ServicePlan>, faults: Vec<Fault>, busy: Ms) -> Self {
        let containers = vec![registry::container("main")];
        let settings = registry::settings();
        Self::with(containers, services, settings, faults, busy)
    }

    fn with(
        containers: Vec<ContainerPlan>,
        services: Vec<ServicePlan>,
        settings: Watchlist,
        faults: Vec<Fault>,
        busy: Ms,
    ) -> Self {
        let (sinks, heartbeat) = (sinks::plain_sinks(), MINUTE);
        let quiet = 4 * HOUR;
        let (jobs, epoch) = (Vec::new(), 1_700_000_000_000);
        Self {
            seed: 0,
            containers,
            services,
            settings,
            sinks,
            jobs,
            heartbeat,
            faults,
            epoch,
            busy,
            quiet,
        }
    }

    pub(crate) fn watchlist(&self) -> Watchlist {
        let services = self.services.iter();
        Watchlist {
            services: services
                .map(|it| (it.service.name.clone(), Arc::clone(&it.service)))
                .collect(),
            jobs: self.jobs.iter().map(|it| (it.name.clone(), Arc::clone(it))).collect(),
            ..self.settings.clone()
        }
    }
}
