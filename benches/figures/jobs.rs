//! From the moment that runs of jobs are due to the moment that their commands
//! run, and what watching over them takes.

use crate::lab::{Container, Image, Lab};
use crate::table::{percentiles, row, title};
use async_trait::async_trait;
use futures_util::future::join_all;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vai::clock;
use vai::config::{ContainerEntry, ProbeMode};
use vai::docker::{Address, Bollard, Directory, Engine, Keys, Own};
use vai::job::{Registry, Runner};
use vai::probe::Prober;
use vai_core::model::{
    HowEnded, Instance, Job, Overlap, Place, Redactor, RunEnd, RunId, RunRequest,
};

/// How many runs at once, how often.
const STORMS: [(u64, u64); 3] = [(1, 20), (100, 5), (500, 5)];

/// All of them are under way at the same time.
const COMMAND: &str = "echo $EPOCHREALTIME; sleep 5";

/// Prints the figures.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn measure() {
    let binary = env::var("VAI_STATIC_BIN").expect("tests/figures sets VAI_STATIC_BIN");
    let lab = Lab::new();
    let idle = ["tail", "-f", "/dev/null"];
    let services = lab.container("services", Image::Plain).command(idle).start();
    let (runner, shutdown) = runner(&services, binary.into()).await;
    run(&runner, 0).await;

    title("Jobs: from due to the command running, all at one moment in one container");
    let mut id = 0;
    for (runs, rounds) in STORMS {
        let (mut lags, mut kib) = (Vec::new(), 0);
        for _ in 0..rounds {
            let due = clock::wall().as_millis();
            let ids = id + 1..=id + runs;
            id += runs;
            let all = join_all(ids.map(|id| run(&runner, id)));
            let (ends, used) = tokio::join!(all, async {
                tokio::time::sleep(Duration::from_secs(4)).await;
                supervisors_kib()
            });
            kib = used;
            lags.extend(ends.iter().map(|end| lag(end, due)));
        }
        row(&format!("{runs} run(s): {rounds} times"), percentiles(lags, [50, 99, 100]));
        row(&format!("{runs} run(s): memory of a supervisor"), format!("{} KiB", kib / runs));
    }
    shutdown.cancel();
}

fn lag(end: &RunEnd, due: i64) -> Duration {
    assert_eq!(end.how, HowEnded::Exited(0), "{end:?}");
    let (seconds, micros) = end.tail.trim().split_once(['.', ',']).expect("a time");
    let millis = seconds.parse::<i64>().expect("seconds") * 1000
        + micros.parse::<i64>().expect("microseconds") / 1000;
    Duration::from_millis(u64::try_from(millis - due).expect("clocks go forward"))
}

/// The memory that supervisors have for themselves, and their part of what they
/// share.
fn supervisors_kib() -> u64 {
    let listed = Command::new("pgrep").args(["-f", "^vai supervise"]).output();
    let listed = listed.expect("procps is installed").stdout;
    let sizes = String::from_utf8_lossy(&listed).lines().map(pss_kib).collect::<Vec<_>>();
    sizes.iter().sum()
}

fn pss_kib(pid: &str) -> u64 {
    let smaps = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let pss = smaps.lines().find_map(|line| line.strip_prefix("Pss:"));
    pss.and_then(|pss| pss.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

async fn run(runner: &Runner, id: u64) -> RunEnd {
    let request = RunRequest {
        id: RunId(id),
        attempt: 1,
        job: Arc::new(job()),
        scheduled: None,
        decided: clock::boot_time(),
        instance: None,
        resumed: false,
    };
    let end = runner.run(&request, drop).await;
    runner.forget(&request).await;
    end
}

fn job() -> Job {
    let place = Place::Container("services".into());
    Job {
        log_path: Some("/var/log/figure.log".to_owned()),
        overlap: Overlap::Allow,
        ..Job::new("figure", place, "* * * * *", COMMAND)
    }
}

async fn runner(services: &Container, executable: PathBuf) -> (Runner, CancellationToken) {
    let address = Address::from_env().expect("DOCKER_HOST makes sense");
    let engine: Arc<dyn Engine> =
        Arc::new(Bollard::new(&address, Own::find(&address)).expect("the engine's client"));
    let (events, mut inbox) = mpsc::channel(1024);
    let (directory, follower) = Directory::new(Arc::clone(&engine), Own::default(), events.clone());
    let entry =
        ContainerEntry { name: Some(services.name().to_owned()), probe: Some(ProbeMode::Auto) };
    directory.set_keys(Keys::from([("services".into(), entry)]));
    let shutdown = CancellationToken::new();
    tokio::spawn(follower.run(shutdown.clone()));
    tokio::spawn(async move { while inbox.recv().await.is_some() {} });
    while !directory.engine_up() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let prober = Prober::new(Arc::clone(&engine), directory.clone(), events, executable);
    let local = Instance { id: "boot".into(), started_at: "now".into() };
    let mark = format!("figures{}", std::process::id());
    (Runner::new(engine, directory, Arc::new(prober), Arc::new(All), mark, local), shutdown)
}

/// A registry that wants every job.
struct All;

#[async_trait]
impl Registry for All {
    async fn still_wanted(&self, _: &Job) -> Result<(), String> {
        Ok(())
    }

    fn redactor(&self) -> Redactor {
        Redactor::default()
    }
}
