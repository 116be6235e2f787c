//! `vai silence`, `unsilence` and `ack`.

use super::{StateDir, operate::order};
use crate::show::Command;
use anyhow::{Context as _, Result};
use jiff::{Span, SpanRelativeTo};
use std::process::ExitCode;
use std::time::Duration;
use vai_core::model::SilenceScope;

/// What a silence is about.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Scope {
    /// The service or job, as the registry names it.
    #[arg(value_name = "NAME")]
    service: Option<String>,
    /// Every service and job in this container, as the registry names it.
    #[arg(long, value_name = "CONTAINER")]
    container: Option<String>,
    /// Everything, messages about the engine and vai itself included.
    #[arg(long)]
    all: bool,
}

/// Send no messages about something for a while; go on checking and healing.
#[derive(Clone, Debug, clap::Args)]
pub struct SilenceArgs {
    #[command(flatten)]
    scope: Scope,
    /// For how long: 30m, 2h, 1d.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    lasts: Duration,
    /// Why, for whoever looks at `vai status`.
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    state: StateDir,
}

/// End a silence.
#[derive(Clone, Debug, clap::Args)]
pub struct UnsilenceArgs {
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    state: StateDir,
}

/// Say that somebody looks after an incident: no more reminders of it.
#[derive(Clone, Debug, clap::Args)]
pub struct AckArgs {
    /// What is down, or the id that `vai incidents` shows.
    #[arg(value_name = "INCIDENT")]
    incident: String,
    #[command(flatten)]
    state: StateDir,
}

impl Scope {
    fn scope(self) -> SilenceScope {
        match (self.service, self.container) {
            (Some(service), _) => SilenceScope::Service(service.as_str().into()),
            (None, Some(container)) => SilenceScope::Container(container.as_str().into()),
            (None, None) => SilenceScope::Everything,
        }
    }
}

/// Hides messages.
///
/// # Errors
/// No daemon answers, or it refuses.
pub async fn silence(args: SilenceArgs) -> Result<ExitCode> {
    let SilenceArgs { scope, lasts, reason, state } = args;
    let command = Command::Silence { scope: scope.scope(), seconds: lasts.as_secs(), reason };
    order(&state, command).await
}

/// Hides them no more.
///
/// # Errors
/// No daemon answers, or it refuses.
pub async fn unsilence(args: UnsilenceArgs) -> Result<ExitCode> {
    order(&args.state, Command::Unsilence { scope: args.scope.scope() }).await
}

/// Acknowledges an open incident.
///
/// # Errors
/// No daemon answers, or it refuses.
pub async fn acknowledge(args: AckArgs) -> Result<ExitCode> {
    order(&args.state, Command::Acknowledge { incident: args.incident }).await
}

/// `30m`, `2h`, `1d`, `1h30m`.
fn duration(text: &str) -> Result<Duration> {
    let span: Span = text.parse().context("a time such as 30m, 2h or 1d is expected")?;
    let span = span.to_duration(SpanRelativeTo::days_are_24_hours())?;
    Duration::try_from(span).context("it has to be in the future")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_write_them() {
        let minutes = |text: &str| duration(text).map(|it| it.as_secs() / 60).ok();
        assert_eq!(minutes("30m"), Some(30));
        assert_eq!(minutes("1h30m"), Some(90));
        assert_eq!(minutes("2 hours"), Some(120));
        assert_eq!(minutes("1d"), Some(24 * 60));
        assert_eq!(minutes("-1h"), None);
        assert_eq!(minutes("soon"), None);
    }
}
