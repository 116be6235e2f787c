//! `vai jobs` and what belongs to it.

mod history;
mod run;

use super::operate::order;
use super::{StateDir, client, json, plain_table, print, span};
use crate::clock;
use crate::show::{Command, Snapshot};
use anyhow::Result;
use std::process::ExitCode;
use vai_core::model::{JobName, JobState, JobView, Run, RunOutcome, Wall};
use vai_core::words;

/// The jobs: how they stand, what became of their runs, and running them.
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct JobsArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// As JSON, with everything that is known of them.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateDir,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Verb {
    History(history::HistoryArgs),
    Run(run::RunArgs),
    /// Run a job by the clock no more.
    Pause(JobArgs),
    /// End a pause.
    Resume(JobArgs),
}

/// One job.
#[derive(Clone, Debug, clap::Args)]
struct JobArgs {
    /// The job, as the registry names it.
    #[arg(value_name = "NAME")]
    job: String,
    #[command(flatten)]
    state: StateDir,
}

impl JobArgs {
    fn job(&self) -> JobName {
        JobName::from(self.job.as_str())
    }
}

/// Prints how the jobs stand, or does what was asked of one.
///
/// # Errors
/// No daemon answers, its state cannot be read, or it refuses.
pub async fn run(args: JobsArgs) -> Result<ExitCode> {
    match args.verb {
        None => list(&args.state, args.json).await,
        Some(Verb::History(args)) => history::run(args).await,
        Some(Verb::Run(args)) => run::run(args).await,
        Some(Verb::Pause(args)) => order(&args.state, Command::JobPause { job: args.job() }).await,
        Some(Verb::Resume(args)) => {
            order(&args.state, Command::JobResume { job: args.job() }).await
        }
    }
}

async fn list(state: &StateDir, as_json: bool) -> Result<ExitCode> {
    let Snapshot { jobs, .. } = client::ask(state, Command::Status).await?;
    print(&if as_json { json(&jobs)? } else { table(jobs.values(), clock::wall()) })?;
    Ok(ExitCode::SUCCESS)
}

fn table<'a>(jobs: impl Iterator<Item = &'a JobView>, now: Wall) -> String {
    let mut table =
        plain_table(["JOB", "CONTAINER", "SCHEDULE", "STATE", "LAST RUN", "NEXT", "REASON"]);
    let mut none = true;
    for job in jobs {
        none = false;
        let place = if job.container.is_empty() { "local" } else { &job.container };
        table.add_row([
            job.name.as_str(),
            place,
            &job.schedule,
            &state(job, now),
            &job.last.as_ref().map_or_else(String::new, |run| last(run, now)),
            &job.next.map_or_else(String::new, |next| format!("in {}", span(now, next))),
            reason(job),
        ]);
    }
    if none { "no jobs\n".to_owned() } else { format!("{}\n", table.trim_fmt()) }
}

/// `held`, `running for 12 s`.
fn state(job: &JobView, now: Wall) -> String {
    match job.running.first() {
        Some(run) if run.waits => format!("waits to be tried again, attempt {}", run.attempt),
        Some(run) => format!("running for {}", span(run.since, now)),
        None => job.state.label().to_owned(),
    }
}

/// `succeeded 3 h ago in 4 s`.
fn last(run: &Run, now: Wall) -> String {
    let mut text = format!("{} {} ago", run.outcome.label(), span(run.ended, now));
    match run.outcome {
        RunOutcome::Succeeded => text.push_str(&format!(" in {}", words::duration(run.took))),
        _ if run.began.is_some() => text.push_str(&format!(" after {}", words::duration(run.took))),
        _ => {}
    }
    text
}

/// Why it stands as it does, else why its last run did not succeed, in a line.
fn reason(job: &JobView) -> &str {
    let reason = match &job.last {
        Some(run) if job.reason.is_empty() => &run.reason,
        Some(_) | None => &job.reason,
    };
    reason.lines().next().unwrap_or_default()
}

/// All jobs in a line: `12 jobs, 1 failing, next backup-vault in 3 h`.
pub(super) fn summary(snapshot: &Snapshot, now: Wall) -> Option<String> {
    let count = |is: fn(&JobView) -> bool| snapshot.jobs.values().filter(|job| is(job)).count();
    let parts = [
        (count(|job| !job.running.is_empty()), "running"),
        (count(is_failing), "failing"),
        (count(|job| job.state == JobState::Held), "held"),
        (count(|job| job.state == JobState::Paused), "paused"),
    ];
    let mut line = match snapshot.jobs.len() {
        0 => return None,
        1 => "1 job".to_owned(),
        many => format!("{many} jobs"),
    };
    for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
        line.push_str(&format!(", {count} {what}"));
    }
    let due = snapshot.jobs.values().filter_map(|job| Some((job.next?, &job.name)));
    if let Some((next, name)) = due.min() {
        line.push_str(&format!(", next {name} in {}", span(now, next)));
    }
    Some(line)
}

fn is_failing(job: &JobView) -> bool {
    job.last.as_ref().is_some_and(|run| match run.outcome {
        RunOutcome::Failed | RunOutcome::TimedOut => true,
        RunOutcome::Succeeded | RunOutcome::Replaced | RunOutcome::Skipped | RunOutcome::Missed => {
            false
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::fixture;

    const NOW: Wall = Wall::from_millis(3_604_000);

    fn snapshot() -> Snapshot {
        let mut backup = fixture::job("backup-vault");
        backup.last = Some(fixture::run("backup-vault", 1, RunOutcome::Succeeded));
        backup.next = Some(Wall::from_millis(14_404_000));
        let mut prune = fixture::job("prune");
        prune.container = String::new();
        prune.state = JobState::Held;
        prune.reason = "also in /etc/cron.d/prune:3".to_owned();
        let mut report = fixture::job("report");
        report.last = Some(Run {
            reason: "exit 1\nno space left".to_owned(),
            ..fixture::run("report", 2, RunOutcome::Failed)
        });
        report.running = vec![fixture::running(3, 1)];
        let mut snapshot = Snapshot::new(Wall::default(), false);
        snapshot.jobs = [backup, prune, report].map(|job| (job.name.clone(), job)).into();
        snapshot
    }

    #[test]
    fn the_table_says_how_each_stands_what_came_of_it_and_when_it_is_next() {
        let expected = "\
JOB           CONTAINER  SCHEDULE   STATE            LAST RUN                  NEXT    REASON
backup-vault  services   0 3 * * *  scheduled        succeeded 1 h ago in 4 s  in 3 h
prune         local      0 3 * * *  held                                               also in /etc/cron.d/prune:3
report        services   0 3 * * *  running for 1 h  failed 1 h ago after 4 s          exit 1
";
        assert_eq!(table(snapshot().jobs.values(), NOW), expected);
        assert_eq!(table([].into_iter(), NOW), "no jobs\n");
    }

    #[test]
    fn the_summary_counts_what_is_not_well_and_names_the_next() {
        let mut snapshot = snapshot();
        assert_eq!(
            summary(&snapshot, NOW).unwrap(),
            "3 jobs, 1 running, 1 failing, 1 held, next backup-vault in 3 h"
        );
        snapshot.jobs.clear();
        assert_eq!(summary(&snapshot, NOW), None);
    }
}
