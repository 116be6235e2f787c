//! The story of the jobs.

use super::Snapshot;
use crate::show::utc;
use tracing::{debug, info, warn};
use vai_core::model::{JobName, JobState, JobView, Run, RunOutcome, RunningView};
use vai_core::words;

/// A run that ends like the one before it is told again after this, in
/// milliseconds.
const TOLD_AGAIN: i64 = 3_600_000;

/// A job stands otherwise than before.
pub(super) fn tell_standing(now: &JobView, known: &Snapshot) {
    let before = known.jobs.get(&now.name);
    let mut whose = format!("job {}", now.name);
    if !now.container.is_empty() {
        whose.push_str(&format!(" ({})", now.container));
    }
    tell_state(&whose, now, before);
    for run in &now.running {
        let before = before.and_then(|view| view.running.iter().find(|it| it.id == run.id));
        tell_under_way(&whose, run, before);
    }
}

fn tell_state(whose: &str, now: &JobView, before: Option<&JobView>) {
    if before.is_some_and(|it| it.state == now.state && it.reason == now.reason) {
        return;
    }
    let reason = if now.reason.is_empty() { String::new() } else { format!(": {}", now.reason) };
    match (now.state, before) {
        (JobState::Held, _) => warn!("{whose}: held{reason}"),
        (JobState::Paused, _) => info!("{whose}: paused{reason}"),
        // At the start, and where only the reason is another one, this is no news.
        (state, Some(before)) if state != before.state => {
            info!("{whose}: {}{reason}", state.label())
        }
        (JobState::Scheduled | JobState::Disabled | JobState::Documentation, _) => {}
    }
}

fn tell_under_way(whose: &str, now: &RunningView, before: Option<&RunningView>) {
    let attempt = now.attempt;
    match before {
        None => debug!("{whose}: run {} begins", now.id.0),
        Some(before) if now.waits && !before.waits => {
            info!("{whose}: attempt {} failed, it will be tried again", before.attempt);
        }
        Some(before) if attempt != before.attempt => debug!("{whose}: attempt {attempt} begins"),
        Some(_) => {}
    }
}

/// A run has its outcome. One that succeeds like the one before it, and one
/// that fails like one of the last hour, are in the log at `debug` only: a job
/// may run every minute.
pub(super) fn tell_run(run: &Run, before: &Snapshot, known: &Snapshot) {
    let line = format!("{}: {}", whose(&run.job, known), outcome(run));
    let last = before.jobs.get(&run.job).and_then(|view| view.last.as_ref());
    let told = last.is_some_and(|last| is_like(run, last)) && run.scheduled.is_some();
    match run.outcome {
        _ if told => debug!("{line}"),
        RunOutcome::Succeeded | RunOutcome::Replaced | RunOutcome::Skipped => info!("{line}"),
        RunOutcome::Failed | RunOutcome::TimedOut | RunOutcome::Missed => warn!("{line}"),
    }
}

fn is_like(run: &Run, last: &Run) -> bool {
    let lately = run.ended.as_millis() - last.ended.as_millis() < TOLD_AGAIN;
    run.outcome == last.outcome
        && (run.outcome == RunOutcome::Succeeded || (lately && run.reason == last.reason))
}

/// `failed: exit 1 after 12 s, 4 attempts`.
fn outcome(run: &Run) -> String {
    let mut line = run.outcome.label().to_owned();
    if !run.reason.is_empty() {
        line.push_str(&format!(": {}", run.reason));
    }
    if run.began.is_some() {
        let after = if run.outcome == RunOutcome::Succeeded { "in" } else { "after" };
        line.push_str(&format!(" {after} {}", words::duration(run.took)));
    }
    if run.attempts > 1 {
        line.push_str(&format!(", {} attempts", run.attempts));
    }
    if let Some(due) = run.scheduled.filter(|due| due.count > 1) {
        line.push_str(&format!(" ({} times since {})", due.count, utc(due.first)));
    }
    line
}

/// `job backup (services)`, or `job backup` for a local one.
pub(super) fn whose(name: &JobName, known: &Snapshot) -> String {
    match known.jobs.get(name) {
        Some(view) if !view.container.is_empty() => format!("job {name} ({})", view.container),
        Some(_) | None => format!("job {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::fixture::{job, run, running};
    use crate::show::log::tests::logged;
    use crate::show::narrate;
    use vai_core::judge::{Change, Delta};
    use vai_core::model::{Instants, Wall};

    fn standing(view: &JobView) -> Change {
        Change::Job(Box::new(view.clone()))
    }

    fn told(changes: Vec<Change>, last: Option<Run>) -> Vec<String> {
        let mut known = Snapshot::new(Wall::default(), false);
        let view = JobView { last, ..job("backup") };
        known.jobs.insert(view.name.clone(), view);
        logged(|| narrate(&Delta { changes }, &known))
    }

    fn ended(outcome: RunOutcome, reason: &str) -> Run {
        let at = Wall::from_millis(9_000);
        let scheduled = Some(Instants { first: at, last: at, count: 1 });
        let reason = reason.to_owned();
        Run { scheduled, reason, ended: at, ..run("backup", 9, outcome) }
    }

    fn told_of(run: Run, last: Option<Run>) -> String {
        told(vec![Change::Run(Box::new(run))], last).remove(0)
    }

    #[test]
    fn each_outcome_is_a_sentence() {
        let failed = Run { attempts: 4, ..ended(RunOutcome::Failed, "exit 1") };
        let never = |outcome, reason| Run { began: None, ..ended(outcome, reason) };
        let missed = Run {
            scheduled: Some(Instants { first: Wall::default(), last: Wall::default(), count: 12 }),
            ..never(RunOutcome::Missed, "vai was not running")
        };
        for (run, expected) in [
            (ended(RunOutcome::Succeeded, ""), " INFO job backup (services): succeeded in 4 s"),
            (failed, " WARN job backup (services): failed: exit 1 after 4 s, 4 attempts"),
            (ended(RunOutcome::TimedOut, ""), " WARN job backup (services): timed out after 4 s"),
            (
                never(RunOutcome::Skipped, "redis is down"),
                " INFO job backup (services): skipped: redis is down",
            ),
            (
                missed,
                " WARN job backup (services): missed: vai was not running (12 times since \
                 1970-01-01 00:00:00 UTC)",
            ),
        ] {
            assert_eq!(told_of(run, None), expected);
        }
    }

    #[test]
    fn a_job_that_runs_every_minute_does_not_flood_the_log() {
        let well = ended(RunOutcome::Succeeded, "");
        let failed = ended(RunOutcome::Failed, "exit 1");
        let of = |run: &Run, last: &Run| told_of(run.clone(), Some(last.clone()))[..5].to_owned();
        assert_eq!(of(&well, &well), "DEBUG");
        assert_eq!(of(&well, &failed), " INFO");
        assert_eq!(of(&failed, &well), " WARN");
        assert_eq!(of(&failed, &failed), "DEBUG");
        assert_eq!(of(&failed, &ended(RunOutcome::Failed, "exit 2")), " WARN");
        let hours_later = Run { ended: Wall::from_millis(9_000_000), ..failed.clone() };
        assert_eq!(of(&hours_later, &failed), " WARN");
        let by_hand = Run { scheduled: None, ..well.clone() };
        assert_eq!(of(&by_hand, &well), " INFO");
    }

    #[test]
    fn what_stands_otherwise_is_told_once_and_beginnings_at_debug() {
        let mut begun = job("backup");
        begun.running = vec![running(9, 1)];
        let mut waits = begun.clone();
        waits.running[0].waits = true;
        let mut again = begun.clone();
        again.running[0].attempt = 2;
        let mut held = job("backup");
        held.state = JobState::Held;
        held.reason = "also in /etc/cron.d/backup:3".to_owned();
        let views = [&begun, &begun, &waits, &again, &held, &held, &job("backup")];
        let mut changes: Vec<Change> = views.map(standing).into();
        changes.push(Change::JobRemoved("backup".into()));
        assert_eq!(
            told(changes, None),
            [
                "DEBUG job backup (services): run 9 begins",
                " INFO job backup (services): attempt 1 failed, it will be tried again",
                "DEBUG job backup (services): attempt 2 begins",
                " WARN job backup (services): held: also in /etc/cron.d/backup:3",
                " INFO job backup (services): scheduled",
                " INFO job backup (services): not scheduled any more",
            ]
        );
    }
}
