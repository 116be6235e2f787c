//! The runs of jobs: which are kept one by one, which as counts, and how much
//! room they take.

use super::*;
use crate::store::{JOB_CEILING, RunDay};
use vai_core::model::{Instants, JobName, Run, RunId};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// Midnight UTC.
const START: i64 = 20_000 * DAY;

/// Run `id` of `job`, due and over at its minute.
fn run(job: &str, id: u64, outcome: RunOutcome) -> Run {
    let at = wall(i64::try_from(id).unwrap() * MINUTE);
    Run {
        scheduled: Some(Instants { first: at, last: at, count: 1 }),
        began: Some(at),
        ended: at,
        tail: format!("output {id}"),
        ..crate::show::fixture::run(job, id, outcome)
    }
}

fn wall(millis: i64) -> Wall {
    Wall::from_millis(START + millis)
}

fn change(run: Run) -> Change {
    Change::Run(Box::new(run))
}

fn store(file: &mut StateFile, runs: impl Iterator<Item = Run>) {
    // As the writer does: it stores before too many wait.
    for some in runs.collect::<Vec<_>>().chunks(500) {
        commit(file, at(1), some.iter().cloned().map(change).collect());
    }
}

fn past(dir: &TempDir, job: &str, most: u32) -> JobPast {
    job_past(dir.path(), &job.into(), most).unwrap()
}

fn counts(day: &RunDay) -> Vec<(&'static str, u64)> {
    day.counts.iter().map(|it| (it.outcome.label(), it.count)).collect()
}

#[test]
fn a_run_comes_back_as_it_was_and_the_latest_first() {
    let (dir, mut file) = state();
    let full = Run {
        scheduled: Some(Instants { first: wall(1), last: wall(9), count: 3 }),
        reason: "exit 1".to_owned(),
        attempts: 4,
        bytes: u64::MAX,
        ..run("backup", 2, RunOutcome::TimedOut)
    };
    let by_hand = Run {
        id: RunId(u64::MAX),
        scheduled: None,
        began: None,
        ended: wall(3 * DAY),
        tail: String::new(),
        ..run("backup", 1, RunOutcome::Missed)
    };
    store(
        &mut file,
        [by_hand.clone(), full.clone(), run("other", 3, RunOutcome::Failed)].into_iter(),
    );
    assert_eq!(past(&dir, "backup", 9).runs, [by_hand.clone(), full.clone()]);
    assert_eq!(past(&dir, "backup", 1).runs, [by_hand]);
    assert_eq!(job_run(dir.path(), &full.job, full.id).unwrap(), Some(full));
    assert_eq!(job_run(dir.path(), &"backup".into(), RunId(3)).unwrap(), None);
    assert_eq!(past(&dir, "unknown", 9), JobPast::default());
}

#[tokio::test]
async fn a_run_is_stored_with_the_step_that_it_ended_in() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, ..) = Store::start(open(dir.path())).unwrap();
    let ended = run("backup", 1, RunOutcome::Failed);
    let changes = vec![change(ended.clone())];
    store.apply(at(1), Delta { changes }).wait(SOON).await.unwrap();
    assert_eq!(past(&dir, "backup", 9).runs, [ended]);
}

#[test]
fn words_and_outputs_are_cut_where_too_long_the_one_at_its_end_the_other_at_its_beginning() {
    let (dir, mut file) = state();
    let long = Run {
        reason: "ß".repeat(200),
        tail: format!("{}end", "ß".repeat(4000)),
        ..run("backup", 1, RunOutcome::Failed)
    };
    store(&mut file, [long].into_iter());
    let kept = past(&dir, "backup", 1).runs.remove(0);
    assert_eq!(kept.reason, "ß".repeat(100));
    assert!(kept.tail.len() <= 4096 && kept.tail.ends_with("ßend"), "{}", kept.tail.len());
}

#[test]
fn no_flood_of_one_kind_hides_another_and_nothing_is_uncounted() {
    let (dir, mut file) = state();
    store(&mut file, [run("backup", 0, RunOutcome::Failed)].into_iter());
    let minutes = (1..=2 * 1440).map(|id| run("backup", id, RunOutcome::Succeeded));
    store(&mut file, minutes);
    let missed = |id: u64| Run {
        scheduled: Some(Instants { first: wall(0), last: wall(0), count: 60 }),
        ..run("backup", id, RunOutcome::Missed)
    };
    store(&mut file, (3000..3301).map(missed));

    let JobPast { runs, days } = past(&dir, "backup", 10_000);
    let of = |outcome| runs.iter().filter(|it| it.outcome == outcome).collect::<Vec<_>>();
    let (succeeded, failed) = (of(RunOutcome::Succeeded), of(RunOutcome::Failed));
    assert_eq!((succeeded.len(), failed.len(), of(RunOutcome::Missed).len()), (300, 1, 300));
    let with_tail = succeeded.iter().filter(|it| !it.tail.is_empty()).map(|it| it.id.0);
    assert_eq!(with_tail.collect::<Vec<_>>(), (2861..=2880).rev().collect::<Vec<_>>());
    assert_eq!(failed[0].tail, "output 0");
    assert_eq!(
        days.iter().map(counts).collect::<Vec<_>>(),
        [vec![("missed", 60)], vec![("succeeded", 2880 - 300 - 1439)], vec![("succeeded", 1439)],]
    );
    assert_eq!(days[2].day, wall(0));
}

#[test]
fn runs_and_the_counts_of_days_are_kept_for_90_days() {
    let (dir, mut file) = state();
    store(&mut file, (0..301).map(|id| run("backup", id, RunOutcome::Succeeded)));
    file.sweep(wall(90 * DAY)).unwrap();
    let JobPast { runs, days } = past(&dir, "backup", 999);
    assert_eq!((runs.len(), days.len()), (300, 1));
    file.sweep(wall(90 * DAY + 100 * MINUTE + 1)).unwrap();
    let JobPast { runs, days } = past(&dir, "backup", 999);
    assert_eq!((runs.len(), days.len()), (200, 1));
    file.sweep(wall(91 * DAY)).unwrap();
    assert_eq!(past(&dir, "backup", 999), JobPast::default());
}

#[test]
fn while_nothing_can_be_stored_the_oldest_runs_go_and_are_counted() {
    let mut pending = Pending::default();
    for id in 0..1001 {
        add(&mut pending, at(id), vec![change(run("backup", id, RunOutcome::Failed))]);
    }
    assert_eq!((pending.runs.len(), pending.runs[0].id), (1000, RunId(1)));
    assert_eq!(
        (pending.due(), pending.stored(Extent::WithoutSlots)),
        (Some(Extent::WithoutSlots), 1)
    );
    assert_eq!(pending.due(), None);
}

/// Every bound is reached, in rows of the greatest length that lie as far apart
/// as they can, beside a job that runs once a day.
#[test]
fn the_runs_of_a_job_stay_below_their_ceiling() {
    const OUTCOMES: [RunOutcome; 6] = [
        RunOutcome::Succeeded,
        RunOutcome::Failed,
        RunOutcome::TimedOut,
        RunOutcome::Replaced,
        RunOutcome::Skipped,
        RunOutcome::Missed,
    ];
    let (dir, mut file) = state();
    let jobs = ["a", "b"].map(|job| JobName::from(job.repeat(64).as_str()));
    let mut sizes = Vec::new();
    for today in 0..140 {
        let mut pending = Pending::default();
        for number in 0..60 {
            for job in &jobs {
                let outcome = OUTCOMES[number % OUTCOMES.len()];
                let failed = outcome != RunOutcome::Succeeded;
                let run = Run {
                    reason: if failed { "x".repeat(200) } else { String::new() },
                    tail: "y".repeat(4096),
                    ended: wall(today * DAY),
                    ..run(job.as_str(), 1 << 40, outcome)
                };
                add(&mut pending, at(1), vec![change(run)]);
            }
        }
        let daily = run("daily", u64::try_from(today * 1440).unwrap(), RunOutcome::Succeeded);
        add(&mut pending, at(1), vec![change(daily)]);
        file.commit(&pending, Extent::All).unwrap();
        file.sweep(wall((today + 1) * DAY)).unwrap();
        sizes.push(fs::metadata(state_file(&dir)).unwrap().len());
    }
    assert_eq!(count(&file, "runs"), 2 * 900 + 90);
    assert_eq!(count(&file, "run_days"), 2 * 450);
    drop(file);
    let size = fs::metadata(state_file(&dir)).unwrap().len();
    let ceiling = 2 * JOB_CEILING;
    assert!(size < ceiling, "{size} of {ceiling}");
    assert!(sizes[139] <= sizes[125] + sizes[125] / 50, "it grows on: {sizes:?}");
}
