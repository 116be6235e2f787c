//! `vai check`.

use super::{BAD_REGISTRY, print, read_registry};
use crate::app::Reach;
use crate::clock::Deadline;
use anyhow::{Result, bail};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vai_core::model::{Check, Event, Outcome, Place, Report, Service, ServiceKind, ServiceName};

/// The engine has to say within this what containers there are.
const ENGINE_DEADLINE: Duration = Duration::from_secs(10);
/// After a first "no" it is given this much longer.
const SECOND_CHANCE: Duration = Duration::from_secs(3);

/// Looks at once.
const PARALLEL: usize = 16;

/// Look at every service once, without a daemon and without acting.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// Only these services; all enabled ones if none is named.
    services: Vec<String>,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line {
    service: ServiceName,
    container: String,
    check: String,
    result: &'static str,
    detail: String,
    took_ms: u128,
}

/// Exit 0 if all are healthy, 1 if not, 2 for a registry with errors.
///
/// # Errors
/// An unknown service is named, or the results cannot be printed.
pub async fn run(args: CheckArgs, config: Option<&Path>) -> Result<ExitCode> {
    let (path, loaded) = read_registry(config).await;
    let Some(config) = &loaded.config else {
        print(&loaded.render(&path.display().to_string(), false))?;
        return Ok(ExitCode::from(BAD_REGISTRY));
    };
    let services = chosen(&args.services, &config.services)?;
    let (events, inbox) = mpsc::channel(1024);
    let (reach, follower) = Reach::new(events)?;
    let shutdown = CancellationToken::new();
    let following = tokio::spawn(follower.run(shutdown.clone()));
    reach.follow(config);
    if services.iter().any(|service| service.place != Place::Local) {
        first_word_of_the_engine(inbox).await;
    }
    let lines: Vec<Line> = stream::iter(looks(&services))
        .map(|(service, check)| look(&reach, service, check))
        .buffered(PARALLEL)
        .map(|line| Line { detail: config.redactor.redact(&line.detail), ..line })
        .collect()
        .await;
    reach.close().await;
    shutdown.cancel();
    following.await?;
    let healthy = lines.iter().all(|line| matches!(line.result, "pass" | "slow"));
    let text = if args.json { serde_json::to_string_pretty(&lines)? + "\n" } else { table(&lines) };
    print(&text)?;
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

type Services = std::collections::BTreeMap<ServiceName, Arc<Service>>;

fn chosen(names: &[String], services: &Services) -> Result<Vec<Arc<Service>>> {
    if names.is_empty() {
        let watched =
            |service: &&Arc<Service>| service.enabled && service.kind == ServiceKind::Watched;
        return Ok(services.values().filter(watched).cloned().collect());
    }
    names
        .iter()
        .map(|name| match services.get(&ServiceName::from(name.as_str())) {
            Some(service) => Ok(Arc::clone(service)),
            None => {
                let known: Vec<&str> = services.keys().map(ServiceName::as_str).collect();
                bail!("there is no service {name}; the registry has {}", known.join(", "))
            }
        })
        .collect()
}

/// Whether it answers or not, the looks say.
async fn first_word_of_the_engine(mut events: mpsc::Receiver<Event>) {
    let mut deadline = Deadline::after(ENGINE_DEADLINE);
    let mut refused = false;
    // Without an answer every look is "unknown", which says enough.
    while let Some(Some(event)) = deadline.bound(events.recv()).await {
        match event {
            Event::EngineBack => break,
            // A busy engine may miss one call and answer the next.
            Event::EngineGone(_) if !refused => {
                refused = true;
                deadline = Deadline::after(SECOND_CHANCE);
            }
            _ => {}
        }
    }
    tokio::spawn(async move { while events.recv().await.is_some() {} });
}

fn looks(services: &[Arc<Service>]) -> Vec<(Arc<Service>, usize)> {
    let checks = |service: &Arc<Service>| {
        let service = Arc::clone(service);
        (0..service.checks.len()).map(move |check| (Arc::clone(&service), check))
    };
    services.iter().flat_map(checks).collect()
}

async fn look(reach: &Reach, service: Arc<Service>, index: usize) -> Line {
    let check: &Check = &service.checks[index];
    // The first look into a container waits for its agent to be placed.
    let mut report = reach.prober.look(&service, check, None).await;
    if matches!(report.outcome, Outcome::Unknown(_)) {
        report = reach.prober.look(&service, check, None).await;
    }
    // Whether it ever passed from outside, only the daemon knows.
    line(&service, check, report.weigh(false))
}

fn line(service: &Service, check: &Check, report: Report) -> Line {
    let (result, detail) = match report.outcome {
        Outcome::Pass => ("pass", String::new()),
        Outcome::Slow(why) => ("slow", why),
        Outcome::Fail(fault) => ("fail", fault.detail),
        Outcome::Starting(why) => ("starting", why),
        Outcome::Unknown(why) => ("unknown", why),
    };
    Line {
        service: service.name.clone(),
        container: match &service.place {
            Place::Local => String::new(),
            Place::Container(key) => key.to_string(),
        },
        check: check.name.clone(),
        result,
        detail,
        took_ms: report.took.as_millis(),
    }
}

fn table(lines: &[Line]) -> String {
    let header = ["SERVICE", "CONTAINER", "CHECK", "RESULT", "TOOK", "DETAIL"];
    let mut table = super::plain_table(header);
    for line in lines {
        table.add_row([
            line.service.to_string(),
            line.container.clone(),
            line.check.clone(),
            line.result.to_owned(),
            format!("{} ms", line.took_ms),
            line.detail.clone(),
        ]);
    }
    format!("{}\n", table.trim_fmt())
}
