//! What may still be coming up is not told as down or degraded.

use super::*;

/// Nothing may be done for it but to tell.
fn told_only(name: &str) -> Service {
    let mut service = service(name);
    service.recovery.ladder.clear();
    service.recovery.alert_only = Some("recovery.action is \"alert\"".into());
    service.start_timeout = Some(SECOND * 30);
    service
}

/// How long after it came up `name` was first seen in `state`.
fn reaches(world: &mut World, name: &str, state: StateLabel) -> f64 {
    let began = world.second();
    while world.state(name) != state {
        world.run(Duration::from_millis(500));
        assert!(world.second() - began < 600.0, "never: {:#?}", world.story);
    }
    world.second() - began
}

#[test]
fn what_is_only_told_about_has_its_start_timeout_to_come_up() {
    let local = Service { place: Place::Local, ..told_only("web") };
    for service in [told_only("web"), local] {
        let mut world = World::new(Vec::new());
        world.kill("web");
        world.event(Event::Configured(watchlist(vec![service])));
        world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
        let waited = reaches(&mut world, "web", StateLabel::Down);
        assert!((29.0..40.0).contains(&waited), "{waited}: {:#?}", world.story);
    }
}

#[test]
fn what_cannot_be_seen_at_first_may_still_come_up() {
    let mut web = told_only("web");
    web.checks[0].interval = SECOND * 5;
    web.start_timeout = Some(SECOND * 60);
    let mut world = World::new(vec![web]);
    world.unknown = true;
    world.kill("web");
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 30);
    assert!(world.told("→ unknown: the agent is lost"), "{:#?}", world.story);
    world.unknown = false;
    let waited = reaches(&mut world, "web", StateLabel::Down);
    assert!((29.0..40.0).contains(&waited), "{waited}: {:#?}", world.story);
}

#[test]
fn a_check_that_only_alerts_may_fail_while_its_service_comes_up() {
    for checks in [vec![tcp_check(), alert_check()], vec![alert_check()]] {
        let start_timeout = Some(SECOND * 30);
        let mut world = World::new(vec![Service { checks, start_timeout, ..service("web") }]);
        world.unwell_checks.push("agent".into());
        world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
        let waited = reaches(&mut world, "web", StateLabel::Degraded);
        assert!((29.0..40.0).contains(&waited), "{waited}: {:#?}", world.story);
        up(&mut world, "services", 2);
        world.unwell_checks.clear();
        world.run(SECOND * 20);
        let passed = world.second();
        world.unwell_checks.push("agent".into());
        let hint = Event::Hint { service: "web".into(), why: String::new(), died: None };
        world.event(hint);
        reaches(&mut world, "web", StateLabel::Degraded);
        assert!(world.second() - passed < 8.0, "it was up already: {:#?}", world.story);
    }
}
