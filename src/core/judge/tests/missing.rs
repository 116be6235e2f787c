//! Containers that do not exist.

use super::*;

fn misspelt() -> World {
    let mut world = World::new(vec![service("redis")]);
    let nearest = Some("services".to_owned());
    world.container(ContainerChange::Unmatched { wanted: "servces".into(), nearest });
    world.container(ContainerChange::Seen(ContainerView::Missing));
    world
}

#[test]
fn a_container_that_never_existed_is_told_after_the_grace_of_a_deploy() {
    let mut world = misspelt();
    assert_eq!(world.state("redis"), StateLabel::Missing);
    world.run(SECOND * 590);
    assert!(world.notices.is_empty());
    world.run(SECOND * 60);
    assert_eq!(world.notices.len(), 1, "{:#?}", world.notices);
    let told = &world.notices[0].incident;
    assert_eq!((told.state, told.severity), (StateLabel::Missing, Severity::Warning));
    let why = "there is no container `servces`; did you mean `services`?";
    assert_eq!(told.reason, why);
    assert!(told.next.contains("not watched until"), "{}", told.next);
    assert_eq!(world.views[&"redis".into()].reason, why);
}

#[test]
fn a_container_that_comes_in_time_is_told_of_to_nobody() {
    let mut world = misspelt();
    world.run(SECOND * 300);
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 900);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
}

#[test]
fn a_removed_container_is_missing_through_a_restart_of_vai_and_told_once() {
    let mut world = World::settled(vec![service("redis")]);
    world.kill("redis");
    world.instance = None;
    world.container(ContainerChange::Died);
    world.container(ContainerChange::Seen(ContainerView::Missing));
    world.run(SECOND * 700);
    assert_eq!(world.state("redis"), StateLabel::Missing);
    world.restart();
    let nearest = None;
    world.container(ContainerChange::Unmatched { wanted: "services".into(), nearest });
    world.container(ContainerChange::Seen(ContainerView::Missing));
    world.run(SECOND * 700);
    assert_eq!(world.state("redis"), StateLabel::Missing);
    let of_it = world.notices.iter().filter(|it| it.incident.root == "container services");
    let told: Vec<NoticeKind> = of_it.map(|it| it.kind).collect();
    assert_eq!(told, [NoticeKind::Opened], "{:#?}", world.notices);
}
