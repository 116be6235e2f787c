//! Containers that are run once: a migration, a backup.

use super::*;

fn migration() -> Service {
    let mut migration = service("migration");
    migration.checks = vec![check(CheckKind::Docker)];
    migration.restart_cmd = None;
    migration.recovery.ladder = vec![Rung::Container];
    migration
}

fn exited(run: u32, code: i64, change: impl FnOnce(&mut Presence)) -> ContainerChange {
    let status = ContainerStatus::Exited { code, oom: false };
    let ContainerView::Present(mut presence) = view(run, status) else { unreachable!("present") };
    change(&mut presence);
    ContainerChange::Seen(ContainerView::Present(presence))
}

/// Its container ends like this after it was up.
fn ending(service: Service, how: ContainerChange) -> World {
    let mut world = World::settled(vec![service]);
    world.container(ContainerChange::Died);
    world.container(how);
    world.instance = None;
    world.run(SECOND * 900);
    world
}

#[test]
fn what_ran_to_its_end_is_finished_and_never_run_again() {
    let world = ending(migration(), exited(1, 0, |_| ()));
    assert_eq!(world.state("migration"), StateLabel::Finished);
    assert_eq!(world.acts, []);
    assert_eq!(world.notices.len(), 0, "{:#?}", world.notices);
    let reason = &world.views[&"migration".into()].reason;
    assert!(reason.contains("ran to its end with exit code 0"), "{reason}");
}

#[test]
fn what_a_new_vai_finds_finished_is_finished() {
    let mut world = World::new(vec![migration()]);
    world.container(exited(1, 0, |_| ()));
    world.run(SECOND * 900);
    assert_eq!(world.state("migration"), StateLabel::Finished);
    world.instance = None;
    world.restart();
    world.container(exited(1, 0, |_| ()));
    world.run(SECOND * 900);
    assert_eq!(world.state("migration"), StateLabel::Finished);
    assert_eq!(world.acts, []);
    assert!(world.incidents.is_empty(), "{:#?}", world.incidents);
}

#[test]
fn any_other_end_of_any_other_service_is_a_failure() {
    let is_restarted = |service: Service, how: ContainerChange| {
        let world = ending(service, how);
        assert_ne!(world.state("migration"), StateLabel::Finished);
        !world.acts.is_empty()
    };
    assert!(is_restarted(migration(), exited(1, 1, |_| ())), "it failed");
    assert!(is_restarted(migration(), exited(1, 0, |it| it.engine_restarts = true)));
    assert!(is_restarted(migration(), exited(1, 0, |it| it.health_start = Some(SECOND))));
    let mut daemon = migration();
    daemon.checks.push(tcp_check());
    assert!(is_restarted(daemon, exited(1, 0, |_| ())), "it is to answer, not to end");
}

#[test]
fn what_is_run_often_is_no_crash_loop_and_what_waits_for_it_goes_on() {
    let mut app = service("app");
    app.place = Place::Container("app".into());
    app.dependencies = vec!["migration".into()];
    let mut world = World::settled(vec![migration(), app]);
    up(&mut world, "app", 1);
    world.run(SECOND * 60);
    for run in 1..6 {
        world.container(ContainerChange::Died);
        world.container(exited(run, 0, |_| ()));
        world.run(SECOND * 20);
        assert_eq!(world.state("migration"), StateLabel::Finished);
        world.container(ContainerChange::Seen(view(run + 1, ContainerStatus::Running)));
        world.run(SECOND * 20);
        assert_eq!(world.state("migration"), StateLabel::Healthy, "{:#?}", world.story);
    }
    world.container(ContainerChange::Died);
    world.container(exited(6, 0, |_| ()));
    world.run(SECOND * 20);
    world.instance = Some(instance(1));
    hang(&mut world, "app");
    world.run(SECOND * 120);
    assert_eq!(world.acts_on("app").len(), 1, "{:#?}", world.story);
    assert!(world.acts_on("migration").is_empty());
}

#[test]
fn a_failed_run_that_is_made_up_for_is_over() {
    let mut world = World::settled(vec![migration()]);
    world.container(ContainerChange::Died);
    world.container(exited(1, 1, |_| ()));
    world.instance = Some(instance(2));
    world.run(SECOND * 2);
    assert_eq!(world.acts_on("migration").len(), 1);
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.container(ContainerChange::Died);
    world.container(exited(2, 0, |_| ()));
    world.run(SECOND * 900);
    assert_eq!(world.state("migration"), StateLabel::Finished, "{:#?}", world.story);
    assert_eq!(world.acts_on("migration").len(), 1);
}
