//! What a container that ended is shown as, and what is told of it.

use super::*;

/// A service that is healed by a restart of its container.
fn alone() -> Service {
    let mut alone = service("redis");
    alone.restart_cmd = None;
    alone.recovery.ladder = vec![Rung::Container];
    alone
}

fn exited(code: i64) -> ContainerChange {
    ContainerChange::Seen(view(1, ContainerStatus::Exited { code, oom: false }))
}

fn with_policy(change: ContainerChange) -> ContainerChange {
    let ContainerChange::Seen(ContainerView::Present(presence)) = change else { return change };
    let presence = Presence { engine_restarts: true, ..presence };
    ContainerChange::Seen(ContainerView::Present(presence))
}

#[test]
fn the_engines_own_words_are_the_verdict_of_a_start_that_it_refused() {
    const WORDS: &str = "Bind for 0.0.0.0:80 failed: port is already allocated";
    let mut world = World::settled(vec![alone()]);
    world.effects.insert("redis".into(), Effect::NotStarted(WORDS));
    hang(&mut world, "redis");
    while world.acts.is_empty() {
        world.run(SECOND);
    }
    world.container(ContainerChange::Died);
    world.container(exited(137));
    world.instance = None;
    world.run(SECOND * 600);
    let told = world.notices.first().expect("it is told");
    let reason = &told.incident.reason;
    assert_eq!(*reason, format!("container services-container could not be started: {WORDS}"));
    let history = told.incident.history.join("\n");
    assert!(
        history.contains(&format!(
            "restart failed: the engine could not start the container: {WORDS}"
        )),
        "{history}"
    );
    assert!(!world.told("by itself"), "{:#?}", world.story);
    assert!(!history.contains("by itself"), "{history}");
}

#[test]
fn a_dead_container_is_never_shown_as_healthy() {
    let mut policy = World::settled(vec![alone()]);
    policy.container(with_policy(ContainerChange::Seen(view(1, ContainerStatus::Running))));
    policy.run(SECOND * 10);
    let mut killed = World::settled(vec![alone()]);
    killed.container(ContainerChange::Signalled);
    let mut by_hand = World::settled(vec![alone()]);
    by_hand.container(ContainerChange::Signalled);
    for world in [&mut policy, &mut killed, &mut by_hand] {
        world.kill("redis");
        world.container(ContainerChange::Died);
        assert_eq!(world.state("redis"), StateLabel::Suspect, "{:#?}", world.story);
    }
    policy.container(with_policy(exited(1)));
    killed.container(exited(137));
    by_hand.container(ContainerChange::StopRequested);
    by_hand.container(exited(0));
    for world in [&mut policy, &mut killed, &mut by_hand] {
        for _ in 0..400 {
            assert_ne!(world.state("redis"), StateLabel::Healthy, "{:#?}", world.story);
            if !world.acts.is_empty() {
                break;
            }
            world.run(Duration::from_millis(100));
        }
    }
    assert_eq!(policy.acts_on("redis").len(), 1, "the policy did not bring it back");
    assert_eq!(killed.acts_on("redis").len(), 1);
    assert_eq!(by_hand.state("redis"), StateLabel::StoppedByHand);
}

#[test]
fn nothing_is_done_before_the_cause_of_an_end_is_settled() {
    let mut world = World::settled(vec![alone()]);
    world.kill("redis");
    world.container(ContainerChange::Died);
    world.container(exited(1));
    world.run(Duration::from_millis(499));
    assert_eq!(world.acts, []);
    world.container(ContainerChange::StopRequested);
    world.run(SECOND * 60);
    assert_eq!(world.acts, [], "somebody wanted that");
}

#[test]
fn a_container_that_came_back_as_it_was_is_healthy_again() {
    let mut world = World::settled(vec![alone()]);
    world.container(ContainerChange::Died);
    assert_eq!(world.state("redis"), StateLabel::Suspect);
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.run(SECOND * 60);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert_eq!(world.acts, []);
    assert_eq!(world.notices.len(), 0);
}
