//! What may be the root of a failure that nothing proves.

use super::*;

#[test]
fn possible_root_a_hang_waits_for_a_death_of_the_same_time() {
    let mut names = vec![service("redis")];
    names.extend((0..12).map(|n| service(&format!("web-{n:02}"))));
    for (index, web) in names.iter_mut().enumerate().skip(1) {
        if index % 2 == 0 {
            web.dependencies = vec!["redis".into()];
        }
    }
    let mut world = World::settled(names);
    for n in 0..12 {
        let web = format!("web-{n:02}");
        world.needs.insert(web.clone(), "redis".into());
        world.faults.insert(web, FaultKind::Timeout);
    }
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 63);
    let only_redis = world.acts.iter().all(|(_, on, _)| on == "redis");
    assert!(only_redis, "{:?}", world.acts);
    assert!(world.told("not attempted: redis failed about the same time"), "{:#?}", world.story);
    assert!(world.told("not attempted: its dependency redis is"), "{:#?}", world.story);
    world.effects.insert("redis".into(), Effect::Heals);
    world.run(SECOND * 200);
    assert!(world.acts.iter().all(|(_, on, _)| on == "redis"), "{:?}", world.acts);
    for n in 0..12 {
        assert_eq!(world.state(&format!("web-{n:02}")), StateLabel::Healthy);
    }
    let opened: Vec<&Notice> =
        world.notices.iter().filter(|it| it.kind == NoticeKind::Opened).collect();
    assert_eq!(opened.len(), 1, "one root: {:#?}", world.notices);
    assert_eq!(opened[0].incident.root, "redis");
    assert_eq!(world.notices.len(), 2, "{:#?}", world.notices);
}

#[test]
fn possible_root_is_waited_for_no_longer_than_two_minutes() {
    let mut world = World::settled(vec![service("a"), service("b")]);
    world.effects.insert("a".into(), Effect::Nothing);
    world.hint_death("a");
    hang(&mut world, "b");
    world.run(SECOND * 70);
    assert!(matches!(world.gate("b"), Some(Gate::PossibleRoot(..))), "{:?}", world.gate("b"));
    world.run(SECOND * 130);
    assert_eq!(world.acts_on("b").len(), 1, "{:?}", world.acts);
}

#[test]
fn possible_root_is_waited_for_before_it_is_confirmed() {
    let mut root = service("root");
    root.checks[0].failure_threshold = 20;
    let mut child = service("child");
    child.dependencies = vec!["root".into()];
    let mut world = World::settled(vec![root, child, service("web")]);
    for name in ["root", "web"] {
        hang(&mut world, name);
        world.event(Event::Hint { service: name.into(), why: String::new(), died: None });
    }
    world.run(SECOND * 20);
    assert_eq!(world.state("root"), StateLabel::Suspect);
    assert!(matches!(world.gate("web"), Some(Gate::PossibleRoot(..))), "{:#?}", world.story);
}

#[test]
fn possible_root_is_none_that_failed_long_before() {
    let mut world = World::settled(vec![service("a"), service("b")]);
    world.effects.insert("a".into(), Effect::Nothing);
    world.faults.insert("b".into(), FaultKind::Timeout);
    world.hint_death("a");
    world.run(SECOND * 125);
    assert!(matches!(world.state("a"), StateLabel::Down | StateLabel::Verifying));
    let before = world.second();
    world.kill("b");
    while world.acts_on("b").is_empty() {
        world.run(SECOND);
    }
    assert!(world.second() - before <= 65.0, "{:#?}", world.story);
}

#[test]
fn possible_root_is_none_that_vai_gave_up_on() {
    let mut hopeless = service("a");
    hopeless.recovery.max_attempts = 1;
    hopeless.start_timeout = Some(SECOND * 6);
    let mut world = World::settled(vec![hopeless, service("b")]);
    world.effects.insert("a".into(), Effect::Nothing);
    world.hint_death("a");
    world.run(SECOND * 20);
    assert_eq!(world.state("a"), StateLabel::GaveUp);
    let before = world.second();
    hang(&mut world, "b");
    while world.acts_on("b").is_empty() {
        world.run(SECOND);
    }
    assert!(world.second() - before <= 65.0, "{:#?}", world.story);
}

#[test]
fn possible_root_is_none_that_an_operator_paused() {
    let mut world = World::settled(vec![service("a"), service("b")]);
    world.event(Event::Operator(OperatorRequest::Pause("a".into())));
    world.hint_death("a");
    world.run(SECOND);
    hang(&mut world, "b");
    world.run(SECOND * 65);
    assert_eq!(world.acts_on("b").len(), 1, "{:#?}", world.story);
}

#[test]
fn possible_root_is_what_died_after_it_had_hung() {
    let mut child = in_container("child", "other");
    child.dependencies = vec!["b".into()];
    let services = [service("a"), in_container("b", "other"), child];
    let mut world = World::settled(services.to_vec());
    up(&mut world, "other", 1);
    world.run(SECOND * 120);
    // Healed a moment ago, so that its next restart has to wait.
    world.hint_death("a");
    while world.acts.is_empty() || world.state("a") != StateLabel::Healthy {
        world.run(Duration::from_millis(100));
    }
    for name in ["a", "b"] {
        hang(&mut world, name);
        world.event(Event::Hint { service: name.into(), why: String::new(), died: None });
        world.run(SECOND * 4 + Duration::from_millis(100));
        if name == "a" {
            assert_eq!(world.state("a"), StateLabel::Down, "{:#?}", world.story);
            world.faults.remove("a");
            world.hint_death("a");
        }
    }
    let waits =
        matches!(world.gate("b"), Some(Gate::PossibleRoot(root, _)) if root.as_str() == "a");
    assert!(waits, "{:?} {:#?}", world.gate("b"), world.story);
}

#[test]
fn after_its_possible_root_is_healed_a_failure_is_confirmed_anew() {
    let mut world = World::settled(vec![service("redis"), service("web")]);
    world.faults.insert("web".into(), FaultKind::Timeout);
    world.kill("web");
    while world.state("web") != StateLabel::Suspect {
        world.run(SECOND);
    }
    world.hint_death("redis");
    while world.acts.is_empty() || world.state("redis") != StateLabel::Healthy {
        world.run(Duration::from_millis(100));
    }
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert!(world.acts_on("web").is_empty(), "{:?}", world.acts);
    let healed = world.second();
    world.run(SECOND * 30);
    let (restarted, _, _) = world.acts.iter().find(|(_, name, _)| name == "web").unwrap();
    assert!(restarted - healed >= 3.9, "two more looks: {healed} {:?}", world.acts);
}

#[test]
fn what_was_acted_on_before_need_not_be_confirmed_anew() {
    let services = ["redis", "web"].map(|name| in_container(name, name));
    let mut world = World::settled(services.to_vec());
    for name in ["redis", "web"] {
        up(&mut world, name, 1);
    }
    world.run(SECOND * 120);
    world.effects.insert("web".into(), Effect::Nothing);
    hang(&mut world, "web");
    world.event(Event::Hint { service: "web".into(), why: String::new(), died: None });
    while world.state("web") != StateLabel::Down || world.acts.is_empty() {
        world.run(Duration::from_millis(100));
    }
    world.run(SECOND * 6);
    world.hint_death("redis");
    while world.acts_on("redis").is_empty() || world.state("redis") != StateLabel::Healthy {
        world.run(Duration::from_millis(100));
    }
    world.run(SECOND);
    assert_eq!(world.acts_on("web").len(), 2, "{:#?}", world.story);
}
