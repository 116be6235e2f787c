//! There are never two copies of a service: what a failed act had started is
//! ended before the next one runs the command.

use super::*;
use vai_core::model::ActId;

#[tokio::test]
async fn what_the_failed_act_before_had_started_is_ended_on_every_rung_before_the_command_runs() {
    let end = "end_started feed-0";
    let table: [(Act, &[&str]); 3] = [
        (Act::Start, &[end, "exec nginx"]),
        (COMMAND, &["exec nginx -s stop", end, "exec nginx"]),
        (Act::Restart(Rung::KillAndCommand), &["end 1", "exec nginx -s stop", end, "exec nginx"]),
    ];
    for (act, expected) in table {
        let world = Arc::new(World::new());
        let ended = Answer::Ended { ended: vec![nginx(30)], left: Vec::new() };
        world.answer("end_started", ended);
        let mut service = service();
        service.stop_cmd = Some("nginx -s stop".to_owned());
        let mut request = request(service, act);
        request.supersedes = Some(ActId(0));
        let report = perform(&world, &request).await;
        assert!(done(&report), "{report:?}");
        assert_eq!(deeds(&world), expected);
        let words = "ended nginx (pid 30), which the attempt before had started, by TERM in ";
        assert!(report.steps.iter().any(|step| step.starts_with(words)), "{:?}", report.steps);
        let marks = world.marks.lock().unwrap();
        assert!(marks.iter().all(|mark| mark == "VAI_ACT=feed-1"), "{marks:?}");
    }
}

#[tokio::test]
async fn the_act_before_is_known_by_its_beginning_too_where_this_run_of_vai_began_it() {
    let world = Arc::new(World::new());
    world.answer("end_started", Answer::Ended { ended: Vec::new(), left: Vec::new() });
    let healer = Healer::new(world.clone(), world.clone(), world.clone(), "feed".to_owned());
    let first = request(service(), COMMAND);
    let mut second = request(service(), COMMAND);
    (second.id, second.supersedes) = (ActId(2), Some(first.id));
    assert!(done(&healer.perform(&first).await.0));
    assert!(done(&healer.perform(&second).await.0));
    assert_eq!(deeds(&world), ["exec nginx", "end_started feed-1 since", "exec nginx"]);
}

#[tokio::test]
async fn no_second_copy_is_started_beside_one_that_cannot_be_ended() {
    let world = Arc::new(World::new());
    let left = vec![(nginx(30), "it does not even heed KILL".to_owned())];
    world.answer("end_started", Answer::Ended { ended: Vec::new(), left });
    let mut second = request(service(), COMMAND);
    second.supersedes = Some(ActId(0));
    let report = perform(&world, &second).await;
    let words = "could not end nginx (pid 30): it does not even heed KILL; a second copy is not \
                 started beside it";
    assert_eq!(report.outcome, ActOutcome::Failed(words.to_owned()));
    assert_eq!(deeds(&world), ["end_started feed-0"]);
}

#[tokio::test]
async fn where_nobody_can_look_for_copies_the_service_is_healed_all_the_same() {
    let world = Arc::new(World::new());
    let mut second = request(service(), COMMAND);
    second.supersedes = Some(ActId(0));
    let report = perform(&world, &second).await;
    assert!(done(&report), "{report:?}");
    let words = "could not look for what the attempt before had started: no agent";
    assert!(report.steps.contains(&words.to_owned()), "{:?}", report.steps);
}

#[tokio::test]
async fn a_local_command_carries_the_mark_of_its_act() {
    let world = Arc::new(World::new());
    let mut service = service();
    service.place = Place::Local;
    service.restart_cmd = Some("echo \"$VAI_ACT\"; exit 4".to_owned());
    let report = perform(&world, &request(service, Act::Start)).await;
    assert_eq!(report.outcome, ActOutcome::Failed("restart_cmd exited 4: feed-1".to_owned()));
}
