//! What an act left behind and has ended already is a verdict at once.

use super::*;

/// A service whose restart comes to nothing, in its proof.
fn restarted(kind: FaultKind) -> (World, ActId) {
    let world = World::settled(vec![service("api")]);
    restarted_in(world, kind)
}

fn restarted_in(mut world: World, kind: FaultKind) -> (World, ActId) {
    world.effects.insert("api".into(), Effect::Nothing);
    world.faults.insert("api".into(), kind);
    world.hint_death("api");
    world.run(SECOND * 20);
    assert_eq!(world.state("api"), StateLabel::Verifying, "{:#?}", world.story);
    let id = world.requests.last().unwrap().0;
    (world, id)
}

fn died(world: &mut World, id: ActId) {
    let how = "api-server (pid 12) exited 1".into();
    world.event(Event::DiedEarly { service: "api".into(), id, how });
    world.run(Duration::from_millis(10));
}

const VERDICT: &str = "restarted, but api-server (pid 12) exited 1, and nothing else that it left \
                       behind lives: ";

#[test]
fn what_was_left_behind_and_has_ended_is_the_verdict_at_once() {
    for kind in [FaultKind::Refused, FaultKind::ProcessAbsent] {
        let (mut world, id) = restarted(kind);
        died(&mut world, id);
        assert_eq!(world.state("api"), StateLabel::Down);
        assert!(world.told(VERDICT), "{:#?}", world.story);
    }
}

#[test]
fn it_is_seen_before_the_startup_delay_is_over() {
    let mut world = World::settled(vec![service("api")]);
    world.effects.insert("api".into(), Effect::Nothing);
    world.hint_death("api");
    world.run(SECOND);
    let id = world.requests.last().unwrap().0;
    died(&mut world, id);
    assert!(world.told(VERDICT), "{:#?}", world.story);
}

#[test]
fn whoever_answers_or_hangs_is_given_its_time() {
    for kind in [FaultKind::Timeout, FaultKind::Status] {
        let (mut world, id) = restarted(kind);
        died(&mut world, id);
        assert_eq!(world.state("api"), StateLabel::Verifying, "{kind:?}");
    }
}

#[test]
fn what_came_up_in_another_way_is_healed() {
    let (mut world, id) = restarted(FaultKind::Refused);
    world.well.insert("api".into(), true);
    died(&mut world, id);
    world.run(SECOND * 10);
    assert_eq!(world.state("api"), StateLabel::Healthy, "{:#?}", world.story);
    assert!(!world.told(VERDICT));
}

#[test]
fn the_death_of_what_an_earlier_act_left_behind_says_nothing() {
    let (mut world, id) = restarted(FaultKind::Refused);
    died(&mut world, ActId(id.0 + 1));
    assert_eq!(world.state("api"), StateLabel::Verifying);
}

#[test]
fn who_has_another_healer_may_come_back_by_that() {
    let mut api = service("api");
    let patience = Duration::from_millis(1);
    api.supervised = Some(Supervised { by: "supervisord".into(), patience });
    let (mut world, id) = restarted_in(World::settled(vec![api]), FaultKind::Refused);
    died(&mut world, id);
    assert_eq!(world.state("api"), StateLabel::Verifying, "{:#?}", world.story);
}
