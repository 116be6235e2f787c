//! What is kept, for how long, and how much room it takes.

use super::*;
use crate::store::history::Raw;
use crate::store::rollup::{COARSE, FINE, Slot, day};
use crate::store::{CHECK_CEILING, FIXED_CEILING, RawKind, SERVICE_CEILING};
use vai_core::judge::Sample;
use vai_core::model::{Fault, FaultKind, IncidentPhase, Outcome, StateLabel, Transition};

const FIVE_MINUTES: i64 = 300_000;
const DAY: i64 = 24 * 3600 * 1000;
/// Midnight UTC.
const START: i64 = 20_000 * DAY;

fn wall(millis: i64) -> Now {
    Now { mono: Time::default(), wall: Wall::from_millis(START + millis) }
}

fn sampled(service: &str, outcome: Outcome, took: u64) -> Change {
    Change::Sampled(Sample {
        service: service.into(),
        check: "tcp".to_owned(),
        outcome,
        took: Duration::from_millis(took),
    })
}

fn refused() -> Outcome {
    Outcome::Fail(Fault::new(FaultKind::Refused, "connection refused"))
}

fn transition(service: &str, reason: &str) -> Change {
    Change::Transition(Transition {
        service: service.into(),
        from: StateLabel::Healthy,
        to: StateLabel::Suspect,
        reason: reason.to_owned(),
    })
}

fn closed(id: &str, at: i64, words: usize) -> Change {
    let mut incident = crate::show::fixture::incident("redis");
    incident.id = IncidentId(id.to_owned());
    incident.reason = "x".repeat(words);
    let at = wall(at).wall;
    incident.phase = IncidentPhase::Closed { at, how: "healed".to_owned() };
    Change::Incident(Box::new(incident))
}

#[test]
fn results_add_up_over_commits_in_five_minutes_and_in_hours() {
    let (_dir, mut file) = state();
    let unknown = Outcome::Unknown("the agent is lost".into());
    commit(&mut file, wall(0), vec![sampled("redis", Outcome::Pass, 12)]);
    commit(&mut file, wall(1), vec![sampled("redis", refused(), 70_000)]);
    commit(&mut file, wall(2), vec![sampled("redis", unknown, 9)]);
    commit(&mut file, wall(11 * FIVE_MINUTES), vec![sampled("redis", Outcome::Pass, 3)]);
    commit(&mut file, wall(DAY), vec![sampled("redis", Outcome::Pass, 4)]);

    let first = Slot { passes: 1, fails: 1, unknowns: 1, slowest_ms: u16::MAX };
    let last = Slot { passes: 1, slowest_ms: 3, ..Slot::default() };
    let fine = FINE.row(file.db(), 1, day(wall(0).wall)).unwrap();
    assert_eq!(fine.len(), 288);
    assert_eq!((fine[0], fine[1], fine[11]), (first, Slot::default(), last));
    let coarse = COARSE.row(file.db(), 1, day(wall(0).wall)).unwrap();
    assert_eq!(coarse.len(), 24);
    assert_eq!((coarse[0], coarse[1]), (Slot { passes: 2, ..first }, Slot::default()));
    let next = FINE.row(file.db(), 1, day(wall(DAY).wall)).unwrap();
    assert_eq!(next[0].passes, 1);
}

#[test]
fn statistics_wait_for_the_end_of_their_five_minutes_and_news_do_not() {
    let mut pending = Pending::default();
    add(&mut pending, wall(0), vec![sampled("redis", Outcome::Pass, 1)]);
    assert_eq!(pending.due(), None);
    add(&mut pending, wall(1), vec![transition("redis", "refused")]);
    assert_eq!(pending.due(), Some(Extent::WithoutSlots));
    pending.stored(Extent::WithoutSlots);
    assert_eq!(pending.due(), None);
    add(&mut pending, wall(FIVE_MINUTES), vec![sampled("redis", Outcome::Pass, 1)]);
    assert_eq!(pending.due(), Some(Extent::All));
}

#[test]
fn while_nothing_can_be_stored_records_are_never_lost_and_the_rest_is_counted() {
    let mut pending = Pending::default();
    for id in 0..20_001 {
        let record = Change::Keep(Box::new(message(id % 500, "redis")));
        let five_minutes = i64::try_from(id).unwrap() * FIVE_MINUTES;
        let sample = sampled("redis", Outcome::Pass, 1);
        let changes = vec![record, transition("redis", &id.to_string()), sample];
        add(&mut pending, wall(five_minutes), changes);
    }
    assert_eq!(pending.rows.len(), 500, "each once, as it is now");
    assert_eq!((pending.transitions.len(), pending.slots.len()), (10_000, 20_000));
    assert_eq!(pending.transitions[0].transition.reason, "10001", "the oldest go");
    assert_eq!(pending.stored(Extent::All), 10_001 + 1);
    assert_eq!(pending.stored(Extent::All), 0);
}

#[test]
fn the_last_500_transitions_of_a_service_are_kept_for_90_days() {
    let (_dir, mut file) = state();
    commit(&mut file, wall(0), vec![transition("quiet", "then")]);
    let many = |number: u32| transition("flapping", &format!("{number} {}", "ß".repeat(200)));
    commit(&mut file, wall(DAY), (0..600).map(many).collect());
    assert_eq!(count(&file, "transitions"), 501);
    let sql = "SELECT reason FROM transitions WHERE service = 'flapping' ORDER BY id LIMIT 1";
    let oldest: String = file.db().query_row(sql, [], |row| row.get(0)).unwrap();
    assert!(oldest.starts_with("100 ß") && oldest.len() <= 200, "{oldest}");

    file.sweep(wall(90 * DAY).wall).unwrap();
    assert_eq!(count(&file, "transitions"), 501);
    file.sweep(wall(90 * DAY + 1).wall).unwrap();
    assert_eq!(count(&file, "transitions"), 500);
}

#[test]
fn closed_incidents_are_kept_for_a_year_and_no_more_than_fit() {
    let (_dir, mut file) = state();
    let open = Change::Incident(Box::new(crate::show::fixture::incident("redis")));
    commit(&mut file, wall(0), vec![open, closed("old", 0, 1), closed("new", DAY, 1)]);
    assert_eq!(count(&file, "incidents"), 2, "what is open is a record");
    file.sweep(wall(365 * DAY + 1).wall).unwrap();
    assert_eq!(count(&file, "incidents"), 1);

    let many = |number: i64| closed(&format!("n{number}"), DAY + number, 1);
    commit(&mut file, wall(DAY), (0..900).map(many).collect());
    commit(&mut file, wall(DAY), (900..1800).map(many).collect());
    commit(&mut file, wall(DAY), (1800..2100).map(many).collect());
    file.sweep(wall(DAY).wall).unwrap();
    assert_eq!(count(&file, "incidents"), 2000);

    let large = |number: i64| closed(&format!("l{number}"), 2 * DAY + number, 1_000_000);
    commit(&mut file, wall(2 * DAY), (0..20).map(large).collect());
    file.sweep(wall(2 * DAY).wall).unwrap();
    assert_eq!(count(&file, "incidents"), 16);
}

#[tokio::test]
async fn the_last_200_results_of_a_check_are_there_after_a_clean_stop() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, ..) = Store::start(open(dir.path())).unwrap();
    for number in 0..201 {
        let changes = vec![sampled("redis", Outcome::Pass, number), sampled("gone", refused(), 1)];
        store.apply(wall(0), Delta { changes });
    }
    store.apply(wall(0), Delta { changes: vec![sampled("redis", refused(), 7)] });
    store.apply(wall(0), Delta { changes: vec![Change::Removed("gone".into())] });
    store.close(wall(0), SOON).await.unwrap();

    let (store, ..) = Store::start(open(dir.path())).unwrap();
    let results: Vec<&Raw> = store.results(&"redis".into(), "tcp").collect();
    assert_eq!(results.len(), 200);
    assert_eq!((results[0].kind, results[0].took_ms), (RawKind::Pass, 2));
    let last = results[199];
    assert_eq!(
        (last.kind, &*last.why, last.at),
        (RawKind::Fail, "connection refused", wall(0).wall)
    );
    assert_eq!(store.results(&"gone".into(), "tcp").count(), 0);
}

/// Every slot of every day is used, and every service falls so often that its
/// transitions are at their limit, beside one that is quiet.
#[tokio::test]
async fn after_a_year_and_a_month_the_state_is_below_its_ceiling_and_stays_there() {
    const SERVICES: [&str; 3] = ["redis", "nginx", "worker"];
    let (dir, mut file) = state();
    let mut sizes = Vec::new();
    for today in 0..400 {
        let mut pending = Pending::default();
        for number in 0..288 {
            let now = wall(today * DAY + number * FIVE_MINUTES);
            let mut changes: Vec<Change> =
                SERVICES.iter().map(|name| sampled(name, Outcome::Pass, 3)).collect();
            if number % 20 == 0 {
                changes.extend(SERVICES.iter().map(|name| transition(name, &"x".repeat(200))));
            }
            if number == 0 {
                changes.push(transition("quiet", "once a day"));
                changes.push(closed(&format!("redis-{today}"), today * DAY, 4000));
            }
            add(&mut pending, now, changes);
        }
        file.commit(&pending, Extent::All).unwrap();
        file.sweep(wall((today + 1) * DAY).wall).unwrap();
        if today >= 370 {
            sizes.push(fs::metadata(state_file(&dir)).unwrap().len());
        }
    }
    drop(file);
    let size = fs::metadata(state_file(&dir)).unwrap().len();
    let services = SERVICES.len() as u64 + 1;
    let ceiling = services * (SERVICE_CEILING + CHECK_CEILING) + FIXED_CEILING;
    assert!(size < ceiling, "{size} of {ceiling}");
    // Without the fixed part, which is made for worse than this.
    let incidents = 365 * 6_000;
    let part = services * SERVICE_CEILING + SERVICES.len() as u64 * CHECK_CEILING;
    assert!(size < part + incidents, "{size} of {part} and {incidents}");
    let (first, last) = (sizes[0], sizes[sizes.len() - 1]);
    assert!(last <= first + first / 50, "it grows on: {sizes:?}");
}
