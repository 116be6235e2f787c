//! From a missed answer to a verdict.

use super::*;

#[test]
fn one_missed_answer_restarts_nothing() {
    let mut world = World::settled(vec![service("redis")]);
    world.kill("redis");
    while world.state("redis") == StateLabel::Healthy {
        world.run(SECOND);
    }
    assert_eq!(world.state("redis"), StateLabel::Suspect);
    world.well.insert("redis".into(), true);
    world.run(SECOND * 300);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert!(world.acts.is_empty());
    assert!(world.notices.is_empty());
}

#[test]
fn a_refusal_is_confirmed_within_64_seconds_and_restarted() {
    let mut world = World::settled(vec![service("redis")]);
    let before = world.second();
    world.kill("redis");
    world.run(SECOND * 65);
    let (at, _, act) = &world.acts[0];
    assert!(at - before <= 64.1, "{}", at - before);
    assert_eq!(*act, Act::Restart(Rung::Command));
    world.run(SECOND * 30);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert!(world.story.iter().any(|line| line.contains("healed in")), "{:#?}", world.story);
    let confirmed = "suspect → down: connection refused (3 fails in a row)";
    assert!(world.told(confirmed), "{:#?}", world.story);
    assert!(world.notices.is_empty(), "healed within a minute is not told");
}

#[test]
fn the_death_of_a_watched_port_owner_needs_no_confirmation() {
    let mut world = World::settled(vec![service("redis")]);
    let before = world.second();
    world.hint_death("redis");
    world.run(SECOND);
    assert!(world.acts[0].0 - before < 0.1, "{:?}", world.acts);
    let proven = |line: &String| line.ends_with("healthy → down: connection refused");
    assert!(world.story.iter().any(proven), "{:#?}", world.story);
}

#[test]
fn a_process_check_proves_a_death_by_itself() {
    let mut worker = service("worker");
    worker.checks = vec![process_check()];
    let mut world = World::settled(vec![worker]);
    let before = world.second();
    world.hint_death("worker");
    world.run(SECOND);
    assert!(world.acts[0].0 - before < 0.1);
}

#[test]
fn nothing_is_looked_at_before_the_startup_delay_is_over() {
    let mut world = World::settled(vec![service("redis")]);
    world.hint_death("redis");
    world.run(SECOND);
    let hint = Event::Hint { service: "redis".into(), why: "the stream ended".into(), died: None };
    world.event(hint);
    world.run(SECOND * 3);
    assert_eq!(world.state("redis"), StateLabel::Verifying, "{:#?}", world.story);
    world.run(SECOND * 5);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
}

#[test]
fn a_hint_is_no_verdict() {
    let mut world = World::settled(vec![service("redis")]);
    let died = Some(ProcId { pid: 7, start_ticks: 1, name: "x".into() });
    world.event(Event::Hint { service: "redis".into(), why: "it ended".into(), died });
    world.run(SECOND * 60);
    assert!(world.acts.is_empty(), "it was back before anybody looked");
}

#[test]
fn memory_running_out_is_worth_a_look() {
    let mut world = World::settled(vec![service("redis")]);
    let before = world.second();
    world.kill("redis");
    world.container(ContainerChange::OutOfMemory);
    world.run(Duration::from_millis(100));
    assert_eq!(world.state("redis"), StateLabel::Suspect, "{before}");
}

#[test]
fn unknown_is_never_a_failure_but_told_once() {
    let mut world = World::settled(vec![service("redis")]);
    world.unknown = true;
    world.run(SECOND * 3600);
    assert!(world.acts.is_empty());
    assert_eq!(world.state("redis"), StateLabel::Unknown);
    assert_eq!(world.notices.len(), 1, "{:#?}", world.notices);
    let redis = ServiceName::from("redis");
    assert_eq!(world.views[&redis].since, world.notices[0].at, "ever since");
    assert_eq!(world.story.len(), 1, "{:#?}", world.story);
    assert_eq!(world.notices[0].incident.severity, Severity::Warning);
    world.unknown = false;
    world.run(SECOND * 120);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert_eq!(world.notices[1].kind, NoticeKind::Resolved);
    assert_eq!(world.how_it_ended(), "can be looked at again");
}

#[test]
fn fail_for_holds_the_verdict_back() {
    let mut slow = service("relay");
    slow.checks[0].fail_for = SECOND * 300;
    let mut world = World::settled(vec![slow]);
    let before = world.second();
    world.kill("relay");
    world.run(SECOND * 600);
    assert!(world.acts[0].0 - before >= 300.0, "{:?}", world.acts);
    assert!(world.acts[0].0 - before <= 361.0, "{:?}", world.acts);
}

#[test]
fn a_failure_that_ended_before_fail_for_is_none() {
    let mut relay = service("relay");
    relay.checks[0].fail_for = SECOND * 30;
    let mut world = World::settled(vec![relay]);
    world.kill("relay");
    while world.state("relay") == StateLabel::Healthy {
        world.run(SECOND);
    }
    world.run(SECOND * 6);
    world.well.insert("relay".into(), true);
    world.run(SECOND * 300);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
}

#[test]
fn fails_with_passes_between_them_do_not_add_up() {
    let mut relay = service("relay");
    relay.checks = vec![tcp_check(), alert_check()];
    let mut world = World::settled(vec![relay]);
    // One more would be 5 % of its last 100 probes, which is worth a word.
    world.run(SECOND * 6000);
    for _ in 0..4 {
        blip(&mut world, "relay");
        world.run(SECOND * 200);
    }
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
}

#[test]
fn an_alert_check_degrades_and_never_restarts() {
    let mut relay = service("relay");
    relay.checks[0].on_fail = OnFail::Alert;
    let mut world = World::settled(vec![relay]);
    world.kill("relay");
    world.run(SECOND * 300);
    assert_eq!(world.state("relay"), StateLabel::Degraded);
    assert!(world.acts.is_empty());
    assert_eq!(world.notices.len(), 1);
    world.well.insert("relay".into(), true);
    world.run(SECOND * 120);
    assert_eq!(world.state("relay"), StateLabel::Healthy);
    assert_eq!(world.how_it_ended(), "came back without vai's doing");
}

#[test]
fn a_daily_check_is_looked_at_as_soon_as_its_container_is_known() {
    let mut daily = service("daily");
    daily.checks[0].interval = SECOND * 86_400;
    let mut world = World::new(vec![daily]);
    world.well.insert("daily".into(), true);
    world.run(SECOND * 2);
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 30);
    assert_eq!(world.state("daily"), StateLabel::Healthy);
}

/// Lets one look of `name` fail.
fn blip(world: &mut World, name: &str) {
    world.kill(name);
    world.event(Event::Hint { service: name.into(), why: String::new(), died: None });
    world.well.insert(name.into(), true);
}

#[test]
fn one_look_is_enough_to_settle_a_failure_that_only_had_to_last() {
    let mut relay = service("relay");
    relay.checks[0].fail_for = SECOND * 290;
    let mut world = World::settled(vec![relay]);
    world.kill("relay");
    world.event(Event::Hint { service: "relay".into(), why: String::new(), died: None });
    let before = world.second();
    world.run(SECOND * 400);
    let waited = world.acts[0].0 - before;
    assert!((290.0..290.1).contains(&waited), "{waited}");
}

#[test]
fn no_two_looks_share_a_number() {
    let mut world = World::settled(vec![service("a"), service("b")]);
    world.run(SECOND * 600);
    let mut numbers: Vec<u64> = world.looks.iter().map(|(_, ticket)| ticket.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), world.looks.len());
}

#[test]
fn a_look_is_for_the_instance_that_runs_unless_there_is_only_one() {
    let local = Service { place: Place::Local, ..service("local") };
    let world = World::settled(vec![service("redis"), local]);
    let asked = |name: &str| {
        let of = world.looks.iter().rev().find(|(_, ticket)| ticket.service.as_str() == name);
        of.and_then(|(_, ticket)| ticket.instance.clone())
    };
    assert_eq!(asked("redis"), Some(instance(1)));
    assert_eq!(asked("local"), None);
}

#[test]
fn a_long_fail_for_is_waited_for_at_the_usual_pace() {
    let mut relay = service("relay");
    relay.checks[0].fail_for = SECOND * 600;
    let mut world = World::settled(vec![relay]);
    let ticked = world.looks_at("relay");
    while world.looks_at("relay") == ticked {
        world.run(Duration::from_millis(100));
    }
    world.run(SECOND);
    let before = world.looks_at("relay");
    world.kill("relay");
    world.event(Event::Hint { service: "relay".into(), why: String::new(), died: None });
    world.run(SECOND * 50);
    assert_eq!(world.looks_at("relay") - before, 3, "that many could have confirmed it");
}

#[test]
fn checks_are_spread_over_their_interval() {
    let services = (0..30).map(|n| service(&format!("s{n}"))).collect();
    let mut world = World::settled(services);
    let before = world.looks.len();
    world.run(SECOND * 60);
    let mut seconds: Vec<u64> =
        world.looks[before..].iter().map(|(at, _)| at.floor() as u64).collect();
    seconds.sort_unstable();
    seconds.dedup();
    assert!(seconds.len() >= 15, "{seconds:?}");
}

#[test]
fn where_one_fail_is_enough_none_are_counted() {
    let mut hasty = service("redis");
    hasty.checks[0].failure_threshold = 1;
    let mut world = World::settled(vec![hasty]);
    world.kill("redis");
    world.run(SECOND * 61);
    assert!(world.told("healthy → down: connection refused"), "{:#?}", world.story);
    assert!(!world.told("in a row"), "{:#?}", world.story);
}

#[test]
fn an_alert_check_is_well_again_once_that_is_proven() {
    let mut relay = service("relay");
    relay.checks.push(Check { success_threshold: 4, ..alert_check() });
    let mut world = World::settled(vec![relay]);
    world.unwell_checks.push("agent".into());
    world.run(SECOND * 200);
    assert_eq!(world.state("relay"), StateLabel::Degraded);
    let looks = |world: &World| world.looks.iter().filter(|(_, ticket)| ticket.check == 1).count();
    let before = looks(&world);
    world.unwell_checks.clear();
    while world.state("relay") != StateLabel::Healthy {
        world.run(Duration::from_millis(100));
    }
    assert_eq!(looks(&world) - before, 4, "{:#?}", world.story);
}

#[test]
fn before_anything_was_seen_nothing_is_known() {
    let mut world = World::new(vec![service("redis")]);
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    assert_eq!(world.state("redis"), StateLabel::Unknown);
    world.kill("redis");
    world.run(SECOND * 6);
    assert_eq!(world.state("redis"), StateLabel::Starting, "it was looked at");
}

#[test]
fn a_reason_names_its_check_where_there_are_several() {
    let mut relay = service("relay");
    relay.checks = vec![process_check(), tcp_check(), alert_check()];
    let mut world = World::settled(vec![relay]);
    world.unwell_checks.push("agent".into());
    world.run(SECOND * 120);
    assert!(world.told("degraded: check agent: connection refused"), "{:#?}", world.story);
    world.unwell_checks.push("tcp".into());
    world.effects.insert("relay".into(), Effect::Nothing);
    world.run(SECOND * 200);
    assert!(world.told("down: check tcp: connection refused (3 fails"), "{:#?}", world.story);
    let reason = &world.incidents.values().next().unwrap().reason;
    assert_eq!(reason, "check tcp: connection refused");
    assert!(world.told("restarted but still failing: check tcp: "), "{:#?}", world.story);
}
