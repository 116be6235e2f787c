//! Containers that take no agent, whose localhost is probed over the network.

use super::*;

/// A service that answers its peers otherwise than its own host.
fn refusing() -> World {
    let mut world = World::new(vec![service("redis")]);
    world.outside = true;
    world.kill("redis");
    world.faults.insert("redis".into(), FaultKind::Body);
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world
}

#[test]
fn an_unexpected_answer_from_outside_is_unknown_and_restarts_nothing() {
    for kind in [FaultKind::Body, FaultKind::Status, FaultKind::Refused, FaultKind::Timeout] {
        let mut world = refusing();
        world.faults.insert("redis".into(), kind);
        world.run(SECOND * 600);
        assert_eq!(world.state("redis"), StateLabel::Unknown, "{kind:?}");
        assert_eq!(world.acts, []);
        let reason = &world.views[&"redis".into()].reason;
        assert!(reason.contains("from outside the container"), "{reason}");
        let told: Vec<NoticeKind> = world.notices.iter().map(|it| it.kind).collect();
        assert_eq!(told, [NoticeKind::Opened], "it is told once that it is not watched");
    }
}

#[test]
fn once_that_way_has_passed_a_failure_counts() {
    let mut world = refusing();
    world.well.insert("redis".into(), true);
    world.run(SECOND * 120);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    world.kill("redis");
    world.run(SECOND * 120);
    assert_eq!(world.restarts(), 1, "{:#?}", world.story);
}

#[test]
fn that_it_has_passed_is_known_after_a_restart_of_vai_and_of_the_container() {
    let mut world = refusing();
    world.well.insert("redis".into(), true);
    world.run(SECOND * 120);
    world.kill("redis");
    world.restart();
    world.run(SECOND * 120);
    assert_eq!(world.restarts(), 1, "{:#?}", world.story);
    world.run(SECOND * 900);
    world.acts.clear();
    world.kill("redis");
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.run(SECOND * 120);
    assert_eq!(world.acts_on("redis"), [&Act::Start], "{:#?}", world.story);
}

#[test]
fn another_container_or_another_check_has_to_pass_first() {
    let passed = || {
        let mut world = refusing();
        world.well.insert("redis".into(), true);
        world.run(SECOND * 120);
        world.kill("redis");
        world
    };
    let mut recreated = passed();
    let ContainerView::Present(mut presence) = view(2, ContainerStatus::Running) else {
        unreachable!("it is present")
    };
    presence.instance.id = "another".into();
    recreated.container(ContainerChange::Seen(ContainerView::Present(presence)));
    let mut edited = passed();
    let expects = CheckKind::Tcp(TcpCheck {
        host: "localhost".into(),
        port: 6379,
        send: None,
        expect: Some("PONG".into()),
    });
    let changed = Service { checks: vec![check(expects)], ..service("redis") };
    edited.event(Event::Configured(watchlist(vec![changed])));
    for world in [&mut recreated, &mut edited] {
        world.run(SECOND * 600);
        assert_eq!(world.acts, [], "{:#?}", world.story);
        assert_eq!(world.state("redis"), StateLabel::Unknown);
    }
    // An edit of anything else changes nothing.
    let mut slower = passed();
    let paced = Check { interval: SECOND * 30, ..tcp_check() };
    let changed = Service { checks: vec![paced], ..service("redis") };
    slower.event(Event::Configured(watchlist(vec![changed])));
    slower.run(SECOND * 120);
    assert_eq!(slower.restarts(), 1, "{:#?}", slower.story);
}

#[test]
fn what_is_seen_from_inside_counts_at_once() {
    let mut world = refusing();
    world.outside = false;
    world.run(SECOND * 120);
    assert_eq!(world.acts_on("redis"), [&Act::Start], "{:#?}", world.story);
}
