//! What people hear of jobs.

use super::*;

#[test]
fn a_failure_is_told_once_after_its_retries_and_ended_by_the_next_success() {
    let mut world = world(Job { retries: 2, ..backup() });
    world.due();
    world.ends(HowEnded::Exited(1), SECOND * 12);
    assert_eq!(world.runs.len(), 1, "not at once");
    world.run(SECOND * 13);
    world.ends(HowEnded::Signalled(9), SECOND);
    world.run(SECOND * 26);
    assert_eq!(world.messages(), [""; 0], "there is one more try");
    world.ends(HowEnded::Exited(2), SECOND);
    assert_eq!(world.runs.iter().map(|it| it.attempt).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(world.outcomes(), ["failed: exit 2"]);
    assert_eq!(world.outcomes[0].attempts, 3);
    let told = &world.notices[0].incident;
    assert_eq!(
        told.history,
        [
            "try 1 of 3: exit 1 after 12 s",
            "try 2 of 3: killed by signal 9 (KILL) after 1 s",
            "try 3 of 3: exit 2 after 1 s"
        ]
    );
    assert_eq!(told.evidence.log, ["line 1", "line 2"]);
    assert_eq!((told.severity, told.subject), (Severity::Warning, Subject::Job));
    // Failing again, or for days, is no news; no reminders.
    for _ in 0..3 {
        world.run(HOUR * 24);
        world.due();
        world.ends(HowEnded::NotBegun("no container named services-container".into()), SECOND);
        world.run(SECOND * 60);
        world.ends(HowEnded::Exited(1), SECOND);
        world.run(SECOND * 60);
        world.ends(HowEnded::Exited(1), SECOND);
    }
    world.run(HOUR * 24);
    world.due();
    world.succeeds(SECOND * 4);
    assert_eq!(
        world.messages(),
        [
            "Opened backup: exit 2 after 1 s, 3 tries",
            "resolved backup: it ran again and succeeded in 4 s"
        ]
    );
}

#[test]
fn skipped_again_and_again_is_told_at_the_third_time() {
    let mut world = world(backup());
    world.due();
    for told in [0, 0, 1, 1] {
        world.run(SECOND * 20);
        world.due();
        assert_eq!(world.notices.len(), told);
    }
    assert_eq!(
        world.messages(),
        [
            "Opened backup: skipped 3 times in a row: the run before it is still under way, for 1 min"
        ]
    );
    world.succeeds(SECOND);
    assert_eq!(world.messages().len(), 2);
}

#[test]
fn a_run_that_does_not_end_and_one_that_is_slow_are_told_until_the_next_success() {
    let mut world = world(backup());
    for _ in 0..5 {
        world.due();
        world.succeeds(SECOND * 20);
    }
    world.due();
    world.run(SECOND * 59);
    assert_eq!(world.messages(), [""; 0]);
    world.run(SECOND * 2);
    assert_eq!(
        world.messages(),
        ["Opened backup: it runs for 1 min already, usually it takes 20 s"]
    );
    world.run(SECOND * 300);
    let root = world.incidents.values().last().unwrap();
    assert_eq!(
        root.reason,
        "it does not end: begun 6 min ago, it may take 5 min; \
         it runs for 1 min already, usually it takes 20 s"
    );
    world.succeeds(SECOND);
    world.due();
    world.succeeds(SECOND * 21);
    assert_eq!(world.messages()[1..], ["resolved backup: it ran again and succeeded in 1 s"]);
}

#[test]
fn an_incident_of_a_job_that_is_removed_or_turned_off_is_over() {
    for (jobs, how) in [
        (vec![], "removed from the registry"),
        (vec![Job { duty: Duty::Disabled, ..backup() }], "it is not scheduled any more"),
    ] {
        let mut world = world(backup());
        world.due();
        world.ends(HowEnded::Exited(1), SECOND);
        configure(&mut world, jobs);
        assert_eq!(world.messages()[1..], [format!("resolved backup: {how}")]);
    }
}

#[test]
fn what_an_operator_runs_is_run_although_paused_and_its_failure_told_to_nobody() {
    let mut world = world(Job { retries: 3, ..backup() });
    let run = JobRequest::Run("backup".into());
    world.event(Event::Job(JobRequest::Pause("backup".into())));
    world.event(Event::Job(run.clone()));
    assert_eq!((world.runs.len(), world.runs[0].scheduled), (1, None));
    let busy = world.core.answer_about_job(world.now, &run).unwrap_err();
    assert_eq!(busy.0, "backup is under way already, for 0 ms");
    world.ends(HowEnded::Exited(1), SECOND);
    world.run(HOUR);
    assert_eq!((world.outcomes(), world.runs.len()), (vec!["failed: exit 1".into()], 1));
    assert_eq!(world.messages(), [""; 0]);
    let unknown = JobRequest::Run("backups".into());
    assert!(world.core.answer_about_job(world.now, &unknown).is_err());
}

#[test]
fn a_success_is_told_where_that_is_wanted() {
    let mut world = world(Job { notify_on_success: true, ..backup() });
    world.due();
    world.succeeds(SECOND * 4);
    assert_eq!(world.messages(), ["Info backup: succeeded in 4 s"]);
    world.due();
    world.ends(HowEnded::Exited(1), SECOND);
    world.due();
    world.succeeds(SECOND * 4);
    assert_eq!(world.messages()[2..], ["resolved backup: it ran again and succeeded in 4 s"]);
}

#[test]
fn a_silenced_job_is_told_of_afterwards() {
    for scope in [SilenceScope::Job("backup".into()), SilenceScope::Container("services".into())] {
        let mut world = world(Job { notify_on_success: true, ..backup() });
        let silence = AlertRequest::Silence { scope, lasts: HOUR, reason: String::new() };
        world.event(Event::Alerts(silence));
        world.due();
        world.succeeds(SECOND);
        world.due();
        world.ends(HowEnded::Exited(1), SECOND);
        world.run(HOUR - MINUTE);
        assert_eq!(world.messages(), [""; 0]);
        world.run(MINUTE * 2);
        assert_eq!(world.messages(), ["Opened backup: exit 1 after 1 s"]);
    }
}
