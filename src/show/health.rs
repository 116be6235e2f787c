use super::{EngineState, Snapshot};
use crate::clock::Pulse;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use vai_core::vitals::{Parts, STUCK_AFTER};

/// The parts of `vai` that must never stand still.
#[derive(Clone, Debug, Default)]
pub struct Vitals {
    /// The loop that judges.
    pub turns: Arc<Pulse>,
    /// The task that delivers messages.
    pub deliveries: Arc<Pulse>,
}

impl Vitals {
    /// How these parts are at this moment, for all that they can say.
    #[must_use]
    pub fn parts(&self) -> Parts<'static> {
        let (turns, deliveries) = (self.turns.age(), self.deliveries.age());
        Parts { turns, deliveries, ..Parts::default() }
    }

    /// The same with what is shown of the engine and the store.
    #[must_use]
    pub fn parts_shown<'a>(&self, snapshot: &'a Snapshot) -> Parts<'a> {
        let engine = match &snapshot.engine {
            EngineState::Gone { reason, .. } => Some(reason.as_str()),
            EngineState::Unused | EngineState::Up { .. } => None,
        };
        Parts { engine, store: snapshot.store.as_deref(), ..self.parts() }
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
    /// What is to be known although vai itself is well, one sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl Health {
    /// At this moment.
    #[must_use]
    pub fn judge(vitals: &Vitals, snapshot: &Snapshot) -> Self {
        let reasons = vitals.parts_shown(snapshot).complaints(STUCK_AFTER);
        let notes = snapshot.unwatched().into_iter().collect();
        Self { healthy: reasons.is_empty(), reasons, notes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::fixture;
    use std::time::Duration;
    use vai_core::model::{StateLabel, Wall};

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

    #[test]
    fn a_service_without_a_container_is_noted_and_vai_itself_is_well() {
        let mut snapshot = Snapshot::new(Wall::default(), false);
        for name in ["redis", "web"] {
            let mut service = fixture::service(name, StateLabel::Missing);
            service.reason = "there is no container `servces`".to_owned();
            snapshot.services.insert(service.name.clone(), service);
            let Health { healthy, notes, .. } = Health::judge(&Vitals::default(), &snapshot);
            assert!(healthy);
            assert!(notes[0].contains("redis (there is no container `servces`)"), "{notes:?}");
        }
        let notes = Health::judge(&Vitals::default(), &snapshot).notes;
        assert!(notes[0].starts_with("2 services are not watched: redis"), "{notes:?}");
    }
}
