//! Roots and what hangs on them.

use super::*;

#[test]
fn the_root_is_restarted_and_what_hangs_on_it_is_left_alone() {
    let mut world = World::settled(chain());
    world.kill("a");
    world.kill("b");
    while world.acts.is_empty() {
        world.run(SECOND);
    }
    world.well.insert("b".into(), true);
    world.run(SECOND * 120);
    assert!(world.acts_on("b").is_empty(), "{:?} {:#?}", world.acts, world.story);
    assert_eq!(world.acts_on("a").len(), 1);
    assert_eq!(world.state("b"), StateLabel::Healthy);
}

#[test]
fn a_dependent_that_still_fails_afterwards_is_restarted() {
    let mut world = World::settled(chain());
    world.kill("a");
    world.kill("b");
    world.run(SECOND * 300);
    assert_eq!(world.acts_on("a").len(), 1, "{:?}", world.acts);
    assert_eq!(world.acts_on("b").len(), 1, "{:?}", world.acts);
    assert_eq!(world.acts[0].1, "a");
    assert_eq!(world.state("b"), StateLabel::Healthy);
}

#[test]
fn a_dead_root_is_one_incident_for_all_that_hangs_on_it() {
    let mut world = World::settled(chain());
    world.effects.insert("a".into(), Effect::Nothing);
    world.kill("a");
    world.kill("b");
    world.run(SECOND * 600);
    assert!(world.acts_on("b").is_empty());
    assert_eq!(world.state("b"), StateLabel::Blocked);
    let roots: Vec<&str> = world.notices.iter().map(|n| n.incident.root.as_str()).collect();
    assert!(roots.iter().all(|root| *root == "a"), "{roots:?}");
    let [b] = &world.notices.last().unwrap().incident.affected[..] else { panic!("b alone") };
    assert_eq!((b.name.as_str(), b.state), ("b", StateLabel::Down));
    assert_eq!(b.reason, "connection refused");
    assert_eq!(b.because, Some("a".into()));
}

#[test]
fn an_alert_check_that_cannot_look_blocks_nobody() {
    let mut services = chain();
    services[0].checks.push(alert_check());
    let mut world = World::settled(services);
    world.blind_checks.push("agent".into());
    world.run(SECOND * 400);
    assert_eq!(world.state("a"), StateLabel::Degraded);
    world.hint_death("b");
    world.run(SECOND * 60);
    assert_eq!(world.acts_on("b").len(), 1, "{:#?}", world.story);
}

#[test]
fn a_dependency_that_cannot_be_seen_opens_no_gate() {
    let mut world = World::settled(chain());
    world.blind_services.push("a".into());
    world.hint_death("b");
    world.run(SECOND * 30);
    assert!(world.acts_on("b").is_empty(), "{:#?}", world.story);
    world.blind_services.clear();
    world.run(SECOND * 120);
    assert_eq!(world.acts_on("b").len(), 1);
}

#[test]
fn what_is_not_supposed_to_run_holds_nobody() {
    let stopped = |world: &mut World| {
        world.event(Event::Operator(OperatorRequest::Stop("a".into())));
        world.run(SECOND * 10);
        assert_eq!(world.state("a"), StateLabel::StoppedByHand);
    };
    let marked = |world: &mut World| {
        world.effects.insert("a".into(), Effect::Marker);
        world.hint_death("a");
        world.run(SECOND * 10);
        assert_eq!(world.state("a"), StateLabel::StoppedByHand);
    };
    let disabled = |world: &mut World| {
        let mut services = chain();
        services[0].enabled = false;
        world.event(Event::Configured(watchlist(services)));
    };
    for how in [&stopped as &dyn Fn(&mut World), &marked, &disabled] {
        let mut world = World::settled(chain());
        how(&mut world);
        world.hint_death("b");
        world.run(SECOND * 30);
        assert_eq!(world.acts_on("b").len(), 1, "{:#?}", world.story);
    }
}

#[test]
fn a_first_miss_makes_all_that_it_may_come_from_worth_a_look() {
    let mut services = chain();
    services[0] = daily("a");
    let mut c = service("c");
    c.dependencies = vec!["b".into()];
    services.push(c);
    let mut world = World::settled(services);
    let (a, b) = (world.looks_at("a"), world.looks_at("b"));
    world.kill("c");
    while world.state("c") == StateLabel::Healthy {
        world.run(Duration::from_millis(100));
    }
    world.run(SECOND);
    assert!(world.looks_at("a") > a && world.looks_at("b") > b, "{:?}", world.looks);
}

#[test]
fn what_fails_long_after_its_dependency_belongs_to_it_all_the_same() {
    let mut b = in_container("b", "other");
    b.dependencies = vec!["a".into()];
    let mut world = World::settled(vec![service("a"), b]);
    up(&mut world, "other", 1);
    world.run(SECOND * 120);
    world.effects.insert("a".into(), Effect::Nothing);
    world.hint_death("a");
    world.run(SECOND * 400);
    world.kill("b");
    world.run(SECOND * 400);
    let roots: Vec<&str> = world.notices.iter().map(|it| it.incident.root.as_str()).collect();
    assert!(roots.iter().all(|root| *root == "a"), "{roots:?}");
    assert_eq!(world.incidents.len(), 1, "{:#?}", world.incidents);
}

#[test]
fn what_vai_gave_up_on_is_tried_again_at_once_when_its_dependency_is_back() {
    let mut world = World::settled(chain());
    world.effects.insert("b".into(), Effect::Nothing);
    world.hint_death("b");
    world.run(SECOND * 250);
    assert_eq!(world.state("b"), StateLabel::GaveUp);
    let before = world.acts_on("b").len();
    world.hint_death("a");
    world.run(SECOND * 40);
    assert_eq!(world.state("a"), StateLabel::Healthy);
    assert_eq!(world.acts_on("b").len(), before + 1, "{:#?}", world.story);
}

#[test]
fn a_dependency_that_is_back_degraded_is_back() {
    for hidden in [false, true] {
        let mut services = chain();
        services[0].checks[0].success_threshold = 6;
        services[0].checks.push(Check { interval: SECOND * 2, ..alert_check() });
        let mut world = World::settled(services);
        let but = if hidden { &mut world.blind_checks } else { &mut world.unwell_checks };
        but.push("agent".into());
        world.run(SECOND * 300);
        world.effects.insert("b".into(), Effect::Nothing);
        world.hint_death("b");
        world.run(SECOND * 250);
        assert_eq!(world.state("b"), StateLabel::GaveUp);
        let before = world.acts_on("b").len();
        world.hint_death("a");
        world.run(SECOND * 40);
        assert_eq!(world.state("a"), StateLabel::Degraded);
        assert_eq!(world.acts_on("b").len(), before + 1, "{:#?}", world.story);
    }
}

#[test]
fn a_dependency_that_somebody_mended_by_half_is_back() {
    let mut services = chain();
    services[0].checks.push(Check { interval: SECOND * 2, ..alert_check() });
    let mut world = World::settled(services);
    world.blind_checks.push("agent".into());
    world.run(SECOND * 300);
    for name in ["a", "b"] {
        world.effects.insert(name.into(), Effect::Nothing);
    }
    world.hint_death("b");
    world.run(SECOND * 250);
    assert_eq!(world.state("b"), StateLabel::GaveUp);
    let before = world.acts_on("b").len();
    world.hint_death("a");
    while world.state("a") != StateLabel::Down || world.acts_on("a").is_empty() {
        world.run(SECOND);
    }
    world.well.insert("a".into(), true);
    world.run(SECOND * 75);
    assert_eq!(world.state("a"), StateLabel::Degraded);
    assert_eq!(world.acts_on("b").len(), before + 1, "{:#?}", world.story);
}

#[test]
fn a_proof_goes_on_while_its_dependency_comes_back() {
    let mut b = in_container("b", "other");
    b.dependencies = vec!["a".into()];
    b.checks[0].success_threshold = 10;
    let mut world = World::settled(vec![service("a"), b]);
    up(&mut world, "other", 1);
    world.run(SECOND * 120);
    world.hint_death("b");
    world.run(SECOND);
    assert_eq!(world.state("b"), StateLabel::Verifying, "{:#?}", world.story);
    world.hint_death("a");
    let looks = world.looks_at("b");
    while world.state("b") != StateLabel::Healthy {
        world.run(Duration::from_millis(100));
    }
    assert_eq!(world.state("a"), StateLabel::Healthy);
    assert_eq!(world.looks_at("b") - looks, 10, "{:#?}", world.story);
}

#[test]
fn of_what_fails_at_once_the_cause_is_told_first() {
    let mut a = service("a");
    a.dependencies = vec!["z".into()];
    let mut world = World::settled(vec![a, service("z")]);
    world.container(ContainerChange::Died);
    let exited = ContainerStatus::Exited { code: 1, oom: false };
    world.container(ContainerChange::Seen(view(1, exited)));
    world.run(SECOND * 10);
    let place = |of: &str| world.story.iter().position(|line| line.starts_with(of));
    let (cause, effect) = (place("z: healthy → down"), place("a: healthy → "));
    assert!(cause.is_some() && cause < effect, "{:#?}", world.story);
}
