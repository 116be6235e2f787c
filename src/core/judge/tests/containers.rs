//! Containers that end, come back, or are taken away.

use super::*;

#[test]
fn a_container_that_ends_by_itself_is_started_then_its_services_in_order() {
    let mut world = World::settled(chain());
    world.kill("a");
    world.kill("b");
    world.container(ContainerChange::Died);
    let exited = ContainerStatus::Exited { code: 137, oom: false };
    world.container(ContainerChange::Seen(view(1, exited)));
    world.run(Duration::from_millis(590));
    assert_eq!(world.acts_on("a"), [&Act::Restart(Rung::Command)], "the cause settled");
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.run(SECOND * 120);
    assert_eq!(world.acts_on("a").len(), 1, "{:#?}", world.story);
    assert_eq!(world.acts_on("b"), [&Act::Start], "{:#?}", world.story);
    assert_eq!(world.state("b"), StateLabel::Healthy);
}

#[test]
fn a_container_stopped_by_hand_is_left_alone_and_told_after_ten_minutes() {
    let mut world = World::settled(chain());
    world.kill("a");
    world.kill("b");
    world.container(ContainerChange::Died);
    world.container(ContainerChange::StopRequested);
    let exited = ContainerStatus::Exited { code: 0, oom: false };
    world.container(ContainerChange::Seen(view(1, exited)));
    world.run(SECOND * 590);
    assert!(world.acts.is_empty());
    assert!(world.notices.is_empty());
    assert_eq!(world.state("a"), StateLabel::StoppedByHand);
    world.run(SECOND * 60);
    assert_eq!(world.notices.len(), 1, "{:#?}", world.notices);
    assert_eq!(world.notices[0].incident.severity, Severity::Warning);
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.run(SECOND * 120);
    assert_eq!(world.restarts(), 0);
    assert_eq!(world.acts.len(), 2, "both were started in the new instance");
    assert_eq!(world.how_it_ended(), "running again");
}

#[test]
fn a_stop_whose_event_comes_seconds_after_the_death_is_still_by_hand() {
    let mut world = World::settled(vec![service("redis")]);
    world.container(ContainerChange::Signalled);
    world.kill("redis");
    world.run(SECOND * 3);
    world.container(ContainerChange::Died);
    let exited = ContainerStatus::Exited { code: 143, oom: false };
    world.container(ContainerChange::Seen(view(1, exited)));
    world.run(SECOND * 4);
    world.container(ContainerChange::StopRequested);
    world.run(SECOND * 300);
    assert!(world.acts.is_empty(), "{:#?}", world.story);
    assert_eq!(world.state("redis"), StateLabel::StoppedByHand);
}

#[test]
fn a_stop_right_after_a_command_of_vais_is_still_by_hand() {
    let mut world = World::settled(vec![service("redis")]);
    world.hint_death("redis");
    world.run(SECOND * 2);
    assert_eq!(world.restarts(), 1);
    world.container(ContainerChange::Signalled);
    world.container(ContainerChange::Died);
    world.container(ContainerChange::StopRequested);
    let exited = ContainerStatus::Exited { code: 143, oom: false };
    world.container(ContainerChange::Seen(view(1, exited)));
    world.run(SECOND * 300);
    assert_eq!(world.restarts(), 1, "{:#?}", world.story);
    assert_eq!(world.state("redis"), StateLabel::StoppedByHand);
}

#[test]
fn a_signal_that_ends_nothing_is_forgotten() {
    let mut world = World::settled(vec![service("redis")]);
    world.container(ContainerChange::Signalled);
    world.run(SECOND * 31);
    world.hint_death("redis");
    world.run(SECOND);
    assert_eq!(world.acts_on("redis").len(), 1);
}

#[test]
fn a_deploy_of_two_minutes_is_silent() {
    let mut world = World::settled(vec![service("redis")]);
    world.kill("redis");
    world.container(ContainerChange::Died);
    world.container(ContainerChange::StopRequested);
    world.container(ContainerChange::Seen(ContainerView::Missing));
    world.run(SECOND * 120);
    assert!(world.acts.is_empty());
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.run(SECOND * 60);
    assert_eq!(world.acts_on("redis"), [&Act::Start]);
    assert!(world.notices.is_empty());
}

#[test]
fn vai_never_acts_on_its_own_container() {
    let mut world = World::settled(vec![service("redis")]);
    let mut own = view(1, ContainerStatus::Running);
    if let ContainerView::Present(presence) = &mut own {
        presence.is_self = true;
    }
    world.container(ContainerChange::Seen(own));
    world.kill("redis");
    world.run(SECOND * 300);
    assert!(world.acts.is_empty());
    assert_eq!(world.state("redis"), StateLabel::Held);
    assert!(world.story.iter().any(|line| line.contains("its container is vai's own")));
}

#[test]
fn a_nightly_pause_is_silent_and_a_long_one_is_one_warning() {
    let mut world = World::settled(vec![service("redis"), service("web")]);
    let pause = |world: &mut World, minutes: u32| {
        world.container(ContainerChange::Seen(view(1, ContainerStatus::Paused)));
        world.run(SECOND * 60 * minutes);
        world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
        world.run(SECOND * 3600);
    };
    for _ in 0..7 {
        pause(&mut world, 5);
    }
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
    pause(&mut world, 20);
    let told: Vec<(NoticeKind, Severity)> =
        world.notices.iter().map(|it| (it.kind, it.incident.severity)).collect();
    let warning = Severity::Warning;
    assert_eq!(told, [(NoticeKind::Opened, warning), (NoticeKind::Resolved, warning)]);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    assert_eq!(world.state("web"), StateLabel::Healthy);
}

#[test]
fn who_brought_the_container_up_is_evidence() {
    let mut world = World::settled(vec![service("redis")]);
    world.container(ContainerChange::Signalled);
    world.container(ContainerChange::Died);
    world.container(ContainerChange::StopRequested);
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.run(SECOND * 180);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 120);
    let facts = &world.notices[0].incident.evidence.facts;
    assert!(facts.iter().any(|it| it.contains("last started by somebody else")), "{facts:?}");
}

#[test]
fn crash_loop_is_critical_and_left_to_the_engine() {
    let mut world = World::settled(vec![service("redis"), service("web")]);
    let policy = |number, status| {
        let ContainerView::Present(presence) = view(number, status) else { unreachable!() };
        ContainerView::Present(Presence { engine_restarts: true, ..presence })
    };
    for number in 2..=6 {
        world.container(ContainerChange::Died);
        world.run(Duration::from_millis(300));
        let up = policy(number, ContainerStatus::Running);
        world.container(ContainerChange::Seen(up));
        world.run(SECOND * 40);
    }
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    assert_eq!(world.state("redis"), StateLabel::Down);
    let opened: Vec<&Notice> =
        world.notices.iter().filter(|it| it.kind == NoticeKind::Opened).collect();
    assert_eq!(opened.len(), 1, "{:#?}", world.notices);
    assert_eq!(opened[0].incident.severity, Severity::Critical);
    assert!(opened[0].incident.reason.contains("exited by itself 3 times in 10 min"));
    assert!(opened[0].incident.next.contains("restart policy"), "{}", opened[0].incident.next);
    world.event(Event::Stopping);
    world.restart();
    world.run(SECOND * 60);
    assert_eq!(world.state("redis"), StateLabel::Down, "it is remembered");
    world.run(SECOND * 600);
    assert_eq!(world.state("redis"), StateLabel::Healthy, "{:#?}", world.story);
    assert_eq!(world.notices.len(), 2, "{:#?}", world.notices);
}

#[test]
fn a_container_restarted_by_somebody_is_no_crash_loop() {
    let mut world = World::settled(vec![service("redis")]);
    for number in 2..=6 {
        world.container(ContainerChange::Signalled);
        world.container(ContainerChange::Died);
        world.container(ContainerChange::StopRequested);
        world.container(ContainerChange::Seen(view(number, ContainerStatus::Running)));
        world.run(SECOND * 40);
    }
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
}

#[test]
fn what_the_engine_says_of_its_health_is_worth_a_look_when_it_changes() {
    let mut world = World::settled(vec![service("redis")]);
    let say = |world: &mut World, health| {
        let ContainerView::Present(presence) = view(1, ContainerStatus::Running) else {
            unreachable!("it is present")
        };
        let view = ContainerView::Present(Presence { health, ..presence });
        let before = world.looks_at("redis");
        world.container(ContainerChange::Seen(view));
        world.looks_at("redis") - before
    };
    assert_eq!(say(&mut world, None), 0);
    assert_eq!(say(&mut world, Some(Health::Healthy)), 1);
    world.run(SECOND);
    assert_eq!(say(&mut world, Some(Health::Healthy)), 0);
    assert_eq!(say(&mut world, Some(Health::Unhealthy("no".into()))), 1);
}

#[test]
fn nothing_that_was_alive_in_another_instance_is_to_be_ended() {
    let mut world = World::settled(vec![service("redis")]);
    let processes = |world: &World| world.core.services[&ServiceName::from("redis")].processes();
    assert_eq!(processes(&world).len(), 1);
    world.kill("redis");
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    assert_eq!(processes(&world), []);
}

fn exits(world: &mut World, number: u32) {
    let exited = ContainerStatus::Exited { code: 1, oom: false };
    world.container(ContainerChange::Died);
    world.container(ContainerChange::Seen(view(number, exited)));
}

#[test]
fn what_was_seen_in_one_instance_says_nothing_about_the_next() {
    let mut hasty = service("redis");
    hasty.checks[0].failure_threshold = 1;
    let mut world = World::settled(vec![hasty]);
    world.kill("redis");
    world.event(Event::Hint { service: "redis".into(), why: String::new(), died: None });
    assert_eq!(world.queue.len(), 1, "it is being looked at");
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.well.insert("redis".into(), true);
    world.run(SECOND * 60);
    assert!(world.acts.is_empty(), "{:#?}", world.story);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
}

#[test]
fn a_container_that_ends_again_while_its_restart_is_proven_is_an_attempt_that_failed() {
    let mut world = World::settled(vec![service("redis")]);
    world.hint_death("redis");
    world.run(SECOND);
    assert_eq!(world.state("redis"), StateLabel::Verifying);
    world.kill("redis");
    exits(&mut world, 1);
    world.run(SECOND * 2);
    let why = "restarted, and container services-container exited by itself with code 1";
    assert!(world.told(why), "{:#?}", world.story);
    assert_eq!(world.views[&ServiceName::from("redis")].failed_attempts, 1);
}

#[test]
fn a_container_that_ends_again_as_it_comes_up_is_started_again() {
    let mut world = World::settled(vec![service("redis")]);
    world.event(Event::StoreFailed("disk full".into()));
    world.kill("redis");
    exits(&mut world, 1);
    world.run(SECOND * 10);
    assert_eq!(world.state("redis"), StateLabel::Held);
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.run(SECOND);
    exits(&mut world, 2);
    world.run(SECOND * 10);
    assert_eq!(world.state("redis"), StateLabel::Held, "{:#?}", world.story);
    world.event(Event::StoreBack);
    world.run(SECOND);
    assert_eq!(world.acts_on("redis"), [&Act::Restart(Rung::Command)]);
}

/// An outage of a container that somebody else brought back, in which `redis`
/// is well except as `but` says.
fn brought_back(redis: Service, but: impl Fn(&mut World)) -> World {
    let mut world = World::settled(vec![redis]);
    world.event(Event::StoreFailed("disk full".into()));
    world.kill("redis");
    exits(&mut world, 1);
    world.run(SECOND * 100);
    world.well.insert("redis".into(), true);
    but(&mut world);
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.event(Event::StoreBack);
    world
}

#[test]
fn what_came_back_with_its_container_has_to_prove_it() {
    let mut redis = service("redis");
    redis.checks[0].success_threshold = 4;
    let mut world = brought_back(redis, |_| {});
    let looks = world.looks_at("redis");
    while world.state("redis") != StateLabel::Healthy {
        world.run(Duration::from_millis(100));
    }
    assert_eq!(world.looks_at("redis") - looks, 4);
    let ended = world.notices.iter().find(|it| it.incident.root == "container services");
    assert!(ended.is_some(), "{:#?}", world.notices);
    assert!(world.told("starting → healthy: came back"), "{:#?}", world.story);
}

#[test]
fn what_came_back_degraded_or_half_hidden_has_to_prove_it_as_well() {
    let mut redis = service("redis");
    redis.checks[0].success_threshold = 8;
    redis.checks.push(Check { interval: SECOND * 2, ..alert_check() });
    let degraded = |world: &mut World| {
        world.unwell_checks.push("agent".into());
    };
    let hidden = |world: &mut World| world.blind_checks.push("agent".into());
    for but in [&degraded as &dyn Fn(&mut World), &hidden] {
        let mut world = brought_back(redis.clone(), but);
        let looks =
            |world: &World| world.looks.iter().filter(|(_, ticket)| ticket.check == 0).count();
        let before = looks(&world);
        while world.state("redis") != StateLabel::Degraded {
            world.run(Duration::from_millis(100));
            assert!(looks(&world) - before < 20, "{:#?}", world.story);
        }
        assert!(looks(&world) - before >= 8, "{:#?}", world.story);
    }
}

#[test]
fn what_came_back_hidden_has_to_prove_it_once_it_is_seen() {
    let mut redis = service("redis");
    redis.checks[0].success_threshold = 4;
    let mut world = brought_back(redis, |world| world.unknown = true);
    world.run(SECOND * 300);
    world.unknown = false;
    let looks = world.looks_at("redis");
    while world.state("redis") != StateLabel::Healthy {
        world.run(Duration::from_millis(100));
    }
    assert_eq!(world.looks_at("redis") - looks, 4, "{:#?}", world.story);
}

#[test]
fn an_outage_lasts_from_the_end_of_its_container_whatever_fails_after_it() {
    let mut web = service("redis");
    web.restart_cmd = None;
    web.recovery.ladder = vec![Rung::Container];
    let ended = World::settled(vec![web.clone()]).now.wall;
    let mut world = brought_back(web, |world| world.kill("redis"));
    world.event(Event::StoreFailed("disk full".into()));
    world.run(SECOND * 70);
    let outage = world.core.services[&ServiceName::from("redis")].kept.outage.as_ref().unwrap();
    assert_eq!(outage.reason, "connection refused");
    assert!(outage.since.wall.as_millis() - ended.as_millis() < 1000, "{outage:#?}");
}
