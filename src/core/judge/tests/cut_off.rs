//! Containers that share the network of another one, which was started anew.

use super::*;

fn in_container(name: &str) -> Service {
    let mut service = service(name);
    service.place = Place::Container(name.into());
    service
}

fn app(number: u32, change: impl FnOnce(&mut Presence)) -> Event {
    let ContainerView::Present(mut presence) = view_of("app", number) else {
        unreachable!("present")
    };
    presence.network_of = Some("id-of-gate".to_owned());
    change(&mut presence);
    let view = ContainerView::Present(presence);
    Event::Container { key: "app".into(), change: ContainerChange::Seen(view) }
}

/// `app` is well as seen on its localhost, in the network of `gate`.
fn sharing(app_service: Service) -> World {
    let mut world = World::new(vec![app_service, in_container("gate")]);
    world.well.extend([("app".to_owned(), true), ("gate".to_owned(), true)]);
    up(&mut world, "gate", 1);
    world.event(app(1, |_| ()));
    world.run(SECOND * 120);
    assert_eq!(world.state("app"), StateLabel::Healthy);
    world
}

#[test]
fn what_is_left_in_a_dead_network_is_restarted_after_the_owner_of_it() {
    // With a command of its own: no command brings a network back.
    let mut world = sharing(in_container("app"));
    world.instance = Some(Instance { id: "id-of-app".into(), started_at: "2".into() });
    up(&mut world, "gate", 2);
    world.event(app(1, |it| it.network_lost = true));
    assert_eq!(world.state("app"), StateLabel::Suspect, "it is not shown as healthy");
    world.run(SECOND * 9);
    assert_eq!(world.acts_on("app"), [] as [&Act; 0], "whoever restarted one may do the other");
    world.run(SECOND * 2);
    assert_eq!(world.acts_on("app"), [&Act::Restart(Rung::Container)], "{:#?}", world.story);
    world.event(app(2, |_| ()));
    world.run(SECOND * 120);
    assert!(!world.told("restarted, and"), "{:#?}", world.story);
    assert_eq!(world.state("app"), StateLabel::Healthy, "{:#?}", world.story);
    assert_eq!(world.acts_on("app").len(), 1, "{:#?}", world.story);
}

#[test]
fn somebody_who_restarts_both_is_not_interfered_with() {
    let mut world = sharing(in_container("app"));
    up(&mut world, "gate", 2);
    world.event(app(1, |it| it.network_lost = true));
    world.run(SECOND * 5);
    world.event(app(2, |_| ()));
    world.run(SECOND * 300);
    assert_eq!(world.state("app"), StateLabel::Healthy);
    assert_eq!(world.restarts(), 0, "{:?}", world.acts);
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
}

#[test]
fn it_waits_for_an_owner_that_does_not_run() {
    let mut world = sharing(in_container("app"));
    let ContainerView::Present(presence) = view_of("gate", 1) else { unreachable!("present") };
    let status = ContainerStatus::Restarting;
    let view = ContainerView::Present(Presence { status, ..presence });
    world.event(Event::Container { key: "gate".into(), change: ContainerChange::Seen(view) });
    world.event(app(1, |it| it.network_lost = true));
    world.run(SECOND * 120);
    assert_eq!(world.acts_on("app"), [] as [&Act; 0]);
    assert!(matches!(world.gate("app"), Some(Gate::Namespace(_))), "{:?}", world.gate("app"));
    up(&mut world, "gate", 2);
    world.run(SECOND * 2);
    assert_eq!(world.acts_on("app").len(), 1, "{:#?}", world.story);
}

#[test]
fn what_shares_the_network_of_a_removed_container_is_told_to_be_recreated() {
    let mut world = sharing(in_container("app"));
    let change = ContainerChange::Seen(ContainerView::Missing);
    world.event(Event::Container { key: "gate".into(), change });
    assert_eq!(world.state("app"), StateLabel::Suspect);
    world.run(SECOND * 110);
    assert!(world.notices.is_empty(), "a deploy recreates it");
    world.run(SECOND * 30);
    assert_eq!(world.acts_on("app"), [] as [&Act; 0]);
    let told = &world.notices.first().expect("it is told").incident;
    assert!(told.reason.contains("container app has no network"), "{}", told.reason);
    assert!(told.next.contains("recreate this one, too"), "{}", told.next);
}

#[test]
fn what_is_only_watched_is_only_told() {
    let mut watched = in_container("app");
    watched.recovery.ladder = Vec::new();
    watched.recovery.start_container = false;
    let mut world = sharing(watched);
    up(&mut world, "gate", 2);
    world.event(app(1, |it| it.network_lost = true));
    world.run(SECOND * 120);
    assert_eq!(world.acts_on("app"), [] as [&Act; 0]);
    assert_eq!(world.notices.len(), 1, "{:#?}", world.notices);
}
