use super::super::testing::{Service, wait_until};
use super::*;

async fn looked(check: &ProcessCheck) -> (Outcome, Vec<ProcId>) {
    look(check, Deadline::after(Duration::from_secs(5))).await
}

fn absent(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Fail(fault) if fault.kind == FaultKind::ProcessAbsent => &fault.detail,
        other => panic!("expected an absent process, got {other:?}"),
    }
}

fn argv(line: &str) -> Vec<String> {
    line.split('|').map(str::to_owned).collect()
}

#[tokio::test]
async fn an_interpreter_that_runs_a_matching_script_is_found() {
    for program in [["bash", "{}"], ["/usr/bin/env", "{}"]] {
        let worker = Service::script("worker.sh", &program);
        let (outcome, processes) = looked(&worker.process()).await;
        assert_eq!(outcome, Outcome::Pass);
        assert_eq!(processes.len(), 1);
        assert_eq!(processes[0].pid, worker.pid());
    }
}

#[tokio::test]
async fn a_shell_that_carries_the_name_in_its_text_is_not() {
    for shell in ["bash", "sh"] {
        let text = "while :; do sleep 0.1; done # {}";
        let watcher = Service::script("worker.sh", &[shell, "-c", text]);
        let (outcome, processes) = looked(&watcher.process()).await;
        assert!(absent(&outcome).starts_with("no living process matches"));
        assert_eq!(processes, []);
    }
}

#[test]
fn wrappers_are_told_from_interpreters() {
    let wrappers = [
        "sh|-c|/opt/worker.sh",
        "/bin/bash|-lc|/opt/worker.sh",
        "-bash|-c|/opt/worker.sh",
        "bash|--norc|-e|-o|pipefail|-c|/opt/worker.sh",
        "bash|--rcfile|/etc/rc|-c|/opt/worker.sh",
        "dash|-ec|/opt/worker.sh",
        "/bin/busybox|ash|-c|/opt/worker.sh",
        "timeout|30|sh|-c|/opt/worker.sh",
        "sudo|-u|app|bash|-c|/opt/worker.sh",
        "/sbin/docker-init|--|/opt/worker.sh",
        "/usr/bin/tini|--|bash|-c|/opt/worker.sh",
    ];
    for wrapper in wrappers {
        assert!(is_wrapper(&argv(wrapper)), "{wrapper}");
    }
    let workers = [
        "bash|/opt/worker.sh",
        "/bin/bash|-e|/opt/worker.sh",
        "bash|-o|pipefail|/opt/worker.sh|-c|config",
        "sh|--|-c",
        "/opt/worker.sh|-c|config",
        "/opt/bash-worker|-c|config",
        "python3|/opt/worker.py|-c|config",
        "nginx: master process /usr/sbin/nginx -c /etc/nginx.conf",
    ];
    for worker in workers {
        assert!(!is_wrapper(&argv(worker)), "{worker}");
    }
}

#[tokio::test]
async fn a_zombie_is_dead_and_named() {
    let mut worker = Service::script("vai-zombie.sh", &["{}"]);
    let by_name = ProcessCheck {
        pattern: ProcessPattern::CommandLine("vai-zombie[.]sh".to_owned()),
        ..worker.process()
    };
    assert_eq!(looked(&by_name).await.0, Outcome::Pass);
    // This test does not wait for its child.
    worker.child.kill().unwrap();
    wait_until("the zombie is there", || {
        Processes::read().unwrap().zombies.iter().any(|name| name == "vai-zombie.sh")
    });
    let (outcome, processes) = looked(&by_name).await;
    let wanted = "no living process matches \"vai-zombie[.]sh\" (1 zombie is left of it)";
    assert_eq!(absent(&outcome), wanted);
    assert_eq!(processes, []);
}

#[tokio::test]
async fn an_executable_is_found_by_its_exact_name() {
    let redis = Service::redis();
    let by_name = |name: &str| ProcessCheck {
        pattern: ProcessPattern::Executable(name.to_owned()),
        min_count: 1,
        max_count: None,
    };
    let (outcome, processes) = looked(&by_name("redis-server")).await;
    assert_eq!(outcome, Outcome::Pass);
    assert!(processes.iter().any(|each| each.pid == redis.pid()));
    absent(&looked(&by_name("redis-serve")).await.0);
    absent(&looked(&by_name("redis.server")).await.0);
}

#[tokio::test]
async fn counts_are_bounded_on_both_sides() {
    let first = Service::script("worker.sh", &["bash", "{}"]);
    let two = ProcessCheck { min_count: 2, ..first.process() };
    let detail = absent(&looked(&two).await.0).to_owned();
    assert!(detail.starts_with("1 living of at least 2 match"), "{detail}");

    let path = first.folder.path().join("worker.sh");
    let second = Service::script("other.sh", &["bash", "{}", path.to_str().unwrap()]);
    let (outcome, processes) = looked(&two).await;
    assert_eq!(outcome, Outcome::Pass);
    assert_eq!(processes.len(), 2);
    let one = ProcessCheck { max_count: Some(1), ..first.process() };
    let (outcome, _) = looked(&one).await;
    assert!(
        matches!(&outcome, Outcome::Fail(fault) if fault.kind == FaultKind::ProcessCount),
        "{outcome:?}"
    );
    drop(second);
}

#[test]
fn a_copy_counts_once_it_has_settled() {
    let ticks = procfs::ticks_per_second();
    let now = crate::clock::boot_time().as_millis() * ticks / 1000;
    let process = |pid, parent, start_ticks, args: &str| Living {
        id: ProcId { pid, start_ticks, name: "bash".to_owned() },
        parent,
        args: argv(args),
    };
    let worker = process(10, 1, now, "bash|/opt/worker.sh");
    let copy = |start_ticks| process(11, 10, start_ticks, "bash|/opt/worker.sh");
    let own = process(12, 10, now, "sleep|1");
    let found = [&worker, &own];
    assert!(is_fresh_copy(&copy(now), &found));
    assert!(!is_fresh_copy(&copy(now - ticks), &found));
    assert!(!is_fresh_copy(&worker, &found));
    assert!(!is_fresh_copy(&own, &found));
}

#[tokio::test]
async fn this_process_and_its_ancestors_never_match() {
    let everything = ProcessCheck {
        pattern: ProcessPattern::CommandLine(String::new()),
        min_count: 1,
        max_count: None,
    };
    let own = i32::try_from(std::process::id()).unwrap();
    let parent = rustix::process::getppid().unwrap().as_raw_nonzero().get();
    let _other = Service::redis();
    let (outcome, processes) = looked(&everything).await;
    assert_eq!(outcome, Outcome::Pass);
    let pids: Vec<i32> = processes.iter().map(|each| each.pid).collect();
    assert!(!pids.contains(&own) && !pids.contains(&parent), "{pids:?}");
}

#[tokio::test]
async fn a_pattern_that_is_no_expression_is_unknown() {
    let bad = ProcessCheck {
        pattern: ProcessPattern::CommandLine("worker(".to_owned()),
        min_count: 1,
        max_count: None,
    };
    let (outcome, _) = looked(&bad).await;
    assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
}
