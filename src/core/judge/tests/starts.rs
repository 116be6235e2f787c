//! The one start per service and instance.

use super::*;

#[test]
fn everything_down_in_a_new_container_is_started_once_in_order() {
    let mut world = World::new(chain());
    world.kill("a");
    world.kill("b");
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 120);
    let order: Vec<&str> = world.acts.iter().map(|(_, name, _)| name.as_str()).collect();
    assert_eq!(order, ["a", "b"]);
    assert!(world.acts.iter().all(|(_, _, act)| *act == Act::Start));
    assert_eq!(world.state("b"), StateLabel::Healthy);
    assert!(world.notices.is_empty(), "a start is no incident");
    assert!(world.acts[0].0 >= 5.0, "not before startup_delay");
    for step in ["not running yet:", "starting it by restart_cmd", "waiting for its check"] {
        assert!(world.told(step), "{step}: {:#?}", world.story);
    }
}

#[test]
fn a_start_that_does_not_help_becomes_an_incident_and_is_not_repeated_as_a_start() {
    let mut world = World::new(vec![service("a")]);
    world.kill("a");
    world.effects.insert("a".into(), Effect::Nothing);
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 900);
    let starts = world.acts.iter().filter(|(_, _, act)| *act == Act::Start).count();
    assert_eq!(starts, 1);
    assert_eq!(world.restarts(), 4, "three attempts and one slow retry: {:?}", world.acts);
    assert_eq!(world.notices[0].kind, NoticeKind::Opened);
    let history = &world.notices[0].incident.history;
    assert_eq!(history[0], "ran restart_cmd: exit 0");
    assert!(history[1].contains("started but still failing"), "{history:#?}");
}

#[test]
fn a_recreated_container_is_followed_and_its_services_started_once() {
    let mut world = World::settled(vec![service("redis")]);
    world.kill("redis");
    world.container(ContainerChange::Died);
    world.container(ContainerChange::StopRequested);
    world.container(ContainerChange::Seen(ContainerView::Missing));
    world.run(SECOND * 2);
    let mut recreated = view(2, ContainerStatus::Running);
    if let ContainerView::Present(presence) = &mut recreated {
        presence.instance.id = "cafe".into();
    }
    world.container(ContainerChange::Seen(recreated));
    world.run(SECOND * 60);
    assert_eq!(world.acts_on("redis"), [&Act::Start]);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert!(world.notices.is_empty());
}

#[test]
fn a_blocked_start_is_looked_at_again_when_its_dependency_is_well() {
    let mut world = World::new(chain());
    world.kill("a");
    world.kill("b");
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    while world.acts.is_empty() {
        world.run(SECOND);
    }
    world.well.insert("b".into(), true);
    world.run(SECOND * 120);
    assert!(world.acts_on("b").is_empty(), "it came up with a: {:?}", world.acts);
    assert_eq!(world.state("b"), StateLabel::Healthy);
}

#[test]
fn a_start_that_nobody_can_look_at_is_told() {
    let mut world = World::new(vec![service("redis")]);
    world.kill("redis");
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    while world.acts.is_empty() {
        world.run(SECOND);
    }
    world.unknown = true;
    world.run(SECOND * 600);
    assert_eq!(world.state("redis"), StateLabel::Unknown);
    assert_eq!(world.notices.len(), 1);
}

#[test]
fn a_service_first_seen_after_a_blind_time_is_started_not_restarted() {
    let mut world = World::new(vec![service("redis")]);
    world.kill("redis");
    world.unknown = true;
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 600);
    world.unknown = false;
    world.run(SECOND * 120);
    assert_eq!(world.acts_on("redis"), [&Act::Start]);
}

#[test]
fn what_may_take_five_minutes_to_start_is_started_once() {
    let mut slow = service("slow");
    slow.start_timeout = Some(SECOND * 300);
    let mut world = World::new(vec![slow]);
    world.well.insert("slow".into(), false);
    world.effects.insert("slow".into(), Effect::Nothing);
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 240);
    world.well.insert("slow".into(), true);
    world.run(SECOND * 600);
    assert_eq!(world.acts_on("slow"), [&Act::Start], "{:#?}", world.story);
    assert_eq!(world.state("slow"), StateLabel::Healthy);
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
}

#[test]
fn two_hundred_services_half_of_them_down_are_started_once_and_in_order() {
    let name = |n: usize| format!("s{n:03}");
    let services = (0..200).map(|n| Service {
        place: Place::Container(format!("c{}", n % 3).as_str().into()),
        // Chains of ten, down a container and across.
        dependencies: if n % 10 == 0 { vec![] } else { vec![name(n - 1).as_str().into()] },
        ..service(&name(n))
    });
    let mut world = World::new(services.collect());
    for n in 0..200 {
        world.well.insert(name(n), n % 10 >= 5);
    }
    for key in ["c0", "c1", "c2"] {
        let ContainerView::Present(presence) = view(1, ContainerStatus::Running) else {
            unreachable!("it is present")
        };
        let instance = Instance { id: format!("id-of-{key}"), ..presence.instance };
        let view = ContainerView::Present(Presence { instance, name: key.into(), ..presence });
        let change = ContainerChange::Seen(view);
        world.event(Event::Container { key: key.into(), change });
    }
    world.run(SECOND * 900);
    let mut started: Vec<&str> = world.acts.iter().map(|(_, name, _)| name.as_str()).collect();
    assert!(world.acts.iter().all(|(_, _, act)| *act == Act::Start), "{:?}", world.acts);
    for chain in 0..20 {
        let of_chain: Vec<&&str> = started
            .iter()
            .filter(|name| name[1..].parse::<usize>().unwrap() / 10 == chain)
            .collect();
        assert!(of_chain.is_sorted(), "{of_chain:?}");
    }
    started.sort_unstable();
    let down: Vec<String> = (0..200).filter(|n| n % 10 < 5).map(name).collect();
    assert_eq!(started, down, "each of them once");
    assert!((0..200).all(|n| world.state(&name(n)) == StateLabel::Healthy));
}

#[test]
fn a_start_that_a_marker_forbids_is_asked_again_every_ten_seconds() {
    let mut world = World::new(vec![service("redis")]);
    world.kill("redis");
    world.effects.insert("redis".into(), Effect::Marker);
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 300);
    assert!((25..=31).contains(&world.acts.len()), "{}", world.acts.len());
    assert_eq!(world.state("redis"), StateLabel::StoppedByHand);
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
}

#[test]
fn what_has_no_start_of_its_own_is_given_time_to_come_up() {
    let mut web = service("web");
    web.restart_cmd = None;
    web.recovery.ladder = vec![Rung::Container];
    let mut world = World::new(vec![web]);
    world.kill("web");
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 58);
    assert_eq!(world.state("web"), StateLabel::Starting, "{:#?}", world.story);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    world.run(SECOND * 10);
    assert_eq!(world.acts_on("web"), [&Act::Restart(Rung::Container)]);
}

#[test]
fn what_cannot_be_looked_at_from_its_start_on_is_told() {
    let mut world = World::new(vec![service("redis")]);
    world.unknown = true;
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 600);
    assert_eq!(world.state("redis"), StateLabel::Unknown);
    assert_eq!(world.notices.len(), 1, "{:#?}", world.notices);
}

#[test]
fn what_comes_up_slowly_and_does_not_quite_work_is_degraded() {
    let mut redis = service("redis");
    redis.restart_cmd = None;
    redis.recovery.ladder = vec![Rung::Container];
    redis.checks.push(Check { interval: SECOND * 2, ..alert_check() });
    for hidden in [false, true] {
        let mut world = World::new(vec![redis.clone()]);
        let but = if hidden { &mut world.blind_checks } else { &mut world.unwell_checks };
        but.push("agent".into());
        world.kill("redis");
        world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
        world.run(SECOND * 30);
        world.well.insert("redis".into(), true);
        world.run(SECOND * 60);
        assert_eq!(world.state("redis"), StateLabel::Degraded, "{:#?}", world.story);
        assert!(world.acts.is_empty(), "{:?}", world.acts);
    }
}

#[test]
fn a_start_that_is_refused_gives_back_none_that_was_spent_before() {
    let mut world = World::new(vec![service("a")]);
    world.kill("a");
    world.effects.insert("a".into(), Effect::Nothing);
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 20);
    assert_eq!(world.acts_on("a"), [&Act::Start], "its one start");
    world.effects.insert("a".into(), Effect::Refused("the container is changing"));
    world.event(Event::Operator(OperatorRequest::Start("a".into())));
    world.run(SECOND);
    assert_eq!(world.acts_on("a").len(), 2, "{:?}", world.acts);
    world.effects.insert("a".into(), Effect::Nothing);
    world.acts.clear();
    world.unknown = true;
    world.run(SECOND * 600);
    world.unknown = false;
    world.run(SECOND * 120);
    assert!(world.restarts() > 0, "{:#?}", world.story);
    assert!(world.acts.iter().all(|(_, _, act)| *act != Act::Start), "{:?}", world.acts);
}
