//! Services that hang: the command leaves the old process as it was, and the
//! next rung follows at once.

use super::*;

const COMMAND: Act = Act::Restart(Rung::Command);
const KILL: Act = Act::Restart(Rung::KillAndCommand);

/// A service that hangs, and whose command leaves a process of that age.
fn hanging(seconds: u64) -> World {
    let mut world = World::settled(vec![service("minio")]);
    world.effects.insert("minio".into(), Effect::LeavesOld(seconds));
    hang(&mut world, "minio");
    world
}

/// When each act was dispatched.
fn times(world: &World) -> Vec<f64> {
    world.acts.iter().map(|(at, ..)| *at).collect()
}

#[test]
fn an_old_process_that_answers_nothing_is_ended_right_after_the_first_look() {
    let mut world = hanging(3600);
    world.run(SECOND * 90);
    assert_eq!(world.acts_on("minio"), [&COMMAND, &KILL]);
    assert_eq!(world.followed, [false, true]);
    let times = times(&world);
    let waited = times[1] - times[0];
    // The act, the startup delay and a look.
    assert!((5.0..5.5).contains(&waited), "{times:?}");
    assert_eq!(world.requests[1].1, Some(world.requests[0].0), "it ends what that started, too");
    assert_eq!(world.state("minio"), StateLabel::Healthy);
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
    for words in [
        "restarted but still failing: timeout; x (pid 7) is still there; the next rung follows at \
         once",
        "verifying → healing: restarting by restart_cmd, after ending what is left of it, still \
         attempt 1 of 3: timeout",
        "healed in",
    ] {
        assert!(world.told(words), "{words}: {:#?}", world.story);
    }
}

#[test]
fn both_rungs_are_one_attempt_against_every_ceiling() {
    let mut minio = service("minio");
    minio.recovery.max_restarts = 1;
    minio.recovery.max_attempts = 1;
    let mut world = World::settled(vec![minio]);
    world.watchlist.host_max_restarts = 1;
    world.event(Event::Configured(world.watchlist.clone()));
    world.effects.insert("minio".into(), Effect::LeavesOld(3600));
    hang(&mut world, "minio");
    world.run(SECOND * 70);
    assert_eq!(world.acts_on("minio"), [&COMMAND, &KILL]);
    let view = &world.views[&ServiceName::from("minio")];
    assert_eq!((view.restarts_in_window, view.failed_attempts), (1, 0));
    assert!(world.told("healed in"), "{:#?}", world.story);

    // Three of them do not use up a host's ceiling of three.
    let names = ["a", "b", "c"];
    let services = names.map(|name| in_container(name, &format!("c-{name}")));
    let mut world = World::new(services.to_vec());
    world.watchlist.host_max_restarts = 3;
    world.event(Event::Configured(world.watchlist.clone()));
    for name in names {
        world.well.insert(name.into(), true);
        up(&mut world, &format!("c-{name}"), 1);
    }
    world.run(SECOND * 120);
    for name in names {
        world.effects.insert(name.into(), Effect::LeavesOld(3600));
        hang(&mut world, name);
        // So far apart that none may be another's root.
        world.run(SECOND * 190);
    }
    for name in names {
        assert_eq!(world.acts_on(name), [&COMMAND, &KILL], "{:#?}", world.story);
        assert_eq!(world.state(name), StateLabel::Healthy);
    }
}

#[test]
fn what_is_young_or_answers_is_given_its_time_to_come_up() {
    // No older than the start timeout.
    let mut young = hanging(60);
    young.run(SECOND * 90);
    assert_eq!(young.acts_on("minio"), [&COMMAND]);

    let mut answers = hanging(3600);
    answers.faults.insert("minio".into(), FaultKind::Status);
    answers.run(SECOND * 90);
    assert_eq!(answers.acts_on("minio"), [&COMMAND]);

    // An answer that began is one.
    let mut stalls = hanging(3600);
    stalls.faults.insert("minio".into(), FaultKind::Stalled);
    stalls.run(SECOND * 90);
    assert_eq!(stalls.acts_on("minio"), [&COMMAND]);
}

#[test]
fn a_command_that_failed_beside_the_old_process_is_followed_as_well_and_told() {
    let mut world = hanging(3600);
    world.effects.insert("minio".into(), Effect::FailsBesideOld(3600));
    world.run(SECOND * 90);
    assert_eq!(world.acts_on("minio"), [&COMMAND, &KILL]);
    let words = "restart failed: restart_cmd exited 1: address in use; the next rung follows";
    assert!(world.told(words), "{:#?}", world.story);
}

#[test]
fn one_rung_follows_at_once_and_the_next_attempt_waits() {
    let mut minio = service("minio");
    minio.recovery.ladder = vec![Rung::Command, Rung::KillAndCommand, Rung::Container];
    let mut world = World::settled(vec![minio]);
    world.effects.insert("minio".into(), Effect::AlwaysLeavesOld(3600));
    hang(&mut world, "minio");
    world.run(SECOND * 170);
    assert_eq!(
        world.acts_on("minio"),
        [&COMMAND, &KILL, &Act::Restart(Rung::Container)],
        "{:#?}",
        world.story
    );
    let times = times(&world);
    assert!(times[2] - times[1] > 70.0, "verified for a minute, then ten seconds: {times:?}");
    assert_eq!(world.followed, [false, true, false]);
    let view = &world.views[&ServiceName::from("minio")];
    assert_eq!((view.restarts_in_window, view.failed_attempts), (2, 1));
}

#[test]
fn a_gate_between_the_rungs_holds_the_second() {
    let mut world = hanging(3600);
    while world.acts.is_empty() {
        world.run(SECOND);
    }
    world.event(Event::Operator(OperatorRequest::Pause("minio".into())));
    world.run(SECOND * 30);
    assert_eq!(world.acts_on("minio"), [&COMMAND]);
    let words = "the next rung is not attempted now: paused by an operator";
    assert!(world.told(words), "{:#?}", world.story);
}

#[test]
fn a_second_rung_that_is_refused_leaves_the_first_to_be_proven() {
    let mut world = hanging(3600);
    while world.acts.is_empty() {
        world.run(SECOND);
    }
    world.run(Duration::from_millis(500));
    world.effects.insert("minio".into(), Effect::Refused("nothing of what hung is left"));
    world.run(SECOND * 10);
    assert_eq!(world.acts_on("minio"), [&COMMAND, &KILL]);
    assert_eq!(world.state("minio"), StateLabel::Verifying);
    let view = &world.views[&ServiceName::from("minio")];
    assert_eq!(view.restarts_in_window, 1, "the command was run");
    world.well.insert("minio".into(), true);
    world.run(SECOND * 10);
    assert!(world.told("healed in"), "{:#?}", world.story);
}

#[test]
fn a_restart_of_vai_between_the_rungs_repeats_nothing() {
    let mut world = hanging(3600);
    while world.acts.len() < 2 {
        world.run(Duration::from_millis(100));
    }
    world.event(Event::Stopping);
    world.restart();
    world.run(SECOND * 30);
    assert_eq!(world.acts_on("minio"), [&COMMAND, &KILL]);
    let view = &world.views[&ServiceName::from("minio")];
    assert_eq!(view.restarts_in_window, 1);
}
