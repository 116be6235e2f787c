//! What somebody stopped is left alone.

use super::*;

fn stopped(world: &mut World) {
    let exited = ContainerStatus::Exited { code: 143, oom: false };
    world.container(ContainerChange::Signalled);
    world.container(ContainerChange::Died);
    world.container(ContainerChange::Seen(view(1, exited.clone())));
    world.container(ContainerChange::StopRequested);
    world.container(ContainerChange::Seen(view(1, exited)));
}

#[test]
fn a_stop_long_after_an_act_that_was_cut_off_is_by_hand() {
    let mut redis = service("redis");
    redis.restart_cmd = None;
    redis.recovery.ladder = vec![Rung::Container];
    let mut world = World::settled(vec![redis]);
    world.kill("redis");
    while world.acts.is_empty() {
        let wake = world.core.next_wake(world.now).unwrap();
        world.queue.sort_by_key(|(at, _)| *at);
        let next = world.queue.first().map_or(wake, |(at, _)| wake.min(*at));
        world.run(next.since(world.now.mono));
    }
    // vai is gone for longer than the engine goes on with what was asked.
    world.advance(world.now.mono + SECOND * 85);
    world.restart();
    world.well.insert("redis".into(), true);
    world.run(SECOND * 18);
    let before = world.acts.len();
    stopped(&mut world);
    world.run(SECOND * 120);
    assert_eq!(world.acts.len(), before, "{:?}", world.acts);
    assert_eq!(world.state("redis"), StateLabel::StoppedByHand, "{:#?}", world.story);
}
