use super::{EngineState, Snapshot};
use crate::clock::Pulse;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use vai_core::words;

/// A part that has not shown that it is alive for so long is stuck. Each does
/// at least every 2 s, busy or not.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// The parts of `vai` that must never stand still.
#[derive(Clone, Debug, Default)]
pub struct Vitals {
    /// The loop that judges.
    pub turns: Arc<Pulse>,
    /// The task that delivers messages.
    pub deliveries: Arc<Pulse>,
}

impl Vitals {
    /// The parts that have stood still for `long` at least, and for how long.
    pub fn stuck(&self, long: Duration) -> impl Iterator<Item = (&'static str, Duration)> {
        let parts = [("the loop", &self.turns), ("the delivery of messages", &self.deliveries)];
        let ages = parts.map(|(name, pulse)| (name, pulse.age()));
        ages.into_iter().filter(move |(_, age)| *age >= long)
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
    /// At this moment.
    #[must_use]
    pub fn judge(vitals: &Vitals, snapshot: &Snapshot) -> Self {
        let stuck = vitals.stuck(STUCK_AFTER);
        let mut reasons: Vec<String> = stuck
            .map(|(part, age)| format!("{part} has been stuck for {}", words::duration(age)))
            .collect();
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
    fn a_stuck_part_a_gone_engine_and_a_full_disk_are_unhealthy_and_named() {
        let mut snapshot = Snapshot::new(Wall::default(), false);
        let of = |vitals: &Vitals, snapshot: &Snapshot| Health::judge(vitals, snapshot).reasons;
        let well = Vitals::default();
        assert!(of(&well, &snapshot).is_empty());
        let stuck = || Arc::new(Pulse::of_age(Duration::from_secs(75)));
        let turns = Vitals { turns: stuck(), ..Vitals::default() };
        assert_eq!(of(&turns, &snapshot), ["the loop has been stuck for 1 min 15 s"]);
        let deliveries = Vitals { deliveries: stuck(), ..Vitals::default() };
        let reasons = of(&deliveries, &snapshot);
        assert_eq!(reasons, ["the delivery of messages has been stuck for 1 min 15 s"]);
        deliveries.deliveries.beat();
        assert!(of(&deliveries, &snapshot).is_empty());
        snapshot.engine =
            EngineState::Gone { reason: "no socket".to_owned(), since: Wall::default() };
        assert_eq!(of(&well, &snapshot), ["the container engine does not answer: no socket"]);
        snapshot.engine = EngineState::Unused;
        snapshot.store = Some("the disk is full".to_owned());
        assert_eq!(of(&well, &snapshot), ["nothing can be stored: the disk is full"]);
    }
}
