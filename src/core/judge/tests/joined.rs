//! What joins an incident after it was told.

use super::*;

/// What needs `root`, which is down for good and told, with what it may cause
/// at most.
fn down(worst: Severity) -> World {
    let needs = |name: &str| Service { dependencies: vec!["root".into()], ..service(name) };
    let mut root = service("root");
    root.restart_cmd = None;
    root.recovery.ladder.clear();
    root.severity = worst;
    let mut children = ["early", "late"].map(needs);
    for child in &mut children {
        child.severity = worst;
    }
    let [early, late] = children;
    let mut world = World::settled(vec![root, early, late]);
    world.hint_death("root");
    world.run(SECOND);
    assert_eq!(kinds(&world), [NoticeKind::Opened]);
    world
}

fn kinds(world: &World) -> Vec<NoticeKind> {
    world.notices.iter().map(|it| it.kind).collect()
}

fn affected(notice: &Notice) -> Vec<&str> {
    notice.incident.affected.iter().map(|it| it.name.as_str()).collect()
}

#[test]
fn what_joined_a_critical_incident_is_told_once_five_minutes_after_the_opening() {
    let mut world = down(Severity::Critical);
    assert_eq!(affected(&world.notices[0]), [""; 0]);
    world.hint_death("early");
    world.run(SECOND * 298);
    assert_eq!(kinds(&world), [NoticeKind::Opened]);
    world.run(SECOND * 2);
    assert_eq!(kinds(&world), [NoticeKind::Opened, NoticeKind::Joined]);
    assert_eq!(affected(&world.notices[1]), ["early"]);
    world.hint_death("late");
    world.run(SECOND * 3600);
    assert_eq!(kinds(&world), [NoticeKind::Opened, NoticeKind::Joined], "the bound on messages");
}

#[test]
fn nothing_is_told_of_an_incident_that_nothing_joined() {
    let mut world = down(Severity::Critical);
    world.run(SECOND * 3600);
    assert_eq!(kinds(&world), [NoticeKind::Opened]);
}

#[test]
fn who_was_well_again_by_then_is_not_told_to_have_joined() {
    let mut world = down(Severity::Critical);
    world.hint_death("early");
    world.run(SECOND * 100);
    world.well.insert("early".into(), true);
    world.run(SECOND * 3600);
    assert_eq!(kinds(&world), [NoticeKind::Opened], "{:#?}", world.notices);
}

#[test]
fn what_may_become_worse_is_told_with_whom_it_concerns_only_then() {
    let mut world = down(Severity::Warning);
    world.hint_death("early");
    world.run(SECOND * 3600);
    assert_eq!(kinds(&world), [NoticeKind::Opened], "{:#?}", world.notices);
}

#[test]
fn what_joined_is_told_over_a_restart_of_vai_as_well() {
    let mut world = down(Severity::Critical);
    world.hint_death("early");
    world.run(SECOND * 100);
    world.event(Event::Stopping);
    world.restart();
    world.run(SECOND * 3600);
    assert_eq!(kinds(&world), [NoticeKind::Opened, NoticeKind::Joined]);
}
