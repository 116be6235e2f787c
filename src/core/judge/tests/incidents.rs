//! What is one incident, and when it is told and over.

use super::*;

#[test]
fn what_still_fails_after_its_root_recovered_is_told_under_its_own_name() {
    let mut world = World::settled(chain());
    world.effects.insert("a".into(), Effect::Nothing);
    world.effects.insert("b".into(), Effect::Nothing);
    world.kill("a");
    world.kill("b");
    world.run(SECOND * 600);
    world.well.insert("a".into(), true);
    world.run(SECOND * 900);
    let of_b = world.notices.iter().filter(|notice| notice.incident.root == "b").count();
    assert!(of_b >= 1, "{:#?}", world.story);
    let resolved = world.notices.iter().find(|notice| notice.kind == NoticeKind::Resolved).unwrap();
    assert_eq!(resolved.incident.root, "a");
}

#[test]
fn every_incident_that_was_opened_is_closed() {
    let mut world = World::settled(chain());
    world.hint_death("b");
    world.hint_death("a");
    world.run(SECOND * 300);
    let open: Vec<&Incident> =
        world.incidents.values().filter(|it| it.phase == IncidentPhase::Open).collect();
    assert!(open.is_empty(), "{open:#?}");
    assert!(!world.incidents.is_empty());
}

#[test]
fn a_pause_ends_no_incident() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 480);
    let told = world.notices.len();
    world.event(Event::Operator(OperatorRequest::Pause("redis".into())));
    world.run(SECOND * 60);
    assert_eq!(world.notices.len(), told, "still down: nothing is resolved");
    world.well.insert("redis".into(), true);
    world.run(SECOND * 120);
    assert_eq!(world.notices.last().unwrap().kind, NoticeKind::Resolved);
}

#[test]
fn what_gave_up_beside_its_unnamed_root_is_told_with_it_alone() {
    let names = ["a", "b", "c", "redis"].map(service);
    let mut world = World::settled(names.to_vec());
    for web in ["a", "b", "c"] {
        world.needs.insert(web.into(), "redis".into());
        world.faults.insert(web.into(), FaultKind::Timeout);
    }
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 1200);
    assert_eq!(world.state("a"), StateLabel::GaveUp);
    let before = world.notices.len();
    world.well.insert("redis".into(), true);
    world.run(SECOND * 200);
    assert_eq!(world.state("c"), StateLabel::Healthy);
    let news: Vec<NoticeKind> = world.notices[before..].iter().map(|it| it.kind).collect();
    assert_eq!(news, [NoticeKind::Resolved], "{:#?}", world.notices);
}

#[test]
fn a_root_that_fails_again_at_once_goes_on_in_its_incident() {
    let mut world = World::settled(vec![service("redis"), service("web")]);
    world.needs.insert("web".into(), "redis".into());
    world.effects.insert("redis".into(), Effect::Nothing);
    world.effects.insert("web".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 400);
    world.well.insert("redis".into(), true);
    world.needs.remove("web");
    world.kill("web");
    while world.state("redis") != StateLabel::Healthy {
        world.run(SECOND);
    }
    world.run(SECOND * 10);
    world.hint_death("redis");
    world.run(SECOND * 60);
    let mut open: Vec<&str> = world
        .incidents
        .values()
        .filter(|it| it.phase == IncidentPhase::Open)
        .map(|it| it.root.as_str())
        .collect();
    open.sort_unstable();
    open.dedup();
    assert_eq!(open.len(), world.core.incidents.memories().count(), "none is lost: {open:?}");
}

#[test]
fn what_people_were_told_keeps_its_root() {
    let mut child = service("child");
    child.dependencies = vec!["root".into()];
    let mut world = World::settled(vec![service("web"), service("root"), child]);
    world.effects.insert("web".into(), Effect::Nothing);
    world.effects.insert("root".into(), Effect::Nothing);
    hang(&mut world, "web");
    world.event(Event::Hint { service: "web".into(), why: String::new(), died: None });
    while world.notices.is_empty() {
        world.run(SECOND);
    }
    world.hint_death("root");
    world.run(SECOND * 30);
    assert_eq!(world.incidents.len(), 1, "{:#?}", world.incidents);
    assert!(world.incidents.values().all(|it| it.root == "web"), "{:#?}", world.incidents);
}

#[test]
fn what_others_fail_with_by_chance_is_not_their_incident() {
    let services = ["a", "b"].map(|name| in_container(name, name));
    let mut world = World::settled(services.to_vec());
    for name in ["a", "b"] {
        up(&mut world, name, 1);
        world.effects.insert(name.into(), Effect::Nothing);
    }
    world.run(SECOND * 120);
    world.hint_death("a");
    world.hint_death("b");
    world.run(SECOND * 30);
    let roots: Vec<&str> = world.incidents.values().map(|it| it.root.as_str()).collect();
    assert_eq!(roots, ["a", "b"], "in two containers");
}

#[test]
fn what_fails_together_is_one_incident_in_one_container_and_two_on_the_host() {
    let failing = |place: Place| {
        let services = ["a", "b"].map(|name| Service { place: place.clone(), ..service(name) });
        let mut world = World::settled(services.to_vec());
        for name in ["a", "b"] {
            world.effects.insert(name.into(), Effect::Nothing);
            world.hint_death(name);
            world.run(SECOND * 20);
        }
        world.incidents.len()
    };
    assert_eq!(failing(Place::Container("services".into())), 1);
    assert_eq!(failing(Place::Local), 2);
}

/// The roots of what fails, at these seconds after the engine came back, in two
/// containers.
fn roots_after_the_engine(seconds: [u32; 2]) -> Vec<String> {
    let names = ["a", "b"];
    let mut world = World::settled(names.map(|name| in_container(name, name)).to_vec());
    for name in names {
        up(&mut world, name, 1);
        world.effects.insert(name.into(), Effect::Nothing);
    }
    world.run(SECOND * 120);
    world.event(Event::EngineGone("no socket".into()));
    world.run(SECOND * 5);
    for name in names {
        up(&mut world, name, 2);
    }
    world.event(Event::EngineBack);
    let back = world.second();
    for (name, second) in names.into_iter().zip(seconds) {
        world.run(SECOND * second - Duration::from_secs_f64(world.second() - back));
        world.hint_death(name);
    }
    world.run(SECOND);
    world.incidents.values().map(|it| it.root.clone()).collect()
}

#[test]
fn what_fails_after_the_engine_came_back_is_one_incident_wherever_it_runs() {
    assert_eq!(roots_after_the_engine([60, 118]), ["a"]);
    assert_eq!(roots_after_the_engine([100, 180]), ["a", "b"], "the second is another matter");
    assert_eq!(roots_after_the_engine([3600, 3610]), ["a", "b"], "so are both by then");
}

#[test]
fn what_fails_more_than_two_minutes_apart_is_two_incidents() {
    let mut world = World::settled(vec![service("a"), service("b")]);
    for name in ["a", "b"] {
        world.effects.insert(name.into(), Effect::Nothing);
        world.hint_death(name);
        world.run(SECOND * 125);
    }
    assert_eq!(world.incidents.len(), 2, "{:#?}", world.incidents);
}

#[test]
fn a_reminder_comes_in_its_time_however_rare_the_looks() {
    let mut api = daily("api");
    api.restart_cmd = None;
    api.recovery.ladder.clear();
    let mut world = World::settled(vec![api]);
    world.hint_death("api");
    world.run(SECOND);
    assert_eq!(world.notices.len(), 1, "{:#?}", world.notices);
    world.run(SECOND * 14_400);
    let told: Vec<NoticeKind> = world.notices.iter().map(|it| it.kind).collect();
    assert_eq!(told, [NoticeKind::Opened, NoticeKind::Reminder(SECOND * 14_400)]);
}

#[test]
fn a_stop_by_hand_is_told_after_ten_minutes_however_rare_the_looks() {
    let mut world = World::settled(vec![daily("redis")]);
    world.container(ContainerChange::Died);
    world.container(ContainerChange::StopRequested);
    let exited = ContainerStatus::Exited { code: 0, oom: false };
    world.container(ContainerChange::Seen(view(1, exited)));
    world.run(SECOND * 604);
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
    world.run(SECOND * 2);
    assert_eq!(world.notices.len(), 1, "{:#?}", world.story);
}

#[test]
fn an_incident_is_shown_as_soon_as_it_is_open() {
    let mut world = World::settled(vec![service("redis")]);
    world.hint_death("redis");
    world.run(Duration::from_millis(10));
    let reasons: Vec<&str> = world.incidents.values().map(|it| it.reason.as_str()).collect();
    assert_eq!(reasons, ["connection refused"]);
}

#[test]
fn an_incident_says_what_comes_next() {
    let mut world = World::settled(vec![service("redis")]);
    world.watchlist.repeat_interval = SECOND * 100;
    world.event(Event::Configured(world.watchlist.clone()));
    world.effects.insert("redis".into(), Effect::Nothing);
    world.act_lasts = SECOND * 10;
    let next = |world: &World| world.incidents.values().next().unwrap().next.clone();
    world.hint_death("redis");
    world.run(SECOND);
    assert_eq!(next(&world), "it is being restarted");
    world.run(SECOND * 10);
    assert_eq!(next(&world), "waiting for its check to pass");
    while world.state("redis") != StateLabel::GaveUp {
        world.run(SECOND);
    }
    let told = |world: &World| world.notices.last().unwrap().incident.next.clone();
    assert_eq!(told(&world), "gave up; one more try in 5 min");
    world.run(SECOND * 100);
    assert_eq!(told(&world), "gave up; one more try in 3 min 20 s", "{:#?}", world.notices);
}

#[test]
fn a_start_that_waits_for_its_turn_is_told_as_waiting() {
    let mut world = World::settled(vec![service("busy"), in_container("late", "late")]);
    world.watchlist.parallel_actions = 1;
    world.event(Event::Configured(world.watchlist.clone()));
    world.act_lasts = SECOND * 100;
    world.kill("late");
    world.hint_death("busy");
    world.run(SECOND);
    up(&mut world, "late", 1);
    world.run(SECOND * 60);
    assert!(world.incidents.values().all(|it| it.root == "busy"), "{:#?}", world.incidents);
    world.run(SECOND * 30);
    let late = world.incidents.values().find(|it| it.root == "late").unwrap();
    assert_eq!(late.next, "waiting for it to come up");
}

#[test]
fn who_hangs_on_a_root_and_is_well_or_not_wanted_is_not_affected() {
    let mut services = vec![service("root")];
    for name in ["failing", "off", "well"] {
        let mut child = in_container(name, name);
        child.dependencies = vec!["root".into()];
        child.enabled = name != "off";
        services.push(child);
    }
    let mut world = World::settled(services);
    for name in ["failing", "well"] {
        up(&mut world, name, 1);
    }
    world.run(SECOND * 120);
    world.effects.insert("root".into(), Effect::Nothing);
    world.kill("failing");
    world.hint_death("root");
    world.run(SECOND * 300);
    let told = &world.notices.last().unwrap().incident;
    let affected: Vec<&str> = told.affected.iter().map(|it| it.name.as_str()).collect();
    assert_eq!((told.root.as_str(), &affected[..]), ("root", &["failing"][..]));
}

#[test]
fn who_is_told_is_up_to_the_root_unless_it_has_nobody() {
    let channel = |name: &str| Notify::Channels(vec![name.into()]);
    let told = |of_root: Notify| {
        let mut services = chain();
        services[0].notify = of_root;
        services[1].notify = channel("of b");
        let mut world = World::settled(services);
        world.effects.insert("a".into(), Effect::Nothing);
        world.hint_death("a");
        world.hint_death("b");
        world.run(SECOND * 300);
        assert_eq!(world.notices[0].incident.root, "a");
        world.notices[0].notify.clone()
    };
    assert_eq!(told(channel("of a")), channel("of a"));
    assert_eq!(told(Notify::Nobody), channel("of b"));
}

#[test]
fn what_can_be_looked_at_again_and_is_degraded_says_what_is_wrong_now() {
    let mut redis = service("redis");
    redis.checks.push(alert_check());
    let mut world = World::settled(vec![redis]);
    world.unknown = true;
    world.run(SECOND * 600);
    world.unknown = false;
    world.unwell_checks.push("agent".into());
    world.run(SECOND * 600);
    assert_eq!(world.state("redis"), StateLabel::Degraded);
    let reasons: Vec<&str> = world.incidents.values().map(|it| it.reason.as_str()).collect();
    assert_eq!(reasons, ["check agent: connection refused"], "it is one incident all along");
    assert_eq!(world.notices.len(), 1, "{:#?}", world.notices);
}

#[test]
fn of_what_gets_out_of_sight_it_is_told_that_and_not_how_it_was_degraded_before() {
    let mut api = service("api");
    api.checks.push(alert_check());
    let mut world = World::settled(vec![api]);
    world.unwell_checks.push("agent".into());
    world.run(SECOND * 120);
    assert_eq!(world.state("api"), StateLabel::Degraded);
    let reason = |world: &World| world.incidents.values().next().unwrap().reason.clone();
    assert_eq!(reason(&world), "check agent: connection refused");
    world.unwell_checks.clear();
    world.unknown = true;
    world.run(SECOND * 600);
    assert_eq!(world.state("api"), StateLabel::Unknown);
    assert_eq!(world.incidents.len(), 1, "{:#?}", world.incidents);
    assert_eq!(reason(&world), "cannot be looked at: the agent is lost");
}

#[test]
fn of_a_long_outage_the_beginning_and_the_end_are_kept() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 3600 * 48);
    let history = world.incidents.values().next().unwrap().history.clone();
    assert!(world.restarts() > 60, "{}", world.restarts());
    assert_eq!(history.len(), 41, "{history:#?}");
    assert!(history[1].starts_with("attempt 1: "), "{history:#?}");
    let lines = 2 * world.restarts();
    assert_eq!(history[4], format!("… {} more …", lines - 40));
    assert!(history[40].starts_with(&format!("attempt {}: ", world.restarts())), "{history:#?}");
}
