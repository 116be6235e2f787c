//! What hung before a command and still does after it.

use super::*;
use crate::clock;
use vai_core::model::{ActId, ProcId};

/// A process of nginx that was started so long ago.
fn started(ago: Duration) -> ProcId {
    let ticks = clock::uptime().saturating_sub(ago).as_millis() / 10;
    ProcId { start_ticks: u64::try_from(ticks).unwrap(), ..nginx(12) }
}

fn hung_request(old: &ProcId, act: Act) -> ActRequest {
    let mut request = request(service(), act);
    request.processes = vec![old.clone()];
    request
}

const HOUR: Duration = Duration::from_secs(3600);
const KILL: Act = Act::Restart(Rung::KillAndCommand);

#[tokio::test]
async fn only_what_a_command_that_ended_left_alone_has_survived_it() {
    type Set = fn(&World, &mut ActRequest);
    fn with(request: &mut ActRequest, change: impl FnOnce(&mut Service)) {
        let mut service = (*request.service).clone();
        change(&mut service);
        request.service = Arc::new(service);
    }
    let old = started(Duration::from_secs(30));
    let table: [(&str, bool, Set); 8] = [
        ("it ended well", true, |_, _| {}),
        ("it failed", true, |world, _| world.exec_ends(Some(1), "address in use")),
        ("it goes on", false, |world, _| world.exec_ends(None, "")),
        ("it was not run", false, |world, _| {
            world.exec_ends(Some(126), "OCI runtime exec failed: no such file");
        }),
        ("it asks for the end", false, |_, request| {
            with(request, |it| it.restart_cmd = Some("pkill nginx; nginx".to_owned()));
        }),
        ("a stop_cmd asks for the end", false, |_, request| {
            with(request, |it| it.stop_cmd = Some("nginx -s quit".to_owned()));
        }),
        ("it was ended", false, |_, request| request.act = KILL),
        ("it is gone", false, |world, _| {
            world.answer("behind", Answer::Processes(Vec::new()));
        }),
    ];
    for (words, survives, set) in table {
        let world = Arc::new(World::new());
        let mut request = hung_request(&old, COMMAND);
        set(&world, &mut request);
        world.answer("behind", Answer::Processes(vec![old.clone()]));
        let age = perform(&world, &request).await.survivor_age;
        assert_eq!(age.is_some(), survives, "{words}: {age:?}");
        assert!(age.is_none_or(|age| age >= Duration::from_secs(30)), "{words}: {age:?}");
    }
}

/// Runs the command, then what follows it at once.
async fn follow(world: &Arc<World>, old: &ProcId) -> ActReport {
    let healer = Healer::new(world.clone(), world.clone(), world.clone(), "feed".to_owned());
    healer.perform(&hung_request(old, COMMAND)).await;
    world.calls.lock().unwrap().clear();
    let mut next = hung_request(old, KILL);
    (next.id, next.supersedes, next.follows_at_once) = (ActId(2), Some(ActId(1)), true);
    let report = healer.perform(&next).await;
    healer.stop().await;
    report
}

#[tokio::test]
async fn the_next_rung_follows_where_nothing_but_the_old_process_is_there() {
    let old = started(HOUR);
    let world = Arc::new(World::new());
    world.answer("behind", Answer::Processes(vec![old.clone()]));
    world.answer("end", Answer::Ended { ended: vec![old.clone()], left: Vec::new() });
    world.answer("end_started", Answer::Ended { ended: Vec::new(), left: Vec::new() });
    let report = follow(&world, &old).await;
    assert!(matches!(report.outcome, ActOutcome::Done { .. }), "{report:?}");
    assert_eq!(deeds(&world), ["end 1", "end_started feed-1 since", "exec nginx"]);
}

#[tokio::test]
async fn the_next_rung_ends_nothing_where_a_new_process_came_up_or_the_old_one_is_gone() {
    let (old, new) = (started(HOUR), ProcId { pid: 80, ..started(Duration::ZERO) });
    let future = ProcId { start_ticks: new.start_ticks + 1000, ..new };
    for (behind, expected) in [
        (vec![old.clone(), future], "nginx (pid 80) came up after the command"),
        (Vec::new(), "nothing of what hung is left"),
    ] {
        let world = Arc::new(World::new());
        world.answer("behind", Answer::Processes(behind));
        let report = follow(&world, &old).await;
        let (gate, by_hand) = (expected.to_owned(), false);
        assert_eq!(report.outcome, ActOutcome::Refused { gate, by_hand });
        assert_eq!(deeds(&world), [""; 0]);
    }
}
