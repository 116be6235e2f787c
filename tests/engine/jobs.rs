use crate::probing::{LIBRARIES, agents, key};
use crate::running::{
    Running, container, eventually, exited, inside, job, local, processes, request, resumed,
};
use crate::support::{Container, SOON, docker, engine_at};
use futures_util::future::join_all;
use std::fs;
use std::process::Command;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use vai::config::ProbeMode;
use vai::docker::Address;
use vai::probe::wire::{Answer, Op};
use vai_core::model::{HowEnded, Job, Place, Secret};

const LOG: &str = "/var/log/jobs/backup.log";

#[tokio::test]
async fn exit_code_signal_output_and_surroundings_are_the_jobs_own() {
    let container = container(&[]);
    let running = Running::of(&container).await;
    let first = Job {
        log_path: Some(LOG.into()),
        working_dir: Some("/dev".into()),
        environment: vec![("PASSWORD".into(), Secret::from("hunter2"))],
        ..job("echo out; echo err >&2; pwd; echo $PASSWORD; printf 'no line'; exit 3")
    };
    let end = running.run(first.clone()).await;
    assert_eq!(exited(&end), 3);
    assert_eq!(end.tail, "out\nerr\n/dev\n***\nno line");
    assert_eq!((end.bytes, end.notes.len()), (28, 0), "{end:?}");
    let second = Job { log_path: Some(LOG.into()), ..job("kill -9 $$") };
    assert_eq!(running.run(second).await.how, HowEnded::Signalled(9));
    let log = inside(&container, &format!("cat {LOG}"));
    let lines: Vec<&str> = log.lines().map(|line| line.split("Z backup").last().unwrap()).collect();
    assert_eq!(lines.len(), 9, "{log}");
    assert!(lines[0].starts_with(": run ") && lines[0].ends_with(", try 1 begins"), "{log}");
    assert_eq!(lines[1..6], ["out", "err", "/dev", "hunter2", "no line"], "{log}");
    assert!(lines[6].contains(" exited 3 after ") && lines[6].ends_with("28 B of output"), "{log}");
    assert!(lines[8].contains(" was ended by signal 9 after "), "{log}");

    let nobody = Job { user: Some("1234:5".into()), ..job("id -u; id -g; id") };
    let end = running.run(nobody).await;
    assert!(end.tail.starts_with("1234\n5\n"), "{end:?}");
    let nowhere = Job { working_dir: Some("/no/where".into()), ..job("true") };
    let how = running.run(nowhere).await.how;
    let words = "working_dir /no/where: No such file or directory".to_owned();
    assert_eq!(how, HowEnded::NotBegun(words));
    let nobody = Job { user: Some("nosuch".into()), ..job("true") };
    match running.run(nobody).await.how {
        HowEnded::NotBegun(why) => assert!(why.contains("unable to find user nosuch"), "{why}"),
        how => panic!("{how:?}"),
    }
    let unwritable = Job { log_path: Some("/proc/no/x.log".into()), ..job("echo done") };
    let end = running.run(unwritable).await;
    assert_eq!((exited(&end), end.tail.as_str()), (0, "done\n"));
    assert_eq!(
        end.notes,
        ["its output could not be written to /proc/no/x.log: No such file or directory"]
    );
    running.vanish().await;
}

#[tokio::test]
async fn a_gigabyte_of_output_takes_little_memory_and_little_of_the_log() {
    let container = container(&[]);
    let running = Running::of(&container).await;
    let command = "busybox yes | busybox head -c 1073741824; echo the end; sleep 2";
    let request = request(Job { log_path: Some(LOG.into()), ..job(command) });
    let end = running.begin(&request).await;
    let most = async {
        loop {
            if let Some(peak) = peak_of_supervisor(&container.name)
                && !inside(&container, "busybox pidof sleep").is_empty()
            {
                return peak;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    let most = timeout(3 * SOON, most).await.unwrap();
    assert!(most < 40 << 10, "{most} KiB");
    let end = timeout(SOON, end).await.unwrap().unwrap();
    assert_eq!((exited(&end), end.bytes), (0, (1 << 30) + 8));
    assert!(end.tail.ends_with("y\ny\nthe end\n") && end.tail.len() == 4096, "{end:?}");
    let size: u64 = inside(&container, &format!("busybox wc -c < {LOG}")).parse().unwrap();
    assert!(size > 10 << 20 && size < (10 << 20) + (65 << 10), "{size}");
    let tail = inside(&container, &format!("tail -n 3 {LOG}"));
    assert!(tail.starts_with("y\nthe end\n[vai] ") && tail.ends_with("1 GiB of output"), "{tail}");
    let left_out = inside(&container, &format!("busybox grep vai {LOG}"));
    assert!(left_out.contains("[vai] 1013 MiB are left out here"), "{left_out}");
    running.vanish().await;
}

/// In KiB.
fn peak_of_supervisor(container: &str) -> Option<u64> {
    let top = docker(&["top", container, "-eo", "pid,args"]);
    let line = top.lines().find(|line| line.ends_with(" supervise"))?;
    let pid = line.split_whitespace().next()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    peak.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::test]
async fn what_takes_too_long_is_ended_with_all_that_came_from_it() {
    let stubborn = "trap '' TERM; (trap '' TERM; busybox setsid sh -c 'trap \"\" TERM; sleep 701; sleep 702' &) ; \
                    (sleep 703 &) ; sh -c 'sh -c \"kill -STOP \\$\\$\"' & sleep 704; sleep 705";
    let ended = async |options: &[&str]| {
        let container = container(options);
        let running = Running::of(&container).await;
        let end = running.run(Job { timeout: Duration::from_secs(1), ..job(stubborn) }).await;
        assert_eq!(end.how, HowEnded::TimedOut { left: Vec::new() });
        assert!(end.took >= Duration::from_secs(11) && end.took < Duration::from_secs(13));
        assert_eq!(processes(&container), [""; 0]);
        running.vanish().await;
    };
    tokio::join!(ended(&[]), ended(&["--init"]));
}

#[tokio::test]
async fn what_a_job_leaves_in_the_background_is_left_alone() {
    let container = container(&[]);
    let running = Running::of(&container).await;
    let script = "(sleep 1; echo later; sleep 706) & echo started";
    let end = running.run(Job { log_path: Some(LOG.into()), ..job(script) }).await;
    assert_eq!((exited(&end), end.tail.as_str()), (0, "started\n"));
    assert!(end.took < Duration::from_secs(1), "{end:?}");
    eventually("its words", || inside(&container, &format!("cat {LOG}")).contains("later")).await;
    // The agent leaves, the background process and its reader stay.
    running.vanish().await;
    assert!(processes(&container).contains(&"sleep 706".to_owned()));
    inside(&container, "kill $(busybox pidof sleep)");
    let gone = async { while agents(&container).await > 0 {} };
    timeout(SOON, gone).await.unwrap();
    assert_eq!(processes(&container), [""; 0]);
}

#[tokio::test]
async fn a_run_is_begun_once_however_often_it_is_asked_for() {
    let container = container(&[]);
    let running = Running::of(&container).await;
    let request = request(job("echo x >> /count; sleep 1"));
    let (first, second) = tokio::join!(running.perform(&request), running.perform(&request));
    assert_eq!(first, second);
    let third = running.perform(&request).await;
    assert_eq!(first, third);
    assert_eq!(exited(&third.0), 0);
    assert_eq!(inside(&container, "cat /count"), "x");
    let kept = "busybox find /dev/shm -name '*.*'";
    assert_eq!(inside(&container, kept).lines().count(), 3);
    running.runner.forget(&request).await;
    assert_eq!(inside(&container, kept), "");
    running.vanish().await;
}

#[tokio::test]
async fn the_next_vai_gets_the_end_of_what_this_one_began() {
    let container = container(&[]);
    let running = Running::of(&container).await;
    let instance = running.instance();
    let [long, short] =
        ["sleep 3; exit 4", "sleep 0.3; echo gone; exit 5"].map(|it| request(job(it)));
    let waiting = [running.begin(&long).await, running.begin(&short).await];
    waiting.iter().for_each(|waiting| waiting.abort());
    running.vanish().await;
    sleep(Duration::from_millis(600)).await;

    let next = Running::of(&container).await;
    let (long, short) = (resumed(&long, instance.clone()), resumed(&short, instance.clone()));
    let (long, short) = tokio::join!(next.perform(&long), next.perform(&short));
    assert_eq!((exited(&long.0), exited(&short.0)), (4, 5));
    assert_eq!(short.0.tail, "gone\n");
    assert_eq!((long.1, short.1), (Some(instance.clone()), Some(instance.clone())));
    let never = resumed(&request(job("true")), instance);
    let why = "vai ended before it was begun".to_owned();
    assert_eq!(next.perform(&never).await.0.how, HowEnded::NotBegun(why));
    next.vanish().await;
    let gone = async { while agents(&container).await > 0 {} };
    timeout(SOON, gone).await.expect("an agent without runs leaves");
    assert_eq!(processes(&container), [""; 0]);
}

#[tokio::test]
async fn a_run_goes_on_without_its_agent_and_its_end_is_told_by_another() {
    let container = container(&["--init"]);
    let running = Running::of(&container).await;
    let request = request(job("sleep 2; echo end; exit 7"));
    let end = running.begin(&request).await;
    kill9(&container, "agent");
    let end = timeout(SOON, end).await.unwrap().unwrap();
    assert_eq!((exited(&end), end.tail.as_str()), (7, "end\n"));
    assert!(end.took < Duration::from_secs(3), "{end:?}");
    running.vanish().await;
}

/// Kills the process of vai in the container that does `what`.
fn kill9(container: &Container, what: &str) {
    let top = docker(&["top", &container.name, "-eo", "pid,args"]);
    let line = top.lines().find(|line| line.ends_with(&format!(" {what}"))).unwrap();
    let pid = line.split_whitespace().next().unwrap();
    assert!(Command::new("kill").args(["-9", pid]).status().unwrap().success());
}

#[tokio::test]
async fn a_container_that_is_restarted_or_recreated_takes_the_run_with_it() {
    let container = container(&[]);
    let mut running = Running::of(&container).await;
    let first = request(job("sleep 700"));
    let before = running.instance();
    let end = running.begin(&first).await;
    docker(&["restart", "-t", "0", &container.name]);
    let words = |what: &str| match what {
        "recreated" => HowEnded::Lost("the container \"box\" was recreated while it ran".into()),
        _ => HowEnded::Lost(format!("the container {} was {what} while it ran", container.name)),
    };
    let how = timeout(SOON, end).await.unwrap().unwrap().how;
    let stopped = HowEnded::Lost(format!("the container {} stopped while it ran", container.name));
    assert!(how == words("restarted") || how == stopped, "{how:?}");
    running.probing.status(true).await;
    let late = running.perform(&resumed(&first, before)).await.0;
    assert_eq!(late.how, words("restarted"));

    let second = request(job("sleep 700"));
    let before = running.instance();
    let end = running.begin(&second).await;
    end.abort();
    docker(&["rm", "-f", &container.name]);
    let again = Container::run(&container.name, &LIBRARIES, &["sleep", "600"]);
    let id = again.id();
    eventually("the new one", || {
        format!("{:?}", running.probing.directory.view(&key())).contains(&id)
    })
    .await;
    let late = running.perform(&resumed(&second, before)).await.0;
    assert_eq!(late.how, words("recreated"));
    running.vanish().await;
}

#[tokio::test]
async fn a_supervisor_that_is_killed_leaves_nothing_behind() {
    let container = container(&[]);
    let running = Running::of(&container).await;
    let request = request(job("echo begun; (busybox setsid sleep 707 &); sleep 708"));
    let end = running.begin(&request).await;
    let piece = running.runner.output(request.try_id(), 0).await.unwrap();
    assert_eq!(piece.text, "begun\n");
    kill9(&container, "supervise");
    let end = timeout(SOON, end).await.unwrap().unwrap();
    let why = "the process that watched over it was killed".to_owned();
    assert_eq!(end.how, HowEnded::Lost(why));
    assert_eq!(end.tail, "begun\n");
    let sleeping = processes(&container).into_iter().filter(|it| it.contains("sleep")).count();
    assert_eq!(sleeping, 0);
    running.vanish().await;
}

#[tokio::test]
async fn what_forbids_a_run_has_its_own_words() {
    let container = container(&[]);
    let mut running = Running::of(&container).await;
    let refused = |why: &str| HowEnded::Refused(why.to_owned());
    let held = Job { held: Some("${TOKEN} is not set".into()), ..job("true") };
    assert_eq!(running.run(held).await.how, refused("${TOKEN} is not set"));
    *running.registry.0.lock().unwrap() = Some("it was removed a moment ago".into());
    assert_eq!(running.run(job("true")).await.how, refused("it was removed a moment ago"));
    *running.registry.0.lock().unwrap() = None;

    let marker = "/var/run/cron-pause/backup.paused";
    inside(&container, &format!("mkdir -p /var/run/cron-pause; echo > {marker}"));
    assert_eq!(running.run(job("true")).await.how, refused(&format!("paused by {marker}")));
    inside(&container, &format!("busybox rm {marker}"));
    assert_eq!(exited(&running.run(job("true")).await), 0);

    let not_begun =
        |state: &str| HowEnded::NotBegun(format!("the container {} {state}", container.name));
    docker(&["pause", &container.name]);
    running.probing.status(false).await;
    assert_eq!(running.run(job("true")).await.how, not_begun("is paused"));
    docker(&["unpause", &container.name]);
    docker(&["stop", "-t", "0", &container.name]);
    assert_eq!(running.run(job("true")).await.how, not_begun("is stopped (exit code 137)"));
    docker(&["rm", "-f", &container.name]);
    match running.run(job("true")).await.how {
        HowEnded::NotBegun(why) => {
            assert!(why.contains("was removed") || why.contains("there is no container"), "{why}");
        }
        how => panic!("{how:?}"),
    }
    running.vanish().await;
}

#[tokio::test]
async fn an_engine_that_is_away_says_so() {
    let container = container(&[]);
    let nowhere = engine_at(&Address::Unix("/no/such.sock".into()));
    let running = Running::through(nowhere, &container.name, ProbeMode::Auto).await;
    match running.run(job("true")).await.how {
        HowEnded::NotBegun(why) => assert!(why.starts_with("the engine does not answer"), "{why}"),
        how => panic!("{how:?}"),
    }
    running.vanish().await;
}

#[tokio::test]
async fn a_hundred_at_once_are_begun_and_leave_nothing() {
    let container = container(&[]);
    let running = Running::of(&container).await;
    let runs = (0..100).map(|number| {
        running.run(Job { log_path: Some(LOG.into()), ..job(&format!("sleep 1; exit {number}")) })
    });
    let codes: Vec<i32> = join_all(runs).await.iter().map(exited).collect();
    assert_eq!(codes, (0..100).collect::<Vec<i32>>());
    let log = inside(&container, &format!("busybox grep -c 'begins\\|exited' {LOG}"));
    assert_eq!(log, "200");
    assert_eq!(processes(&container), [""; 0]);
    running.vanish().await;
}

#[tokio::test]
async fn a_run_is_ended_for_a_newer_one() {
    let container = container(&[]);
    let running = Running::of(&container).await;
    let request = request(job("(busybox setsid sleep 709 &); sleep 710"));
    let end = running.begin(&request).await;
    running.runner.end(request.try_id()).await;
    let end = timeout(SOON, end).await.unwrap().unwrap();
    assert_eq!(end.how, HowEnded::Replaced);
    assert!(end.took < Duration::from_secs(5), "{end:?}");
    assert_eq!(processes(&container), [""; 0]);
    running.vanish().await;
}

#[tokio::test]
async fn who_looks_on_sees_what_is_written_as_it_is_written() {
    let container = container(&[]);
    let running = Running::of(&container).await;
    let request =
        request(job("for i in 1 2 3; do echo line $i hunter2; sleep 0.4; done; printf end"));
    let end = running.begin(&request).await;
    let (mut seen, mut from, mut pieces) = (String::new(), 0, 0);
    loop {
        let piece = running.runner.output(request.try_id(), from).await.unwrap();
        seen += &piece.text;
        pieces += usize::from(!piece.text.is_empty());
        from = piece.next;
        if piece.over {
            break;
        }
    }
    assert_eq!(seen, "line 1 ***\nline 2 ***\nline 3 ***\nend");
    assert!(pieces > 2, "{pieces}");
    assert_eq!(exited(&end.await.unwrap()), 0);
    running.vanish().await;
}

#[tokio::test]
async fn a_job_beside_vai_is_run_the_same_way() {
    let container = container(&[]);
    let running = Running::of(&container).await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("logs/local.log");
    let beside = |command: &str| Job {
        place: Place::Local,
        log_path: Some(log.to_str().unwrap().to_owned()),
        ..job(command)
    };
    let first = request(beside("echo $VAI_RUN; exit 6"));
    let (end, began) = running.perform(&first).await;
    running.runner.forget(&first).await;
    assert_eq!((exited(&end), began), (6, Some(local())));
    assert!(end.tail.starts_with("test"), "{end:?}");
    assert!(fs::read_to_string(&log).unwrap().contains("exited 6"));

    let request = request(Job { user: Some("nobody".into()), ..beside("id -un; sleep 711") });
    let waiting = running.begin(&request).await;
    let piece = running.runner.output(request.try_id(), 0).await.unwrap();
    assert_eq!(piece.text, "nobody\n");
    running.runner.end(request.try_id()).await;
    let end = timeout(SOON, waiting).await.unwrap().unwrap();
    assert_eq!((end.how, end.tail.as_str()), (HowEnded::Replaced, "nobody\n"));
    running.runner.forget(&request).await;
    let forgotten = running.probing.prober.ask(
        &Place::Local,
        None,
        Op::Exists(format!("/dev/shm/vai-0/test{}-{}-1.run", std::process::id(), request.id.0)),
        SOON,
    );
    assert_eq!(forgotten.await, Ok(Answer::Exists(false)));
    running.vanish().await;
}
