//! Histories written by hand: what happens every week somewhere.

use crate::plan::{Fault, HOUR, MINUTE, Plan, SECOND, ServicePlan, What};
use crate::registry::in_main;
use crate::story::Story;
use crate::world::World;

/// Runs it; every invariant holds, and what was decided comes back.
fn decided(services: Vec<ServicePlan>, faults: Vec<Fault>, busy: u64) -> Vec<String> {
    let mut world = World::new(Plan::of(services, faults, busy), Story::of(60));
    if let Err(violation) = world.run() {
        let story: Vec<&str> = world.story.lines().map(String::as_str).collect();
        panic!("{}\n{violation}", story.join("\n"));
    }
    world.decisions.into_iter().map(|(_, what)| what).collect()
}

fn count(decisions: &[String], what: &str) -> usize {
    decisions.iter().filter(|it| it.starts_with(what)).count()
}

#[test]
fn redis_killed_for_memory_every_four_minutes_for_a_day() {
    let leak =
        What::DiesEvery { service: "redis".into(), every: 4 * MINUTE, lasts: 24 * HOUR - MINUTE };
    let faults = vec![Fault { at: MINUTE, what: leak }];
    let decisions = decided(vec![in_main("redis", &[])], faults, 24 * HOUR);
    let restarts = count(&decisions, "Restart");
    // It dies 360 times; while it flaps, a death that nothing proves waits.
    assert!((340..=360).contains(&restarts), "{restarts}");
}

#[test]
fn one_dead_database_and_twelve_services_are_one_incident() {
    let mut services = vec![in_main("database", &[])];
    for number in 0..12 {
        let mut service = in_main(&format!("service-{number:02}"), &["database"]);
        if number % 2 == 0 {
            // It needs the database and does not say so.
            std::sync::Arc::make_mut(&mut service.service).dependencies.clear();
        }
        services.push(service);
    }
    let what = What::BreaksFor { service: "database".into(), lasts: 20 * MINUTE };
    let decisions = decided(services, vec![Fault { at: HOUR, what }], 2 * HOUR);
    let end = decisions.iter().position(|it| it == "database: verifying → healthy");
    let outage = &decisions[..end.unwrap_or(decisions.len())];
    assert_eq!(count(outage, "Opened database"), 1);
    assert_eq!(count(outage, "Opened service"), 0);
}

#[test]
fn everything_is_started_once_in_the_order_of_dependencies() {
    let mut services = vec![in_main("a", &[])];
    for (name, needs) in [("b", "a"), ("c", "b"), ("d", "c")] {
        services.push(in_main(name, &[needs]));
    }
    let decisions = decided(services, Vec::new(), 10 * SECOND);
    let starts: Vec<&String> = decisions.iter().filter(|it| it.starts_with("Start")).collect();
    assert_eq!(starts, ["Start a", "Start b", "Start c", "Start d"]);
    assert_eq!(count(&decisions, "Restart"), 0);
}
