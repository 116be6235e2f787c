//! What commands write is reported and followed.

use super::*;
use crate::docker::{ExecEnd, OutputRest, Tail};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::mpsc;
use vai_core::model::ActId;

#[tokio::test]
async fn what_a_command_that_succeeded_wrote_is_no_step_and_holds_no_secret() {
    let world = Arc::new(World::new());
    world.exec_ends(Some(0), "sh: /no/such/dir/a.log: No such file or directory: hunter2\n");
    let report = perform(&world, &request(service(), COMMAND)).await;
    assert!(done(&report));
    assert_eq!(
        report.wrote,
        "restart_cmd wrote: sh: /no/such/dir/a.log: No such file or directory: ***"
    );
    assert!(!report.steps.iter().any(|step| step.contains("/no/such/dir")), "{report:?}");
}

#[tokio::test]
async fn what_a_command_that_failed_wrote_is_told_once() {
    let world = Arc::new(World::new());
    world.exec_ends(Some(1), "cannot bind\n");
    let report = perform(&world, &request(service(), COMMAND)).await;
    assert_eq!(report.outcome, ActOutcome::Failed("restart_cmd exited 1: cannot bind".into()));
    assert_eq!(report.wrote, "");
}

#[tokio::test]
async fn what_comes_after_the_exit_is_followed() {
    let world = Arc::new(World::new());
    let late = stream::once(async { Bytes::from_static(b"late: hunter2\n") });
    let rest = Some(OutputRest::new(Tail::default(), late.boxed()));
    let end = ExecEnd { exit_code: Some(0), output: String::new(), rest };
    world.execs.lock().unwrap().push_back(Ok(end));
    let healer = Healer::new(world.clone(), world.clone(), world.clone(), "feed".to_owned());
    let (report, aftermath) = healer.perform(&request(service(), COMMAND)).await;
    assert_eq!(report.wrote, "");
    let (events, mut told) = mpsc::channel(1);

    healer.follow(aftermath, events);

    match told.recv().await.unwrap() {
        Event::Wrote { service, id, wrote } => {
            assert_eq!((service.as_str(), id), ("nginx", ActId(1)));
            assert_eq!(wrote, "restart_cmd wrote: late: ***");
        }
        other => panic!("{other:?}"),
    }
    healer.stop().await;
}
