//! Who is to be told, as the registry says.

use crate::model::Severity;
use std::collections::BTreeMap;
use std::time::Duration;

/// How a sink is reached; two that are equal reach the same people.
pub trait Destination: Clone + PartialEq {
    /// Those that it reaches one by one, each of whom may take a message or
    /// not; none where it takes a message for all or for nobody.
    fn recipients(&self) -> Vec<String> {
        Vec::new()
    }
}

/// One way to reach people; `K` says how.
#[derive(Clone, Debug, PartialEq)]
pub struct Sink<K> {
    /// For logs: `alerts[0] ntfy`.
    pub name: String,
    /// What it is.
    pub kind: K,
    /// Incidents below it are not sent here.
    pub min_severity: Severity,
    /// Whether the end of an incident is told here.
    pub send_resolved: bool,
    /// Why it cannot be used (`${NTFY_TOKEN} is not set`), if so.
    pub held: Option<String>,
}

/// Who is to be told, as the registry says.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan<K> {
    /// Channel name → its sinks.
    pub channels: BTreeMap<String, Vec<Sink<K>>>,
    /// The channels of messages without one of their own.
    pub default: Vec<String>,
    /// The channel that gets what a sink rejects, or did not take in time.
    pub fallback: Option<String>,
    /// How long the opening of an incident waits for others to join it.
    pub group_wait: Duration,
    /// Least time between two messages about what is new in an incident.
    pub group_interval: Duration,
}
