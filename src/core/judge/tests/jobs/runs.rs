//! Runs, their tries, and runs beside each other.

use super::*;

#[test]
fn an_instant_that_comes_is_run_once_and_its_success_told_to_nobody() {
    let mut world = world(backup());
    world.due();
    assert_eq!(world.runs.len(), 1);
    assert_eq!(world.runs[0].try_id(), TryId { run: RunId(1), attempt: 1 });
    assert_eq!(world.runs[0].instance, Some(instance(1)));
    world.succeeds(SECOND * 4);
    world.run(HOUR);
    assert_eq!(world.outcomes(), ["succeeded"]);
    assert_eq!(world.outcomes[0].took, SECOND * 4);
    assert_eq!(world.messages(), [""; 0]);
}

#[test]
fn what_is_late_within_its_minute_is_on_time_and_later_only_with_a_catch_up() {
    for (late, catch_up, runs) in [(59, 0, 1), (60, 0, 0), (600, 600, 1), (601, 600, 0)] {
        let job = Job { catch_up: SECOND * catch_up, ..backup() };
        let mut world = world(job);
        world.due_since(SECOND * late);
        assert_eq!(world.runs.len(), runs, "{late} s late, {catch_up} s allowed");
        if runs == 0 {
            assert_eq!(world.outcomes(), ["missed: the clock was set over it"]);
        }
    }
}

#[test]
fn an_overlap_is_skipped_allowed_or_ends_the_run_before() {
    for overlap in [Overlap::Forbid, Overlap::Allow, Overlap::Replace] {
        let mut world = world(Job { overlap, ..backup() });
        world.due();
        world.run(MINUTE);
        world.due();
        let first = TryId { run: RunId(1), attempt: 1 };
        match overlap {
            Overlap::Forbid => {
                assert_eq!(
                    world.outcomes(),
                    ["skipped: the run before it is still under way, for 1 min"]
                );
                assert_eq!((world.runs.len(), world.ended.len()), (1, 0));
            }
            Overlap::Allow => assert_eq!((world.runs.len(), world.ended.len()), (2, 0)),
            Overlap::Replace => {
                assert_eq!((world.runs.len(), world.ended.clone()), (1, vec![first]));
                world.try_ends(first, HowEnded::Replaced, SECOND * 2);
                assert_eq!(world.runs.len(), 2, "only once the one before is gone");
                assert_eq!(world.outcomes(), ["replaced: a newer run took its place"]);
            }
        }
    }
}

#[test]
fn a_run_that_waits_for_its_next_try_makes_room_for_the_next_instant() {
    let mut world = world(Job { retries: 3, ..backup() });
    world.due();
    world.ends(HowEnded::Exited(1), SECOND);
    world.due();
    assert_eq!(world.outcomes(), ["failed: exit 1; not tried again: the next run came first"]);
    assert_eq!(world.runs.len(), 2);
}

#[test]
fn a_run_that_makes_room_for_a_newer_one_is_not_tried_again() {
    for (how, outcome) in [
        (HowEnded::Exited(1), "failed: exit 1"),
        (HowEnded::NotBegun("gone".into()), "skipped: a newer run came first"),
    ] {
        let job = Job { overlap: Overlap::Replace, retries: 3, ..backup() };
        let mut world = world(job);
        world.due();
        world.due();
        world.event(Event::EngineGone("connection refused".into()));
        world.ends(how, SECOND);
        world.event(Event::EngineBack);
        world.run(HOUR);
        assert_eq!(world.outcomes(), [outcome]);
        let runs: Vec<RunId> = world.runs.iter().map(|it| it.id).collect();
        assert_eq!(runs, [RunId(1), RunId(2)], "never both");
    }
}

#[test]
fn what_is_under_way_when_overlaps_are_forbidden_keeps_others_from_being_tried_again() {
    let job = Job { overlap: Overlap::Allow, retries: 3, ..backup() };
    let mut world = world(job.clone());
    world.due();
    world.ends(HowEnded::Exited(1), SECOND);
    world.due();
    configure(&mut world, vec![Job { overlap: Overlap::Forbid, ..job }]);
    world.run(MINUTE);
    assert_eq!(
        world.outcomes(),
        ["failed: exit 1; not tried again: another run of it is still under way"]
    );
    assert_eq!(world.runs.len(), 2);
}

#[test]
fn a_run_that_failed_is_not_skipped_or_missed_when_its_next_try_comes_to_nothing() {
    let gates = [
        (false, HowEnded::Refused("paused by a file".into()), "paused by a file"),
        (true, HowEnded::NotBegun("vai ended first".into()), "vai ended first"),
    ];
    for (restarts, how, why) in gates {
        let mut world = world(Job { retries: 3, ..backup() });
        world.due();
        world.ends(HowEnded::Exited(1), SECOND);
        world.run(SECOND * 13);
        if restarts {
            world.restart();
        }
        world.ends(how, SECOND);
        assert_eq!(world.outcomes(), [format!("failed: exit 1; not tried again: {why}")]);
        assert_eq!(world.messages().len(), 1);
    }
}
