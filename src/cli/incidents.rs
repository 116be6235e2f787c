//! `vai incidents`.

use super::{StateDir, client, json, plain_table, print, span};
use crate::clock;
use crate::show::{Command, Snapshot, utc};
use crate::store;
use anyhow::Result;
use std::fmt::Write as _;
use std::process::ExitCode;
use vai_core::model::{Incident, IncidentPhase, Wall};

/// What is wrong now, or what was.
#[derive(Clone, Debug, clap::Args)]
pub struct IncidentsArgs {
    /// The last ones that are over, as many as said.
    #[arg(long, value_name = "COUNT", num_args = 0..=1, default_missing_value = "20")]
    closed: Option<u32>,
    /// As JSON, with everything that is known of them.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateDir,
}

/// Prints the open incidents, or the last ones that are over.
///
/// # Errors
/// No daemon answers, or its state cannot be read.
pub async fn run(args: IncidentsArgs) -> Result<ExitCode> {
    let incidents: Vec<Incident> = match args.closed {
        Some(most) => store::closed_incidents(&args.state.state_dir, most)?,
        None => {
            let snapshot: Snapshot = client::ask(&args.state, Command::Status).await?;
            snapshot.incidents.into_values().collect()
        }
    };
    let text = if args.json { json(&incidents)? } else { table(&incidents, clock::wall()) };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn table(incidents: &[Incident], now: Wall) -> String {
    if incidents.is_empty() {
        return "none\n".to_owned();
    }
    let mut table = plain_table(["INCIDENT", "SEVERITY", "SINCE", "FOR", "WHY"]);
    for incident in incidents {
        let (until, how) = match &incident.phase {
            IncidentPhase::Open => (now, String::new()),
            IncidentPhase::Closed { at, how } => (*at, format!(" · {how}")),
        };
        let mut why = incident.reason.lines().next().unwrap_or_default().to_owned();
        if !incident.affected.is_empty() {
            _ = write!(why, " (and {} more)", incident.affected.len());
        }
        if incident.acknowledged.is_some() && !incident.is_over() {
            why.push_str(" (acknowledged)");
        }
        table.add_row([
            incident.id.0.as_str(),
            incident.severity.label(),
            &utc(incident.since),
            &span(incident.since, until),
            &format!("{why}{how}"),
        ]);
    }
    format!("{}\n", table.trim_fmt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::fixture;
    use vai_core::model::ServiceName;

    #[test]
    fn each_says_what_why_for_how_long_and_how_it_ended() {
        let mut open = fixture::incident("redis");
        open.affected.push(ServiceName::from("web-api").into());
        open.acknowledged = Some(Wall::default());
        let mut closed = fixture::incident("nginx");
        closed.phase = IncidentPhase::Closed {
            at: Wall::from_millis(90_000),
            how: "healed by restart_cmd".to_owned(),
        };
        let expected = "\
INCIDENT  SEVERITY  SINCE                    FOR         WHY
redis-1   critical  1970-01-01 00:00:00 UTC  2 min       connection refused on 127.0.0.1:6379 (and 1 more) (acknowledged)
nginx-1   critical  1970-01-01 00:00:00 UTC  1 min 30 s  connection refused on 127.0.0.1:6379 · healed by restart_cmd
";
        assert_eq!(table(&[open, closed], Wall::from_millis(120_000)), expected);
        assert_eq!(table(&[], Wall::default()), "none\n");
    }
}
