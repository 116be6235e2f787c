use super::*;
use crate::check::processes::{Processes, is_living};
use crate::check::testing::{Service, custom, wait_until};
use crate::probe::client::{AgentHint, AgentLink};
use crate::probe::wire::{Answer, Op};
use rustix::process::Signal;
use tokio::io::{DuplexStream, duplex};
use tokio_util::task::AbortOnDropHandle;
use vai_core::model::{CheckKind, Outcome, ProcId, Report};

const SOON: Duration = Duration::from_secs(5);

struct Agent {
    link: AgentLink,
    hints: mpsc::Receiver<AgentHint>,
    served: AbortOnDropHandle<io::Result<()>>,
}

fn started(silence: Duration) -> (DuplexStream, DuplexStream, AbortOnDropHandle<io::Result<()>>) {
    let (input, agent_input) = duplex(1 << 16);
    let (agent_output, output) = duplex(1 << 16);
    let serving = serve_until_silence(agent_input, agent_output, silence);
    let served = tokio::spawn(async { serving.await.1 });
    (input, output, AbortOnDropHandle::new(served))
}

impl Agent {
    async fn start() -> Self {
        let (input, output, served) = started(LEAVE_AFTER_SILENCE);
        let (sender, hints) = mpsc::channel(8);
        let link = AgentLink::open(input, output, sender).await.unwrap();
        Self { link, hints, served }
    }

    async fn ask(&self, op: Op) -> Answer {
        self.link.ask(op, 2 * SOON).await.unwrap()
    }

    async fn check(&self, kind: CheckKind, watch: Option<&str>) -> Report {
        let op = Op::Check { kind: Box::new(kind), timeout: SOON, watch: watch.map(str::to_owned) };
        match self.ask(op).await {
            Answer::Report(report) => report,
            other => panic!("{other:?}"),
        }
    }

    async fn end(&self, processes: Vec<ProcId>, behind: CheckKind, grace: Duration) -> Answer {
        let behind = vec![behind];
        self.ask(Op::End { processes, behind, grace }).await
    }
}

fn pids(processes: &[ProcId]) -> Vec<i32> {
    let mut pids: Vec<i32> = processes.iter().map(|each| each.pid).collect();
    pids.sort_unstable();
    pids
}

#[tokio::test]
async fn every_kind_of_check_crosses_the_stream() {
    let agent = Agent::start().await;
    let nginx = Service::nginx();
    let worker = Service::script("worker.sh", &["bash", "{}"]);
    for kind in [
        CheckKind::Http(nginx.http("/")),
        CheckKind::Tcp(nginx.tcp()),
        CheckKind::Process(worker.process()),
        custom("true"),
        CheckKind::Disk(vai_core::model::DiskCheck { path: "/".to_owned(), min_free_percent: 0 }),
    ] {
        let label = kind.label();
        let report = agent.check(kind, None).await;
        assert_eq!(report.outcome, Outcome::Pass, "{label}");
    }
}

#[tokio::test]
async fn a_slow_check_holds_up_no_other_request() {
    let agent = Agent::start().await;
    let slow = agent.check(custom("sleep 1"), None);
    let quick = async {
        let began = crate::clock::boot_time();
        assert_eq!(agent.ask(Op::Ping).await, Answer::Done);
        crate::clock::boot_time().since(began)
    };
    let (_, took) = tokio::join!(slow, quick);
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[tokio::test]
async fn the_death_of_a_watched_process_is_told_once() {
    let mut agent = Agent::start().await;
    let redis = Service::redis();
    let report = agent.check(CheckKind::Tcp(redis.tcp()), Some("redis")).await;
    // A second look at the same process keeps the one watch.
    agent.check(CheckKind::Tcp(redis.tcp()), Some("redis")).await;
    redis.signal(Signal::KILL);
    let died = agent.hints.recv().await;
    let [process] = report.processes.as_slice() else { panic!("{report:?}") };
    let wanted = AgentHint::Died { watch: "redis".to_owned(), process: process.clone() };
    assert_eq!(died, Some(wanted));
    assert_eq!(agent.ask(Op::Ping).await, Answer::Done);
    assert!(agent.hints.try_recv().is_err());
}

#[tokio::test]
async fn what_is_watched_no_more_dies_unheard() {
    let mut agent = Agent::start().await;
    let (first, second) = (Service::redis(), Service::redis());
    agent.check(CheckKind::Tcp(first.tcp()), Some("first")).await;
    agent.check(CheckKind::Tcp(second.tcp()), Some("second")).await;
    agent.ask(Op::Unwatch("first".to_owned())).await;
    first.signal(Signal::KILL);
    second.signal(Signal::KILL);
    let died = agent.hints.recv().await;
    assert!(matches!(&died, Some(AgentHint::Died { watch, .. }) if watch == "second"), "{died:?}");
}

#[tokio::test]
async fn a_frozen_nginx_is_ended_whole() {
    let agent = Agent::start().await;
    let nginx = Service::nginx();
    let kind = CheckKind::Http(nginx.http("/"));
    let seen = agent.check(kind.clone(), None).await.processes;
    nginx.signal(Signal::STOP);
    // As where the worker's descriptors cannot be seen.
    let master: Vec<ProcId> = seen.iter().filter(|each| each.pid == nginx.pid()).cloned().collect();
    assert_eq!(master.len(), 1);
    let Answer::Ended { ended, left } = agent.end(master, kind, SOON).await else {
        panic!("not ended")
    };
    assert_eq!(left, []);
    assert_eq!(pids(&ended), pids(&seen));
    assert!(!seen.iter().any(is_living));
}

#[tokio::test]
async fn what_ignores_term_is_killed_after_the_grace() {
    let agent = Agent::start().await;
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let script = folder.path().join("stubborn.sh");
    let text = format!("trap '' TERM; touch {}; while :; do sleep 0.1; done", ready.display());
    std::fs::write(&script, text).unwrap();
    let mut bash = std::process::Command::new("bash");
    let stubborn = Service::spawn(folder, 0, bash.arg(&script));
    wait_until("the trap is set", || ready.exists());
    let kind = CheckKind::Process(stubborn.process());
    let seen = agent.check(kind.clone(), None).await.processes;
    let grace = Duration::from_millis(200);
    let Answer::Ended { ended, left } = agent.end(seen.clone(), kind, grace).await else {
        panic!("not ended")
    };
    assert_eq!((ended, left), (seen, vec![]));
}

#[tokio::test]
async fn a_process_that_became_another_is_never_signalled() {
    let agent = Agent::start().await;
    let redis = Service::redis();
    let kind = CheckKind::Tcp(redis.tcp());
    let seen = agent.check(kind.clone(), None).await.processes;
    let mut before = seen.clone();
    before[0].start_ticks -= 1;
    let nothing = Answer::Ended { ended: vec![], left: vec![] };
    assert_eq!(agent.end(before, kind, SOON).await, nothing);
    assert!(is_living(&seen[0]));
}

#[tokio::test]
async fn a_process_that_is_no_longer_behind_the_check_is_left() {
    let agent = Agent::start().await;
    let (redis, other) = (Service::redis(), Service::redis());
    let seen = agent.check(CheckKind::Tcp(redis.tcp()), None).await.processes;
    let answer = agent.end(seen.clone(), CheckKind::Tcp(other.tcp()), SOON).await;
    let why = "it is no longer behind the check".to_owned();
    let wanted = Answer::Ended { ended: vec![], left: vec![(seen[0].clone(), why)] };
    assert_eq!(answer, wanted);
    assert!(is_living(&seen[0]));
}

#[tokio::test]
async fn files_are_told_and_what_cannot_be_read_is_not_absent() {
    let agent = Agent::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api.log");
    std::fs::write(&file, "one\ntwo\n").unwrap();
    let path = file.to_str().unwrap().to_owned();
    let exists = |path: &str| Op::Exists(path.to_owned());
    assert_eq!(agent.ask(exists(&path)).await, Answer::Exists(true));
    assert_eq!(agent.ask(exists("/no/such")).await, Answer::Exists(false));
    let through_a_file = agent.ask(exists(&format!("{path}/x"))).await;
    assert!(matches!(through_a_file, Answer::Failed(_)), "{through_a_file:?}");
    let tail = agent.ask(Op::Tail { path, lines: 1 }).await;
    assert_eq!(tail, Answer::Lines(vec!["two".to_owned()]));
    let facts = agent.ask(Op::Facts).await;
    assert!(matches!(&facts, Answer::Lines(lines) if lines.len() >= 2), "{facts:?}");
}

#[tokio::test]
async fn at_the_end_of_the_stream_the_agent_leaves_and_kills_what_it_runs() {
    let agent = Agent::start().await;
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("check.sh");
    std::fs::write(&script, "while :; do sleep 0.1; done").unwrap();
    let path = script.to_str().unwrap().to_owned();
    let runs = || {
        let processes = Processes::read().unwrap();
        let mut living = processes.living.iter();
        living.any(|each| each.args.concat().contains(&path))
    };
    let asking = agent.link.ask(
        Op::Check {
            kind: Box::new(custom(&format!("bash {path}"))),
            timeout: Duration::from_secs(60),
            watch: None,
        },
        Duration::from_secs(60),
    );
    let started = async {
        while !runs() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = asking => panic!("{answer:?}"),
        () = started => {}
    }
    drop(agent.link);
    assert!(agent.served.await.unwrap().is_ok());
    wait_until("the check's command is gone", || !runs());
}

#[tokio::test]
async fn an_agent_that_hears_nothing_leaves() {
    let (_input, _output, served) = started(Duration::from_millis(50));
    assert!(served.await.unwrap().is_ok());
}

#[test]
fn only_agents_of_other_builds_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    for name in ["agent-new", "agent-old", "api-server"] {
        std::fs::write(file(name), "").unwrap();
    }
    remove_siblings(folder.path(), &file("api-server"));
    assert!(file("agent-old").exists());
    remove_siblings(folder.path(), &file("agent-new"));
    assert!(!file("agent-old").exists());
    assert!(file("agent-new").exists() && file("api-server").exists());
}
