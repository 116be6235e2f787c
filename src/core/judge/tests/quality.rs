//! Flapping, error rates and unstable services.

use super::*;

/// Up and down, an interval each.
fn flap(world: &mut World, times: u32) {
    for n in 0..times {
        let well = n % 2 == 1;
        world.well.insert("web".into(), well);
        world.run(SECOND * 60);
    }
}

fn flapping_web() -> World {
    let mut web = service("web");
    // Alone, none of its failures is confirmed in time.
    web.checks[0].fail_for = SECOND * 61;
    let mut world = World::settled(vec![web]);
    world.faults.insert("web".into(), FaultKind::Timeout);
    flap(&mut world, 12);
    world
}

#[test]
fn flapping_is_one_message_until_it_has_been_calm() {
    let mut world = flapping_web();
    flap(&mut world, 20);
    assert_eq!(world.notices.len(), 1, "{:#?}", world.notices);
    assert_eq!(world.notices[0].incident.severity, Severity::Warning);
    let reasons: Vec<&str> = world.incidents.values().map(|it| it.reason.as_str()).collect();
    assert!(reasons[0].starts_with("check tcp is flapping: it changed"), "{reasons:?}");
    world.well.insert("web".into(), true);
    world.run(SECOND * 60 * 25);
    assert!(!world.core.services[&ServiceName::from("web")].is_flapping());
    world.run(SECOND * 60 * 80);
    assert_eq!(world.state("web"), StateLabel::Healthy);
    assert_eq!(world.notices.len(), 2, "{:#?}", world.notices);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
}

#[test]
fn flapping_holds_what_is_not_proven_and_only_that() {
    let mut world = flapping_web();
    world.kill("web");
    world.run(SECOND * 200);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    assert!(world.told("not attempted: it flaps"), "{:#?}", world.story);
    assert_eq!(world.state("web"), StateLabel::Held);
    assert_eq!(world.notices.len(), 1, "no message for a swing: {:#?}", world.notices);
    let outage = |world: &World| {
        world.core.services[&ServiceName::from("web")].kept.outage.as_ref().unwrap().since
    };
    let since = outage(&world);
    world.well.insert("web".into(), true);
    world.run(SECOND * 120);
    assert_eq!(outage(&world), since, "a swing ends nothing");
    world.faults.remove("web");
    world.hint_death("web");
    world.run(SECOND * 300);
    assert_eq!(world.acts_on("web").len(), 1, "a death is a death: {:?}", world.acts);
}

/// Lets one probe of the check of `web` fail, and passes follow for `span`.
fn fail_once(world: &mut World, span: Duration) {
    world.kill("web");
    while world.state("web") != StateLabel::Suspect {
        world.run(SECOND);
        assert!(world.acts.is_empty(), "{:#?}", world.story);
    }
    world.well.insert("web".into(), true);
    world.run(span);
}

#[test]
fn an_error_rate_is_a_warning_that_names_its_check_and_restarts_nothing() {
    let mut world = World::settled(vec![service("web")]);
    for _ in 0..3 {
        assert!(world.notices.is_empty(), "{:#?}", world.notices);
        // More often, it would be flapping.
        fail_once(&mut world, SECOND * 720);
    }
    assert_eq!(world.state("web"), StateLabel::Degraded);
    assert_eq!(world.notices.len(), 1, "{:#?}", world.notices);
    let reason = &world.notices[0].incident.reason;
    assert!(reason.starts_with("check tcp failed 3 of its last "), "{reason}");
    world.run(SECOND * 60 * 9);
    assert_eq!(world.state("web"), StateLabel::Healthy, "20 passes in a row end it");
    assert_eq!(world.notices.len(), 2);
    assert!(world.acts.is_empty());
}

/// Its agent is looked at every five seconds, and may be away for two minutes.
fn tolerant() -> Service {
    let mut web = service("web");
    let agent = Check { interval: SECOND * 5, fail_for: SECOND * 120, ..alert_check() };
    web.checks.push(agent);
    web
}

/// What was told of `web`.
fn told_of_web(world: &World) -> Vec<NoticeKind> {
    let of_web = world.notices.iter().filter(|notice| notice.incident.root == "web");
    of_web.map(|notice| notice.kind).collect()
}

fn agent_fails(world: &mut World, fails: bool) {
    world.unwell_checks.retain(|check| check != "agent");
    if fails {
        world.unwell_checks.push("agent".into());
    }
}

#[test]
fn what_may_last_a_while_is_no_error_rate_meanwhile() {
    let mut world = World::settled(vec![tolerant()]);
    for _ in 0..2 {
        agent_fails(&mut world, true);
        world.run(SECOND * 100);
        agent_fails(&mut world, false);
        world.run(SECOND * 100);
        assert_eq!(world.state("web"), StateLabel::Healthy);
    }
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
}

#[test]
fn what_was_told_as_a_failure_is_not_told_as_an_error_rate() {
    let mut world = World::settled(vec![tolerant()]);
    for told in 1..=4 {
        agent_fails(&mut world, true);
        world.run(SECOND * 140);
        assert_eq!(world.state("web"), StateLabel::Degraded);
        agent_fails(&mut world, false);
        world.run(SECOND * 30);
        assert_eq!(world.state("web"), StateLabel::Healthy, "{:#?}", world.story);
        assert_eq!(world.notices.len(), told * 2, "{:#?}", world.notices);
    }
    let reasons: Vec<&str> = world.incidents.values().map(|it| it.reason.as_str()).collect();
    assert!(reasons.iter().all(|reason| !reason.contains("of its last")), "{reasons:?}");
}

#[test]
fn an_error_rate_belongs_to_one_instance() {
    let mut world = World::settled(vec![tolerant()]);
    for _ in 0..2 {
        agent_fails(&mut world, true);
        world.run(SECOND * 50);
        agent_fails(&mut world, false);
        world.run(SECOND * 50);
    }
    up(&mut world, "services", 2);
    agent_fails(&mut world, true);
    world.run(SECOND * 50);
    agent_fails(&mut world, false);
    world.run(SECOND * 150);
    assert_eq!(world.state("web"), StateLabel::Healthy);
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
}

#[test]
fn a_container_rebuilt_ends_no_warning_that_is_still_true() {
    for checks in [vec![tcp_check(), alert_check()], vec![alert_check()]] {
        let mut world = World::settled(vec![Service { checks, ..service("web") }]);
        agent_fails(&mut world, true);
        world.run(SECOND * 200);
        assert_eq!(world.state("web"), StateLabel::Degraded);
        up(&mut world, "services", 2);
        world.run(SECOND * 300);
        assert_eq!(world.state("web"), StateLabel::Degraded);
        assert_eq!(told_of_web(&world), [NoticeKind::Opened], "{:#?}", world.story);
        agent_fails(&mut world, false);
        world.run(SECOND * 200);
        let both = [NoticeKind::Opened, NoticeKind::Resolved];
        assert_eq!(told_of_web(&world), both, "{:#?}", world.story);
    }
}

#[test]
fn a_restart_of_vai_ends_no_warning_that_is_still_true() {
    for checks in [vec![tcp_check(), alert_check()], vec![alert_check()]] {
        let mut world = World::settled(vec![Service { checks, ..service("web") }]);
        agent_fails(&mut world, true);
        world.run(SECOND * 200);
        assert_eq!(world.state("web"), StateLabel::Degraded);
        world.restart();
        world.run(SECOND * 300);
        assert_eq!(told_of_web(&world), [NoticeKind::Opened], "{:#?}", world.story);
        agent_fails(&mut world, false);
        world.run(SECOND * 200);
        let both = [NoticeKind::Opened, NoticeKind::Resolved];
        assert_eq!(told_of_web(&world), both, "{:#?}", world.story);
    }
}

#[test]
fn what_is_still_too_slow_is_told_once_whoever_restarts() {
    let mut world = World::settled(vec![service("web")]);
    world.slow.push("web".into());
    world.run(SECOND * 200);
    assert_eq!(world.state("web"), StateLabel::Degraded);
    world.restart();
    world.run(SECOND * 300);
    up(&mut world, "services", 2);
    world.run(SECOND * 300);
    assert_eq!(world.state("web"), StateLabel::Degraded);
    assert_eq!(told_of_web(&world), [NoticeKind::Opened], "{:#?}", world.story);
    world.slow.clear();
    world.run(SECOND * 120);
    let both = [NoticeKind::Opened, NoticeKind::Resolved];
    assert_eq!(told_of_web(&world), both, "{:#?}", world.story);
}

#[test]
fn killed_every_four_minutes_for_a_day_it_is_nearly_always_up_and_unstable_once() {
    let mut world = World::settled(vec![service("redis")]);
    let mut down = Duration::ZERO;
    for _ in 0..360 {
        world.hint_death("redis");
        let mut waited = Duration::ZERO;
        while !world.well["redis"] {
            world.run(SECOND);
            waited += SECOND;
        }
        down += waited;
        world.run(SECOND * 240 - waited);
    }
    assert_eq!(world.restarts(), 360);
    assert!(down <= SECOND * 360 * 2, "{down:?}");
    let unstable: Vec<&Incident> =
        world.incidents.values().filter(|it| it.state == StateLabel::Healthy).collect();
    assert_eq!(unstable.len(), 1, "{unstable:#?}");
    assert!(world.notices.len() <= 3, "{:#?}", world.notices);
    assert_eq!(world.notices[0].kind, NoticeKind::Opened);
    assert!(world.notices[0].incident.reason.contains("healed 3 times"));
    world.run(SECOND * 3600 * 25);
    let last = world.notices.last().unwrap();
    let all: Vec<_> = world.notices.iter().map(|it| (it.kind, &it.incident.reason)).collect();
    assert_eq!(last.kind, NoticeKind::Resolved, "a clean day ends it: {all:?}");
}
