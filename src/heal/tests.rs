mod copies;
mod supervised;
mod survivors;

use super::fake::{World, details, presence};
use super::fixture::{nginx, request, service};
use super::*;
use crate::docker::EngineError;
use std::sync::Mutex;
use vai_core::model::{Act, ContainerStatus, Instance, Rung};

const EXITED: ContainerStatus = ContainerStatus::Exited { code: 137, oom: false };

async fn perform(world: &Arc<World>, request: &ActRequest) -> ActReport {
    let healer = Healer::new(world.clone(), world.clone(), world.clone(), "feed".to_owned());
    let report = healer.perform(request).await;
    healer.stop().await;
    report
}

/// What was done to the container and its processes, without the looking.
fn deeds(world: &World) -> Vec<String> {
    let looks = ["exists", "tail", "facts", "logs", "behind"];
    let mut calls = world.calls();
    calls.retain(|call| !looks.iter().any(|look| call.starts_with(look)));
    calls
}

fn done(report: &ActReport) -> bool {
    matches!(report.outcome, ActOutcome::Done { still_there: None, .. })
}

const COMMAND: Act = Act::Restart(Rung::Command);

#[tokio::test]
async fn each_gate_refuses_in_its_own_words_and_nothing_is_done() {
    type Set = fn(&mut World, &mut Service);
    let table: [(Set, &str); 11] = [
        (
            |_, service| service.held = Some("${DB_PASSWORD} is not set".to_owned()),
            "${DB_PASSWORD} is not set",
        ),
        (
            |world, _| world.wanted = Mutex::new(Err("it was disabled a moment ago".to_owned())),
            "it was disabled a moment ago",
        ),
        (
            |world, _| world.answer("exists", Answer::Exists(true)),
            "it was stopped by hand (/var/run/manual-stop/nginx.stopped exists)",
        ),
        (
            |world, _| world.status(ContainerStatus::Paused),
            "the container services-container is paused",
        ),
        (
            |world, _| world.status(ContainerStatus::Restarting),
            "the engine is restarting the container services-container itself",
        ),
        (
            |world, _| world.status(ContainerStatus::Removing),
            "the container services-container is being removed",
        ),
        (
            |world, _| world.container = Mutex::new(None),
            "the container services-container was removed",
        ),
        (
            |world, _| world.view = Mutex::new(Some(ContainerView::Missing)),
            "there is no container for \"services\" right now",
        ),
        (
            |world, _| {
                let both = vec!["a_services".to_owned(), "b_services".to_owned()];
                world.view = Mutex::new(Some(ContainerView::Ambiguous(both)));
            },
            "\"services\" could be any of these containers: a_services, b_services; name one in \
             `containers`",
        ),
        (
            |world, _| {
                let mut own = presence(ContainerStatus::Running);
                own.is_self = true;
                world.view = Mutex::new(Some(ContainerView::Present(own)));
            },
            "the container services-container is vai's own, or its socket proxy",
        ),
        (
            |world, _| {
                let mut other = details(ContainerStatus::Running);
                other.presence.instance.started_at = "since".to_owned();
                world.container = Mutex::new(Some(other));
            },
            "the container services-container was restarted by somebody else since the failure \
             was seen",
        ),
    ];
    for (set, expected) in table {
        let (mut world, mut service) = (World::new(), service());
        set(&mut world, &mut service);
        let world = Arc::new(world);
        let report = perform(&world, &request(service, COMMAND)).await;
        let ActOutcome::Refused { gate, by_hand } = report.outcome else {
            panic!("{expected}: {:?}", report.outcome);
        };
        assert_eq!(gate, expected);
        assert_eq!(by_hand, gate.contains("by hand"));
        assert_eq!(deeds(&world), Vec::<String>::new(), "{gate}");
    }
}

#[tokio::test]
async fn an_engine_that_does_not_answer_refuses_the_act() {
    let world = Arc::new(World::new());
    let gone = EngineError::Gone("no answer within 5 s".to_owned());
    *world.inspection.lock().unwrap() = Some(gone);
    let report = perform(&world, &request(service(), COMMAND)).await;
    let gate = "the engine does not answer: no answer within 5 s".to_owned();
    let by_hand = false;
    assert_eq!(report.outcome, ActOutcome::Refused { gate, by_hand });
}

#[tokio::test]
async fn where_no_agent_may_be_placed_the_marker_is_looked_for_by_exec() {
    let world = Arc::new(World::new());
    let lost = Answer::Failed("no agent".to_owned());
    world.answer("exists", lost.clone());
    world.exec_ends(Some(0), "");
    let report = perform(&world, &request(service(), COMMAND)).await;
    assert!(matches!(report.outcome, ActOutcome::Refused { by_hand: true, .. }));

    let world = Arc::new(World::new());
    world.answer("exists", lost);
    world.exec_ends(Some(1), "");
    assert!(done(&perform(&world, &request(service(), COMMAND)).await));
}

#[tokio::test]
async fn evidence_comes_before_the_act_is_redacted_and_hangs_nothing() {
    let world = Arc::new(World::new());
    world.hang("facts");
    world.hang("tail");
    let mut service = service();
    service.log_path = Some("/var/log/nginx.log".to_owned());
    let report = perform(&world, &request(service, COMMAND)).await;
    assert!(report.took < Duration::from_millis(2500), "{:?}", report.took);
    assert!(done(&report));
    let evidence = report.evidence;
    assert_eq!(evidence.facts, ["exit code 137, out of memory"]);
    assert_eq!(evidence.log_source, "docker logs services-container");
    assert_eq!(evidence.log, ["password=***"]);
    let calls = world.calls();
    let at = |call: &str| calls.iter().position(|it| it == call);
    assert!(at("logs") < at("exec nginx"), "{calls:?}");
}

#[tokio::test]
async fn a_command_restart_stops_first_and_a_failing_stop_holds_up_nothing() {
    let world = Arc::new(World::new());
    world.exec_ends(Some(1), "no such process");
    let mut service = service();
    service.stop_cmd = Some("nginx -s stop".to_owned());
    let report = perform(&world, &request(service, COMMAND)).await;
    assert!(done(&report), "{report:?}");
    assert_eq!(deeds(&world), ["exec nginx -s stop", "exec nginx"]);
    assert_eq!(report.steps[0], "stop_cmd exited 1: no such process");
    assert!(report.steps[1].starts_with("ran restart_cmd: exit 0 in "));
}

#[tokio::test]
async fn a_container_that_died_is_started_before_the_command() {
    let world = Arc::new(World::new());
    world.status(EXITED);
    let mut service = service();
    service.stop_cmd = Some("nginx -s stop".to_owned());
    let report = perform(&world, &request(service, COMMAND)).await;
    assert_eq!(deeds(&world), ["start", "exec nginx"]);
    assert_eq!(report.steps[0], "started the container services-container");
    assert_eq!(report.outcome, ActOutcome::Done { still_there: None });
    assert_eq!(report.instance.map(|it| it.started_at), Some("later".to_owned()));
}

#[tokio::test]
async fn the_marker_is_looked_at_again_in_a_container_that_was_just_started() {
    let world = Arc::new(World::new());
    world.status(EXITED);
    world.answer("exists", Answer::Exists(true));
    let report = perform(&world, &request(service(), COMMAND)).await;
    assert!(matches!(report.outcome, ActOutcome::Refused { by_hand: true, .. }));
    assert_eq!(deeds(&world), ["start"]);
}

#[tokio::test]
async fn a_failed_command_fails_in_its_own_words_without_secrets() {
    let world = Arc::new(World::new());
    world.exec_ends(Some(2), "wrong password hunter2\n");
    let report = perform(&world, &request(service(), COMMAND)).await;
    let words = "restart_cmd exited 2: wrong password ***".to_owned();
    assert_eq!(report.steps, [words.as_str()]);
    assert_eq!(report.outcome, ActOutcome::Failed(words));
}

#[tokio::test]
async fn a_failed_command_names_who_is_still_there() {
    let world = Arc::new(World::new());
    world.exec_ends(Some(1), "bind() failed\n");
    world.answer("behind", Answer::Processes(vec![nginx(12), nginx(13)]));
    let mut request = request(service(), COMMAND);
    request.processes = vec![nginx(12), nginx(13)];
    let report = perform(&world, &request).await;
    let words =
        "restart_cmd exited 1: bind() failed; nginx (pid 12, 13) are still there".to_owned();
    assert_eq!(report.steps, [words.as_str()]);
    assert_eq!(report.outcome, ActOutcome::Failed(words));
}

#[tokio::test]
async fn an_overdue_command_is_told_apart_from_a_failed_one() {
    let world = Arc::new(World::new());
    world.exec_ends(None, "");
    let report = perform(&world, &request(service(), COMMAND)).await;
    assert_eq!(report.outcome, ActOutcome::CommandOverdue(Duration::from_secs(30)));
}

#[tokio::test]
async fn the_second_rung_ends_the_old_process_and_names_who_is_left() {
    let world = Arc::new(World::new());
    let ended = Answer::Ended {
        ended: vec![nginx(12)],
        left: vec![(nginx(13), "operation not permitted".to_owned())],
    };
    world.answer("end", ended);
    // 13 was there before; 12 has the number, but is a later process.
    let mut later = nginx(12);
    later.start_ticks = 99;
    world.answer("behind", Answer::Processes(vec![later, nginx(13)]));
    let mut request = request(service(), Act::Restart(Rung::KillAndCommand));
    request.processes.push(nginx(13));
    let report = perform(&world, &request).await;
    assert_eq!(deeds(&world), ["end 2", "exec nginx"]);
    assert!(report.steps[0].starts_with("ended nginx (pid 12) by TERM in "), "{:?}", report.steps);
    assert_eq!(report.steps[1], "could not end nginx (pid 13): operation not permitted");
    let ActOutcome::Done { still_there, .. } = report.outcome else {
        panic!("{:?}", report.outcome);
    };
    assert_eq!(still_there.as_deref(), Some("nginx (pid 13) is still there"));
}

#[tokio::test]
async fn a_call_that_the_engine_did_not_answer_is_looked_up_not_repeated() {
    let gone = EngineError::Gone("no answer within 40 s".to_owned());
    let restart = request(service(), Act::Restart(Rung::Container));

    let world = Arc::new(World::new());
    *world.lifecycle.lock().unwrap() = Some((gone.clone(), true));
    assert!(done(&perform(&world, &restart).await));
    assert_eq!(deeds(&world), ["restart"]);

    let world = Arc::new(World::new());
    *world.lifecycle.lock().unwrap() = Some((gone, false));
    let report = perform(&world, &restart).await;
    assert_eq!(deeds(&world), ["restart"]);
    let words = "restarting the container services-container: the engine does not answer: no \
                 answer within 40 s; it may still complete it";
    assert_eq!(report.outcome, ActOutcome::Failed(words.to_owned()));
}

#[tokio::test]
async fn an_exited_container_is_started_not_restarted() {
    let world = Arc::new(World::new());
    world.status(EXITED);
    let restart = request(service(), Act::Restart(Rung::Container));
    assert!(done(&perform(&world, &restart).await));
    assert_eq!(deeds(&world), ["start"]);
}

#[tokio::test]
async fn the_engines_refusal_comes_back_in_its_own_words() {
    let world = Arc::new(World::new());
    let refused = EngineError::Refused {
        status: 500,
        message: "driver failed programming external connectivity".to_owned(),
    };
    *world.lifecycle.lock().unwrap() = Some((refused, false));
    let restart = request(service(), Act::Restart(Rung::Container));
    let words = "restarting the container services-container: driver failed programming external \
                 connectivity";
    assert_eq!(perform(&world, &restart).await.outcome, ActOutcome::Failed(words.to_owned()));
}

#[tokio::test]
async fn a_stop_uses_the_gentlest_way_there_is() {
    type Set = fn(&mut World, &mut Service);
    let table: [(Set, &[&str]); 4] = [
        (|_, service| service.stop_cmd = Some("nginx -s stop".to_owned()), &["exec nginx -s stop"]),
        (
            |world, _| {
                world.answer("behind", Answer::Processes(vec![nginx(40), nginx(41)]));
                world.answer(
                    "end",
                    Answer::Ended { ended: vec![nginx(40), nginx(41)], left: Vec::new() },
                );
            },
            &["end 2"],
        ),
        (
            |world, service| {
                service.restart_cmd = None;
                world.shared = false;
            },
            &["stop"],
        ),
        (|world, _| world.status(EXITED), &[]),
    ];
    for (set, expected) in table {
        let (mut world, mut service) = (World::new(), service());
        set(&mut world, &mut service);
        let world = Arc::new(world);
        // A stop is not held up by the marker of an earlier one.
        world.answer("exists", Answer::Exists(true));
        let report = perform(&world, &request(service, Act::Stop)).await;
        assert!(done(&report), "{expected:?}: {report:?}");
        assert_eq!(deeds(&world), expected);
    }
}

#[tokio::test]
async fn a_stop_that_can_reach_nothing_says_how_to_mend_it() {
    let world = Arc::new(World::new());
    let mut stop = request(service(), Act::Stop);
    stop.processes.clear();
    let words = "there is no stop_cmd and no process of it can be seen; give it a stop_cmd";
    assert_eq!(perform(&world, &stop).await.outcome, ActOutcome::Failed(words.to_owned()));
}

#[tokio::test]
async fn a_local_service_is_restarted_by_a_real_shell() {
    let world = Arc::new(World::new());
    let mut service = service();
    service.place = Place::Local;
    service.restart_cmd = Some("echo \"$TOKEN\" | cut -c1-3; exit 4".to_owned());
    service.environment = vec![("TOKEN".to_owned(), "abcdef".into())];
    let mut start = request(service, Act::Start);
    start.instance = Some(Instance { id: "boot".to_owned(), started_at: String::new() });
    let report = perform(&world, &start).await;
    let words = "restart_cmd exited 4: abc".to_owned();
    assert_eq!(report.outcome, ActOutcome::Failed(words));
}
