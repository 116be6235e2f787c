//! A sink that takes a message in parts, one for each incident, and a sink
//! that takes its time.

use super::*;

const BUSY: Result<(), Refusal> = Err(Refusal::Passing(None));

fn in_parts() -> World {
    let mut world = World::new(plan());
    world.takes_parts.insert("mail");
    world
}

#[test]
fn a_part_that_is_refused_falls_back_alone() {
    let mut world = in_parts();
    world.answers("b", Err(Refusal::Final));
    for name in ["a", "b", "c"] {
        world.tell(name, Opened, Critical);
    }
    world.run_to(3600);
    assert_eq!(world.of("a"), [(10, "mail", Opened, false)]);
    assert_eq!(world.of("b"), [(10, "pager", Opened, false)]);
    assert_eq!(world.of("c"), [(10, "mail", Opened, false)]);
    assert_eq!(world.done.len(), 3);
}

#[test]
fn a_part_that_fails_is_tried_again_alone_and_holds_up_nothing() {
    let mut world = in_parts();
    world.answers("b", BUSY);
    for name in ["a", "b", "c"] {
        world.tell(name, Opened, Warning);
    }
    world.run_to(700);
    assert_eq!((world.tried["a"], world.tried["c"]), (1, 1));
    assert_eq!(world.tried["b"], 10, "with backoff");
    // Not until the next try of what fails, and not with it.
    world.tell("d", Opened, Warning);
    world.run_to(720);
    assert_eq!(world.of("d"), [(710, "mail", Opened, false)]);
    assert_eq!(world.tried["b"], 10);
    world.answers("b", Ok(()));
    world.run_to(1200);
    assert_eq!(world.of("b").len(), 1);
    assert_eq!(world.done.len(), 4);
}

#[test]
fn a_part_that_fails_for_a_day_is_given_up_and_the_fallback_has_it() {
    let mut world = in_parts();
    world.answers("b", BUSY);
    for name in ["a", "b"] {
        world.tell(name, Opened, Critical);
    }
    world.run_to(2 * DAY);
    assert_eq!(world.of("b"), [(300, "pager", Opened, false)]);
    let given_up = world.dispatch.take_given_up();
    assert_eq!(given_up.len(), 1);
    assert_eq!(given_up[0].notices[0].incident.root, "b");
    assert_eq!(world.done.len(), 2);
}

#[test]
fn a_sink_that_takes_its_time_holds_up_only_what_it_has() {
    let mut world = World::new(plan());
    world.takes.insert("mail", 600);
    world.tell("redis", Opened, Warning);
    world.run_to(20);
    world.tell("nginx", Opened, Warning);
    world.tell("redis", Resolved, Warning);
    world.run_to(2000);
    assert_eq!(
        world.of("redis"),
        [(610, "mail", Opened, false), (1210, "mail", Resolved, true)],
        "once each, in order"
    );
    assert_eq!(world.of("nginx"), [(630, "mail", Opened, false)], "not after redis");
    assert_eq!(world.tried["mail"], 3);
}

#[test]
fn what_a_slow_sink_has_not_taken_in_time_falls_back_as_if_it_had_failed() {
    let mut world = World::new(plan());
    world.takes.insert("mail", 600);
    world.tell("redis", Opened, Critical);
    world.run_to(20);
    world.tell("nginx", Opened, Warning);
    world.run_to(30);
    world.tell("nginx", Escalated, Critical);
    world.run_to(1000);
    assert_eq!(world.of("redis")[0], (300, "pager", Opened, false));
    assert_eq!(world.of("nginx")[0], (330, "pager", Opened, false), "behind its own opening");
}
