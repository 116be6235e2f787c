//! What an incident says: how each of what fails because of its root stands,
//! through what it hangs on the root, and what comes next.

use super::*;

/// nginx needs backend, and backend needs redis.
fn three() -> World {
    let needs =
        |name: &str, needed: &str| Service { dependencies: vec![needed.into()], ..service(name) };
    let services = vec![service("redis"), needs("backend", "redis"), needs("nginx", "backend")];
    let mut world = World::settled(services);
    for (name, needed) in [("backend", "redis"), ("nginx", "backend")] {
        world.needs.insert(name.into(), needed.into());
        world.faults.insert(name.into(), FaultKind::Status);
    }
    world.effects.insert("redis".into(), Effect::Nothing);
    world
}

fn told(incident: &Incident) -> Vec<(&str, &str, Option<&str>, bool)> {
    let affected = incident.affected.iter();
    affected
        .map(|it| {
            let because = it.because.as_ref().map(ServiceName::as_str);
            (it.name.as_str(), it.reason.as_str(), because, it.over)
        })
        .collect()
}

#[test]
fn each_says_what_its_own_check_says_and_what_it_hangs_on() {
    let mut world = three();
    world.hint_death("redis");
    world.run(SECOND * 300);
    let incident = &world.notices.last().unwrap().incident;
    assert_eq!(incident.root, "redis");
    assert_eq!(
        told(incident),
        [("backend", "status", Some("redis"), false), ("nginx", "status", Some("backend"), false)]
    );
    assert!(incident.affected.iter().all(|it| it.state == StateLabel::Down));
}

#[test]
fn what_was_well_again_first_is_still_named_at_the_end() {
    let mut world = three();
    world.hint_death("redis");
    world.run(SECOND * 300);
    world.needs.remove("nginx");
    world.run(SECOND * 120);
    let open = world.incidents.values().next().unwrap();
    let over: Vec<bool> = open.affected.iter().map(|it| it.over).collect();
    assert_eq!(over, [false, true], "{open:#?}");
    assert_eq!(open.failing_with_it().count(), 1);

    world.well.insert("redis".into(), true);
    world.run(SECOND * 300);
    let end = world.notices.last().unwrap();
    assert_eq!(end.kind, NoticeKind::Resolved);
    assert_eq!(
        told(&end.incident),
        [("backend", "status", Some("redis"), true), ("nginx", "status", Some("backend"), true)]
    );
    assert_eq!(end.incident.reason, "connection refused", "it is the root's own");
    assert!(end.incident.history.iter().any(|line| line.contains("attempt 1")), "{end:#?}");
}

#[test]
fn the_story_of_the_root_is_still_told_when_others_took_longer() {
    let mut world = three();
    world.effects.insert("backend".into(), Effect::Nothing);
    world.hint_death("redis");
    world.hint_death("backend");
    world.run(SECOND * 300);
    world.well.insert("redis".into(), true);
    world.run(SECOND * 90);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    world.well.insert("backend".into(), true);
    world.run(SECOND * 300);
    let end = world.notices.iter().find(|it| it.kind == NoticeKind::Resolved).unwrap();
    assert_eq!(end.incident.root, "redis");
    assert_eq!(end.incident.reason, "connection refused");
    assert_eq!(end.incident.failed_attempts, 3);
    let because: Vec<_> = told(&end.incident).iter().map(|it| it.2).collect();
    assert_eq!(because, [Some("redis"), Some("backend")]);
    assert!(end.incident.history.iter().any(|line| line.contains("attempt 1")), "{end:#?}");
}

#[test]
fn what_fails_by_its_container_hangs_on_no_service() {
    let mut world = World::settled(vec![service("redis"), service("worker")]);
    world.kill("redis");
    world.kill("worker");
    world.effects.insert("redis".into(), Effect::Fails);
    world.effects.insert("worker".into(), Effect::Fails);
    world.container(ContainerChange::Died);
    let exited = ContainerStatus::Exited { code: 137, oom: true };
    world.container(ContainerChange::Seen(view(1, exited)));
    world.run(SECOND * 600);
    let incident = &world.notices[0].incident;
    assert_eq!(incident.root, "container services");
    let names: Vec<_> = told(incident).iter().map(|it| (it.0, it.2)).collect();
    assert_eq!(names, [("redis", None), ("worker", None)]);
}

#[test]
fn a_name_alone_as_older_files_have_it_is_read() {
    let old: Vec<Affected> = serde_json::from_str(r#"["web-api"]"#).unwrap();
    assert_eq!(old, [Affected::from(ServiceName::from("web-api"))]);
    let text = serde_json::to_string(&old).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Affected>>(&text).unwrap(), old);
}

#[test]
fn giving_up_on_a_command_that_fails_is_told_with_what_comes_next() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Fails);
    world.kill("redis");
    world.run(SECOND * 300);
    let gave_up = |it: &&Notice| it.incident.state == StateLabel::GaveUp;
    let told = world.notices.iter().find(gave_up).unwrap();
    assert_eq!(told.incident.next, "gave up; one more try in 5 min");
}
