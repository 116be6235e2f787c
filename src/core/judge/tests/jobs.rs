//! Jobs: one outcome for each instant, and what is told of it.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn backup() -> Job {
    Job {
        name: "backup".into(),
        duty: Duty::Scheduled,
        schedule: "0 3 * * * UTC".into(),
        place: Place::Container("services".into()),
        command: "/workspace/scripts/backup.sh".into(),
        user: None,
        working_dir: None,
        environment: Vec::new(),
        log_path: None,
        timeout: SECOND * 300,
        overlap: Overlap::Forbid,
        catch_up: Duration::ZERO,
        retries: 0,
        dependencies: Vec::new(),
        notify: Notify::Default,
        notify_on_success: false,
        held: None,
    }
}

/// Services that are well, and this job.
fn world(job: Job) -> World {
    let mut world = World::settled(vec![service("redis")]);
    configure(&mut world, vec![job]);
    world.event(crontabs(None));
    world.event(scheduled(&world, None, None));
    world
}

fn configure(world: &mut World, jobs: Vec<Job>) {
    world.watchlist.jobs = jobs.into_iter().map(|it| (it.name.clone(), Arc::new(it))).collect();
    world.event(Event::Configured(world.watchlist.clone()));
}

fn scheduled(world: &World, earlier: Option<Instants>, due: Option<Wall>) -> Event {
    let until = world.now.wall;
    let next = Some(until.after(HOUR * 24));
    Event::Scheduled(vec![Scheduled { job: "backup".into(), earlier, due, until, next }])
}

/// Whether the crontabs of its container name the job, and where.
fn crontabs(found: Option<&str>) -> Event {
    let found = found.map(str::to_owned);
    Event::Crontabs(vec![TwoSchedulers { job: "backup".into(), found }])
}

impl World {
    /// An instant of the job comes, so late.
    fn due_since(&mut self, late: Duration) {
        let late = i64::try_from(late.as_millis()).unwrap();
        let due = Wall::from_millis(self.now.wall.as_millis() - late);
        let event = scheduled(self, None, Some(due));
        self.event(event);
    }

    fn due(&mut self) {
        self.due_since(Duration::ZERO);
    }

    /// The try handed out last ends so, after so long.
    fn ends(&mut self, how: HowEnded, took: Duration) {
        let id = self.runs.last().unwrap().try_id();
        self.try_ends(id, how, took);
    }

    fn try_ends(&mut self, id: TryId, how: HowEnded, took: Duration) {
        self.run(took);
        let tail = "line 1\nline 2\n".to_owned();
        let end = RunEnd { how, took, bytes: 14, tail, notes: Vec::new() };
        self.event(Event::Ran { id, report: RunReport::Ended(end) });
    }

    fn succeeds(&mut self, took: Duration) {
        self.ends(HowEnded::Exited(0), took);
    }

    /// Outcome and reason of each run so far.
    fn outcomes(&self) -> Vec<String> {
        let line = |run: &crate::model::Run| match run.reason.as_str() {
            "" => run.outcome.label().to_owned(),
            reason => format!("{}: {reason}", run.outcome.label()),
        };
        self.outcomes.iter().map(line).collect()
    }

    /// Kind, root and reason of each message about it so far.
    fn messages(&self) -> Vec<String> {
        let line = |it: &Notice| match &it.incident.phase {
            IncidentPhase::Closed { how, .. } if it.kind == NoticeKind::Resolved => {
                format!("resolved {}: {how}", it.incident.root)
            }
            _ => format!("{:?} {}: {}", it.kind, it.incident.root, it.incident.reason),
        };
        let of_it = |it: &&Notice| it.incident.subject == Subject::Job;
        self.notices.iter().filter(of_it).map(line).collect()
    }
}

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

#[test]
fn a_run_is_waited_for_where_it_was_begun_although_its_job_was_moved() {
    let mut world = world(backup());
    world.due();
    let moved = Job { place: Place::Local, ..backup() };
    world.watchlist.jobs = [(moved.name.clone(), Arc::new(moved))].into();
    world.restart();
    let resumed = world.runs.last().unwrap();
    assert!(resumed.resumed);
    assert_eq!(resumed.job.place, Place::Container("services".into()));
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
