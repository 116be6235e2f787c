//! What a step of the core concerns, shows and stores.

use super::*;

#[test]
fn a_step_judges_only_what_it_concerns() {
    let mut world = World::settled(vec![service("a"), service("b")]);
    assert!(world.core.services.due(world.now.mono).is_empty());
    world.kill("a");
    while world.state("a") == StateLabel::Healthy {
        world.run(SECOND);
    }
    assert!(!world.core.services.due(world.now.mono).contains(&"b".into()));
}

#[test]
fn what_is_shown_of_a_service_follows_it() {
    let mut world = World::settled(vec![service("redis")]);
    let shown = world.shown;
    world.run(Duration::from_millis(1));
    assert_eq!(world.shown, shown, "nothing changed");
    let redis = ServiceName::from("redis");
    let view = &world.views[&redis];
    assert_eq!((view.state, view.reason.as_str()), (StateLabel::Healthy, ""));
    assert_eq!((view.container.as_str(), view.restarts_in_window), ("services", 0));
    assert_eq!(view.incident, None);
    let check = &view.checks[0];
    assert_eq!((check.name.as_str(), check.last.as_str(), check.took_ms), ("tcp", "pass", 5));
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    let hinted = world.now.wall;
    world.run(Duration::from_millis(50));
    let view = &world.views[&redis];
    assert_eq!(view.state, StateLabel::Healing);
    assert_eq!(view.since.as_millis() - hinted.as_millis(), 5, "since it was looked at");
    world.run(SECOND);
    let reason = |world: &World| world.views[&redis].reason.clone();
    assert_eq!(reason(&world), "restarted, waiting for its check");
    world.run(SECOND * 10);
    assert_eq!(reason(&world), "restarted, its check still says: connection refused");
    world.run(SECOND * 60);
    let view = &world.views[&redis];
    assert_eq!(view.state, StateLabel::Down);
    assert!(view.reason.starts_with("connection refused; next attempt in"), "{}", view.reason);
    assert_eq!((view.restarts_in_window, view.failed_attempts), (1, 1));
    assert_eq!(view.checks[0].last, "fail");
    assert_eq!(view.checks[0].detail, "connection refused");
    assert_eq!(view.incident.as_ref(), world.incidents.keys().next().map(|id| &id.0));
    assert!(view.since > world.notices[0].at, "since the verdict, not since its failure");
}

#[test]
fn what_is_well_and_stays_so_is_stored_no_more() {
    let mut world = World::settled(vec![service("a"), service("b")]);
    let stored = world.stored;
    world.run(SECOND * 600);
    assert_eq!(world.stored, stored);
}
