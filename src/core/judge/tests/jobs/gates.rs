//! What a run waits for, and what it is skipped for.

use super::*;

#[test]
fn a_dependency_that_is_down_skips_it_and_one_that_is_coming_is_waited_for() {
    let mut world = world(Job { dependencies: vec!["redis".into()], ..backup() });
    world.hint_death("redis");
    world.run(SECOND);
    world.due();
    assert_eq!((world.runs.len(), world.outcomes.len()), (0, 0), "it is being healed");
    world.run(SECOND * 30);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert_eq!(world.runs.len(), 1);
    world.succeeds(SECOND);
    world.kill("redis");
    world.effects.insert("redis".into(), Effect::Nothing);
    world.run(HOUR * 2);
    world.due();
    assert_eq!(world.outcomes()[1], "skipped: its dependency redis is gave_up");
}

#[test]
fn while_the_engine_is_away_it_waits_a_minute_and_then_it_is_missed() {
    for (away, outcome) in [(30, None), (90, Some("missed: the container engine does not answer"))]
    {
        let mut world = world(backup());
        world.event(Event::EngineGone("connection refused".into()));
        world.due();
        world.run(SECOND * away);
        assert!(world.runs.is_empty());
        match outcome {
            Some(outcome) => assert!(world.outcomes()[0].starts_with(outcome)),
            None => {
                world.event(Event::EngineBack);
                assert_eq!(world.runs.len(), 1);
            }
        }
    }
}

#[test]
fn what_the_engine_lost_before_it_began_begins_when_it_is_back() {
    let mut world = world(backup());
    world.due();
    world.event(Event::EngineGone("connection refused".into()));
    world.ends(HowEnded::NotBegun("the engine does not answer".into()), SECOND);
    assert_eq!(world.outcomes(), [""; 0]);
    world.event(Event::EngineBack);
    assert_eq!(world.runs.len(), 2);
    assert_eq!(world.runs[1].try_id(), TryId { run: RunId(1), attempt: 2 });
}

#[test]
fn a_stopped_container_is_a_failure_in_its_own_words() {
    let mut world = world(backup());
    world.due();
    let why = "container services-container exited with code 0";
    world.ends(HowEnded::NotBegun(why.into()), SECOND);
    assert_eq!(world.outcomes(), [format!("failed: it could not be begun: {why}")]);
}

#[test]
fn paused_and_in_maintenance_it_is_skipped_and_nobody_told() {
    let mut world = world(backup());
    world.event(Event::Job(JobRequest::Pause("backup".into())));
    world.due();
    world.restart();
    world.due();
    world.event(Event::Job(JobRequest::Resume("backup".into())));
    let window = MaintenanceWindow {
        services: Vec::new(),
        jobs: vec!["backup".into()],
        reason: "disks".into(),
        until: Wall::default(),
    };
    world.event(Event::Maintenance(vec![window]));
    for _ in 0..4 {
        world.due();
    }
    world.event(Event::Maintenance(Vec::new()));
    world.due();
    let mut expected = vec!["skipped: paused by an operator"; 2];
    expected.extend(["skipped: in a maintenance window: disks"; 4]);
    assert_eq!(world.outcomes(), expected);
    assert_eq!(world.runs.len(), 1);
    assert_eq!(world.messages(), [""; 0]);
}

#[test]
fn a_job_of_two_schedulers_is_held_told_once_and_runs_when_the_other_is_gone() {
    let mut world = world(backup());
    for _ in 0..3 {
        world.event(crontabs(Some("/etc/cron.d/backup:3")));
        world.due();
    }
    assert_eq!(world.outcomes(), ["skipped: held: also in /etc/cron.d/backup:3"; 3]);
    world.event(crontabs(None));
    world.due();
    assert_eq!(world.runs.len(), 1);
    assert_eq!(
        world.messages(),
        [
            "Opened backup: also in /etc/cron.d/backup:3",
            "resolved backup: nothing holds it any more"
        ]
    );
}

#[test]
fn nothing_is_run_that_could_not_be_remembered_or_while_vai_only_observes() {
    let mut world = world(backup());
    world.event(Event::StoreFailed("the disk is full".into()));
    world.due();
    world.event(Event::StoreBack);
    world.watchlist.observe = true;
    world.event(Event::Configured(world.watchlist.clone()));
    world.due();
    assert_eq!(
        world.outcomes(),
        [
            "skipped: its intent could not be stored: the disk is full",
            "skipped: vai only observes (--observe)"
        ]
    );
}

#[test]
fn a_job_waits_until_the_crontabs_were_read_but_not_for_ever() {
    for (read, runs) in [(true, 1), (false, 0)] {
        let mut world = world(backup());
        configure(&mut world, vec![Job { command: "/other.sh".into(), ..backup() }]);
        world.due();
        assert_eq!(world.runs.len(), 0);
        if read {
            world.event(crontabs(None));
        }
        assert_eq!(world.runs.len(), runs);
        world.run(SECOND * 15);
        assert_eq!(world.runs.len(), 1);
    }
    let mut world = world(backup());
    configure(&mut world, vec![Job { command: "/other.sh".into(), ..backup() }]);
    world.due();
    world.event(crontabs(Some("/etc/cron.d/other:1")));
    assert_eq!(world.outcomes(), ["skipped: held: also in /etc/cron.d/other:1"]);
}
