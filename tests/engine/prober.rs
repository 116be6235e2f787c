use crate::probing::{
    Probing, agents, check, custom, fault, hint, http, key, process, service, tcp, unknown,
    with_worker,
};
use crate::support::{Container, SOON, docker, unique};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use vai::config::ProbeMode;
use vai::probe::wire::{Answer, Op};
use vai_core::model::{CheckKind, ContainerView, DiskCheck, FaultKind, Outcome, Place};

#[tokio::test]
async fn checks_are_looked_at_from_inside_by_one_agent() {
    let container = with_worker().await;
    let probing = Probing::of(&container.name, ProbeMode::Auto).await;
    let (port, worker, command) = tokio::join!(
        probing.look(tcp(7000)),
        probing.look(process("sleep 700")),
        probing.look(custom("test $WHO = vai && exit 4", None))
    );
    assert_eq!(port.outcome, Outcome::Pass);
    assert_eq!(worker.outcome, Outcome::Pass);
    assert_eq!(worker.processes[0].name, "sleep");
    assert_eq!(fault(&command), Some(FaultKind::ExitCode), "{command:?}");
    assert_eq!(fault(&probing.look(tcp(7001)).await), Some(FaultKind::Refused));
    assert_eq!(agents(&container).await, 1);

    let place = Place::Container(key());
    let op = Op::Exists("/bin/busybox".into());
    let answer = probing.prober.ask(&place, None, op, SOON).await;
    assert_eq!(answer, Ok(Answer::Exists(true)));

    let as_user = probing.look(custom("test $(id -u) = 1234", Some("1234"))).await;
    assert_eq!(as_user.outcome, Outcome::Pass);
    assert_eq!(agents(&container).await, 2);

    probing.stop().await;
    let left = async { while agents(&container).await > 0 {} };
    timeout(SOON, left).await.expect("closed agents leave");
}

#[tokio::test]
async fn the_agents_file_is_the_only_thing_left_in_the_container() {
    let container = with_worker().await;
    let probing = Probing::of(&container.name, ProbeMode::Auto).await;
    probing.look(tcp(7000)).await;
    probing.stop().await;
    let changes = docker(&["diff", &container.name]);
    let mut changed: Vec<&str> = changes.lines().filter(|line| !line.contains("/lib")).collect();
    changed.sort_unstable();
    assert_eq!(changed.len(), 2, "{changed:?}");
    assert_eq!(changed[0], "A /.vai");
    assert!(changed[1].starts_with("A /.vai/agent-"), "{changed:?}");
}

#[tokio::test]
async fn a_watched_process_that_dies_is_hinted_at_once() {
    let container = with_worker().await;
    let mut probing = Probing::of(&container.name, ProbeMode::Auto).await;
    assert_eq!(probing.look(process("sleep 700")).await.outcome, Outcome::Pass);
    let began = Instant::now();
    docker(&["exec", &container.name, "sh", "-c", "kill -9 $(busybox pidof sleep)"]);
    let why = hint(&mut probing).await;
    assert!(why.starts_with("process sleep (pid "), "{why}");
    assert!(began.elapsed() < Duration::from_secs(2));
    // Its parent does not reap it: a zombie is no worker.
    let after = probing.until(process("sleep 700"), |outcome| *outcome != Outcome::Pass).await;
    assert_eq!(fault(&after), Some(FaultKind::ProcessAbsent));
    probing.stop().await;
}

#[tokio::test]
async fn a_lost_agent_is_unknown_and_placed_again() {
    let container = with_worker().await;
    let mut probing = Probing::of(&container.name, ProbeMode::Auto).await;
    assert_eq!(probing.look(tcp(7000)).await.outcome, Outcome::Pass);
    let top = docker(&["top", &container.name, "-eo", "pid,args"]);
    let agent = top
        .lines()
        .find(|line| line.contains("/.vai/agent-"))
        .and_then(|line| line.split_whitespace().next())
        .unwrap();
    let killed = Command::new("kill").args(["-9", agent]).status().unwrap();
    assert!(killed.success());
    let why = hint(&mut probing).await;
    assert!(why.contains("agent"), "{why}");
    assert_eq!(probing.look(tcp(7000)).await.outcome, Outcome::Pass);
    assert_eq!(agents(&container).await, 1);
    probing.stop().await;
}

#[tokio::test]
async fn a_container_that_stops_or_restarts_is_told_apart() {
    let container = with_worker().await;
    let mut probing = Probing::of(&container.name, ProbeMode::Auto).await;
    assert_eq!(probing.look(tcp(7000)).await.outcome, Outcome::Pass);
    assert_eq!(probing.look(CheckKind::Docker).await.outcome, Outcome::Pass);
    let instance = match probing.directory.view(&key()) {
        Some(ContainerView::Present(presence)) => presence.instance,
        other => panic!("{other:?}"),
    };

    docker(&["kill", &container.name]);
    probing.status(false).await;
    for kind in [tcp(7000), CheckKind::Docker] {
        let report = probing.look(kind).await;
        assert_eq!(fault(&report), Some(FaultKind::ContainerStopped));
        let said = format!("{:?}", report.outcome);
        assert!(said.contains("exited with code 137"), "{said}");
    }

    docker(&["start", &container.name]);
    probing.status(true).await;
    let old = probing.prober.look(&service(), &check(tcp(7000)), Some(&instance)).await;
    assert!(unknown(&old).contains("restarted meanwhile"), "{old:?}");
    probing.until(tcp(7000), |outcome| *outcome == Outcome::Pass).await;

    docker(&["pause", &container.name]);
    probing.status(false).await;
    assert!(unknown(&probing.look(tcp(7000)).await).contains("paused"));
    docker(&["unpause", &container.name]);
    probing.stop().await;
}

#[tokio::test]
async fn a_frozen_agent_ends_a_look_by_its_timeout() {
    let container = with_worker().await;
    let probing = Probing::of(&container.name, ProbeMode::Auto).await;
    let mut slow = check(custom("sleep 30", None));
    slow.timeout = Duration::from_millis(500);
    assert_eq!(probing.look(tcp(7000)).await.outcome, Outcome::Pass);
    let top = docker(&["top", &container.name, "-eo", "pid,args"]);
    let agent = top
        .lines()
        .find(|line| line.contains("/.vai/agent-"))
        .and_then(|line| line.split_whitespace().next())
        .unwrap();
    let frozen = Command::new("kill").args(["-STOP", agent]).status();
    assert!(frozen.unwrap().success());
    let report = probing.prober.look(&service(), &slow, None).await;
    unknown(&report);
    assert!(report.took <= slow.timeout + Duration::from_millis(100), "{report:?}");
    probing.stop().await;
}

#[tokio::test]
async fn a_missing_container_is_a_failure_by_its_name() {
    let probing = Probing::of("nobody-at-all", ProbeMode::Auto).await;
    for kind in [tcp(7000), CheckKind::Docker] {
        let report = probing.look(kind).await;
        assert_eq!(fault(&report), Some(FaultKind::ContainerMissing));
        let said = format!("{:?}", report.outcome);
        assert!(said.contains("no container named nobody-at-all"), "{said}");
    }
    probing.stop().await;
}

#[tokio::test]
async fn without_an_agent_other_ways_are_gone() {
    let script = "busybox httpd -p 7002; sleep 700 & exec sleep 600";
    let container = Container::run(&unique("bare"), &[], &["sh", "-c", script]);
    let probing = Probing::of(&container.name, ProbeMode::None).await;

    probing.until(tcp(7002), |outcome| *outcome == Outcome::Pass).await;
    let answered = probing.look(http(7002)).await;
    assert_eq!(fault(&answered), Some(FaultKind::Status), "{answered:?}");
    // Whether that counts is for whoever knows if this way has ever passed.
    assert!(answered.from_outside, "{answered:?}");
    let refused = probing.look(tcp(7003)).await;
    assert_eq!(fault(&refused), Some(FaultKind::Refused), "{refused:?}");
    assert!(refused.from_outside, "{refused:?}");

    let listed = probing.look(process("sleep 700")).await;
    assert_eq!((listed.outcome, listed.from_outside), (Outcome::Pass, false));
    assert_eq!(fault(&probing.look(process("sleep 701")).await), Some(FaultKind::ProcessAbsent));
    assert_eq!(probing.look(custom("test $WHO = vai", None)).await.outcome, Outcome::Pass);
    let failed = probing.look(custom("echo broken; exit 5", None)).await;
    assert!(format!("{failed:?}").contains("exited 5: broken"), "{failed:?}");
    let disk =
        probing.look(CheckKind::Disk(DiskCheck { path: "/".into(), min_free_percent: 1 })).await;
    unknown(&disk);
    assert_eq!(agents(&container).await, 0);
    assert!(!docker(&["diff", &container.name]).contains(".vai"));
    probing.stop().await;
}

#[tokio::test]
async fn a_read_only_container_takes_no_agent_and_is_looked_at_from_outside() {
    let container = Container::run(
        &unique("read-only"),
        &["--read-only"],
        &["sh", "-c", "sleep 700 & exec sleep 600"],
    );
    let probing = Probing::of(&container.name, ProbeMode::Auto).await;
    probing.until(process("sleep 700"), |outcome| *outcome == Outcome::Pass).await;
    assert_eq!(agents(&container).await, 0);
    probing.stop().await;
}

#[tokio::test]
async fn a_file_that_is_no_agent_is_found_out() {
    let container = with_worker().await;
    let no_agent = Path::new("/bin/busybox").to_owned();
    let probing = Probing::with(&container.name, ProbeMode::Auto, no_agent).await;
    // Looked at from outside, where the port of the loopback refuses.
    let refused =
        |outcome: &Outcome| matches!(outcome, Outcome::Fail(it) if it.kind == FaultKind::Refused);
    let report = probing.until(tcp(7000), refused).await;
    assert!(report.from_outside, "{report:?}");
    probing.stop().await;
}
