//! What a check costs the engine: asked of an agent that is there, against a
//! command of its own.

use crate::lab::{Container, Image, Lab};
use crate::processes::{EngineProcesses, main_process};
use crate::table::{millis, row, share, spread, title};
use std::env;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use vai::clock;
use vai::docker::{Address, Bollard, Engine, ExecSpec, Own};
use vai::probe::client::AgentLink;
use vai::probe::wire::{Answer, Op};
use vai_core::model::{CheckKind, Outcome, TcpCheck};

/// The kernel accounts in hundredths of a second: an agent's checks are so
/// cheap that it takes thousands of them to see any.
const BY_AGENT: u32 = 5000;
const BY_EXEC: u32 = 200;

/// How long the engine is watched doing only what others ask of it.
const IDLE: Duration = Duration::from_secs(5);

const TIMEOUT: Duration = Duration::from_secs(5);
const AGENT: &str = "/vai";

/// What a number of checks in a row came to.
struct Cost {
    checks: u32,
    cpu: Duration,
    latencies: Vec<Duration>,
}

impl Cost {
    fn cpu_each(&self) -> Duration {
        self.cpu / self.checks
    }
}

/// Prints the figures.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn measure() {
    let binary = env::var("VAI_STATIC_BIN").expect("tests/figures sets VAI_STATIC_BIN");
    let lab = Lab::new();
    let services = lab
        .container("services", Image::Services)
        .init(true)
        .option(format!("--volume={binary}:{AGENT}:ro"))
        .start();
    let started = services.sh("redis-server --save '' > /dev/null 2>&1 &");
    assert!(started.status.success(), "{started:?}");
    services.wait_for("redis-server");

    let address = Address::from_env().expect("DOCKER_HOST makes sense");
    let engine: Arc<dyn Engine> =
        Arc::new(Bollard::new(&address, Own::find(&address)).expect("the engine's client"));
    let used = EngineProcesses::behind(main_process(&services));

    let before = used.cpu();
    tokio::time::sleep(IDLE).await;
    let idle = used.cpu() - before;
    let agent = by_agent(&*engine, &services, &used).await;
    let exec = by_exec(&*engine, &services, &used).await;

    title("Engine: PING of redis, one check after another");
    row("load on the engine by others, just before", share(idle, IDLE));
    for (name, cost) in [("agent", &agent), ("exec", &exec)] {
        row(
            &format!("{name}: engine CPU a check ({} checks)", cost.checks),
            millis(cost.cpu_each()),
        );
        row(&format!("{name}: latency"), spread(cost.latencies.clone()));
    }
    let ratio = exec.cpu_each().as_secs_f64() / agent.cpu_each().as_secs_f64();
    row("engine CPU, exec to agent", format!("{ratio:.0} : 1"));
}

async fn by_agent(engine: &dyn Engine, services: &Container, used: &EngineProcesses) -> Cost {
    let argv = [AGENT, "agent"].map(str::to_owned).to_vec();
    let spec = ExecSpec { argv, ..ExecSpec::default() };
    let stream = engine.exec_stream(services.name(), &spec).await.expect("the agent is started");
    let (hints, _unheard) = mpsc::channel(1);
    let agent = AgentLink::open(stream.input, stream.output, hints).await.expect("it says hello");
    let check = CheckKind::Tcp(TcpCheck {
        host: "localhost".to_owned(),
        port: 6379,
        send: Some("PING\r\n".into()),
        expect: Some("PONG".to_owned()),
    });
    let (before, mut latencies) = (used.cpu(), Vec::new());
    for _ in 0..BY_AGENT {
        let began = clock::instant();
        let op = Op::Check { kind: Box::new(check.clone()), timeout: TIMEOUT, watch: None };
        let answer = agent.ask(op, TIMEOUT).await.expect("the agent answers");
        latencies.push(began.elapsed());
        assert!(matches!(answer, Answer::Report(report) if report.outcome == Outcome::Pass));
    }
    Cost { checks: BY_AGENT, cpu: used.cpu() - before, latencies }
}

async fn by_exec(engine: &dyn Engine, services: &Container, used: &EngineProcesses) -> Cost {
    let argv = ["redis-cli", "ping"].map(str::to_owned).to_vec();
    let spec = ExecSpec { argv, ..ExecSpec::default() };
    let (before, mut latencies) = (used.cpu(), Vec::new());
    for _ in 0..BY_EXEC {
        let began = clock::instant();
        let end = engine.exec(services.name(), &spec, TIMEOUT).await.expect("it can be run");
        latencies.push(began.elapsed());
        assert_eq!(end.exit_code, Some(0), "{}", end.output);
    }
    Cost { checks: BY_EXEC, cpu: used.cpu() - before, latencies }
}
