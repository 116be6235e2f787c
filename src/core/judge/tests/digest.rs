//! What was healed without a message, told once a day.

use super::*;

fn redis() -> World {
    World::settled(vec![service("redis"), service("web")])
}

fn heal(world: &mut World, name: &str) {
    world.hint_death(name);
    world.run(SECOND * 3600);
    assert_eq!(world.state(name), StateLabel::Healthy);
}

fn digest(world: &mut World) -> Vec<String> {
    let before = world.notices.len();
    world.event(Event::Digest);
    world.notices[before..].iter().map(|it| it.incident.reason.clone()).collect()
}

#[test]
fn what_was_healed_without_a_message_is_counted_and_told_once() {
    let mut world = redis();
    heal(&mut world, "redis");
    heal(&mut world, "redis");
    heal(&mut world, "web");
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
    assert_eq!(
        digest(&mut world),
        ["3 failures were healed without a message: redis, web\n\
          redis: 2 times, after 7 s at most\n\
          web: once, after 7 s"]
    );
    let told = world.notices.last().unwrap();
    assert_eq!((told.kind, told.incident.severity), (NoticeKind::Info, Severity::Info));
    assert_eq!(digest(&mut world), [""; 0], "what was told is told");
}

#[test]
fn a_day_without_a_failure_has_no_digest() {
    let mut world = redis();
    assert_eq!(digest(&mut world), [""; 0]);
}

#[test]
fn what_was_told_is_not_in_the_digest() {
    let mut world = redis();
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 600);
    world.effects.remove("redis");
    world.run(SECOND * 3600);
    assert_eq!(world.notices.last().unwrap().kind, NoticeKind::Resolved);
    assert_eq!(digest(&mut world), [""; 0]);
}

#[test]
fn what_nobody_wants_to_hear_of_is_not_in_the_digest() {
    let quiet = Service { notify: Notify::Nobody, ..service("redis") };
    let mut world = World::settled(vec![quiet]);
    heal(&mut world, "redis");
    assert_eq!(digest(&mut world), [""; 0]);
}

#[test]
fn the_digest_goes_on_counting_over_a_restart_of_vai() {
    let mut world = redis();
    heal(&mut world, "redis");
    world.event(Event::Stopping);
    world.restart();
    world.run(SECOND * 120);
    assert_eq!(
        digest(&mut world),
        ["1 failure was healed without a message: redis\nredis: once, after 7 s"]
    );
    world.event(Event::Stopping);
    world.restart();
    assert_eq!(digest(&mut world), [""; 0], "what was told is told");
}

#[test]
fn a_digest_in_a_silence_of_everything_waits_for_the_next_one() {
    let mut world = redis();
    heal(&mut world, "redis");
    let scope = SilenceScope::Everything;
    let reason = String::new();
    world.event(Event::Alerts(AlertRequest::Silence { scope, lasts: SECOND * 60, reason }));
    assert_eq!(digest(&mut world), [""; 0]);
    world.run(SECOND * 60);
    assert_eq!(digest(&mut world).len(), 1);
}
