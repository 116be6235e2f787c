//! The engine goes and comes back.

use super::*;

#[test]
fn nothing_is_restarted_while_the_engine_is_away() {
    let mut world = World::settled(vec![service("redis")]);
    world.event(Event::EngineGone("no such socket".into()));
    world.kill("redis");
    world.run(SECOND * 300);
    assert!(world.acts.is_empty());
    let engine = world.notices.iter().find(|n| n.incident.root == "container engine").unwrap();
    assert_eq!(engine.incident.severity, Severity::Critical);
    assert_eq!(engine.incident.state, StateLabel::Unknown);
    world.event(Event::EngineBack);
    world.run(SECOND * 120);
    assert_eq!(world.acts_on("redis").len(), 1);
}

#[test]
fn what_only_the_engine_hid_is_no_incident_when_the_engine_is_back() {
    let mut world = World::settled(vec![service("redis")]);
    world.event(Event::EngineGone("no such socket".into()));
    world.unknown = true;
    world.run(SECOND * 300);
    assert_eq!(world.state("redis"), StateLabel::Unknown);
    world.unknown = false;
    world.event(Event::EngineBack);
    assert_eq!(world.state("redis"), StateLabel::Unknown, "not looked at yet");
    world.run(SECOND * 10);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    let roots: Vec<&str> = world.notices.iter().map(|n| n.incident.root.as_str()).collect();
    assert_eq!(roots, ["container engine", "container engine"], "opened and resolved");
    assert!(world.acts.is_empty());
}

#[test]
fn what_stays_hidden_after_the_engine_is_back_is_told() {
    let mut world = World::settled(vec![service("redis")]);
    world.event(Event::EngineGone("no such socket".into()));
    world.unknown = true;
    world.run(SECOND * 10);
    world.event(Event::EngineBack);
    world.run(SECOND * 300);
    let roots: Vec<&str> = world.notices.iter().map(|n| n.incident.root.as_str()).collect();
    assert_eq!(roots, ["redis"]);
}

#[test]
fn an_engine_that_stays_away_is_not_back_because_vai_was_restarted() {
    let mut world = World::settled(vec![service("redis")]);
    world.event(Event::EngineGone("no such socket".into()));
    world.unknown = true;
    world.run(SECOND * 35);
    for clean in [true, false] {
        if clean {
            world.event(Event::Stopping);
        }
        world.restart_unseen();
        world.run(SECOND * 2);
        world.event(Event::EngineGone("no such socket".into()));
        world.run(SECOND * 60);
    }
    let of_engine = |world: &World| {
        let mine = world.notices.iter().filter(|it| it.incident.root == "container engine");
        mine.map(|it| (it.kind, it.incident.id.clone())).collect::<Vec<_>>()
    };
    let told = of_engine(&world);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, NoticeKind::Opened);

    world.event(Event::Stopping);
    world.restart_unseen();
    world.unknown = false;
    world.event(Event::EngineBack);
    world.run(SECOND * 10);
    let told = of_engine(&world);
    assert_eq!(told.last().map(|it| it.0), Some(NoticeKind::Resolved), "{told:?}");
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0].1, told[1].1);
}

#[test]
fn a_stop_by_the_engines_own_end_is_nobodys_wish() {
    let mut world = World::settled(vec![service("redis")]);
    world.kill("redis");
    world.container(ContainerChange::Signalled);
    world.container(ContainerChange::Died);
    world.container(ContainerChange::StopRequested);
    world.event(Event::EngineGone("no socket".into()));
    world.run(SECOND * 20);
    let exited = ContainerStatus::Exited { code: 143, oom: false };
    world.container(ContainerChange::Seen(view(1, exited)));
    world.event(Event::EngineBack);
    world.run(SECOND * 60);
    assert_eq!(world.restarts(), 1, "{:#?}", world.story);
}

/// The container with a policy that makes the engine bring it back.
fn kept_up(number: u32, status: ContainerStatus) -> ContainerChange {
    let ContainerView::Present(presence) = view(number, status) else { unreachable!() };
    ContainerChange::Seen(ContainerView::Present(Presence { engine_restarts: true, ..presence }))
}

#[test]
fn a_restart_of_the_engine_is_told_once_all_is_up() {
    let mut world = World::settled(vec![service("redis")]);
    world.event(Event::EngineGone("no socket".into()));
    world.run(SECOND * 10);
    world.kill("redis");
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.event(Event::EngineBack);
    world.run(SECOND * 60);
    assert_eq!(world.acts_on("redis"), [&Act::Start]);
    let told: Vec<&str> = world.notices.iter().map(|it| it.incident.reason.as_str()).collect();
    assert_eq!(told, ["the container engine was restarted, and the one service is up again"]);
}

#[test]
fn an_engine_that_containers_outlive_is_no_news() {
    let mut world = World::settled(vec![service("redis")]);
    world.event(Event::EngineGone("no socket".into()));
    world.run(SECOND * 10);
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.event(Event::EngineBack);
    world.run(SECOND * 60);
    assert!(world.acts.is_empty());
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
}

#[test]
fn what_a_returning_engine_does_not_bring_back_was_stopped_by_hand() {
    let mut world = World::settled(vec![service("redis")]);
    let exited = || kept_up(1, ContainerStatus::Exited { code: 137, oom: false });
    world.kill("redis");
    world.container(ContainerChange::Signalled);
    world.container(ContainerChange::Died);
    world.container(ContainerChange::StopRequested);
    world.container(exited());
    world.run(SECOND * 20);
    world.event(Event::EngineGone("no socket".into()));
    world.run(SECOND * 5);
    world.container(exited());
    world.event(Event::EngineBack);
    world.run(SECOND * 300);
    assert!(world.acts.is_empty(), "{:#?}", world.story);
    assert_eq!(world.state("redis"), StateLabel::StoppedByHand);
    world.container(kept_up(2, ContainerStatus::Running));
    world.run(SECOND * 60);
    assert_eq!(world.acts_on("redis"), [&Act::Start]);
}

#[test]
fn an_engine_that_answers_once_more_while_it_stops_everything_makes_no_stop_by_hand() {
    let mut world = World::settled(vec![service("redis")]);
    let exited = ContainerStatus::Exited { code: 137, oom: false };
    world.kill("redis");
    world.container(ContainerChange::Signalled);
    world.container(ContainerChange::Died);
    world.container(ContainerChange::StopRequested);
    world.event(Event::EngineGone("no socket".into()));
    world.container(kept_up(1, exited));
    world.event(Event::EngineBack);
    world.run(SECOND);
    world.event(Event::EngineGone("no socket".into()));
    world.run(SECOND * 10);
    world.container(kept_up(2, ContainerStatus::Running));
    world.event(Event::EngineBack);
    world.run(SECOND * 60);
    assert_eq!(world.acts_on("redis"), [&Act::Start]);
    assert!(!world.told("by hand"), "{:#?}", world.story);
}

#[test]
fn a_death_as_the_engine_goes_is_no_verdict() {
    let mut world = World::settled(vec![service("redis")]);
    world.container(ContainerChange::Died);
    let exited = ContainerStatus::Exited { code: 137, oom: false };
    world.container(ContainerChange::Seen(view(1, exited)));
    world.event(Event::EngineGone("no socket".into()));
    world.run(SECOND * 20);
    assert_eq!(world.state("redis"), StateLabel::Healthy, "{:#?}", world.story);
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.event(Event::EngineBack);
    world.run(SECOND * 60);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert!(!world.told("exited by itself"), "{:#?}", world.story);
}

#[test]
fn an_engine_that_nothing_watched_needs_is_nobodys_business() {
    let local = Service { place: Place::Local, ..service("local") };
    let mut off = service("off");
    off.enabled = false;
    let mut world = World::settled(vec![local, off]);
    world.event(Event::EngineGone("no such socket".into()));
    world.run(SECOND * 300);
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
}

#[test]
fn what_was_told_before_the_engine_went_is_not_told_again() {
    let mut world = World::settled(vec![service("redis")]);
    world.unknown = true;
    world.run(SECOND * 600);
    assert_eq!(world.notices.len(), 1, "{:#?}", world.notices);
    world.event(Event::EngineGone("no such socket".into()));
    world.run(SECOND * 10);
    world.event(Event::EngineBack);
    world.run(SECOND * 600);
    assert_eq!(world.notices.len(), 1, "{:#?}", world.notices);
}
