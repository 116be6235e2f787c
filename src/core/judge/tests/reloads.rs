//! The registry changes under way.

use super::*;

#[test]
fn an_unchanged_service_keeps_its_state_through_a_reload() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 200);
    let before = world.core.services[&ServiceName::from("redis")].kept.effort.failed_in_row();
    assert!(before > 0);
    let changed = vec![service("redis"), service("new")];
    world.well.insert("new".into(), true);
    world.event(Event::Configured(watchlist(changed)));
    let after = world.core.services[&ServiceName::from("redis")].kept.effort.failed_in_row();
    assert_eq!(before, after);
}

#[test]
fn a_look_under_way_while_an_edit_moves_its_check_still_ends() {
    let mut before = service("redis");
    before.checks = vec![tcp_check(), process_check()];
    let mut after = before.clone();
    after.checks.reverse();
    let mut world = World::settled(vec![before]);
    while world.queue.is_empty() {
        world.run(Duration::from_millis(1));
    }
    world.event(Event::Configured(watchlist(vec![after])));
    let skipped = |world: &World| -> u64 {
        world.core.services[&ServiceName::from("redis")].runs.iter().map(run::Run::skipped).sum()
    };
    world.run(SECOND * 600);
    assert_eq!(skipped(&world), 0, "both checks go on running");
}

#[test]
fn a_service_disabled_while_it_fails_is_resolved_and_left_alone() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 480);
    let acts = world.acts.len();
    let mut disabled = service("redis");
    disabled.enabled = false;
    world.event(Event::Configured(watchlist(vec![disabled])));
    world.run(SECOND * 3600);
    assert_eq!(world.acts.len(), acts);
    assert_eq!(world.state("redis"), StateLabel::Disabled);
    assert_eq!(world.notices.last().unwrap().kind, NoticeKind::Resolved);
}

#[test]
fn a_removed_service_closes_its_incident() {
    let mut world = World::settled(vec![service("redis"), service("other")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 480);
    world.event(Event::Configured(watchlist(vec![service("other")])));
    let last = world.notices.last().unwrap();
    assert_eq!(last.kind, NoticeKind::Resolved);
    let IncidentPhase::Closed { how, .. } = &last.incident.phase else { panic!("still open") };
    assert_eq!(how, "removed from the registry");
}

#[test]
fn an_edit_that_no_check_is_touched_by_changes_no_state() {
    let mut world = World::settled(vec![service("redis")]);
    let mut edited = service("redis");
    edited.log_path = Some("/var/log/redis.log".into());
    world.event(Event::Configured(watchlist(vec![edited])));
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert!(world.story.is_empty(), "{:#?}", world.story);
}

#[test]
fn a_check_that_an_edit_leaves_alone_keeps_what_it_saw() {
    let mut world = World::settled(vec![service("redis")]);
    let mut edited = service("redis");
    edited.checks.insert(0, process_check());
    world.event(Event::Configured(watchlist(vec![edited])));
    let checks = &world.views[&ServiceName::from("redis")].checks;
    let last: Vec<(&str, &str)> =
        checks.iter().map(|it| (it.name.as_str(), it.last.as_str())).collect();
    assert_eq!(last, [("process", "pending"), ("tcp", "pass")]);
}

#[test]
fn what_is_enabled_again_is_looked_at_again() {
    let mut world = World::settled(vec![service("redis")]);
    let mut disabled = service("redis");
    disabled.enabled = false;
    world.event(Event::Configured(watchlist(vec![disabled])));
    let looks = world.looks_at("redis");
    world.run(SECOND * 600);
    assert_eq!(world.looks_at("redis"), looks, "nobody looks at what is disabled");
    world.event(Event::Configured(watchlist(vec![service("redis")])));
    assert_eq!(world.state("redis"), StateLabel::Starting, "it may be coming up");
    world.run(SECOND * 60);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
}

#[test]
fn a_service_that_moves_is_judged_where_it_is_now() {
    let mut world = World::settled(vec![service("redis")]);
    world.kill("redis");
    world.event(Event::Configured(watchlist(vec![in_container("redis", "other")])));
    up(&mut world, "other", 1);
    assert_ne!(world.state("redis"), StateLabel::Healthy);
    world.run(SECOND * 60);
    assert_eq!(world.acts_on("redis"), [&Act::Start]);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
}

#[test]
fn a_service_that_left_the_registry_while_vai_was_down_carries_no_act_on() {
    let mut world = World::settled(vec![service("redis"), service("other")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 120);
    world.act_lasts = SECOND;
    while world.state("redis") != StateLabel::Healing {
        world.run(Duration::from_millis(10));
    }
    assert!(world.notices.iter().any(|it| it.incident.root == "redis"), "{:#?}", world.notices);
    let with_redis = std::mem::replace(&mut world.watchlist, watchlist(vec![service("other")]));
    world.restart();
    world.run(SECOND * 60);
    let ends = world.notices.iter().filter_map(|it| match &it.incident.phase {
        IncidentPhase::Closed { how, .. } if it.incident.root == "redis" => Some(how.as_str()),
        _ => None,
    });
    assert_eq!(ends.collect::<Vec<_>>(), ["removed from the registry"]);
    world.run(SECOND * 3600);
    world.effects.remove("redis");
    world.event(Event::Configured(with_redis));
    world.run(SECOND * 120);
    assert_eq!(world.state("redis"), StateLabel::Healthy, "{:#?}", world.story);
}

/// One that vai gave up.
fn given_up() -> World {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    while world.state("redis") != StateLabel::GaveUp {
        world.run(SECOND);
    }
    world.story.clear();
    world
}

#[test]
fn what_an_edit_may_have_mended_is_tried_at_once() {
    let edits: [fn(&mut Service); 5] = [
        |service| service.restart_cmd = Some("start it otherwise".into()),
        |service| service.checks[0].timeout = SECOND * 4,
        |service| service.user = Some("redis".into()),
        |service| service.environment = vec![("PORT".into(), "6379".into())],
        |service| service.working_dir = Some("/srv".into()),
    ];
    for edit in edits {
        let mut world = given_up();
        let acts = world.acts.len();
        world.effects.insert("redis".into(), Effect::Heals);
        let mut edited = service("redis");
        edit(&mut edited);
        world.event(Event::Configured(watchlist(vec![edited])));
        world.run(SECOND * 30);
        assert_eq!(world.acts[acts..].len(), 1, "{:#?}", world.story);
        assert_eq!(world.acts[acts].2, Act::Restart(Rung::Command), "the ladder begins anew");
        assert_eq!(world.state("redis"), StateLabel::Healthy, "{:#?}", world.story);
        assert!(world.told("gave_up → down: its entry in the registry changed"));
    }
}

#[test]
fn an_edit_of_something_else_does_not_end_giving_up() {
    let mut world = given_up();
    let acts = world.acts.len();
    let mut edited = service("redis");
    edited.log_path = Some("/var/log/redis.log".into());
    world.event(Event::Configured(watchlist(vec![edited])));
    world.run(SECOND * 100);
    assert_eq!(world.acts.len(), acts, "{:#?}", world.story);
    assert_eq!(world.state("redis"), StateLabel::GaveUp);
}

#[test]
fn an_edit_empties_no_window() {
    let mut world = given_up();
    for n in 0..20 {
        let mut edited = service("redis");
        edited.restart_cmd = Some(format!("start it, version {n}"));
        world.event(Event::Configured(watchlist(vec![edited])));
        world.run(SECOND * 2);
        world.run(SECOND * 10);
    }
    let ceiling = service("redis").recovery;
    let window = ceiling.window.as_secs_f64();
    for (at, ..) in &world.acts {
        let within = world.acts.iter().filter(|it| (*at..at + window).contains(&it.0)).count();
        assert!(within <= ceiling.max_restarts as usize, "{:?}", world.acts);
    }
    assert!(world.told("the ceiling of 5 restarts"), "{:#?}", world.story);
}
