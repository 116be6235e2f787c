//! Performs an operation where this process runs: in the agent for its
//! container, in the orchestrator for its own place.

use super::run::Runs;
use super::watch::Watcher;
use super::wire::{ACT_VARIABLE, Answer, Op};
use super::{access, crontabs, end, evidence, zombies};
use crate::check::words::plain;
use crate::check::{self, blocking};
use crate::clock::Deadline;
use std::collections::HashSet;
use std::time::Duration;
use vai_core::model::Outcome;

/// How long files and `/proc` may take to answer.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// What is kept from one operation to another.
#[derive(Debug)]
pub struct Here {
    /// The processes that are watched.
    pub watcher: Watcher,
    /// The runs of jobs.
    pub runs: Runs,
}

/// Performs `op`. A check ends by its timeout + 100 ms, an end by its grace
/// and some seconds, the beginning of a run within 20 s, everything else within
/// 5 s.
pub async fn perform(op: Op, here: &Here) -> Answer {
    match op {
        Op::Ping => Answer::Done,
        Op::Check { kind, timeout, watch } => {
            let report = check::look(&kind, timeout).await;
            if let Some(name) = watch
                && matches!(report.outcome, Outcome::Pass | Outcome::Slow(_))
            {
                here.watcher.watch(&name, &report.processes);
            }
            Answer::Report(report)
        }
        Op::Unwatch(name) => {
            here.watcher.unwatch(&name);
            Answer::Done
        }
        Op::End { processes, behind, grace } => end::end(processes, &behind, grace).await,
        Op::EndStarted { mark, since, behind, grace } => {
            end::end_started(format!("{ACT_VARIABLE}={mark}"), since, &behind, grace).await
        }
        Op::Behind(kinds) => {
            let mut seen = HashSet::new();
            let mut processes = Vec::new();
            for kind in &kinds {
                let found = check::behind(kind).await;
                processes.extend(found.into_iter().filter(|each| seen.insert(each.clone())));
            }
            Answer::Processes(processes)
        }
        Op::Tail { path, lines } => {
            let lane = format!("tail {path}");
            let overdue = format!("{path} does not answer");
            match read(&lane, move || evidence::tail(&path, lines)).await {
                Some(Ok(lines)) => Answer::Lines(lines),
                Some(Err(why)) => Answer::Failed(why),
                None => Answer::Failed(overdue),
            }
        }
        Op::Facts => match read("facts", evidence::facts).await {
            Some(facts) => Answer::Lines(facts),
            None => Answer::Failed("the file systems do not answer".to_owned()),
        },
        Op::Obstacles { paths, user } => {
            let find = move || access::obstacles(&paths, user.as_deref());
            match read("obstacles", find).await {
                Some(Ok(obstacles)) => Answer::Lines(obstacles),
                Some(Err(why)) => Answer::Failed(why),
                None => Answer::Failed("the file systems do not answer".to_owned()),
            }
        }
        Op::Zombies { command } => {
            let find = move || zombies::facts(&command);
            Answer::Lines(read("zombies", find).await.unwrap_or_default())
        }
        Op::FirstProcess => {
            let found = read("zombies", zombies::careless_first_process).await;
            Answer::Lines(found.flatten().into_iter().collect())
        }
        Op::Crontabs => match read("crontabs", crontabs::read).await {
            Some(crontabs) => Answer::Crontabs(crontabs),
            None => Answer::Failed("the crontabs cannot be read in time".to_owned()),
        },
        Op::Exists(path) => {
            let lane = format!("exists {path}");
            let tried = path.clone();
            match read(&lane, move || std::fs::exists(tried)).await {
                Some(Ok(exists)) => Answer::Exists(exists),
                // Unreadable is never taken for absent.
                Some(Err(error)) => Answer::Failed(format!("{path}: {}", plain(&error))),
                None => Answer::Failed(format!("{path} does not answer")),
            }
        }
        Op::Run { mark, op } => here.runs.perform(mark, op).await,
    }
}

async fn read<T: Send + 'static>(
    lane: &str,
    call: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    blocking::run(lane, Deadline::after(READ_WITHIN), call).await
}
