//! Services that something else restarts.

use super::*;

fn supervised(seconds: u64) -> Service {
    let mut redis = service("redis");
    redis.recovery.ladder = vec![Rung::Command];
    redis.checks = vec![process_check(), tcp_check()];
    redis.supervised =
        Some(Supervised { by: "supervisord".into(), patience: SECOND * seconds as u32 });
    redis
}

/// What it runs as from now on.
fn comes_back(world: &mut World, pid: i32) {
    world.pids.insert("redis".into(), pid);
    world.well.insert("redis".into(), true);
}

#[test]
fn a_failure_is_left_to_the_supervisor_for_its_time_and_then_acted_on() {
    let mut world = World::settled(vec![supervised(20)]);
    let died = world.second();
    world.hint_death("redis");
    world.run(SECOND * 10);
    assert_eq!(world.state("redis"), StateLabel::Held);
    assert_eq!(world.restarts(), 0);
    let view = &world.views[&ServiceName::from("redis")];
    assert_eq!(
        view.reason,
        "check process: no process matches; supervisord restarts it, and has another 20 s for that"
    );
    assert!(
        world.told("not attempted: supervisord restarts it, and has another 20 s"),
        "{:#?}",
        world.story
    );
    world.run(SECOND * 15);
    assert_eq!(world.acts_on("redis"), [&Act::Restart(Rung::Command)]);
    let waited = world.acts[0].0 - died;
    assert!((20.0..21.0).contains(&waited), "{waited}");
    assert_eq!(world.notices.len(), 0);
}

#[test]
fn what_the_supervisor_brings_back_is_no_act_and_no_message() {
    let mut world = World::settled(vec![supervised(20)]);
    world.hint_death("redis");
    world.run(SECOND * 3);
    comes_back(&mut world, 8);
    world.run(SECOND * 120);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert!(world.acts.is_empty() && world.notices.is_empty(), "{:?}", world.acts);
}

#[test]
fn a_start_waits_as_well_and_one_that_an_operator_wants_does_not() {
    let mut world = World::new(vec![supervised(30)]);
    world.kill("redis");
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 34);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    assert_eq!(world.state("redis"), StateLabel::Held);
    world.run(SECOND * 10);
    assert_eq!(world.acts_on("redis"), [&Act::Start]);

    let mut world = World::new(vec![supervised(30)]);
    world.kill("redis");
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 10);
    world.event(Event::Operator(OperatorRequest::Start("redis".into())));
    world.run(SECOND);
    assert_eq!(world.acts_on("redis"), [&Act::Start]);
}

#[test]
fn a_container_that_died_took_its_supervisor_along() {
    let mut world = World::settled(vec![supervised(300)]);
    world.kill("redis");
    world.container(ContainerChange::Died);
    let exited = ContainerStatus::Exited { code: 1, oom: false };
    world.container(ContainerChange::Seen(view(1, exited)));
    world.run(SECOND * 10);
    assert_eq!(world.acts_on("redis"), [&Act::Restart(Rung::Command)]);
}

#[test]
fn three_deaths_in_ten_minutes_are_told_though_each_was_brief() {
    let mut world = World::settled(vec![supervised(20)]);
    for pid in 8..11 {
        assert!(world.notices.is_empty(), "{:#?}", world.notices);
        world.hint_death("redis");
        world.run(SECOND);
        comes_back(&mut world, pid);
        world.run(SECOND * 119);
    }
    assert!(world.acts.is_empty());
    assert_eq!(world.notices.len(), 1, "{:#?}", world.notices);
    let incident = &world.notices[0].incident;
    assert_eq!(
        (incident.severity, incident.state, incident.root.as_str()),
        (Severity::Warning, StateLabel::Healthy, "redis")
    );
    assert!(incident.reason.contains("ended 3 times"), "{}", incident.reason);
    assert!(incident.reason.contains("supervisord"), "{}", incident.reason);

    // A restart of vai neither forgets nor tells it again.
    world.event(Event::Stopping);
    world.restart();
    world.run(SECOND * 400);
    assert_eq!(world.notices.len(), 1, "{:#?}", world.notices);
    world.run(SECOND * 200);
    assert_eq!(world.notices.last().unwrap().kind, NoticeKind::Resolved);
}

#[test]
fn a_death_between_two_looks_counts_by_the_process_that_is_another() {
    let mut world = World::settled(vec![supervised(20)]);
    for pid in 8..11 {
        comes_back(&mut world, pid);
        world.run(SECOND * 61);
    }
    assert_eq!(world.notices.len(), 1, "{:#?}", world.notices);
    assert!(world.story.is_empty(), "nothing was ever seen failing: {:#?}", world.story);
}

#[test]
fn restarts_of_vai_or_of_the_container_are_no_deaths() {
    let mut world = World::settled(vec![supervised(1)]);
    for number in 8..12 {
        comes_back(&mut world, number);
        let started = u32::try_from(number).unwrap();
        world.container(ContainerChange::Seen(view(started, ContainerStatus::Running)));
        world.run(SECOND * 70);
    }
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
}
