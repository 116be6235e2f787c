//! `vai pause`, `resume`, `stop` and `start`.

use super::{StateDir, client, print};
use crate::show::Command;
use anyhow::Result;
use std::process::ExitCode;
use vai_core::model::ServiceName;

/// One service.
#[derive(Clone, Debug, clap::Args)]
pub struct ServiceArgs {
    /// The service, as the registry names it.
    #[arg(value_name = "NAME")]
    service: String,
    #[command(flatten)]
    state: StateDir,
}

impl ServiceArgs {
    fn service(&self) -> ServiceName {
        ServiceName::from(self.service.as_str())
    }
}

/// Goes on checking it, and acts no more.
///
/// # Errors
/// No daemon answers, or it refuses.
pub async fn pause(args: ServiceArgs) -> Result<ExitCode> {
    let service = args.service();
    order(&args.state, Command::Pause { service }).await
}

/// Ends a pause.
///
/// # Errors
/// No daemon answers, or it refuses.
pub async fn resume(args: ServiceArgs) -> Result<ExitCode> {
    let service = args.service();
    order(&args.state, Command::Resume { service }).await
}

/// Stops it and leaves it alone.
///
/// # Errors
/// No daemon answers, or it refuses.
pub async fn stop(args: ServiceArgs) -> Result<ExitCode> {
    let service = args.service();
    order(&args.state, Command::Stop { service }).await
}

/// Ends a stop and starts it.
///
/// # Errors
/// No daemon answers, or it refuses.
pub async fn start(args: ServiceArgs) -> Result<ExitCode> {
    let service = args.service();
    order(&args.state, Command::Start { service }).await
}

/// Gives the daemon an order and prints the sentence that it answers.
pub(super) async fn order(state: &StateDir, command: Command) -> Result<ExitCode> {
    let sentence: String = client::ask(state, command).await?;
    print(&format!("{sentence}\n"))?;
    Ok(ExitCode::SUCCESS)
}
