use super::host::UNCLEAN_WITHIN;
use crate::model::{ServiceName, StateLabel, Time};
use crate::words;
use std::time::Duration;

/// Why an act that a service calls for is not admitted now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Something has to be seen first; nothing to tell anybody.
    Looking,
    /// It was not seen failing lately; when it is looked at again at the latest.
    Unsure(Time),
    /// The container or the host has an act in flight.
    Busy,
    /// SIGTERM was seen.
    Stopping,
    /// `--observe`.
    Observe,
    /// Nothing can be stored, an intent least of all; why.
    Store(String),
    /// `vai` itself ended unexpectedly too often; until then it only watches.
    Mistrusted(Time),
    /// In a maintenance window; its reason.
    Maintenance(String),
    /// An operator paused it.
    Paused,
    /// There is nothing that may be done for it; why.
    AlertOnly(String),
    /// A `${NAME}` of its commands is not set.
    Unset(String),
    /// The container is vai's own.
    Myself,
    /// The engine does not answer.
    Engine,
    /// The container is in the middle of something; what.
    Changing(String),
    /// The engine's own policy is restarting it again and again.
    CrashLoop,
    /// It flaps, and its failure is not proven.
    Flapping,
    /// A dependency is not healthy.
    Dependency(ServiceName, StateLabel),
    /// Something that failed about the same time may be the cause; until when
    /// it is waited for at most.
    PossibleRoot(ServiceName, Time),
    /// Nothing outside the host can be believed now; why.
    Outside(String),
    /// So much of what is seen over the network fails that it may be us.
    MassFailure { failing: usize, of: usize },
    /// The container whose network it shares has to be up first; its name.
    Namespace(String),
    /// The container whose network it shares was recreated.
    NamespaceGone,
    /// Something else restarts it and is left to do so until then; what.
    Supervised { by: String, until: Time },
    /// The delay after the last verdict.
    Backoff(Time),
    /// The hard ceiling of restarts.
    Ceiling { until: Time, max: u32, window: Duration },
    /// The hard ceiling of restarts of living things on the whole host.
    HostCeiling { until: Time, max: u32, window: Duration },
    /// Given up; the next slow retry.
    GaveUp(Time),
    /// Refused right before acting; why, and when it is asked again.
    Refused { why: String, until: Time },
    /// A marker file says that somebody stopped it.
    Marker { why: String, until: Time },
}

impl Gate {
    /// The state that this gate shows as, where it shows.
    pub(crate) fn label(&self) -> Option<StateLabel> {
        match self {
            Self::Looking
            | Self::Unsure(_)
            | Self::Busy
            | Self::Backoff(_)
            | Self::AlertOnly(_)
            | Self::GaveUp(_) => None,
            Self::Dependency(..) => Some(StateLabel::Blocked),
            Self::Maintenance(_) => Some(StateLabel::Maintenance),
            // Told by the failure itself, which lasts.
            Self::CrashLoop => None,
            Self::Marker { .. } => Some(StateLabel::StoppedByHand),
            Self::Paused => Some(StateLabel::Paused),
            Self::Stopping
            | Self::Observe
            | Self::Store(_)
            | Self::Mistrusted(_)
            | Self::Unset(_)
            | Self::Myself
            | Self::Engine
            | Self::Changing(_)
            | Self::Flapping
            | Self::PossibleRoot(..)
            | Self::Outside(_)
            | Self::MassFailure { .. }
            | Self::Namespace(_)
            | Self::NamespaceGone
            | Self::Supervised { .. }
            | Self::Ceiling { .. }
            | Self::HostCeiling { .. }
            | Self::Refused { .. } => Some(StateLabel::Held),
        }
    }

    /// Whether this is worth a log line: `not attempted: …`.
    pub(crate) fn is_told(&self) -> bool {
        !matches!(
            self,
            Self::Looking | Self::Unsure(_) | Self::Busy | Self::Backoff(_) | Self::GaveUp(_)
        )
    }

    /// Whether nothing will be tried until somebody does something, or not
    /// soon.
    pub(crate) fn is_final(&self) -> bool {
        self.leaves_alone()
            || matches!(self, Self::Ceiling { .. } | Self::Mistrusted(_) | Self::Store(_))
    }

    /// Whether nothing will be tried until somebody does something.
    pub(crate) fn leaves_alone(&self) -> bool {
        matches!(
            self,
            Self::Observe
                | Self::AlertOnly(_)
                | Self::Unset(_)
                | Self::Myself
                | Self::CrashLoop
                | Self::NamespaceGone
        )
    }

    /// When time alone opens it.
    pub(crate) fn until(&self) -> Option<Time> {
        match self {
            Self::Unsure(until)
            | Self::Backoff(until)
            | Self::GaveUp(until)
            | Self::Mistrusted(until)
            | Self::PossibleRoot(_, until)
            | Self::Supervised { until, .. }
            | Self::Ceiling { until, .. }
            | Self::HostCeiling { until, .. }
            | Self::Refused { until, .. }
            | Self::Marker { until, .. } => Some(*until),
            Self::Looking
            | Self::Busy
            | Self::Stopping
            | Self::Observe
            | Self::Store(_)
            | Self::Maintenance(_)
            | Self::CrashLoop
            | Self::Flapping
            | Self::Outside(_)
            | Self::MassFailure { .. }
            | Self::Namespace(_)
            | Self::NamespaceGone
            | Self::Paused
            | Self::AlertOnly(_)
            | Self::Unset(_)
            | Self::Myself
            | Self::Engine
            | Self::Changing(_)
            | Self::Dependency(..) => None,
        }
    }

    /// In words, as said at `now`.
    pub(crate) fn words(&self, now: Time) -> String {
        let left = |until: &Time| words::duration(round_up(until.since(now)));
        match self {
            Self::Looking => "what it depends on is being looked at".into(),
            Self::Unsure(_) => "it is being looked at again".into(),
            Self::Busy => "another action is under way".into(),
            Self::Stopping => "vai is stopping".into(),
            Self::Observe => "vai only observes (--observe)".into(),
            Self::Store(why) => format!("its intent could not be stored: {why}"),
            Self::Mistrusted(until) => format!(
                "vai itself ended unexpectedly several times in {}; it only watches for another {}",
                words::duration(UNCLEAN_WITHIN),
                left(until)
            ),
            Self::Maintenance(reason) if reason.is_empty() => "in a maintenance window".into(),
            Self::Maintenance(reason) => format!("in a maintenance window: {reason}"),
            Self::CrashLoop => "the engine's own restart policy is restarting it already".into(),
            Self::Flapping => "it flaps, and nothing proves that it is down this time".into(),
            Self::PossibleRoot(name, until) => format!(
                "{name} failed about the same time and may be the cause; it is waited for, at most \
                 {}",
                left(until)
            ),
            Self::MassFailure { failing, of } => format!(
                "{failing} of {of} services seen over the network fail at once: it may be vai's \
                 own network"
            ),
            Self::Namespace(name) => {
                format!("it shares the network of the container {name}, which has to be up first")
            }
            Self::NamespaceGone => "the container whose network it shares was recreated, so a \
                 restart is of no use: recreate this one, too"
                .into(),
            Self::Paused => "paused by an operator".into(),
            Self::AlertOnly(why) | Self::Changing(why) | Self::Outside(why) => why.clone(),
            Self::Unset(why) => format!("held: {why}"),
            Self::Myself => "its container is vai's own".into(),
            Self::Engine => "the container engine does not answer".into(),
            Self::Dependency(name, state) => {
                format!("its dependency {name} is {}", state.label())
            }
            Self::Supervised { by, until } => {
                format!("{by} restarts it, and has another {} for that", left(until))
            }
            Self::Backoff(until) => format!("next attempt in {}", left(until)),
            Self::GaveUp(until) => format!("gave up; one more try in {}", left(until)),
            Self::Ceiling { until, max, window } => format!(
                "the ceiling of {max} restarts in {} is reached; the next one may be in {}",
                words::duration(*window),
                left(until)
            ),
            Self::HostCeiling { until, max, window } => format!(
                "the host's ceiling of {max} restarts of living things in {} is reached; the next \
                 one may be in {}",
                words::duration(*window),
                left(until)
            ),
            Self::Refused { why, .. } | Self::Marker { why, .. } => why.clone(),
        }
    }
}

/// Whole seconds, so that nothing is announced "in 0 s".
fn round_up(span: Duration) -> Duration {
    Duration::from_secs(span.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
}
