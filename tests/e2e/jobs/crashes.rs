//! vai is killed again and again around the full minute, and no run of a job
//! is lost or done twice.
//!
//! As in `crashes`, each life of vai has a boot clock of its own, minutes ahead
//! of the one before: else three unclean starts would rightly stop all of it.
//! `VAI_CRASH_ROUNDS` and `VAI_CRASH_SEED` are the same, too.

use super::*;
use crate::crashes::random::Random;
use crate::lab::number_of;
use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use vai::clock::boot_time;

const ROUNDS: u64 = 40;
/// Ahead of it, kills are far between, and a run of vai is a few seconds long.
const JOBS: usize = 20;

#[test]
fn killed_again_and_again_no_run_is_lost_or_done_twice() {
    let rounds = number_of("VAI_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = number_of("VAI_CRASH_SEED").unwrap_or_else(|| boot_time().as_millis());
    println!("{rounds} rounds by chance {seed}");
    let mut random = Random::new(seed);
    let lab = Lab::new();
    let services = tiny(&lab, true);
    let jobs: Map<String, Value> = (0..JOBS).map(|n| (format!("job-{n:02}"), written(n))).collect();
    let mut vai = Vai::on_host(&registry(&lab, json!({}), Value::Object(jobs)));
    wait_for_outcome(&vai, "job-00", "succeeded");

    let (mut ahead, mut amid) = (0, 0);
    for _ in 0..rounds {
        thread::sleep(random.millis(4000));
        amid += usize::from(under_way(&services) > 0);
        vai.kill9();
        ahead += 310 + random.below(60);
        vai.start_again_ahead(ahead, Vec::new());
    }
    eventually("the outcome of every run", A_MINUTE, || {
        let open = |n: usize| view(&vai, &format!("job-{n:02}"))["running"].as_array().cloned();
        (0..JOBS).all(|n| open(n).is_some_and(|it| it.is_empty())).then_some(())
    });

    let begun = begun(&services);
    let mut told = Told::default();
    for n in 0..JOBS {
        judge(&format!("job-{n:02}"), &history(&vai, &format!("job-{n:02}")), &begun, &mut told);
    }
    println!(
        "killed {rounds} times, {amid} of them while jobs ran; {} instants, {} runs, 0 lost, 0 \
         doubled",
        told.instants, told.runs
    );
    assert!(amid > 0, "nothing was interrupted: nothing is shown");
}

/// It writes down which try of which run it is, and some take their time.
fn written(number: usize) -> Value {
    let lasts = if number.is_multiple_of(2) { "sleep 3;" } else { "" };
    let command = format!("echo $VAI_RUN >> /tmp/begun; {lasts} true");
    job(&command, json!({ "overlap": "forbid", "timeout_seconds": 86_400 }))
}

fn under_way(services: &Container) -> usize {
    services.living("sleep").len()
}

/// How often each try was begun.
fn begun(services: &Container) -> BTreeMap<String, usize> {
    let mut begun = BTreeMap::new();
    for line in services.lines_of("/tmp/begun") {
        *begun.entry(line).or_default() += 1;
    }
    begun
}

#[derive(Default)]
struct Told {
    instants: usize,
    runs: usize,
}

fn judge(job: &str, runs: &[Value], begun: &BTreeMap<String, usize>, told: &mut Told) {
    let instant = |run: &Value| {
        assert_eq!(run["scheduled"]["count"], 1, "{run}");
        run["scheduled"]["first"].as_i64().expect("a moment")
    };
    let instants: BTreeSet<i64> = runs.iter().map(instant).collect();
    assert_eq!(instants.len(), runs.len(), "{job}: an instant has two outcomes: {runs:#?}");
    let (first, last) = (instants.first().expect("one"), instants.last().expect("one"));
    let expected = (last - first) / 60_000 + 1;
    assert_eq!(instants.len() as i64, expected, "{job}: an instant is lost: {runs:#?}");
    told.instants += runs.len();
    for run in runs {
        assert_eq!(run["outcome"], "succeeded", "{job}: {run}");
        let (id, tries) = (run["id"].as_u64().expect("a number"), run["attempts"].as_u64());
        let of_run =
            |mark: &&String| mark.rsplit('-').nth(1).and_then(|it| it.parse().ok()) == Some(id);
        let begun: Vec<&String> = begun.keys().filter(of_run).collect();
        assert_eq!(begun.len(), 1, "{job}: {run} had tries {tries:?}, begun: {begun:?}");
        told.runs += 1;
    }
    let twice: Vec<_> = begun.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "begun twice: {twice:?}");
}
