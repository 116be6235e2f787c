//! `vai run`.

use super::{BAD_REGISTRY, StateDir};
use crate::app::{self, AppError, Options};
use crate::config::locate;
use crate::show::{self, LogFormat};
use anyhow::Result;
use std::path::Path;
use std::process::ExitCode;

/// Watch the services of the registry until SIGTERM.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    state: StateDir,
    /// How standard output is written.
    #[arg(long, value_enum, default_value_t, env = "VAI_LOG_FORMAT")]
    log_format: LogFormat,
    /// Check and tell everything, but start and restart nothing: say what would
    /// be done.
    #[arg(long)]
    observe: bool,
}

/// Runs the daemon.
///
/// # Errors
/// Logging cannot be started. What else keeps it from running is in the log,
/// where the user looks; exit 2 for a registry with errors, else 1.
pub async fn run(args: RunArgs, config: Option<&Path>) -> Result<ExitCode> {
    show::init(args.log_format)?;
    let options =
        Options { config: locate(config), state_dir: args.state.state_dir, observe: args.observe };
    Ok(match app::run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(AppError::BadRegistry(_)) => {
            tracing::error!("the registry has errors and there is no good copy of it: not started");
            ExitCode::from(BAD_REGISTRY)
        }
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    })
}
