use super::{ServiceName, Wall};
use serde::{Deserialize, Serialize};

/// A line of the story, for the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// Whose.
    pub service: ServiceName,
    /// The state before.
    pub from: StateLabel,
    /// The state now; the same for a line that changes none.
    pub to: StateLabel,
    /// Why, in words.
    pub reason: String,
}

/// How a service stands, for `vai status` and the socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceView {
    /// Its name.
    pub name: ServiceName,
    /// The container as the registry names it; empty for local.
    pub container: String,
    /// Its state.
    pub state: StateLabel,
    /// Why, in words; may be empty.
    pub reason: String,
    /// Since when it is in this state.
    pub since: Wall,
    /// Its checks.
    pub checks: Vec<CheckView>,
    /// Restarts by vai in the current window.
    pub restarts_in_window: u32,
    /// Failed attempts in a row.
    pub failed_attempts: u32,
    /// The open incident it belongs to.
    pub incident: Option<String>,
}

/// A check's last result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckView {
    /// Its name.
    pub name: String,
    /// `pass`, `slow`, `fail`, `starting`, `unknown`, or `pending`.
    pub last: String,
    /// The reason of a result that is no pass; may be empty.
    pub detail: String,
    /// How long the last look took, in milliseconds.
    pub took_ms: u64,
    /// When it ended.
    pub at: Option<Wall>,
    /// Ticks that were skipped because the look before was still under way.
    pub skipped: u64,
}

/// The states' names (behaviour.md, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateLabel {
    /// We could not look yet, or cannot.
    Unknown,
    /// Within its start time.
    Starting,
    /// Well.
    Healthy,
    /// Works, but not as it should.
    Degraded,
    /// Failing, not confirmed.
    Suspect,
    /// Failing, confirmed.
    Down,
    /// Being restarted.
    Healing,
    /// Restarted, being proven.
    Verifying,
    /// Not tried again but slowly.
    GaveUp,
    /// A dependency is down.
    Blocked,
    /// A gate forbids action.
    Held,
    /// An operator paused it.
    Paused,
    /// Somebody stopped it by hand.
    StoppedByHand,
    /// It ran to its end, as it was meant to.
    Finished,
    /// Its container does not exist, so nothing is watched.
    Missing,
    /// In a maintenance window.
    Maintenance,
    /// Not watched.
    Disabled,
}

impl StateLabel {
    /// The name used in logs, tables and JSON.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Suspect => "suspect",
            Self::Down => "down",
            Self::Healing => "healing",
            Self::Verifying => "verifying",
            Self::GaveUp => "gave_up",
            Self::Blocked => "blocked",
            Self::Held => "held",
            Self::Paused => "paused",
            Self::StoppedByHand => "stopped_by_hand",
            Self::Finished => "finished",
            Self::Missing => "missing",
            Self::Maintenance => "maintenance",
            Self::Disabled => "disabled",
        }
    }
}
