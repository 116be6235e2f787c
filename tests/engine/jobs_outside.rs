//! Jobs where no agent may be placed.

use crate::probing::agents;
use crate::running::{Running, container, exited, inside, job, processes, request, resumed};
use crate::support::SOON;
use std::time::Duration;
use tokio::time::timeout;
use vai::config::ProbeMode;
use vai_core::model::{HowEnded, Job, Secret};

const LOG: &str = "/var/log/jobs/backup.log";

#[tokio::test]
async fn without_an_agent_a_command_of_the_engine_runs_the_job() {
    let container = container(&[]);
    let running = Running::with(&container.name, ProbeMode::None).await;
    let applets = "for it in wc date mkdir tr grep rm; do busybox ln -s busybox /bin/$it; done";
    inside(&container, applets);
    let first = Job {
        log_path: Some(LOG.into()),
        working_dir: Some("/dev".into()),
        environment: vec![("PASSWORD".into(), Secret::from("hunter2"))],
        ..job("echo out; echo err >&2; pwd; echo $PASSWORD; exit 3")
    };
    let end = running.run(first).await;
    assert_eq!((exited(&end), end.bytes), (3, 21), "{end:?}");
    assert_eq!(end.tail, "out\nerr\n/dev\n***\n");
    let log = inside(&container, &format!("cat {LOG}"));
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 6, "{log}");
    assert!(lines[0].starts_with("[vai] ") && lines[0].ends_with(", try 1 begins"), "{log}");
    assert!(lines[5].ends_with(", try 1 exited 3"), "{log}");

    let end = running.run(job("echo out; kill -9 $$")).await;
    assert!(exited(&end) == 137 && end.tail.contains("out\n"), "{end:?}");
    let unwritable = Job { log_path: Some("/proc/no/x.log".into()), ..job("echo out") };
    let end = running.run(unwritable).await;
    assert_eq!((exited(&end), end.tail.as_str()), (0, "out\n"));
    assert_eq!(end.notes, ["its output could not be written to /proc/no/x.log"]);
    let nowhere = Job { working_dir: Some("/no/where".into()), ..job("true") };
    match running.run(nowhere).await.how {
        HowEnded::NotBegun(why) => assert!(why.contains("/no/where"), "{why}"),
        HowEnded::Exited(0) => {} // Engine 20.10 makes the folder.
        how => panic!("{how:?}"),
    }

    let marker = "/var/run/cron-pause/backup.paused";
    inside(&container, &format!("mkdir -p /var/run/cron-pause; echo > {marker}"));
    let how = running.run(job("true")).await.how;
    assert_eq!(how, HowEnded::Refused(format!("paused by {marker}")));
    assert_eq!(agents(&container).await, 0);
    running.vanish().await;
}

#[tokio::test]
async fn without_an_agent_what_takes_too_long_is_ended_as_well() {
    let container = container(&[]);
    let running = Running::with(&container.name, ProbeMode::None).await;
    let stubborn =
        "(trap '' TERM; busybox setsid sh -c 'trap \"\" TERM; sleep 701; sleep 702' &); sleep 704";
    let slow = Job { timeout: Duration::from_secs(1), ..job(stubborn) };
    let end = running.run(slow).await;
    assert_eq!(end.how, HowEnded::TimedOut { left: Vec::new() });
    let request = request(job("(busybox setsid sleep 709 &); sleep 710"));
    let end = running.begin(&request).await;
    running.runner.end(request.try_id()).await;
    assert_eq!(timeout(SOON, end).await.unwrap().unwrap().how, HowEnded::Replaced);
    let living = processes(&container).into_iter().filter(|it| it != "Z").count();
    assert_eq!(living, 0, "{:?}", processes(&container));

    let later = running.perform(&resumed(&request, running.instance())).await.0;
    match later.how {
        HowEnded::Lost(why) => assert!(why.starts_with("vai ended while it ran"), "{why}"),
        how => panic!("{how:?}"),
    }
    running.vanish().await;
}
