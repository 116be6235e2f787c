use super::{EngineState, Snapshot};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use vai_core::model::Time;
use vai_core::words;

/// A loop that has not turned for so long is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// When the loop last turned. It has to beat at least every 5 s, busy or not.
#[derive(Debug)]
pub struct Heartbeat(AtomicU64);

impl Heartbeat {
    /// The loop turns for the first time at `now`.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self(AtomicU64::new(now.as_millis()))
    }

    /// The loop turned.
    pub fn beat(&self, now: Time) {
        self.0.store(now.as_millis(), Ordering::Relaxed);
    }

    fn age(&self, now: Time) -> Duration {
        now.since(Time::from_millis(self.0.load(Ordering::Relaxed)))
    }
}

/// Whether vai itself is well (behaviour.md, "Watching the watcher"). How the
/// watched services are has no part in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Nothing is wrong.
    pub healthy: bool,
    /// What is wrong, one sentence each.
    pub reasons: Vec<String>,
}

impl Health {
    /// At `now`.
    #[must_use]
    pub fn judge(heartbeat: &Heartbeat, snapshot: &Snapshot, now: Time) -> Self {
        let mut reasons = Vec::new();
        let age = heartbeat.age(now);
        if age >= STUCK_AFTER {
            reasons.push(format!("the loop has been stuck for {}", words::duration(age)));
        }
        if let EngineState::Gone { reason, .. } = &snapshot.engine {
            reasons.push(format!("the container engine does not answer: {reason}"));
        }
        if let Some(why) = &snapshot.store {
            reasons.push(format!("nothing can be stored: {why}"));
        }
        Self { healthy: reasons.is_empty(), reasons }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vai_core::model::Wall;

    #[test]
    fn a_stuck_loop_a_gone_engine_and_a_full_disk_are_unhealthy_and_named() {
        let heartbeat = Heartbeat::new(Time::from_millis(0));
        let mut snapshot = Snapshot::new(Wall::default(), false);
        heartbeat.beat(Time::from_millis(1_000));
        let at = |snapshot: &Snapshot, millis| {
            Health::judge(&heartbeat, snapshot, Time::from_millis(millis)).reasons
        };
        assert!(at(&snapshot, 10_999).is_empty());
        assert_eq!(at(&snapshot, 11_000), ["the loop has been stuck for 10 s"]);
        snapshot.engine =
            EngineState::Gone { reason: "no socket".to_owned(), since: Wall::default() };
        assert_eq!(at(&snapshot, 1_000), ["the container engine does not answer: no socket"]);
        snapshot.engine = EngineState::Unused;
        snapshot.store = Some("the disk is full".to_owned());
        assert_eq!(at(&snapshot, 1_000), ["nothing can be stored: the disk is full"]);
    }
}
