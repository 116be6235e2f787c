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
