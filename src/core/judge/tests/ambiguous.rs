//! Keys that mean several containers, for a moment or for good.

use super::*;

fn both() -> ContainerChange {
    let names = ["db_1", "db_2"].map(str::to_owned).to_vec();
    ContainerChange::Seen(ContainerView::Ambiguous(names))
}

#[test]
fn two_of_a_name_for_a_moment_are_nothing_to_tell() {
    let mut world = World::settled(vec![service("redis")]);
    world.container(both());
    world.run(SECOND * 9);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.run(SECOND * 900);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
}

#[test]
fn replicas_are_told_with_what_to_write_and_their_end_was_no_outage() {
    let mut world = World::settled(vec![service("redis")]);
    world.container(both());
    world.run(SECOND * 120);
    assert_eq!(world.state("redis"), StateLabel::Unknown);
    let told = &world.notices[0].incident;
    assert_eq!(told.state, StateLabel::Unknown);
    assert!(told.reason.contains("replicas"), "{}", told.reason);
    assert!(told.reason.contains("{ \"name\": \"db_1\" }"), "{}", told.reason);
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.run(SECOND * 300);
    let last = world.notices.last().unwrap();
    assert_eq!(last.kind, NoticeKind::Resolved);
    assert_eq!(last.incident.state, StateLabel::Unknown, "it was out of sight, not down");
    assert_eq!(world.acts, []);
}
