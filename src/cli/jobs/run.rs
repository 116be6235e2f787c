//! `vai jobs run`.

use super::super::{StateDir, client, print};
use crate::show::{Answer, Command, JobOutput, OutputAt, RunProgress};
use crate::store;
use anyhow::{Context as _, Result, anyhow};
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::sleep;
use vai_core::model::{JobName, Run, RunId, RunOutcome};
use vai_core::words;

/// Between two looks at what a run has written.
const POLL: Duration = Duration::from_millis(200);

/// So many looks for what came of a run: it may be stored a little after it is
/// told.
const LOOKS: u32 = 25;

/// Nothing was run: a wrong name, or the daemon refuses.
const NOT_RUN: u8 = 2;

/// Run a job now and show what it writes: exit code 0 if it succeeded, 1 if it
/// did not, 2 if it was not run. Ctrl-C leaves it running.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct RunArgs {
    /// The job, as the registry names it.
    #[arg(value_name = "NAME")]
    job: String,
    /// Do not wait for its end.
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    state: StateDir,
}

/// Runs a job and follows it to its end.
///
/// # Errors
/// What came of a run that was begun cannot be told.
pub(super) async fn run(args: RunArgs) -> Result<ExitCode> {
    let job = JobName::from(args.job.as_str());
    let command = Command::JobRun { job: job.clone() };
    let (run, said) = match client::ask(&args.state, command).await {
        Ok(Answer::Begun { run, said }) => (run, said),
        Ok(Answer::Said(why)) => return Ok(not_run(&anyhow!(why))),
        Err(error) => return Ok(not_run(&error)),
    };
    if args.detach {
        print(&format!("{said}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    note(&said);
    let over = follow(&args.state, &job, run).await.with_context(|| {
        format!("run {} of {job} goes on; `vai jobs history {job}` tells its end", run.0)
    })?;
    let Some(over) = over else {
        note(&format!("what came of run {} of {job} is not known", run.0));
        return Ok(ExitCode::FAILURE);
    };
    note(&end(&over));
    let succeeded = over.outcome == RunOutcome::Succeeded;
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Shows what the run writes until it is over; what came of it.
async fn follow(state: &StateDir, job: &JobName, run: RunId) -> Result<Option<Run>> {
    let mut from = OutputAt::beginning(1);
    loop {
        let command = Command::JobOutput { job: job.clone(), run, from };
        let JobOutput { text, lost, next, progress } = client::ask(state, command).await?;
        if lost > 0 {
            note(&format!("{lost} bytes of output are not kept any more"));
        }
        print(&text.replace("\r\n", "\n").replace('\r', "\n"))?;
        match progress {
            RunProgress::Over(over) => {
                if next.byte == 0 && over.bytes > 0 {
                    tell_kept(state, job, run).await?;
                }
                return Ok(Some(*over));
            }
            RunProgress::NotKnown => return Ok(stored(state, job, run).await?),
            RunProgress::UnderWay if next == from => sleep(POLL).await,
            RunProgress::UnderWay => {}
        }
        if next.attempt != from.attempt {
            note(&format!("attempt {}", next.attempt));
        }
        from = next;
    }
}

/// It was over before anybody looked: what is kept of its output.
async fn tell_kept(state: &StateDir, job: &JobName, run: RunId) -> Result<()> {
    let Some(kept) = stored(state, job, run).await? else { return Ok(()) };
    let lost = kept.bytes.saturating_sub(kept.tail.len() as u64);
    if lost > 0 {
        note(&format!("{lost} bytes of output are not kept any more"));
    }
    print(&kept.tail)?;
    Ok(())
}

/// What the state folder has of a run, once it does.
async fn stored(
    state: &StateDir,
    job: &JobName,
    run: RunId,
) -> Result<Option<Run>, store::ReadError> {
    for _ in 0..LOOKS {
        let found = store::job_run(&state.state_dir, job, run)?;
        if found.is_some() {
            return Ok(found);
        }
        sleep(POLL).await;
    }
    Ok(None)
}

/// `backup failed: exit 1, after 12 s`.
fn end(run: &Run) -> String {
    let Run { job, outcome, reason, .. } = run;
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let took = run.began.map(|_| format!(", after {}", words::duration(run.took)));
    format!("{job} {}{reason}{}", outcome.label(), took.unwrap_or_default())
}

fn not_run(error: &anyhow::Error) -> ExitCode {
    note(&format!("{error:#}"));
    ExitCode::from(NOT_RUN)
}

/// Beside the job's own output, which alone goes to standard output.
fn note(text: &str) {
    // There is nobody to tell if even this cannot be written.
    let _ = writeln!(io::stderr(), "vai: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::Daemon;
    use crate::show::{ControlRequest, Demand, Outputs, Piece, fixture};
    use async_trait::async_trait;
    use std::sync::Arc;
    use vai_core::judge::{Change, Delta};
    use vai_core::model::{JobRequest, JobView, OperatorError, TryId};

    /// Each try writes one line.
    struct Lines;

    #[async_trait]
    impl Outputs for Lines {
        async fn read(&self, id: TryId, from: u64) -> Piece {
            let line = format!("try {}\n", id.attempt);
            let next = line.len() as u64;
            Piece { text: if from == 0 { line } else { String::new() }, lost: 0, next }
        }
    }

    fn show(daemon: &Daemon, view: JobView) {
        daemon.shown.apply(&Delta { changes: vec![Change::Job(Box::new(view))] });
    }

    fn args(daemon: &Daemon, job: &str) -> RunArgs {
        RunArgs { job: job.to_owned(), detach: false, state: daemon.state() }
    }

    /// The exit code of a run of which `outcome` came.
    async fn exit_code(outcome: RunOutcome) -> ExitCode {
        let mut daemon = Daemon::with_outputs(Arc::new(Lines));
        let running = run(args(&daemon, "backup"));
        let acting = async {
            let ControlRequest { demand, reply } = daemon.requests.recv().await.unwrap();
            assert_eq!(demand, Demand::Job(JobRequest::Run("backup".into())));
            let mut view = fixture::job("backup");
            view.running = vec![fixture::running(7, 1)];
            show(&daemon, view.clone());
            reply.send(Ok(Answer::Begun { run: RunId(7), said: "it runs".to_owned() })).unwrap();
            sleep(2 * POLL).await;
            view.running.clear();
            view.last = Some(Run { attempts: 2, ..fixture::run("backup", 7, outcome) });
            show(&daemon, view);
        };
        let (code, ()) = tokio::join!(running, acting);
        daemon.stop().await;
        code.unwrap()
    }

    #[tokio::test]
    async fn a_run_is_followed_to_its_end_and_its_outcome_is_the_exit_code() {
        assert_eq!(exit_code(RunOutcome::Succeeded).await, ExitCode::SUCCESS);
        assert_eq!(exit_code(RunOutcome::TimedOut).await, ExitCode::FAILURE);
    }

    #[tokio::test]
    async fn what_is_not_run_has_an_exit_code_of_its_own() {
        let mut daemon = Daemon::start();
        assert_eq!(run(args(&daemon, "bakcup")).await.unwrap(), ExitCode::from(NOT_RUN));
        let (code, ()) = tokio::join!(run(args(&daemon, "backup")), async {
            let ControlRequest { reply, .. } = daemon.requests.recv().await.unwrap();
            reply.send(Err(OperatorError("it is running already".to_owned()))).unwrap();
        });
        assert_eq!(code.unwrap(), ExitCode::from(NOT_RUN));
        daemon.stop().await;
    }

    #[test]
    fn the_end_is_said_in_a_line() {
        let mut run = fixture::run("backup", 7, RunOutcome::Failed);
        run.reason = "exit 1".to_owned();
        assert_eq!(end(&run), "backup failed: exit 1, after 4 s");
        run = fixture::run("backup", 7, RunOutcome::Succeeded);
        assert_eq!(end(&run), "backup succeeded, after 4 s");
    }
}
