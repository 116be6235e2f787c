//! `vai agent`: serves one orchestrator over standard input and output.

use crate::probe::{agent, orphans};
use std::process::ExitCode;

/// Threads for calls that may get stuck; what gets stuck is bounded per lane.
const BLOCKING_THREADS: usize = 32;

/// Serves until standard input ends or nothing comes for 30 s, and stays until
/// the runs of jobs that were begun here are over. Writes nothing but frames to
/// standard output.
#[must_use]
pub fn run() -> ExitCode {
    agent::remove_other_builds();
    orphans::adopt();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build();
    let served = runtime.and_then(|runtime| {
        let serving = async {
            tokio::select! {
                served = agent::serve(tokio::io::stdin(), tokio::io::stdout()) => served,
                never = orphans::collect() => match never {},
            }
        };
        let (supervisors, served) = runtime.block_on(serving);
        // A read of standard input cannot be interrupted, nor can a stuck call.
        runtime.shutdown_background();
        supervisors.outlive();
        served
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
