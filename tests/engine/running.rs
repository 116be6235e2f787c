//! A runner at work on one container, and the jobs that it is given.

use crate::probing::{LIBRARIES, Probing, key};
use crate::support::{Container, SOON, engine, unique};
use async_trait::async_trait;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::timeout;
use vai::clock;
use vai::config::ProbeMode;
use vai::docker::Engine;
use vai::job::{Registry, Runner};
use vai_core::model::{
    ContainerView, HowEnded, Instance, Job, Place, Redactor, RunEnd, RunId, RunRequest, Secret,
};

/// A runner at work on one container, by the key `box`.
pub(crate) struct Running {
    pub(crate) runner: Arc<Runner>,
    pub(crate) registry: Arc<Wanted>,
    pub(crate) probing: Probing,
}

impl Running {
    pub(crate) async fn of(container: &Container) -> Self {
        Self::with(&container.name, ProbeMode::Auto).await
    }

    pub(crate) async fn with(name: &str, probe: ProbeMode) -> Self {
        Self::through(engine(), name, probe).await
    }

    /// Asks `engine` right before each run.
    pub(crate) async fn through(engine: Arc<dyn Engine>, name: &str, probe: ProbeMode) -> Self {
        let probing = Probing::of(name, probe).await;
        let registry = Arc::new(Wanted::default());
        let mark = format!("test{}", std::process::id());
        let (directory, prober) = (probing.directory.clone(), Arc::clone(&probing.prober));
        let runner = Runner::new(engine, directory, prober, registry.clone(), mark, local());
        Self { runner: Arc::new(runner), registry, probing }
    }

    pub(crate) async fn run(&self, job: Job) -> RunEnd {
        self.perform(&request(job)).await.0
    }

    /// How it ended, and where it was begun.
    pub(crate) async fn perform(&self, request: &RunRequest) -> (RunEnd, Option<Instance>) {
        let mut instance = None;
        let running = self.runner.run(request, |began| instance = Some(began));
        let end = timeout(3 * SOON, running).await.expect("the run ends");
        (end, instance)
    }

    /// Begins it and goes on without waiting for its end.
    pub(crate) async fn begin(&self, request: &RunRequest) -> tokio::task::JoinHandle<RunEnd> {
        let (began, beginning) = tokio::sync::oneshot::channel();
        let (runner, request) = (Arc::clone(&self.runner), request.clone());
        let running = tokio::spawn(async move {
            runner.run(&request, |instance| began.send(instance).unwrap()).await
        });
        timeout(SOON, beginning).await.expect("it begins").unwrap();
        running
    }

    /// As if vai was killed: nobody is told anything.
    pub(crate) async fn vanish(self) {
        drop(self.runner);
        self.probing.stop().await;
    }

    pub(crate) fn instance(&self) -> Instance {
        match self.probing.directory.view(&key()) {
            Some(ContainerView::Present(presence)) => presence.instance,
            other => panic!("{other:?}"),
        }
    }
}

/// The place beside the tests.
pub(crate) fn local() -> Instance {
    Instance { id: "boot".into(), started_at: "now".into() }
}

/// A registry that wants every job, unless told otherwise.
#[derive(Default)]
pub(crate) struct Wanted(pub(crate) Mutex<Option<String>>);

#[async_trait]
impl Registry for Wanted {
    async fn still_wanted(&self, _: &Job) -> Result<(), String> {
        self.0.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn redactor(&self) -> Redactor {
        Redactor::new([Secret::from("hunter2")])
    }
}

/// A container in which shells, and our own binary, run; with further `options`.
pub(crate) fn container(options: &[&str]) -> Container {
    let options: Vec<&str> = LIBRARIES.iter().chain(options).copied().collect();
    Container::run(&unique("jobs"), &options, &["tail", "-f", "/dev/null"])
}

/// Runs `command` in the container `box`.
pub(crate) fn job(command: &str) -> Job {
    let timeout = Duration::from_secs(60);
    Job { timeout, ..Job::new("backup", Place::Container(key()), "0 3 * * *", command) }
}

/// A try that no other test has.
pub(crate) fn request(job: Job) -> RunRequest {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    RunRequest {
        id: RunId(NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)),
        attempt: 1,
        job: Arc::new(job),
        scheduled: None,
        decided: clock::boot_time(),
        instance: None,
        resumed: false,
    }
}

/// The same try, as a later vai asks for it.
pub(crate) fn resumed(request: &RunRequest, instance: Instance) -> RunRequest {
    RunRequest { instance: Some(instance), resumed: true, ..request.clone() }
}

/// What `command` prints in the container; failing is nothing.
pub(crate) fn inside(container: &Container, command: &str) -> String {
    let arguments = ["exec", &container.name, "sh", "-c", command];
    let output = Command::new("docker").args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The command lines of the living, and `Z` for each that is dead and was not
/// taken away; without the tests' own and vai's.
pub(crate) fn processes(container: &Container) -> Vec<String> {
    let list = "for p in /proc/[0-9]*; do busybox grep -q '^State:.Z' $p/status && echo Z; \
                busybox tr '\\0' ' ' <$p/cmdline && echo; done 2>/dev/null";
    let listed = inside(container, list);
    let lines = listed.lines().map(str::trim);
    let own =
        ["tail -f /dev/null", "/.vai/agent", "vai supervise", "for p in", "/sbin/docker-init"];
    lines
        .filter(|line| !line.is_empty() && !own.iter().any(|own| line.contains(own)))
        .filter(|line| !line.starts_with("busybox"))
        .map(str::to_owned)
        .collect()
}

pub(crate) fn exited(end: &RunEnd) -> i32 {
    match end.how {
        HowEnded::Exited(code) => code,
        _ => panic!("{end:?}"),
    }
}

/// Waits until `so` is so.
pub(crate) async fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let waiting = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, waiting).await.unwrap_or_else(|_| panic!("in time: {what}"));
}
