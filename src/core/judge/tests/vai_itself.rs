//! What is wrong with `vai` itself: its restarts, its sinks, its registry.

use super::*;

const DAY: Duration = Duration::from_secs(86_400);
const SINK: &str = "alerts[0] email";

fn told(world: &World) -> Vec<(NoticeKind, &str)> {
    world.notices.iter().map(|it| (it.kind, it.incident.root.as_str())).collect()
}

fn killed_and_started_again(world: &mut World) {
    world.restart();
    world.run(SECOND);
}

fn stopped_and_started_again(world: &mut World) {
    world.event(Event::Stopping);
    world.restart();
    world.run(SECOND);
}

fn sink(world: &mut World, failing: Option<&str>) {
    world.event(Event::Sink { name: SINK.into(), failing: failing.map(str::to_owned) });
}

fn registry(world: &mut World, why: Option<&str>) {
    world.event(Event::Registry(why.map(str::to_owned)));
}

#[test]
fn a_restart_of_vai_without_a_stop_is_told_once_with_the_cause() {
    let mut world = World::settled(vec![service("redis")]);
    world.memory.set_last_words("the loop had been stuck for 1 min".into());
    killed_and_started_again(&mut world);
    world.run(SECOND * 3600);
    assert_eq!(told(&world), [(NoticeKind::Info, "vai")]);
    assert_eq!(
        world.notices[0].incident.reason,
        "vai was restarted without having been stopped: the loop had been stuck for 1 min"
    );
    killed_and_started_again(&mut world);
    let reason = &world.notices[1].incident.reason;
    assert!(reason.contains("it was killed, or ended without a word"), "{reason}");
}

#[test]
fn a_restart_of_vai_after_a_stop_or_a_reboot_is_not_told() {
    let mut stopped = World::settled(vec![service("redis")]);
    stopped_and_started_again(&mut stopped);
    assert_eq!(told(&stopped), []);

    let mut rebooted = World::settled(vec![service("redis")]);
    rebooted.watchlist.local.id = "another boot".into();
    killed_and_started_again(&mut rebooted);
    rebooted.run(SECOND * 120);
    assert_eq!(told(&rebooted), [(NoticeKind::Info, "host")]);
}

#[test]
fn words_of_a_vai_that_was_stopped_are_not_those_of_the_next_one_that_is_killed() {
    let mut world = World::settled(vec![service("redis")]);
    world.memory.set_last_words("the loop had been stuck".into());
    stopped_and_started_again(&mut world);
    killed_and_started_again(&mut world);
    let reason = &world.notices[0].incident.reason;
    assert!(!reason.contains("stuck"), "{reason}");
}

#[test]
fn a_second_restart_of_vai_within_ten_minutes_is_not_told() {
    let told_after = |span: Duration| {
        let mut world = World::settled(vec![service("redis")]);
        killed_and_started_again(&mut world);
        world.run(span);
        killed_and_started_again(&mut world);
        world.run(SECOND * 3600);
        world.notices.len()
    };
    assert_eq!(told_after(SECOND * 598), 1);
    assert_eq!(told_after(SECOND * 600), 2);
}

#[test]
fn a_sink_that_takes_nothing_for_a_day_is_one_warning_to_the_others() {
    let mut world = World::settled(vec![service("redis")]);
    sink(&mut world, Some("connection refused"));
    world.run(DAY - SECOND);
    assert_eq!(told(&world), []);
    sink(&mut world, Some("no answer within 15 s"));
    world.run(SECOND);
    let root = format!("notification sink {SINK}");
    assert_eq!(told(&world), [(NoticeKind::Opened, root.as_str())]);
    let notice = &world.notices[0];
    assert_eq!(notice.notify, Notify::Others(SINK.into()));
    assert_eq!(notice.incident.severity, Severity::Warning);
    assert_eq!(notice.incident.reason, "no answer within 15 s");

    sink(&mut world, None);
    assert_eq!(
        told(&world),
        [(NoticeKind::Opened, root.as_str()), (NoticeKind::Resolved, root.as_str())]
    );
    assert_eq!(world.notices[1].notify, Notify::Others(SINK.into()));
}

#[test]
fn the_day_of_a_failing_sink_is_counted_anew_after_it_took_something() {
    let mut world = World::settled(vec![service("redis")]);
    sink(&mut world, Some("connection refused"));
    world.run(DAY - SECOND);
    sink(&mut world, None);
    sink(&mut world, Some("connection refused"));
    world.run(DAY - SECOND);
    assert_eq!(told(&world), []);
}

#[test]
fn the_day_of_a_failing_sink_goes_on_over_a_restart_of_vai() {
    let mut world = World::settled(vec![service("redis")]);
    sink(&mut world, Some("connection refused"));
    world.run(DAY - SECOND * 10);
    stopped_and_started_again(&mut world);
    assert_eq!(world.core.failing_sinks().collect::<Vec<_>>(), [(SINK, "connection refused")]);
    sink(&mut world, Some("connection refused"));
    world.run(SECOND * 8);
    assert_eq!(told(&world), []);
    world.run(SECOND * 2);
    assert_eq!(world.notices.len(), 1);
    stopped_and_started_again(&mut world);
    sink(&mut world, Some("connection refused"));
    world.run(SECOND * 3600);
    assert_eq!(world.notices.len(), 1, "told once");
}

#[test]
fn a_registry_that_cannot_be_put_in_force_is_one_warning_until_it_is_mended() {
    let mut world = World::settled(vec![service("redis")]);
    registry(&mut world, Some("it has errors"));
    assert_eq!(told(&world), [(NoticeKind::Opened, "registry")]);
    assert_eq!(world.notices[0].incident.severity, Severity::Warning);
    assert_eq!(world.notices[0].incident.reason, "it has errors");
    registry(&mut world, Some("it drops most services"));
    world.run(SECOND * 3600);
    assert_eq!(world.notices.len(), 1);
    let open = world.incidents.values().next().unwrap();
    assert_eq!(open.reason, "it drops most services");
    registry(&mut world, None);
    assert_eq!(
        told(&world),
        [(NoticeKind::Opened, "registry"), (NoticeKind::Resolved, "registry")]
    );
}

#[test]
fn a_bad_registry_is_not_told_again_after_a_restart_of_vai_and_its_end_is() {
    let mut world = World::settled(vec![service("redis")]);
    registry(&mut world, Some("it has errors"));
    stopped_and_started_again(&mut world);
    assert_eq!(world.core.registry_failure(), Some("it has errors"));
    registry(&mut world, Some("it has errors"));
    world.run(SECOND * 3600);
    assert_eq!(told(&world), [(NoticeKind::Opened, "registry")]);
    stopped_and_started_again(&mut world);
    registry(&mut world, None);
    assert_eq!(
        told(&world),
        [(NoticeKind::Opened, "registry"), (NoticeKind::Resolved, "registry")]
    );
    assert_eq!(world.core.registry_failure(), None);
}
