//! What a restart of `vai` does not change.

use super::*;

#[test]
fn state_budget_pause_and_incident_go_on() {
    let mut world = World::settled(vec![service("redis"), service("web"), service("calm")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 250);
    assert_eq!(world.state("redis"), StateLabel::GaveUp);
    world.event(Event::Operator(OperatorRequest::Pause("web".into())));
    let told = world.notices.len();
    assert_eq!(world.restarts(), 3);
    world.restart();
    assert_eq!(world.state("redis"), StateLabel::GaveUp);
    assert_eq!(world.state("web"), StateLabel::Paused);
    assert_eq!(world.state("calm"), StateLabel::Healthy);
    world.run(SECOND * 120);
    assert_eq!(world.restarts(), 3, "the slow retry is not due yet: {:?}", world.acts);
    let news: Vec<_> = world.notices[told..].iter().map(|it| it.incident.root.as_str()).collect();
    assert_eq!(news, ["vai"], "that it was killed, and nothing twice");
    world.effects.remove("redis");
    world.run(SECOND * 300);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    let last = world.notices.last().unwrap();
    assert_eq!((last.kind, world.notices.len()), (NoticeKind::Resolved, told + 2));
    assert_eq!(last.incident.id, world.notices[0].incident.id);
}

#[test]
fn an_act_that_was_cut_off_is_proven_and_not_done_again() {
    let mut world = World::settled(vec![service("redis")]);
    world.hint_death("redis");
    while world.acts.is_empty() {
        world.run(Duration::from_millis(10));
    }
    assert_eq!(world.memory.acts.len(), 1, "its intent is stored before it is done");
    world.restart();
    assert!(world.told("vai ended in the middle of it"), "{:#?}", world.story);
    assert!(world.memory.acts.is_empty());
    world.run(SECOND * 30);
    assert_eq!(world.restarts(), 1, "{:?}", world.acts);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert!(world.told("healed in"), "{:#?}", world.story);
}

#[test]
fn a_cut_off_act_that_came_to_nothing_is_an_attempt_that_failed() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    while world.acts.is_empty() {
        world.run(Duration::from_millis(10));
    }
    world.restart();
    world.run(SECOND * 50);
    assert_eq!(world.restarts(), 1, "{:?}", world.acts);
    world.run(SECOND * 60);
    assert!(world.restarts() >= 2, "then it is tried again: {:#?}", world.story);
}

#[test]
fn the_restart_of_a_container_that_the_engine_completes_alone_is_ours() {
    let mut app = service("app");
    app.restart_cmd = None;
    app.recovery.ladder = vec![Rung::Container];
    let mut world = World::settled(vec![app]);
    world.kill("app");
    while world.acts.is_empty() {
        world.run(Duration::from_millis(10));
    }
    world.well.insert("app".into(), false);
    world.restart();
    world.container(ContainerChange::Signalled);
    world.container(ContainerChange::Died);
    world.container(ContainerChange::StopRequested);
    world.well.insert("app".into(), true);
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.run(SECOND * 30);
    assert_eq!(world.state("app"), StateLabel::Healthy);
    assert_eq!(world.restarts(), 1);
    assert!(world.told("healed in"), "{:#?}", world.story);
}

#[test]
fn a_start_is_spent_for_good() {
    let mut world = World::new(vec![service("redis")]);
    world.well.insert("redis".into(), false);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    while world.acts.is_empty() {
        world.run(Duration::from_millis(10));
    }
    assert_eq!(world.acts[0].2, Act::Start);
    for _ in 0..2 {
        world.event(Event::Stopping);
        world.restart();
        world.run(SECOND * 20);
    }
    world.run(SECOND * 300);
    let starts = world.acts.iter().filter(|(_, _, act)| *act == Act::Start).count();
    assert_eq!(starts, 1, "{:?}", world.acts);
}

#[test]
fn an_entry_that_leaves_and_comes_back_has_spent_what_it_spent() {
    let mut world = World::settled(vec![service("redis"), service("web")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 250);
    assert_eq!(world.restarts(), 3);
    world.event(Event::Configured(watchlist(vec![service("web")])));
    world.event(Event::Configured(world.watchlist.clone()));
    world.run(SECOND * 60);
    assert_eq!(world.restarts(), 3, "{:?}", world.acts);
}

#[test]
fn an_entry_that_leaves_while_it_is_down_comes_back_with_a_clean_sheet() {
    let mut world = World::settled(vec![service("redis"), service("web")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 250);
    world.event(Event::Configured(watchlist(vec![service("web")])));
    world.well.insert("redis".into(), true);
    world.event(Event::Configured(world.watchlist.clone()));
    world.run(SECOND * 60);
    assert_eq!(world.incidents.len(), 1, "{:#?}", world.incidents);
}

#[test]
fn what_left_the_registry_is_forgotten_after_a_week() {
    let mut world = World::settled(vec![service("redis"), service("web")]);
    world.watchlist = watchlist(vec![service("web")]);
    world.event(Event::Configured(world.watchlist.clone()));
    for days in [6, 2] {
        assert!(world.memory.services.contains_key(&ServiceName::from("redis")));
        world.advance(world.now.mono + SECOND * 86_400 * days);
        world.event(Event::Stopping);
        world.restart();
    }
    assert!(!world.memory.services.contains_key(&ServiceName::from("redis")));
}

#[test]
fn a_stop_by_hand_outlives_a_crash_of_vai() {
    let mut world = World::settled(vec![service("redis")]);
    world.container(ContainerChange::Signalled);
    world.container(ContainerChange::Died);
    world.container(ContainerChange::StopRequested);
    let exited = ContainerStatus::Exited { code: 0, oom: false };
    world.container(ContainerChange::Seen(view(1, exited.clone())));
    world.run(SECOND * 120);
    world.instance = None;
    world.restart();
    world.container(ContainerChange::Seen(view(1, exited)));
    world.run(SECOND * 120);
    assert_eq!(world.state("redis"), StateLabel::StoppedByHand);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
}

#[test]
fn a_stop_right_before_vai_itself_stops_means_nothing() {
    let mut world = World::settled(vec![service("redis")]);
    let exited = ContainerStatus::Exited { code: 0, oom: false };
    world.container(ContainerChange::Signalled);
    world.container(ContainerChange::Died);
    world.container(ContainerChange::StopRequested);
    world.container(ContainerChange::Seen(view(1, exited)));
    world.run(SECOND * 20);
    world.event(Event::Stopping);
    world.instance = None;
    world.restart();
    world.kill("redis");
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.run(SECOND * 60);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert_eq!(world.acts_on("redis"), [&Act::Start]);
}

#[test]
fn after_a_reboot_everything_is_started_in_order_and_told_once() {
    let mut web = service("web");
    web.dependencies = vec!["redis".into()];
    let mut worker = service("worker");
    worker.dependencies = vec!["web".into()];
    let mut world = World::settled(vec![service("redis"), web, worker]);
    world.watchlist.local = Instance { id: "next-boot".into(), started_at: "1".into() };
    world.instance = None;
    world.event(Event::Stopping);
    world.restart();
    for name in ["redis", "web", "worker"] {
        world.kill(name);
    }
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.run(SECOND * 300);
    let order: Vec<&str> = world.acts.iter().map(|(_, name, _)| name.as_str()).collect();
    assert_eq!(order, ["redis", "web", "worker"]);
    assert_eq!(world.restarts(), 0, "budgets are untouched");
    assert_eq!(world.notices.len(), 1, "{:#?}", world.notices);
    let notice = &world.notices[0];
    assert_eq!((notice.kind, notice.incident.severity), (NoticeKind::Info, Severity::Info));
    let reason = "the host was rebooted, and all 3 services are up again";
    assert_eq!(notice.incident.reason, reason);
}

#[test]
fn a_message_is_remembered_until_it_has_arrived() {
    let mut world = World::settled(vec![service("a"), service("b")]);
    world.unknown = true;
    world.run(SECOND * 600);
    let untold: Vec<Notice> = world.memory.messages().values().cloned().collect();
    assert_eq!(untold, world.notices);
    assert!(!untold.is_empty());
    let ids: Vec<MessageId> = world.memory.messages().keys().copied().collect();
    ids.into_iter().for_each(|id| world.event(Event::Told(id)));
    assert!(world.memory.messages().is_empty());
}

#[test]
fn a_stop_that_was_cut_off_is_for_its_operator_to_repeat() {
    let mut world = World::settled(vec![service("redis")]);
    world.event(Event::Operator(OperatorRequest::Stop("redis".into())));
    world.restart();
    assert!(world.told("`vai stop redis` again if it still runs"), "{:#?}", world.story);
    assert_eq!(world.acts_on("redis"), [&Act::Stop], "it is not done again by itself");
}

#[test]
fn a_container_is_remembered_as_long_as_anything_runs_in_it() {
    let key = ContainerKey::from("services");
    let mut world = World::settled(vec![service("redis")]);
    for _ in 0..3 {
        world.run(SECOND * 61);
        assert!(world.memory.containers.contains_key(&key));
    }
    world.event(Event::Configured(watchlist(vec![in_container("redis", "other")])));
    assert!(!world.memory.containers.contains_key(&key));
}

#[test]
fn no_two_incidents_share_a_name_whatever_the_clock_says() {
    let mut world = World::settled(vec![service("redis")]);
    let wall = world.now.wall;
    for _ in 0..3 {
        world.now.wall = wall;
        world.hint_death("redis");
        world.run(SECOND * 900);
        world.event(Event::Stopping);
        world.restart();
        world.run(SECOND * 120);
    }
    let at_once = world.incidents.keys().filter(|id| id.0.starts_with("redis-120-"));
    assert_eq!(at_once.count(), 3, "{:#?}", world.incidents.keys());
}

#[test]
fn no_two_comebacks_share_a_name_whatever_the_clock_says() {
    let mut world = World::settled(vec![service("redis")]);
    world.now.wall = Wall::from_millis(1_800_000_000_123);
    let wall = world.now.wall;
    for number in 2..5 {
        world.now.wall = wall;
        world.event(Event::EngineGone("no socket".into()));
        world.container(ContainerChange::Seen(view(number, ContainerStatus::Running)));
        world.event(Event::EngineBack);
        world.run(SECOND * 600);
    }
    let mut ids: Vec<&str> = world.notices.iter().map(|it| it.incident.id.0.as_str()).collect();
    let second = |id: &&str| id.split('-').nth(1).unwrap().parse::<u64>().unwrap() / 60;
    assert!(ids.iter().map(second).all(|minute| minute == 30_000_000), "{ids:?}");
    ids.dedup();
    assert_eq!(ids.len(), 3, "{ids:?}");
}

#[test]
fn a_stop_while_vai_itself_stops_means_nothing() {
    let kept_up = |status| {
        let ContainerView::Present(presence) = view(1, status) else { unreachable!() };
        let presence = Presence { engine_restarts: true, ..presence };
        ContainerChange::Seen(ContainerView::Present(presence))
    };
    let mut world = World::settled(vec![service("redis")]);
    world.container(kept_up(ContainerStatus::Running));
    world.event(Event::Stopping);
    world.kill("redis");
    world.container(ContainerChange::Died);
    world.container(ContainerChange::StopRequested);
    world.instance = None;
    world.restart();
    world.container(kept_up(ContainerStatus::Exited { code: 143, oom: false }));
    world.run(SECOND * 60);
    assert_eq!(world.restarts(), 1, "{:#?}", world.story);
}

#[test]
fn an_incident_from_before_it_was_remembered_whether_it_was_shown_was_shown() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 10);
    let open: Vec<&Incident> = world.memory.incidents().collect();
    assert_eq!(open, world.incidents.values().collect::<Vec<_>>());
    let now = world.memory.incidents.values().next().unwrap();
    let mut before = serde_json::to_value(now).unwrap();
    assert!(before.as_object_mut().unwrap().remove("shown").is_some());
    assert_eq!(serde_json::from_value::<IncidentMemory>(before).unwrap(), *now);
}

#[test]
fn what_is_disabled_stays_so_and_has_spent_what_it_spent() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 250);
    let enabled = world.watchlist.clone();
    let mut disabled = service("redis");
    disabled.enabled = false;
    // While vai did not run, too.
    world.watchlist = watchlist(vec![disabled]);
    world.restart();
    assert_eq!(world.state("redis"), StateLabel::Disabled);
    world.event(Event::Configured(enabled));
    world.run(SECOND);
    assert_eq!(world.views[&ServiceName::from("redis")].restarts_in_window, 3);
}
