//! `vai supervise`: watches over one run of a job.

use crate::probe::run;
use std::process::ExitCode;

/// Takes the order from standard input; see there.
#[must_use]
pub fn run() -> ExitCode {
    match run::supervise() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
