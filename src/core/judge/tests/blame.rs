//! Which of several failures an incident is about.

use super::*;

#[test]
fn an_incident_that_passes_from_root_to_root_in_one_step_is_not_left_open() {
    let elsewhere = Place::Container("data".into());
    let store = Service { place: elsewhere.clone(), ..service("store") };
    let mut front = service("front");
    front.dependencies = vec!["store".into()];
    let mut page = service("page");
    page.dependencies = vec!["front".into()];
    page.place = elsewhere;
    // `app` fails with `front` in the same container, which others depend on,
    // and that one because of the store.
    let mut world = World::settled(vec![service("app"), front, page, store]);
    let ContainerView::Present(presence) = view(1, ContainerStatus::Running) else {
        unreachable!("it is present")
    };
    let instance = Instance { id: "da7a".into(), ..presence.instance };
    let presence = Presence { instance, name: "data".into(), ..presence };
    let change = ContainerChange::Seen(ContainerView::Present(presence));
    world.event(Event::Container { key: "data".into(), change });
    world.run(SECOND * 120);
    let services = ["app", "front", "store"];
    let window = MaintenanceWindow {
        services: services.iter().map(|&name| name.into()).collect(),
        jobs: Vec::new(),
        reason: String::new(),
        until: Wall::from_millis(0),
    };
    world.event(Event::Maintenance(vec![window]));
    services.iter().for_each(|name| world.kill(name));
    world.run(SECOND * 100);
    world.event(Event::Maintenance(Vec::new()));
    let open = world.incidents.values().filter(|it| it.phase == IncidentPhase::Open);
    let shown: Vec<&IncidentId> = open.map(|it| &it.id).collect();
    let mut kept: Vec<&IncidentId> = world.core.incidents.memories().map(|(id, _)| id).collect();
    kept.sort();
    assert!(!kept.is_empty());
    assert_eq!(shown, kept);
}

/// A dependent of `a`, in a container of its own.
fn dependent(name: &str) -> Service {
    Service { dependencies: vec!["a".into()], ..in_container(name, name) }
}

/// `a`, which has a check that only alerts beside its own, and `b`, which
/// depends on it.
fn with_alert_check() -> World {
    let mut a = service("a");
    a.checks.push(alert_check());
    let mut world = World::settled(vec![a, dependent("b")]);
    up(&mut world, "b", 1);
    world.run(SECOND * 120);
    world.notices.clear();
    world
}

/// The roots of all that was opened, and who was named as failing because of
/// them.
fn opened(world: &World) -> Vec<(&str, Vec<&str>)> {
    let opened = world.notices.iter().filter(|it| it.kind == NoticeKind::Opened);
    opened.map(|it| (it.incident.root.as_str(), affected(&it.incident))).collect()
}

fn affected(incident: &Incident) -> Vec<&str> {
    incident.affected.iter().map(|it| it.name.as_str()).collect()
}

#[test]
fn a_degraded_dependency_hides_no_outage() {
    let mut world = with_alert_check();
    world.unwell_checks.push("agent".into());
    world.run(SECOND * 300);
    assert_eq!(opened(&world), [("a", vec![])]);
    world.effects.insert("b".into(), Effect::Fails);
    world.hint_death("b");
    world.run(SECOND * 600);
    assert_eq!(world.state("a"), StateLabel::Degraded);
    assert_eq!(opened(&world), [("a", vec![]), ("b", vec![])]);
    assert!(world.acts_on("b").len() > 1, "{:?}", world.acts);
    let of_a = world.incidents.values().filter(|it| it.root == "a");
    let of_a: Vec<_> = of_a.map(|it| (affected(it), it.severity)).collect();
    assert_eq!(of_a, [(vec![], Severity::Warning)]);
}

#[test]
fn a_dependency_out_of_sight_hides_no_outage() {
    let mut world = with_alert_check();
    world.blind_services.push("a".into());
    world.run(SECOND * 300);
    assert_eq!(opened(&world), [("a", vec![])]);
    world.hint_death("b");
    world.run(SECOND * 120);
    assert_eq!(world.state("b"), StateLabel::Blocked);
    assert_eq!(opened(&world), [("a", vec![]), ("b", vec![])]);
}

#[test]
fn what_cannot_be_seen_with_its_dependency_is_told_with_it() {
    let mut world = with_alert_check();
    for name in ["a", "b"] {
        world.blind_services.push(name.into());
        world.run(SECOND * 300);
    }
    assert_eq!(world.state("b"), StateLabel::Unknown);
    assert_eq!(world.incidents.len(), 1, "{:#?}", world.incidents);
}

#[test]
fn what_still_fails_when_its_root_is_back_degraded_is_told_under_its_own_name() {
    let mut world = with_alert_check();
    for name in ["a", "b"] {
        world.effects.insert(name.into(), Effect::Nothing);
    }
    world.hint_death("a");
    world.hint_death("b");
    world.run(SECOND * 300);
    assert_eq!(opened(&world), [("a", vec!["b"])]);
    world.unwell_checks.push("agent".into());
    world.well.insert("a".into(), true);
    world.run(SECOND * 300);
    assert_eq!(world.state("a"), StateLabel::Degraded);
    assert_eq!(opened(&world)[1..], [("b", vec![])]);
    let open = world.incidents.values().filter(|it| !it.is_over());
    let failing = |it: &Incident| it.failing_with_it().count();
    let mut open: Vec<_> = open.map(|it| (it.root.as_str(), failing(it))).collect();
    open.sort_unstable();
    assert_eq!(open, [("a", 0), ("b", 0)]);
}

/// `page`, which depends on `store` in the same container.
fn page_and_store() -> World {
    let page = Service { dependencies: vec!["store".into()], ..service("page") };
    let mut world = World::settled(vec![page, service("store")]);
    for name in ["page", "store"] {
        world.effects.insert(name.into(), Effect::Fails);
    }
    world
}

/// The roots of open incidents, and what is told as failing with them.
fn open(world: &World) -> Vec<(&str, Vec<&str>)> {
    let open = world.incidents.values().filter(|it| !it.is_over());
    let mut open: Vec<_> = open.map(|it| (it.root.as_str(), affected(it))).collect();
    open.sort();
    open
}

#[test]
fn a_death_that_was_seen_takes_no_incident_over_from_what_it_depends_on() {
    let mut world = page_and_store();
    hang(&mut world, "store");
    world.event(Event::Hint { service: "store".into(), why: String::new(), died: None });
    while world.incidents.is_empty() {
        world.run(Duration::from_millis(100));
    }
    world.hint_death("page");
    world.run(SECOND * 20);
    assert_eq!(open(&world), [("store", vec!["page"])]);
}

#[test]
fn what_fails_after_what_depends_on_it_does_not_fail_because_of_that() {
    let mut world = page_and_store();
    world.hint_death("page");
    world.run(SECOND * 90);
    assert_eq!(opened(&world), [("page", vec![])]);
    world.hint_death("store");
    world.run(SECOND * 20);
    assert_eq!(open(&world), [("page", vec![]), ("store", vec!["page"])]);
}

#[test]
fn a_root_that_is_found_to_depend_on_a_member_lets_go_of_it() {
    let mut world = World::settled(vec![service("page"), service("store")]);
    for name in ["page", "store"] {
        world.effects.insert(name.into(), Effect::Fails);
    }
    world.hint_death("page");
    world.run(SECOND * 90);
    world.hint_death("store");
    world.run(SECOND * 20);
    assert_eq!(open(&world), [("page", vec!["store"])]);
    let page = Service { dependencies: vec!["store".into()], ..service("page") };
    world.event(Event::Configured(watchlist(vec![page, service("store")])));
    world.run(SECOND);
    assert_eq!(open(&world), [("page", vec![]), ("store", vec!["page"])]);
}

#[test]
fn nothing_waits_for_what_depends_on_it() {
    let mut world = page_and_store();
    world.hint_death("page");
    hang(&mut world, "store");
    world.event(Event::Hint { service: "store".into(), why: String::new(), died: None });
    world.run(SECOND * 15);
    assert_eq!(world.acts_on("store").len(), 1, "{:#?}", world.story);
}
