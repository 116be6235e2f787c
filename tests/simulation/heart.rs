//! The dead man's switch: the core's own heartbeat, driven as production does,
//! over parts of vai that get stuck.

use crate::engine::Link;
use crate::plan::{Fault, HOUR, MINUTE, Ms, Plan, SECOND, What};
use crate::rng::Rng;
use crate::world::{Thing, World};
use std::collections::BTreeMap;
use std::time::Duration;
use vai_core::model::Time;
use vai_core::vitals::{Heartbeat, Parts};

/// A part that stands still for so long ends vai (`app/watchdog.rs`).
const ENDED_AFTER: Ms = MINUTE;
/// A vai that starts is not pinged for before.
const SETTLED: Ms = MINUTE;

/// What of vai can stand still, or cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Loop,
    Delivery,
    Engine,
    Store,
}

/// Who is pinged, and what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Heart {
    /// None while vai is down.
    heartbeat: Option<Heartbeat>,
    /// Since when what is really wrong.
    wrong: BTreeMap<Part, Ms>,
    /// Since when nothing is.
    well: Ms,
    last: Ms,
}

impl Heart {
    /// Whether a part of vai itself stands still.
    pub(crate) fn is_stuck(&self) -> bool {
        self.is_wrong(Part::Loop) || self.is_wrong(Part::Delivery)
    }

    pub(crate) fn is_wrong(&self, part: Part) -> bool {
        self.wrong.contains_key(&part)
    }

    /// From now on it is.
    pub(crate) fn goes_wrong(&mut self, part: Part, now: Ms) {
        self.wrong.entry(part).or_insert(now);
    }

    /// It is no more.
    pub(crate) fn is_well(&mut self, part: Part, now: Ms) {
        if self.wrong.remove(&part).is_some() {
            self.well = now;
        }
    }

    /// vai is gone.
    pub(crate) fn gone(&mut self, now: Ms) {
        self.heartbeat = None;
        self.is_well(Part::Loop, now);
        self.is_well(Part::Delivery, now);
    }

    /// The host slept, and nobody's clock went on.
    pub(crate) fn suspended(&mut self, lasts: Ms) {
        for since in self.wrong.values_mut() {
            *since += lasts;
        }
        self.well += lasts;
        self.last += lasts;
    }
}

impl World {
    /// vai starts, and who watches it waits for its first ping.
    pub(crate) fn heart_starts(&mut self) {
        self.heart.heartbeat = Some(Heartbeat::new(Time::from_millis(self.now)));
        self.heart.well = self.now;
        self.later(SETTLED, Thing::Ping { run: self.run });
    }

    /// A ping is due: A7.
    pub(crate) fn pings(&mut self) -> crate::Step {
        let Some(mut heartbeat) = self.heart.heartbeat else { return Ok(()) };
        let interval = Duration::from_millis(self.plan.heartbeat);
        // Each part shows that it is alive every second.
        let age = |part| self.heart.wrong.get(&part).map_or(self.now % SECOND, |at| self.now - at);
        let parts = Parts {
            turns: Duration::from_millis(age(Part::Loop)),
            deliveries: Duration::from_millis(age(Part::Delivery)),
            engine: (self.link == Link::Gone).then_some("refused"),
            store: self.disk.fails.then_some("the disk is full"),
        };
        let sent = heartbeat.beat(Time::from_millis(self.now), interval, &parts);
        let next = heartbeat.due(interval).as_millis();
        self.heart.heartbeat = Some(heartbeat);
        self.later(next - self.now, Thing::Ping { run: self.run });
        if !sent {
            return Ok(());
        }
        self.heart.last = self.now;
        let covered_up =
            self.heart.wrong.iter().find(|(_, since)| self.now - **since > 2 * self.plan.heartbeat);
        match covered_up {
            Some((part, since)) => {
                let words = format!("pinged, {part:?} is stuck for {} ms", self.now - since);
                Err(self.violation("A7", words))
            }
            None => Ok(()),
        }
    }

    /// While nothing is wrong, nobody misses a ping: A7 as well.
    pub(crate) fn is_pinged(&self) -> crate::Step {
        let since = (self.heart.well + SETTLED).max(self.heart.last) + self.plan.heartbeat;
        // The engine and the disk are known to be well a moment later.
        let late = self.now > since + 5 * SECOND;
        if self.heart.heartbeat.is_some() && self.heart.wrong.is_empty() && late {
            return Err(self.violation("A7", "nothing is wrong, and nothing is pinged".into()));
        }
        Ok(())
    }

    /// A part of vai stands still. Nobody but the watchdog ends that.
    pub(crate) fn gets_stuck(&mut self, part: Part) {
        if self.core.is_none() || self.heart.is_stuck() {
            return;
        }
        self.heart.goes_wrong(part, self.now);
        if part == Part::Loop {
            // What comes in from here on is lost with it.
            self.core = None;
        }
        self.later(ENDED_AFTER, Thing::Watchdog { run: self.run });
    }
}

/// A plan in which vai's own parts get stuck, and somebody watches it. Its
/// chance is its own: all else is as it was.
pub(crate) fn watched(mut plan: Plan) -> Plan {
    let mut rng = Rng::new(plan.seed ^ 0x0a7_bea7);
    plan.heartbeat = rng.pick(&[2, 5, 10, 60, 60, 300]) * SECOND;
    for hour in 0..plan.busy / HOUR {
        if rng.chance(12) {
            let at = hour * HOUR + rng.range(0, HOUR - 1);
            let part = rng.pick(&[Part::Loop, Part::Delivery]);
            plan.faults.push(Fault { at, what: What::Stuck { part } });
        }
    }
    plan.faults.sort_by_key(|fault| fault.at);
    plan
}
