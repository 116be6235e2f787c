//! Every gate by its own name.

use super::*;

#[test]
fn host_ceiling_is_exact_and_does_not_count_the_dead() {
    let names: Vec<Service> = ["a", "b", "c", "d", "e"]
        .into_iter()
        .map(|name| in_container(name, &format!("c-{name}")))
        .collect();
    let mut world = World::new(names);
    world.watchlist.host_max_restarts = 2;
    world.event(Event::Configured(world.watchlist.clone()));
    for name in ["a", "b", "c", "d", "e"] {
        world.well.insert(name.into(), true);
        up(&mut world, &format!("c-{name}"), 1);
    }
    world.run(SECOND * 120);
    for name in ["a", "b", "c"] {
        hang(&mut world, name);
        // So far apart that none may be another's root.
        world.run(SECOND * 190);
    }
    assert_eq!(world.restarts(), 2, "{:?}", world.acts);
    assert!(matches!(world.gate("c"), Some(Gate::HostCeiling { max: 2, .. })));
    assert_eq!(world.state("c"), StateLabel::Held);
    world.hint_death("d");
    world.run(SECOND * 30);
    assert_eq!(world.acts_on("d").len(), 1, "the dead are restarted all the same");
    world.run(SECOND * 600);
    assert_eq!(world.acts_on("c").len(), 1, "{:?}", world.acts);
}

#[test]
fn maintenance_holds_and_silences_and_ends() {
    let mut world = World::settled(vec![service("redis")]);
    let window = MaintenanceWindow {
        services: vec!["redis".into()],
        jobs: Vec::new(),
        reason: "backup".into(),
        until: Wall::default(),
    };
    world.event(Event::Maintenance(vec![window]));
    assert_eq!(world.state("redis"), StateLabel::Maintenance);
    assert!(world.told("a maintenance window opened: backup"), "{:#?}", world.story);
    world.hint_death("redis");
    world.run(SECOND * 900);
    assert!(world.acts.is_empty());
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
    assert!(world.told("not attempted: in a maintenance window: backup"), "{:#?}", world.story);
    world.event(Event::Maintenance(Vec::new()));
    assert!(world.told("the maintenance window is over"), "{:#?}", world.story);
    world.run(SECOND * 30);
    assert_eq!(world.acts_on("redis").len(), 1);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
}

#[test]
fn maintenance_survives_a_reload() {
    let mut world = World::settled(vec![service("redis")]);
    let services = vec!["redis".into()];
    let window = MaintenanceWindow {
        services,
        jobs: Vec::new(),
        reason: String::new(),
        until: Wall::default(),
    };
    world.event(Event::Maintenance(vec![window]));
    world.well.insert("new".into(), true);
    let mut changed = service("redis");
    changed.log_path = Some("/x".into());
    world.event(Event::Configured(watchlist(vec![changed, service("new")])));
    assert_eq!(world.state("redis"), StateLabel::Maintenance);
}

#[test]
fn store_nothing_is_acted_on_while_no_intent_can_be_stored() {
    let mut world = World::settled(vec![service("redis")]);
    world.event(Event::StoreFailed("database or disk is full".into()));
    world.hint_death("redis");
    world.run(SECOND * 120);
    assert!(world.acts.is_empty());
    let why = "not attempted: its intent could not be stored: database or disk is full";
    assert!(world.told(why), "{:#?}", world.story);
    let opened: Vec<&str> = world.notices.iter().map(|it| it.incident.root.as_str()).collect();
    assert_eq!(opened, ["state of vai", "redis"]);
    assert!(world.notices.iter().all(|it| it.incident.severity == Severity::Critical));
    world.event(Event::StoreBack);
    world.run(SECOND * 60);
    assert_eq!(world.acts_on("redis").len(), 1);
    assert_eq!(world.notices.len(), 4, "both are over: {:#?}", world.notices);
}

#[test]
fn mistrusted_after_three_unclean_starts_it_only_watches() {
    let mut world = World::settled(vec![service("redis")]);
    for _ in 0..3 {
        world.restart();
        world.run(SECOND * 60);
    }
    world.hint_death("redis");
    world.run(SECOND * 60);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    assert!(world.told("not attempted: vai itself ended unexpectedly"), "{:#?}", world.story);
    let opened: Vec<&str> = world.notices.iter().map(|it| it.incident.root.as_str()).collect();
    assert_eq!(opened, ["vai", "vai itself", "redis"], "restarted, too often, and what is down");
    let since = world.notices[1].incident.since;
    world.restart();
    world.run(SECOND * 660);
    let over = world
        .notices
        .iter()
        .find(|it| it.kind == NoticeKind::Resolved && it.incident.root == "vai itself");
    assert_eq!(over.unwrap().incident.since, since, "a fourth one moved its beginning");
    assert_eq!(world.acts_on("redis").len(), 1, "{:?}", world.acts);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
}

#[test]
fn clean_starts_are_trusted() {
    let mut world = World::settled(vec![service("redis")]);
    for _ in 0..5 {
        world.event(Event::Stopping);
        world.restart();
        world.run(SECOND * 30);
    }
    world.hint_death("redis");
    world.run(SECOND * 60);
    assert_eq!(world.acts_on("redis").len(), 1, "{:?}", world.acts);
}

#[test]
fn namespace_a_container_waits_for_the_one_whose_network_it_shares() {
    let mut app = in_container("app", "app");
    app.restart_cmd = None;
    app.recovery.ladder = vec![Rung::Container];
    let mut world = World::new(vec![app, in_container("gate", "gate")]);
    world.well.extend([("app".to_owned(), true), ("gate".to_owned(), true)]);
    let shared = |gone: bool| {
        let ContainerView::Present(presence) = view_of("app", 1) else { unreachable!() };
        let network_of = Some("id-of-gate".to_owned());
        ContainerView::Present(Presence { network_of, network_gone: gone, ..presence })
    };
    let see = |world: &mut World, key: &str, view: ContainerView| {
        let change = ContainerChange::Seen(view);
        world.event(Event::Container { key: key.into(), change });
    };
    see(&mut world, "app", shared(false));
    up(&mut world, "gate", 1);
    world.run(SECOND * 120);
    let ContainerView::Present(presence) = view_of("gate", 1) else { unreachable!() };
    let status = ContainerStatus::Restarting;
    see(&mut world, "gate", ContainerView::Present(Presence { status, ..presence }));
    hang(&mut world, "app");
    world.run(SECOND * 120);
    assert!(world.acts_on("app").is_empty(), "{:?}", world.acts);
    let why = "not attempted: it shares the network of the container gate";
    assert!(world.told(why), "{:#?}", world.story);
    up(&mut world, "gate", 2);
    world.run(SECOND * 60);
    assert_eq!(world.acts_on("app").len(), 1, "{:?}", world.acts);

    // Recreated, it has another id, and no restart helps.
    world.run(SECOND * 900);
    let before = world.acts_on("app").len();
    see(&mut world, "app", shared(true));
    see(&mut world, "gate", ContainerView::Missing);
    hang(&mut world, "app");
    world.run(SECOND * 300);
    assert_eq!(world.acts_on("app").len(), before, "{:?}", world.acts);
    assert!(world.told("recreate this one, too"), "{:#?}", world.story);
}

/// The act that it lets its dependant do would hold it otherwise.
#[test]
fn a_marker_file_outranks_what_else_would_hold_a_restart() {
    let app = in_container("app", "app");
    let mut gate = in_container("gate", "gate");
    gate.dependencies = vec!["app".into()];
    let mut world = World::new(vec![app, gate]);
    world
        .effects
        .extend([("app".to_owned(), Effect::Marker), ("gate".to_owned(), Effect::Nothing)]);
    world.act_lasts = SECOND;
    for name in ["app", "gate"] {
        world.kill(name);
    }
    up(&mut world, "gate", 1);
    let ContainerView::Present(presence) = view_of("app", 1) else { unreachable!() };
    let network_of = Some("id-of-gate".to_owned());
    let shared = ContainerView::Present(Presence { network_of, ..presence });
    world.event(Event::Container { key: "app".into(), change: ContainerChange::Seen(shared) });
    let mut seen = 0;
    while world.second() < 1200.0 {
        world.run(Duration::from_millis(100));
        if world.acts.len() > seen && world.acts.last().is_some_and(|(_, name, _)| name == "gate") {
            assert_eq!(world.state("app"), StateLabel::StoppedByHand, "{:#?}", world.story);
        }
        seen = world.acts.len();
    }
    assert!(world.acts_on("gate").len() >= 3, "{:?}", world.acts);
}

#[test]
fn what_is_held_can_be_stopped_and_that_be_ended() {
    let mut held = service("redis");
    held.held = Some("${TOKEN} is not set".into());
    let mut world = World::settled(vec![held]);
    world.event(Event::Operator(OperatorRequest::Stop("redis".into())));
    world.run(SECOND * 10);
    assert_eq!(world.state("redis"), StateLabel::StoppedByHand);
    let start = OperatorRequest::Start("redis".into());
    assert!(world.core.answer(&start).is_ok(), "{:?}", world.core.answer(&start));
    world.kill("redis");
    world.event(Event::Operator(start));
    world.run(SECOND * 10);
    assert!(matches!(world.gate("redis"), Some(Gate::Unset(_))), "{:?}", world.gate("redis"));
}

#[test]
fn a_start_that_nothing_will_be_done_about_is_told() {
    let mut held = service("redis");
    held.held = Some("${TOKEN} is not set".into());
    let mut world = World::new(vec![held]);
    world.well.insert("redis".into(), false);
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 120);
    assert!(world.acts.is_empty());
    assert_eq!(world.state("redis"), StateLabel::Held);
    assert_eq!(world.notices.len(), 1, "{:#?}", world.notices);
    assert_eq!(world.notices[0].incident.severity, Severity::Critical);
    assert!(world.notices[0].incident.next.contains("${TOKEN} is not set"));
    world.well.insert("redis".into(), true);
    world.run(SECOND * 120);
    assert_eq!(world.notices.len(), 2, "{:#?}", world.notices);
}

#[test]
fn an_act_is_for_the_instance_that_was_judged() {
    let mut local = service("local");
    local.place = Place::Local;
    let mut world = World::settled(vec![service("redis")]);
    world.well.insert("local".into(), true);
    world.event(Event::Configured(watchlist(vec![service("redis"), local])));
    world.run(SECOND * 120);
    let mut asked = |name: &str| {
        world.kill(name);
        let died = Some(ProcId { pid: 7, start_ticks: 1, name: "x".into() });
        let hint = Event::Hint { service: name.into(), why: String::new(), died };
        world.event(hint);
        world.run(SECOND * 3);
        world.instances.last().cloned()
    };
    assert_eq!(asked("redis"), Some(Some(instance(1))));
    assert_eq!(asked("local"), Some(None), "nothing there could be another by then");
}

#[test]
fn busy_by_whatever_name_the_container_goes() {
    let by =
        |name: &str, key: &str| Service { place: Place::Container(key.into()), ..service(name) };
    let mut world = World::new(vec![by("a", "services"), by("b", "services-container")]);
    for name in ["a", "b"] {
        world.well.insert(name.into(), true);
    }
    for key in ["services", "services-container"] {
        let change = ContainerChange::Seen(view(1, ContainerStatus::Running));
        world.event(Event::Container { key: key.into(), change });
    }
    world.instance = Some(instance(1));
    world.run(SECOND * 120);
    for name in ["a", "b"] {
        world.kill(name);
        let died = Some(ProcId { pid: 7, start_ticks: 1, name: "x".into() });
        world.event(Event::Hint { service: name.into(), why: String::new(), died });
    }
    world.run(Duration::from_millis(50));
    assert_eq!(world.acts.len(), 1, "{:?}", world.acts);
    assert!(matches!(world.gate("b"), Some(Gate::Busy)), "{:?}", world.gate("b"));
    world.run(SECOND);
    assert_eq!(world.acts.len(), 2, "{:?}", world.acts);
}

#[test]
fn two_containers_are_acted_on_side_by_side() {
    let services = ["a", "b"].map(|name| in_container(name, name));
    let mut world = World::new(services.to_vec());
    for name in ["a", "b"] {
        world.well.insert(name.into(), true);
        up(&mut world, name, 1);
    }
    world.run(SECOND * 120);
    world.hint_death("a");
    world.hint_death("b");
    world.run(Duration::from_millis(50));
    assert_eq!(world.acts.len(), 2, "{:?}", world.acts);
}

#[test]
fn maintenance_without_a_reason_is_told_without_one() {
    let mut world = World::settled(vec![service("redis")]);
    let services = vec!["redis".into()];
    let window = MaintenanceWindow {
        services,
        jobs: Vec::new(),
        reason: String::new(),
        until: Wall::default(),
    };
    world.event(Event::Maintenance(vec![window]));
    world.hint_death("redis");
    world.run(SECOND * 60);
    for words in ["not attempted: in a maintenance window", "a maintenance window opened"] {
        assert!(world.story.iter().any(|line| line.ends_with(words)), "{:#?}", world.story);
    }
}

#[test]
fn unsure_is_asked_once_in_a_while_and_not_all_the_time() {
    let mut world = World::settled(vec![daily("redis")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 250);
    assert_eq!(world.state("redis"), StateLabel::GaveUp);
    world.unknown = true;
    world.run(SECOND * 60);
    let looks = world.looks_at("redis");
    world.run(SECOND * 600);
    assert!(matches!(world.gate("redis"), Some(Gate::Unsure(_))), "{:?}", world.gate("redis"));
    let looks = world.looks_at("redis") - looks;
    assert!((35..=61).contains(&looks), "{looks}");
}

#[test]
fn a_refusal_for_another_reason_is_told_as_well() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Refused("the container is paused"));
    world.hint_death("redis");
    world.run(SECOND * 2);
    let since = world.views[&ServiceName::from("redis")].since;
    world.run(SECOND * 60);
    world.effects.insert("redis".into(), Effect::Refused("the container is being removed"));
    world.run(SECOND * 60);
    let told = |words: &str| world.story.iter().filter(|line| line.ends_with(words)).count();
    assert_eq!(told("not attempted: the container is paused"), 1, "{:#?}", world.story);
    assert_eq!(told("not attempted: the container is being removed"), 1, "{:#?}", world.story);
    let view = &world.views[&ServiceName::from("redis")];
    assert_eq!((view.state, view.since), (StateLabel::Held, since), "held all along");
}
