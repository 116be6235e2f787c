//! `vai jobs history`.

use super::super::{StateDir, client, json, plain_table, print};
use crate::show::{Command, Snapshot, utc};
use crate::store::{self, JobPast, RunDay};
use anyhow::{Result, bail};
use std::fmt::{self, Write as _};
use std::process::ExitCode;
use vai_core::model::{JobName, Run, RunOutcome, Wall};
use vai_core::words;

/// What became of a job's runs, the latest first.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct HistoryArgs {
    /// The job, as the registry names it.
    #[arg(value_name = "NAME")]
    job: String,
    /// So many runs at most.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    limit: u32,
    /// As JSON, with the end of what each run wrote.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateDir,
}

/// Prints the last runs of a job, and days of which only counts are kept.
///
/// # Errors
/// The state cannot be read, or nothing goes by this name.
pub(super) async fn run(args: HistoryArgs) -> Result<ExitCode> {
    let name = JobName::from(args.job.as_str());
    let past = store::job_past(&args.state.state_dir, &name, args.limit)?;
    // Of a job that left the registry there is still something to tell.
    if past == JobPast::default()
        && let Ok(snapshot) = client::ask::<Snapshot>(&args.state, Command::Status).await
        && let Err(unknown) = snapshot.job(&name)
    {
        bail!("{unknown}; {}", unknown.help());
    }
    print(&if args.json { json(&past)? } else { text(&past, args.limit)? })?;
    Ok(ExitCode::SUCCESS)
}

fn text(past: &JobPast, limit: u32) -> Result<String, fmt::Error> {
    let JobPast { runs, days } = past;
    if runs.is_empty() && days.is_empty() {
        return Ok("no runs yet\n".to_owned());
    }
    let mut table = plain_table(["RUN", "WHEN", "OUTCOME", "TOOK", "WHY"]);
    for run in runs {
        table.add_row([
            run.id.0.to_string(),
            utc(when(run)),
            run.outcome.label().to_owned(),
            run.began.map_or_else(String::new, |_| words::duration(run.took)),
            why(run),
        ]);
    }
    let mut out = format!("{}\n", table.trim_fmt());
    let failed = |run: &&Run| match run.outcome {
        RunOutcome::Failed | RunOutcome::TimedOut => !run.tail.is_empty(),
        RunOutcome::Succeeded | RunOutcome::Replaced | RunOutcome::Skipped | RunOutcome::Missed => {
            false
        }
    };
    if let Some(run) = runs.iter().find(failed) {
        writeln!(out, "\nThe end of what run {} wrote:", run.id.0)?;
        for line in run.tail.lines() {
            writeln!(out, "  | {line}")?;
        }
    }
    if runs.len() < limit as usize && !days.is_empty() {
        writeln!(out, "\nEarlier, by day:")?;
        for day in days {
            writeln!(out, "  {}", counts(day))?;
        }
    }
    Ok(out)
}

/// When it began, else when it should have.
fn when(run: &Run) -> Wall {
    run.began.or(run.scheduled.map(|due| due.first)).unwrap_or(run.ended)
}

fn why(run: &Run) -> String {
    let attempts = (run.attempts > 1).then(|| format!("{} attempts", run.attempts));
    let instants = match &run.scheduled {
        None => Some("by hand".to_owned()),
        Some(due) if due.count > 1 => Some(format!("{} times until {}", due.count, utc(due.last))),
        Some(_) => None,
    };
    let reason = run.reason.lines().next().map(str::to_owned);
    [reason, attempts, instants].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// `2026-11-20: 1438 succeeded, 2 failed`.
fn counts(day: &RunDay) -> String {
    let counts = day.counts.iter().map(|it| format!("{} {}", it.count, it.outcome.label()));
    let date = utc(day.day);
    let date = date.split(' ').next().unwrap_or_default();
    format!("{date}: {}", counts.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::fixture;
    use crate::store::DayCount;
    use vai_core::model::Instants;

    #[test]
    fn each_run_says_when_what_and_why_and_older_ones_are_counted() {
        let due = |count| {
            Some(Instants { first: Wall::default(), last: Wall::from_millis(720_000), count })
        };
        let failed = Run {
            scheduled: due(1),
            reason: "exit 1".to_owned(),
            attempts: 4,
            tail: "no space\nleft".to_owned(),
            ..fixture::run("backup", 9, RunOutcome::Failed)
        };
        let missed = Run {
            scheduled: due(12),
            reason: "vai was not running".to_owned(),
            began: None,
            ..fixture::run("backup", 8, RunOutcome::Missed)
        };
        let by_hand = fixture::run("backup", 7, RunOutcome::Succeeded);
        let counts = vec![
            DayCount { outcome: RunOutcome::Succeeded, count: 1438 },
            DayCount { outcome: RunOutcome::Failed, count: 2 },
        ];
        let days = vec![RunDay { day: Wall::default(), counts }];
        let past = JobPast { runs: vec![failed, missed, by_hand], days };
        let expected = "\
RUN  WHEN                     OUTCOME    TOOK  WHY
9    1970-01-01 00:00:00 UTC  failed     4 s   exit 1, 4 attempts
8    1970-01-01 00:00:00 UTC  missed           vai was not running, 12 times until 1970-01-01 00:12:00 UTC
7    1970-01-01 00:00:00 UTC  succeeded  4 s   by hand

The end of what run 9 wrote:
  | no space
  | left

Earlier, by day:
  1970-01-01: 1438 succeeded, 2 failed
";
        assert_eq!(text(&past, 20).unwrap(), expected);
        assert!(!text(&past, 3).unwrap().contains("Earlier"));
        assert_eq!(text(&JobPast::default(), 20).unwrap(), "no runs yet\n");
    }
}
