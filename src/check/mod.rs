//! The kinds of check, one a file. They run wherever this process runs: in the
//! orchestrator or, as the agent, inside a container.

pub(crate) mod blocking;
mod connect;
mod custom;
mod disk;
mod http;
pub(crate) mod identity;
mod owner;
pub(crate) mod process;
pub(crate) mod processes;
pub mod shell;
mod tcp;
pub(crate) mod words;

use crate::clock::{self, Deadline};
use std::time::Duration;
use vai_core::model::{CheckKind, Outcome, ProcId, Report};

/// What is left to a look that forgot its own deadline.
const GRACE: Duration = Duration::from_millis(50);

/// More than these are of no use to anybody, and a report has to fit a frame.
const PROCESSES_LIMIT: usize = 128;

/// The owners of a port are looked for no longer than this.
const OWNERS_WITHIN: Duration = Duration::from_secs(2);

/// Looks once, from where this process runs, and ends by `timeout` + 100 ms
/// whatever the target does (behaviour.md, section 1).
///
/// The one place where kinds of check are registered. `docker` checks are
/// answered by the engine, not here: [`Outcome::Unknown`].
pub async fn look(kind: &CheckKind, timeout: Duration) -> Report {
    let began = clock::boot_time();
    let deadline = Deadline::after(timeout);
    let looking = async {
        let (outcome, processes) = match kind {
            CheckKind::Http(check) => (http::look(check, deadline).await, Vec::new()),
            CheckKind::Tcp(check) => (tcp::look(check, deadline).await, Vec::new()),
            CheckKind::Process(check) => process::look(check, deadline).await,
            CheckKind::Custom(check) => (custom::look(check, deadline).await, Vec::new()),
            CheckKind::Disk(check) => (disk::look(check, deadline).await, Vec::new()),
            CheckKind::Docker => {
                let why = "only the container engine answers docker checks";
                (Outcome::Unknown(why.to_owned()), Vec::new())
            }
        };
        let mut report = Report::new(outcome, clock::boot_time().since(began));
        report.processes = processes;
        report
    };
    let mut report = match Deadline::after(timeout + GRACE).bound(looking).await {
        Some(report) => report,
        None => {
            let why = format!("the look did not end within {}", words::span(timeout));
            Report::new(Outcome::Unknown(why), clock::boot_time().since(began))
        }
    };
    if matches!(report.outcome, Outcome::Pass | Outcome::Slow(_))
        && let Some((host, port)) = local_port(kind)
    {
        let left = OWNERS_WITHIN.min(deadline.left());
        let owners = blocking::run("proc", Deadline::after(left), move || {
            owner::still_listening(&host, port)
        });
        report.processes = owners.await.unwrap_or_default();
    }
    report.processes.truncate(PROCESSES_LIMIT);
    report
}

/// The living processes behind a check right now: owners of the local port,
/// matches of the pattern. Empty where nothing can be seen, or for other kinds
/// of check. Ends within 2 s.
pub async fn behind(kind: &CheckKind) -> Vec<ProcId> {
    let scan: Box<dyn FnOnce() -> Vec<ProcId> + Send> = match (kind, local_port(kind)) {
        (CheckKind::Process(check), _) => {
            let pattern = check.pattern.clone();
            Box::new(move || process::behind(&pattern))
        }
        (_, Some((host, port))) => Box::new(move || owner::listening(&host, port)),
        (_, None) => return Vec::new(),
    };
    let deadline = Deadline::after(OWNERS_WITHIN);
    let mut found = blocking::run("proc", deadline, scan).await.unwrap_or_default();
    found.truncate(PROCESSES_LIMIT);
    found
}

/// Whether a check asks for something beyond this very network namespace.
#[must_use]
pub fn goes_over_network(kind: &CheckKind) -> bool {
    matches!(kind, CheckKind::Http(_) | CheckKind::Tcp(_)) && local_port(kind).is_none()
}

/// Host and port of an `http` or `tcp` check that looks at this very network
/// namespace.
fn local_port(kind: &CheckKind) -> Option<(String, u16)> {
    let (host, port) = match kind {
        CheckKind::Http(check) => (check.host.clone(), http::port(check)?),
        CheckKind::Tcp(check) => (check.host.clone(), check.port),
        CheckKind::Process(_) | CheckKind::Custom(_) | CheckKind::Docker | CheckKind::Disk(_) => {
            return None;
        }
    };
    owner::is_loopback(&host).then_some((host, port))
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
