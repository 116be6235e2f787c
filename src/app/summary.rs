//! What is said at every start: what is watched, through what, and what is not.

use super::{Options, shown};
use crate::config::Config;
use std::collections::BTreeMap;
use tracing::{info, warn};
use vai_core::model::{Duty, Place, Service, ServiceKind};

/// Logs the summary.
pub(super) fn tell(config: &Config, options: &Options) {
    info!(
        "vai {} starts: registry {}, state in {}",
        env!("CARGO_PKG_VERSION"),
        shown(&options.config),
        shown(&options.state_dir)
    );
    if options.observe {
        warn!("--observe: everything is checked and told, nothing is started or restarted");
    }
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for service in config.services.values() {
        match why_not(service) {
            Some(why) => info!("{}: not watched, {why}", service.name),
            None => places.entry(place(service)).or_default().push(watched(service)),
        }
    }
    let jobs = tell_jobs(config);
    if places.is_empty() && !jobs {
        warn!("no service is watched");
    }
    for (place, services) in places {
        info!("watching {place}: {}", services.join(", "));
    }
    for channel in config.notifications.plan.channels.keys() {
        let sinks: Vec<&str> = config.notifications.plan.channels[channel]
            .iter()
            .map(|sink| sink.name.as_str())
            .collect();
        info!("messages of channel {channel} go to {}", sinks.join(", "));
    }
}

/// Whether there are jobs to run.
fn tell_jobs(config: &Config) -> bool {
    let mut scheduled: Vec<String> = Vec::new();
    for job in config.jobs.values() {
        match job.duty {
            Duty::Scheduled => scheduled.push(format!("{} ({})", job.name, job.schedule)),
            Duty::Disabled => info!("job {}: not run, it is disabled in the registry", job.name),
            Duty::Documentation => {
                info!("job {}: not run, it is documentation: it names no container", job.name);
            }
        }
    }
    if !scheduled.is_empty() {
        info!("running by the clock: {}", scheduled.join(", "));
    }
    !scheduled.is_empty()
}

fn why_not(service: &Service) -> Option<&'static str> {
    match (service.enabled, service.kind) {
        (false, _) => Some("it is disabled in the registry"),
        (true, ServiceKind::Documentation) => Some("it is documentation"),
        (true, ServiceKind::Watched) => None,
    }
}

fn place(service: &Service) -> String {
    match &service.place {
        Place::Local => "beside vai".into(),
        Place::Container(key) => format!("in container {key}"),
    }
}

fn watched(service: &Service) -> String {
    let checks: Vec<&str> = service.checks.iter().map(|check| check.kind.label()).collect();
    format!("{} ({})", service.name, checks.join(", "))
}
