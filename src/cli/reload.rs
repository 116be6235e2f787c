//! `vai reload`.

use super::{StateDir, operate};
use crate::show::Command;
use anyhow::Result;
use std::process::ExitCode;

/// Reads the registry again. It is read by itself within 2 s of a save; this
/// tells at once what became of it.
#[derive(Clone, Debug, clap::Args)]
pub struct ReloadArgs {
    /// Apply it even if it drops more than half of the services.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    state: StateDir,
}

/// Prints what became of it.
///
/// # Errors
/// No daemon answers, or the registry is refused.
pub async fn run(args: ReloadArgs) -> Result<ExitCode> {
    let reload = Command::Reload { force: args.force };
    operate::order(&args.state, reload).await
}
