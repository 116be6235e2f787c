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
