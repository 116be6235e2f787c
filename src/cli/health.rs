//! `vai health`.

use super::{StateDir, client, print};
use crate::show::{Command, Health};
use anyhow::Result;
use std::process::ExitCode;

/// Whether vai itself is well; for the container's own HEALTHCHECK.
#[derive(Clone, Debug, clap::Args)]
pub struct HealthArgs {
    #[command(flatten)]
    state: StateDir,
}

/// Exit 0 if healthy, else 1 with what is wrong.
///
/// # Errors
/// No daemon answers.
pub async fn run(args: HealthArgs) -> Result<ExitCode> {
    let Health { healthy, reasons, notes } = client::ask(&args.state, Command::Health).await?;
    if healthy {
        let notes: String = notes.iter().map(|note| format!("; {note}")).collect();
        print(&format!("healthy{notes}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!("unhealthy: {}\n", reasons.join("; ")))?;
    Ok(ExitCode::FAILURE)
}
