//! Jobs over restarts of `vai` and edits of the registry.

use super::*;

#[test]
fn what_vai_was_not_there_for_is_missed_and_told_and_ends_with_the_next_success() {
    let mut world = world(backup());
    world.run(HOUR);
    world.restart();
    assert_eq!(world.core.scheduled_until(&"backup".into()), Some(Wall::from_millis(120_000)));
    world.due_since(HOUR / 2);
    assert_eq!(world.outcomes(), ["missed: vai was not running"]);
    world.run(HOUR * 30);
    world.due();
    world.succeeds(SECOND * 4);
    assert_eq!(
        world.messages(),
        [
            "Opened backup: a run was missed: vai was not running",
            "resolved backup: it ran again and succeeded in 4 s"
        ]
    );
}

#[test]
fn one_run_makes_up_for_all_that_were_missed_and_nobody_is_alarmed() {
    let mut world = world(Job { catch_up: HOUR, ..backup() });
    world.restart();
    let first = Wall::from_millis(0);
    let earlier = Instants { first, last: first, count: 7 };
    let due = world.now.wall;
    world.run(MINUTE * 10);
    world.event(scheduled(&world, Some(earlier), Some(due)));
    world.succeeds(SECOND);
    assert_eq!(world.outcomes(), ["missed: vai was not running", "succeeded"]);
    assert_eq!(world.outcomes[0].scheduled.unwrap().count, 7);
    assert_eq!(world.messages(), [""; 0]);
}

#[test]
fn a_run_that_outlives_vai_is_waited_for_and_not_begun_again() {
    let mut world = world(backup());
    world.due();
    let id = world.runs[0].try_id();
    world.event(Event::Ran { id, report: RunReport::Began(instance(1)) });
    world.run(MINUTE);
    world.restart();
    let again = world.runs.last().unwrap().clone();
    assert_eq!((world.runs.len(), again.try_id(), again.resumed), (2, id, true));
    assert_eq!(again.instance, Some(instance(1)));
    world.due();
    assert_eq!(world.outcomes(), ["skipped: the run before it is still under way, for 1 min"]);
    world.succeeds(SECOND);
    assert_eq!(world.outcomes()[1], "succeeded");
    assert_eq!(world.runs.len(), 2);
}

#[test]
fn a_run_that_outlives_vai_is_looked_for_where_it_was_begun_and_as_whom() {
    let mut world = world(Job { user: Some("git".into()), ..backup() });
    world.due();
    let moved = Job { user: None, place: Place::Local, ..backup() };
    world.watchlist.jobs.insert("backup".into(), Arc::new(moved));
    world.restart();
    let again = world.runs.last().unwrap();
    assert!(again.resumed);
    assert_eq!(again.job.place, Place::Container("services".into()));
    assert_eq!(again.job.user.as_deref(), Some("git"));
}

#[test]
fn a_run_whose_end_nobody_saw_failed_and_is_not_tried_again() {
    let mut world = world(Job { retries: 5, ..backup() });
    world.due();
    world.restart();
    let why = "container services-container was restarted while it ran";
    world.ends(HowEnded::Lost(why.into()), SECOND);
    world.run(HOUR);
    assert_eq!(world.outcomes(), [format!("failed: {why}")]);
    assert_eq!(world.runs.len(), 2);
}

#[test]
fn a_run_that_vai_did_not_get_to_begin_begins_in_its_minute_or_is_missed() {
    for (away, outcomes) in [(SECOND * 20, vec![]), (MINUTE, vec!["missed: vai ended first"])] {
        let mut world = world(backup());
        world.due();
        world.run(away);
        world.restart();
        world.ends(HowEnded::NotBegun("vai ended first".into()), SECOND);
        assert_eq!(world.outcomes(), outcomes);
        let next = world.runs.last().unwrap();
        assert_eq!(
            (next.attempt, next.resumed),
            if outcomes.is_empty() { (2, false) } else { (1, true) }
        );
    }
}

#[test]
fn what_leaves_the_registry_keeps_the_outcome_of_its_run() {
    let mut world = world(backup());
    world.due();
    configure(&mut world, Vec::new());
    assert_eq!(world.outcomes(), [""; 0]);
    world.succeeds(SECOND);
    assert_eq!(world.outcomes(), ["succeeded"]);
    // It comes back, and nothing of the time between is due.
    configure(&mut world, vec![backup()]);
    assert_eq!(world.core.scheduled_until(&"backup".into()), None);
}

#[test]
fn a_stopping_vai_begins_nothing_and_leaves_the_instant_to_the_next() {
    let mut world = world(backup());
    let before = world.core.scheduled_until(&"backup".into());
    world.event(Event::Stopping);
    world.run(SECOND);
    world.due();
    assert!(world.runs.is_empty() && world.outcomes.is_empty());
    assert_eq!(world.core.scheduled_until(&"backup".into()), before);
}

#[test]
fn what_leaves_the_registry_while_vai_is_down_has_its_outcomes_and_another_beginning() {
    let mut world = world(backup());
    world.due();
    let jobs = std::mem::take(&mut world.watchlist.jobs);
    world.restart();
    assert_eq!(
        world.outcomes(),
        ["failed: it left the registry while vai was not running, so nobody saw its end"]
    );
    world.watchlist.jobs = jobs;
    world.event(Event::Configured(world.watchlist.clone()));
    assert_eq!(world.core.scheduled_until(&"backup".into()), None);
    assert_eq!(world.runs.len(), 1);
}
