//! A sink that reaches several people one by one.

use super::*;

const BUSY: Result<(), Refusal> = Err(Refusal::Passing(None));
const UNKNOWN: Result<(), Refusal> = Err(Refusal::Final);

/// Three people by mail, and the pager as the fallback.
fn team() -> Plan<&'static str> {
    let team = Sink { name: "mail".to_owned(), ..sink("mail: ann bob cid") };
    let mut plan = plan();
    plan.channels.insert("mail".to_owned(), vec![team]);
    plan
}

#[test]
fn they_share_a_message_and_each_is_tried_again_alone() {
    let mut world = World::new(team());
    world.answers("bob", BUSY);
    world.tell("redis", Opened, Warning);
    world.run_to(600);
    let expected = [(10, "ann", Opened, false), (10, "cid", Opened, false)];
    assert_eq!(world.of("redis"), expected);
    assert_eq!((world.tried["ann"], world.tried["cid"]), (1, 1));
    assert_eq!(world.tried["bob"], 10, "with backoff");
    assert_eq!(world.done, [0; 0]);
    world.answers("bob", Ok(()));
    world.run_to(1200);
    assert_eq!(world.of("redis")[2..], [(821, "bob", Opened, false)]);
    assert_eq!(world.done, [1]);
}

#[test]
fn one_that_takes_nothing_holds_up_no_news_for_the_others() {
    let mut world = World::new(team());
    world.answers("bob", BUSY);
    world.tell("redis", Opened, Warning);
    world.run_to(60);
    world.tell("nginx", Opened, Warning);
    world.tell("redis", Resolved, Warning);
    world.run_to(100);
    assert_eq!(world.of("nginx"), [(70, "ann", Opened, false), (70, "cid", Opened, false)]);
    let ends = [(70, "ann", Resolved, true), (70, "cid", Resolved, true)];
    assert_eq!(world.of("redis")[2..], ends);
    world.answers("bob", Ok(()));
    world.run_to(600);
    let bob: Vec<_> = world.arrived.iter().filter(|(_, who, _)| who == "bob").collect();
    assert_eq!(bob.len(), 1);
    let heard = [("redis".to_owned(), Opened, true), ("nginx".to_owned(), Opened, false)];
    assert_eq!(bob[0].2, heard, "what is over before it was told is one message");
}

#[test]
fn one_that_is_refused_is_not_tried_again_and_the_fallback_stays_quiet() {
    let mut world = World::new(team());
    world.answers("bob", UNKNOWN);
    world.tell("redis", Opened, Critical);
    world.run_to(3600);
    assert_eq!(world.of("redis"), [(10, "ann", Opened, false), (10, "cid", Opened, false)]);
    assert_eq!(world.tried["bob"], 1);
    assert_eq!(world.done, [1]);
    assert_eq!(world.dispatch.take_fallen_back(), []);
}

#[test]
fn the_fallback_is_told_once_when_nobody_is_reached() {
    for (ann, others) in [(UNKNOWN, UNKNOWN), (UNKNOWN, BUSY), (BUSY, BUSY)] {
        let mut world = World::new(team());
        world.answers("ann", ann);
        world.answers("bob", others);
        world.answers("cid", others);
        world.tell("redis", Opened, Critical);
        world.run_to(400);
        let at = if others == UNKNOWN { 10 } else { 300 };
        assert_eq!(world.of("redis"), [(at, "pager", Opened, false)], "{ann:?}, {others:?}");
    }
}

#[test]
fn one_that_is_given_up_after_a_day_is_named() {
    let mut world = World::new(team());
    world.answers("bob", BUSY);
    world.tell("redis", Opened, Warning);
    world.run_to(2 * DAY);
    let given_up = world.dispatch.take_given_up();
    let named: Vec<&str> = given_up.iter().map(|it| it.recipient.as_str()).collect();
    assert_eq!(named, ["bob"]);
    assert_eq!(world.done, [1]);
}

/// What the `vai` before this one stored.
fn next_run(world: &World, plan: Plan<&'static str>) -> World {
    let before = Notified {
        reached: world.dispatch.known.clone(),
        delivered: world.delivered.values().cloned().collect(),
    };
    World { dispatch: Dispatch::new(plan, before, at(0)), ..World::new(team()) }
}

#[test]
fn after_a_crash_only_those_are_told_who_were_not() {
    let mut before = World::new(team());
    before.answers("bob", BUSY);
    before.tell("redis", Opened, Warning);
    before.run_to(60);
    let mut after = next_run(&before, team());
    after.tell("redis", Opened, Warning);
    after.run_to(60);
    assert_eq!(after.of("redis"), [(10, "bob", Opened, false)]);
    assert_eq!(after.done, [1]);
    after.tell("redis", Resolved, Warning);
    after.run_to(120);
    let ends: Vec<_> =
        after.of("redis")[1..].iter().map(|(_, who, kind, _)| (*who, *kind)).collect();
    assert_eq!(ends, [("ann", Resolved), ("bob", Resolved), ("cid", Resolved)]);
}

#[test]
fn a_whole_sink_that_has_a_message_is_not_told_it_again_either() {
    let mut both = plan();
    both.default = vec!["mail".to_owned(), "pager".to_owned()];
    let mut before = World::new(both.clone());
    before.answers("mail", BUSY);
    before.tell("redis", Opened, Warning);
    before.run_to(60);
    let mut after = next_run(&before, both);
    after.tell("redis", Opened, Warning);
    after.run_to(60);
    assert_eq!(after.of("redis"), [(10, "mail", Opened, false)]);
}

#[test]
fn where_a_message_arrived_stays_known_by_a_new_name() {
    let mut world = World::new(team());
    world.answers("bob", BUSY);
    world.tell("redis", Opened, Warning);
    world.run_to(60);
    let mut renamed = team();
    renamed.channels.get_mut("mail").unwrap()[0].name = "post".to_owned();
    world.dispatch.configure(renamed, at(60));
    world.take_told();
    let names: Vec<(&str, &str)> = world.delivered[&MessageId(1)]
        .to
        .iter()
        .map(|it| (it.sink.as_str(), it.recipient.as_str()))
        .collect();
    assert_eq!(names, [("post", "ann"), ("post", "cid")]);
}

#[test]
fn what_an_older_vai_told_all_of_them_each_of_them_knows() {
    let incident = notice("redis", Opened, Warning).incident.id;
    let reached = Reached {
        incident: incident.clone(),
        sink: "mail".to_owned(),
        recipient: String::new(),
        opening: "m1".to_owned(),
        severity: Warning,
    };
    let mut dispatch = Dispatch::new(
        team(),
        Notified { reached: vec![reached.clone()], delivered: Vec::new() },
        at(0),
    );
    let stored = dispatch.take_told();
    let each = ["ann", "bob", "cid"]
        .map(|who| Told::Reached(Reached { recipient: who.to_owned(), ..reached.clone() }));
    assert_eq!(stored[..3], each);
    let by = Recipient { sink: "mail".to_owned(), recipient: String::new() };
    assert_eq!(stored[3], Told::Over { incident, by });
    dispatch.tell(notice("redis", Resolved, Warning).into(), at(0));
    let sending = dispatch.due(at(10)).remove(0);
    assert_eq!(sending.recipients, ["ann", "bob", "cid"]);
    assert_eq!(sending.follows, ["m1"]);
    assert_eq!(sending.notices[0].kind, Resolved);
}

#[test]
fn one_that_leaves_the_registry_is_waited_for_no_more() {
    let mut world = World::new(team());
    world.answers("bob", BUSY);
    world.tell("redis", Opened, Warning);
    world.run_to(60);
    let mut without = team();
    without.channels.get_mut("mail").unwrap()[0].kind = "mail: ann cid";
    world.dispatch.configure(without, at(60));
    world.run_to(600);
    assert_eq!(world.of("redis").len(), 2, "those who stay have it");
    assert_eq!(world.done, [1]);
}
