//! The one way to look at a service and to act where it runs, wherever that is.

use super::client::ProbeError;
use super::container::{enterable, judge, missing, present};
use super::hints::{Hints, Watches};
use super::network::OwnNetwork;
use super::outside::Outside;
use super::perform::{Here, perform};
use super::pool::{Agent, NoAgent, Pool};
use super::run::{RunHints, Runs};
use super::watch::Watcher;
use super::wire::{Answer, Op};
use crate::check;
use crate::clock;
use crate::docker::{Details, Directory, Engine, EngineError, may_place};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vai_core::model::{
    Check, CheckKind, ContainerKey, ContainerView, Event, Instance, Outcome, Place, Report,
    Service, Vantage,
};

/// A look ends by its timeout plus 100 ms (behaviour.md, section 1); the rest
/// of that is for the way back.
const GRACE: Duration = Duration::from_millis(80);

/// Deaths of local processes, and ends of local runs, that wait to be passed on.
const DEATHS: usize = 32;

const PLACING_IS_OFF: &str = "the registry says \"probe\": \"none\"";

/// Looks and acts at any place.
pub struct Prober {
    engine: Arc<dyn Engine>,
    directory: Directory,
    pool: Pool,
    outside: Outside,
    network: OwnNetwork,
    here: Here,
    watches: Arc<Watches>,
    hints: Hints,
}

impl Prober {
    /// A prober that places `executable` (`/proc/self/exe`, unless a test has
    /// another one) in containers, and tells `events` of every hint. Needs a
    /// tokio runtime.
    #[must_use]
    pub fn new(
        engine: Arc<dyn Engine>,
        directory: Directory,
        events: mpsc::Sender<Event>,
        executable: PathBuf,
    ) -> Self {
        let hints = Hints {
            runs: RunHints::default(),
            events,
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        };
        let watches = Arc::<Watches>::default();
        let (sender, deaths) = mpsc::channel(DEATHS);
        hints.of_ourselves(deaths, Arc::clone(&watches));
        let (over, ended) = mpsc::channel(DEATHS);
        hints.of_our_runs(ended);
        let runs = Runs::new(executable.clone(), over);
        Self {
            pool: Pool::new(Arc::clone(&engine), executable, hints.clone()),
            outside: Outside::new(Arc::clone(&engine), directory.clone()),
            network: OwnNetwork::new(directory.clone()),
            here: Here { watcher: Watcher::new(sender), runs },
            watches,
            hints,
            engine,
            directory,
        }
    }

    /// Looks once, in the run `expected` of the container if one is given. Ends
    /// by the check's timeout + 100 ms whatever the target or the engine does.
    pub async fn look(
        &self,
        service: &Service,
        check: &Check,
        expected: Option<&Instance>,
    ) -> Report {
        let began = clock::boot_time();
        self.network.remember();
        let looking = self.look_from(service, check, expected);
        let mut report = match timeout(check.timeout + GRACE, looking).await {
            Ok(report) => report,
            Err(_) => unseen(Outcome::Unknown(format!(
                "nothing could be seen within {:?}",
                check.timeout
            ))),
        };
        report.took = clock::boot_time().since(began);
        report
    }

    /// Performs `op` at `place`, in a container as `user` or as its own.
    ///
    /// # Errors
    /// [`ProbeError`] where there is nobody to ask, and if the answer does not
    /// come within `deadline`.
    pub async fn ask(
        &self,
        place: &Place,
        user: Option<&str>,
        op: Op,
        deadline: Duration,
    ) -> Result<Answer, ProbeError> {
        let asking = async {
            let key = match place {
                Place::Local => return Ok(perform(op, &self.here).await),
                Place::Container(key) => key,
            };
            let unreached = |outcome| ProbeError::Unreached(reason(outcome));
            let container = self.container(key, None).map_err(unreached)?;
            let agent = self.agent(key, &container, user).await;
            let agent = agent.map_err(|error| match error {
                NoAgent::Refused(why) => ProbeError::NoAgent(why),
                NoAgent::Lost(why) => ProbeError::Unreached(why),
            })?;
            agent.ask(op, deadline).await
        };
        match timeout(deadline, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(ProbeError::Deadline(deadline)),
        }
    }

    /// Wakes whoever waits for the end of a run of a job.
    #[must_use]
    pub fn run_hints(&self) -> &RunHints {
        &self.hints.runs
    }

    /// Ends the agents in containers that are followed no longer, or that the
    /// registry wants none in any more.
    pub fn prune(&self) {
        self.pool.retain(&self.directory.instances_for_agents());
    }

    pub(super) fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    /// Where the agent's file is in a container that has an agent.
    pub(super) async fn program(&self) -> std::io::Result<String> {
        self.pool.program().await
    }

    pub(super) fn here(&self) -> &Here {
        &self.here
    }

    /// Ends all agents and everything that runs here.
    pub async fn close(&self) {
        self.hints.stopping.cancel();
        self.pool.clear();
        self.hints.tasks.close();
        self.hints.tasks.wait().await;
    }

    async fn look_from(
        &self,
        service: &Service,
        check: &Check,
        expected: Option<&Instance>,
    ) -> Report {
        match (check.kind.vantage(&service.place), &service.place) {
            (Vantage::Here, Place::Local) => {
                let watch = watch_name(service, check);
                self.watches.insert(&watch, &service.name);
                let report = report_of(perform(check_op(check, watch), &self.here).await);
                self.doubt(check, report)
            }
            (Vantage::Here, Place::Container(_)) => {
                self.doubt(check, check::look(&check.kind, check.timeout).await)
            }
            (Vantage::Inside, Place::Container(key)) => {
                self.look_inside(key, service, check, expected).await
            }
            (Vantage::Engine, place) => unseen(self.ask_engine(place, service.may_finish()).await),
            (Vantage::Inside, Place::Local) => {
                unseen(Outcome::Unknown("a local service has no container to look into".to_owned()))
            }
        }
    }

    /// A look from here says nothing while our own network is gone.
    fn doubt(&self, check: &Check, report: Report) -> Report {
        if !report.from_outside && !check::goes_over_network(&check.kind) {
            return report;
        }
        Report { outcome: self.network.doubt(report.outcome), ..report }
    }

    async fn look_inside(
        &self,
        key: &ContainerKey,
        service: &Service,
        check: &Check,
        expected: Option<&Instance>,
    ) -> Report {
        let container = match self.container(key, expected) {
            Ok(container) => container,
            Err(outcome) => return unseen(outcome),
        };
        let user = match &check.kind {
            CheckKind::Custom(custom) => custom.user.as_deref(),
            CheckKind::Http(_)
            | CheckKind::Tcp(_)
            | CheckKind::Process(_)
            | CheckKind::Docker
            | CheckKind::Disk(_) => None,
        };
        let watch = watch_name(service, check);
        let agent = match self.agent(key, &container, user).await {
            Ok(agent) => agent,
            Err(NoAgent::Lost(why)) => return unseen(Outcome::Unknown(why)),
            Err(NoAgent::Refused(why)) => {
                let report = self.outside.look(&container, check, &why).await;
                return self.doubt(check, report);
            }
        };
        agent.watch(&watch, &service.name);
        match agent.ask(check_op(check, watch), check.timeout + GRACE).await {
            Ok(answer) => report_of(answer),
            Err(error) => {
                unseen(Outcome::Unknown(format!("container {}: {error}", container.presence.name)))
            }
        }
    }

    pub(super) async fn agent(
        &self,
        key: &ContainerKey,
        container: &Details,
        user: Option<&str>,
    ) -> Result<Arc<Agent>, NoAgent> {
        if !may_place(self.directory.entry(key).as_ref()) {
            return Err(NoAgent::Refused(PLACING_IS_OFF.to_owned()));
        }
        self.pool.agent(container, user).await
    }

    /// The container behind `key` as it was last seen, if it runs.
    pub(super) fn container(
        &self,
        key: &ContainerKey,
        expected: Option<&Instance>,
    ) -> Result<Arc<Details>, Outcome> {
        let view = self.view(key)?;
        enterable(&view, self.wanted(key).as_str(), expected)?;
        let details = self.directory.details(key);
        details.ok_or_else(|| Outcome::Unknown(format!("container `{key}` just changed")))
    }

    fn view(&self, key: &ContainerKey) -> Result<ContainerView, Outcome> {
        if !self.directory.engine_up() {
            let why = "the container engine does not answer".to_owned();
            return Err(Outcome::Unknown(why));
        }
        let unknown = || Outcome::Unknown(format!("container `{key}` was not looked at yet"));
        self.directory.view(key).ok_or_else(unknown)
    }

    /// How the registry calls the container.
    fn wanted(&self, key: &ContainerKey) -> String {
        let entry = self.directory.entry(key);
        let name = entry.and_then(|entry| entry.name);
        name.unwrap_or_else(|| key.to_string())
    }

    /// A `docker` check: asked anew, since health changes without any event that
    /// we could not miss.
    /// What `may_finish` is well when it has.
    async fn ask_engine(&self, place: &Place, may_finish: bool) -> Outcome {
        let known = match place {
            Place::Local => match self.directory.own() {
                Some(own) => Ok((own.presence.instance.id.clone(), "vai".to_owned())),
                None => Err(Outcome::Unknown("vai does not run in a container".to_owned())),
            },
            Place::Container(key) => self.view(key).and_then(|view| {
                let wanted = self.wanted(key);
                let presence = present(&view, &wanted)?;
                Ok((presence.instance.id.clone(), wanted))
            }),
        };
        let (id, wanted) = match known {
            Ok(known) => known,
            Err(outcome) => return outcome,
        };
        match self.engine.inspect(&id).await {
            Ok(details) if may_finish && details.presence.has_finished() => Outcome::Pass,
            Ok(details) => judge(&details.presence),
            Err(EngineError::NotFound(_)) => missing(&wanted),
            Err(error) => Outcome::Unknown(error.to_string()),
        }
    }
}

fn check_op(check: &Check, watch: String) -> Op {
    Op::Check { kind: Box::new(check.kind.clone()), timeout: check.timeout, watch: Some(watch) }
}

/// `<service>/<check>`.
fn watch_name(service: &Service, check: &Check) -> String {
    format!("{}/{}", service.name, check.name)
}

fn report_of(answer: Answer) -> Report {
    match answer {
        Answer::Report(report) => report,
        Answer::Failed(why) => unseen(Outcome::Unknown(why)),
        Answer::Done
        | Answer::Ended { .. }
        | Answer::Processes(_)
        | Answer::Lines(_)
        | Answer::Exists(_)
        | Answer::Run(_)
        | Answer::Written(_)
        | Answer::Crontabs(_) => {
            unseen(Outcome::Unknown("the agent answered another question".to_owned()))
        }
    }
}

/// A result that saw no process; how long it took is filled in at the end.
fn unseen(outcome: Outcome) -> Report {
    Report::new(outcome, Duration::ZERO)
}

/// Why an outcome is none to be glad of.
pub(super) fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::Fail(fault) => fault.detail,
        Outcome::Slow(why) | Outcome::Starting(why) | Outcome::Unknown(why) => why,
        Outcome::Pass => String::new(),
    }
}
