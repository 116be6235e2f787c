//! `vai keep`, `vai launch`, `vai session`: what services start is kept.

use crate::probe::keep as kept;
use clap::Args;
use std::process::ExitCode;

/// A program and its arguments.
#[derive(Debug, Args)]
pub(super) struct ProgramArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    argv: Vec<String>,
}

/// Keeps; see there.
#[must_use]
pub(super) fn keep(mark: &str) -> ExitCode {
    match kept::keep(mark) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Has the keeper run a program; see there.
#[must_use]
pub(super) fn launch(args: &ProgramArgs) -> ExitCode {
    kept::launch(&args.argv)
}

/// Runs a program in a session of its own; see there.
#[must_use]
pub(super) fn session(args: &ProgramArgs) -> ExitCode {
    kept::run_in_session(&args.argv)
}
