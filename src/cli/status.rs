//! `vai status`.

use super::{StateDir, client, jobs, json, plain_table, print, span};
use crate::clock;
use crate::show::{Command, EngineState, Snapshot, utc};
use anyhow::{Result, anyhow};
use comfy_table::Table;
use std::fmt::{self, Write};
use std::process::ExitCode;
use std::time::Duration;
use vai_core::model::{CheckView, Incident, ServiceName, ServiceView, Wall};
use vai_core::words;

/// How everything stands.
#[derive(Clone, Debug, clap::Args)]
pub struct StatusArgs {
    /// Only this service, with its checks.
    name: Option<String>,
    /// The whole state as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateDir,
}

/// Prints how everything stands, or one service with its checks.
///
/// # Errors
/// No daemon answers, or there is no such service.
pub async fn run(args: StatusArgs) -> Result<ExitCode> {
    let snapshot: Snapshot = client::ask(&args.state, Command::Status).await?;
    let text = match &args.name {
        None if args.json => json(&snapshot)?,
        None => overview(&snapshot, clock::wall())?,
        Some(name) => {
            let service = snapshot
                .service(&ServiceName::from(name.as_str()))
                .map_err(|unknown| anyhow!("{unknown}; {}", unknown.help()))?;
            if args.json { json(service)? } else { detail(service, &snapshot, clock::wall())? }
        }
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn overview(snapshot: &Snapshot, now: Wall) -> Result<String, fmt::Error> {
    let mut out = String::new();
    writeln!(
        out,
        "vai {}, up {}, {}",
        snapshot.version,
        span(snapshot.started_at, now),
        engine(&snapshot.engine, now)
    )?;
    if snapshot.observe {
        writeln!(out, "observing: it acts on nothing and says what it would do")?;
    }
    writeln!(out)?;
    if snapshot.services.is_empty() {
        writeln!(out, "no services yet")?;
    } else {
        writeln!(out, "{}", services(snapshot, now).trim_fmt())?;
    }
    if let Some(jobs) = jobs::summary(snapshot, now) {
        writeln!(out, "\n{jobs}; `vai jobs` shows them")?;
    }
    section(&mut out, "Open incidents", snapshot.incidents.values().map(|it| incident(it, now)))?;
    let silences = snapshot.silences.iter().map(|it| {
        let reason = if it.reason.is_empty() { String::new() } else { format!(": {}", it.reason) };
        format!("{} until {}{reason}", it.scope, utc(it.until.wall))
    });
    section(&mut out, "Silenced", silences)?;
    let sinks = snapshot.sinks.iter().map(|sink| match &sink.held {
        Some(why) => format!("{}: held, {why}", sink.name),
        None => sink.name.clone(),
    });
    if snapshot.sinks.is_empty() {
        writeln!(out, "\nMessages are in the log only: no channel is configured.")?;
    } else {
        section(&mut out, "Messages go to", sinks)?;
    }
    let store = snapshot
        .store
        .iter()
        .map(|why| format!("nothing can be stored, so nothing is started or restarted: {why}"));
    let registry = snapshot.warnings.iter().chain(&snapshot.crontabs).cloned();
    section(&mut out, "Warnings", store.chain(registry))?;
    Ok(out)
}

fn services(snapshot: &Snapshot, now: Wall) -> Table {
    let mut table = plain_table(["SERVICE", "CONTAINER", "STATE", "FOR", "REASON"]);
    for service in snapshot.services.values() {
        table.add_row([
            service.name.as_str(),
            container(service),
            service.state.label(),
            &span(service.since, now),
            &service.reason,
        ]);
    }
    table
}

fn detail(service: &ServiceView, snapshot: &Snapshot, now: Wall) -> Result<String, fmt::Error> {
    let mut out = String::new();
    let mut facts = plain_table(["SERVICE", service.name.as_str()]);
    facts.add_row(["container", container(service)]);
    facts.add_row(["state", service.state.label()]);
    facts.add_row(["since", &format!("{} ({})", utc(service.since), span(service.since, now))]);
    if !service.reason.is_empty() {
        facts.add_row(["reason", &service.reason]);
    }
    facts.add_row([
        "restarts",
        &format!(
            "{} in the current window, {} failed attempts in a row",
            service.restarts_in_window, service.failed_attempts
        ),
    ]);
    writeln!(out, "{}", facts.trim_fmt())?;
    if !service.checks.is_empty() {
        let mut checks = plain_table(["CHECK", "LAST", "TOOK", "AGO", "DETAIL"]);
        for check in &service.checks {
            checks.add_row(check_row(check, now));
        }
        writeln!(out, "\n{}", checks.trim_fmt())?;
    }
    let mine = snapshot.incidents.values().filter(|it| service.incident.as_ref() == Some(&it.id.0));
    for open in mine {
        let lines = open.history.iter().cloned();
        let next = (!open.next.is_empty()).then(|| format!("next: {}", open.next));
        section(&mut out, &format!("Incident {}", incident(open, now)), lines.chain(next))?;
    }
    Ok(out)
}

fn check_row(check: &CheckView, now: Wall) -> [String; 5] {
    let (took, at) = match check.at {
        Some(at) => (words::duration(Duration::from_millis(check.took_ms)), span(at, now)),
        None => (String::new(), String::new()),
    };
    [check.name.clone(), check.last.clone(), took, at, check.detail.clone()]
}

fn incident(incident: &Incident, now: Wall) -> String {
    let mut line = format!(
        "{}: {} for {}: {}",
        incident.severity.label(),
        incident.root,
        span(incident.since, now),
        incident.reason
    );
    let names: Vec<&str> = incident.failing_with_it().map(|it| it.name.as_str()).collect();
    if !names.is_empty() {
        line.push_str(&format!(" (also fails: {})", names.join(", ")));
    }
    if incident.acknowledged.is_some() {
        line.push_str(" (acknowledged)");
    }
    line
}

fn section(
    out: &mut String,
    title: &str,
    lines: impl Iterator<Item = String>,
) -> Result<(), fmt::Error> {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        writeln!(out, "\n{title}:")?;
    }
    for line in lines {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

fn container(service: &ServiceView) -> &str {
    if service.container.is_empty() { "local" } else { &service.container }
}

fn engine(state: &EngineState, now: Wall) -> String {
    match state {
        EngineState::Unused => "no container engine asked".to_owned(),
        EngineState::Up { version } => version.clone(),
        EngineState::Gone { reason, since } => {
            format!("{} (for {})", words::engine_gone(reason), span(*since, now))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::SinkView;
    use crate::show::fixture;
    use serde_json::json;
    use vai_core::model::StateLabel;

    const NOW: Wall = Wall::from_millis(3_600_000);

    fn snapshot() -> Snapshot {
        let mut snapshot = Snapshot::new(Wall::default(), false);
        snapshot.version = "1.2.3".to_owned();
        snapshot.engine =
            EngineState::Up { version: "Docker Engine 20.10.24 (API 1.41)".to_owned() };
        let mut redis = fixture::service("redis", StateLabel::Down);
        redis.since = Wall::from_millis(3_475_000);
        redis.reason = "connection refused on 127.0.0.1:6379".to_owned();
        redis.incident = Some("redis-1".to_owned());
        let mut api = fixture::service("web-api", StateLabel::Blocked);
        api.container = String::new();
        for service in [redis, api] {
            snapshot.services.insert(service.name.clone(), service);
        }
        snapshot
    }

    #[test]
    fn the_overview_says_what_is_wrong_and_who_is_told() {
        let mut snapshot = snapshot();
        let mut open = fixture::incident("redis");
        open.affected.push(ServiceName::from("web-api").into());
        snapshot.incidents.insert(open.id.clone(), open);
        snapshot.sinks.push(SinkView {
            name: "alerts[0] ntfy".to_owned(),
            held: Some("${NTFY_TOKEN} is not set".to_owned()),
        });
        snapshot.warnings.push("the registry is a single mounted file".to_owned());
        snapshot.crontabs.push("container services: /etc/crontab:3 looks like a healer".to_owned());
        snapshot.jobs.insert("backup".into(), fixture::job("backup"));
        let expected = "\
vai 1.2.3, up 1 h, Docker Engine 20.10.24 (API 1.41)

SERVICE  CONTAINER  STATE    FOR        REASON
redis    services   down     2 min 5 s  connection refused on 127.0.0.1:6379
web-api  local      blocked  1 h

1 job; `vai jobs` shows them

Open incidents:
  critical: redis for 1 h: connection refused on 127.0.0.1:6379 (also fails: web-api)

Messages go to:
  alerts[0] ntfy: held, ${NTFY_TOKEN} is not set

Warnings:
  the registry is a single mounted file
  container services: /etc/crontab:3 looks like a healer
";
        assert_eq!(overview(&snapshot, NOW).unwrap(), expected);
    }

    #[test]
    fn with_nowhere_to_send_the_overview_says_so() {
        let text = overview(&snapshot(), NOW).unwrap();
        assert!(text.ends_with("\nMessages are in the log only: no channel is configured.\n"));
    }

    #[test]
    fn the_detail_shows_each_check_and_the_incident_with_what_is_next() {
        let mut snapshot = snapshot();
        let mut open = fixture::incident("redis");
        open.history.push("restarted but still failing".to_owned());
        snapshot.incidents.insert(open.id.clone(), open);
        let check: CheckView = serde_json::from_value(json!({
            "name": "tcp", "last": "fail", "detail": "connection refused on 127.0.0.1:6379",
            "took_ms": 3, "at": 3_598_000, "skipped": 0,
        }))
        .unwrap();
        let redis = snapshot.services.get_mut(&"redis".into()).unwrap();
        redis.checks.push(check);
        let redis = redis.clone();
        let expected = "\
SERVICE    redis
container  services
state      down
since      1970-01-01 00:57:55 UTC (2 min 5 s)
reason     connection refused on 127.0.0.1:6379
restarts   0 in the current window, 0 failed attempts in a row

CHECK  LAST  TOOK  AGO  DETAIL
tcp    fail  3 ms  2 s  connection refused on 127.0.0.1:6379

Incident critical: redis for 1 h: connection refused on 127.0.0.1:6379:
  restarted but still failing
  next: restarts it
";
        assert_eq!(detail(&redis, &snapshot, NOW).unwrap(), expected);
    }
}
