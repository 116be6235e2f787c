//! Whether `vai` itself is alive, and what is told of that to whoever watches
//! it (behaviour.md, section 4, "Watching the watcher"; A7).

use crate::model::Time;
use crate::words;
use std::time::Duration;

/// A part that has not shown that it is alive for so long is stuck. Each does
/// at least every [`BEAT`], busy or not.
pub const STUCK_AFTER: Duration = Duration::from_secs(10);
/// How often each part shows that it is alive when nothing happens.
pub const BEAT: Duration = Duration::from_secs(1);
/// A `vai` that starts again and again has to be missed, too.
const SETTLED_AFTER: Duration = Duration::from_secs(60);
/// So many intervals after a part got stuck nothing is pinged any more.
const INTERVALS: u32 = 2;

/// How the parts of `vai` are that must never stand still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts<'a> {
    /// When the loop that judges last showed that it is alive, as an age.
    pub turns: Duration,
    /// The same of the task that delivers messages.
    pub deliveries: Duration,
    /// Why the container engine cannot be asked, if so.
    pub engine: Option<&'a str>,
    /// Why nothing can be stored, if so.
    pub store: Option<&'a str>,
}

impl Parts<'_> {
    /// The parts that have stood still for `long` at least, and for how long.
    pub fn stuck(&self, long: Duration) -> impl Iterator<Item = (&'static str, Duration)> {
        let ages =
            [("the loop", self.turns), ("the delivery of messages", self.deliveries)].into_iter();
        ages.filter(move |(_, age)| *age >= long)
    }

    /// What is wrong with them, one sentence each, if one that has stood still
    /// for `long` is stuck.
    #[must_use]
    pub fn complaints(&self, long: Duration) -> Vec<String> {
        let stuck = self.stuck(long);
        let stuck =
            stuck.map(|(part, age)| format!("{part} has been stuck for {}", words::duration(age)));
        let engine = self.engine.map(words::engine_gone);
        let store = self.store.map(|why| format!("nothing can be stored: {why}"));
        stuck.chain(engine).chain(store).collect()
    }
}

/// When the address outside is pinged that misses a `vai` which is not well.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    settled: Time,
    last: Option<Time>,
}

impl Heartbeat {
    /// Of a `vai` that starts at `now`.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self { settled: now + SETTLED_AFTER, last: None }
    }

    /// When the next ping is due, if there is one every `interval`.
    #[must_use]
    pub fn due(&self, interval: Duration) -> Time {
        self.last.map_or(self.settled, |last| last + interval)
    }

    /// It is due: whether it is sent. One that is not is missed, which is what
    /// it is for.
    pub fn beat(&mut self, now: Time, interval: Duration, parts: &Parts<'_>) -> bool {
        self.last = Some(now);
        let patience = STUCK_AFTER.min(interval * INTERVALS);
        parts.complaints(patience).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn at(second: u64) -> Time {
        Time::from_millis(second * 1000)
    }

    #[test]
    fn a_stuck_part_a_gone_engine_and_a_full_disk_are_named() {
        let of = |parts: Parts<'_>| parts.complaints(STUCK_AFTER);
        let well = Parts::default();
        assert!(of(well).is_empty());
        assert!(of(Parts { turns: secs(9), ..well }).is_empty());
        let turns = Parts { turns: secs(75), ..well };
        assert_eq!(of(turns), ["the loop has been stuck for 1 min 15 s"]);
        let deliveries = Parts { deliveries: secs(10), ..well };
        assert_eq!(of(deliveries), ["the delivery of messages has been stuck for 10 s"]);
        let engine = Parts { engine: Some("no socket"), ..well };
        assert_eq!(of(engine), ["the container engine does not answer: no socket"]);
        let store = Parts { store: Some("the disk is full"), ..well };
        assert_eq!(of(store), ["nothing can be stored: the disk is full"]);
    }

    #[test]
    fn the_first_ping_comes_after_a_minute_and_each_further_one_after_an_interval() {
        let mut heartbeat = Heartbeat::new(at(100));
        assert_eq!(heartbeat.due(secs(1)), at(160));
        assert!(heartbeat.beat(at(160), secs(30), &Parts::default()));
        assert_eq!(heartbeat.due(secs(30)), at(190));
        assert_eq!(heartbeat.due(secs(5)), at(165), "an edit counts at once");
    }

    #[test]
    fn a7_a_part_that_is_stuck_is_not_covered_up_for_longer_than_two_intervals() {
        for interval in [1, 2, 4, 5, 60] {
            let mut heartbeat = Heartbeat::new(at(0));
            let stuck_for = |age| Parts { deliveries: secs(age), ..Parts::default() };
            let pings = (0..100).filter(|age| {
                let due = at(60 + age) >= heartbeat.due(secs(interval));
                due && heartbeat.beat(at(60 + age), secs(interval), &stuck_for(*age))
            });
            let last = pings.last().unwrap();
            assert!(last < (2 * interval).min(10), "{last} s at an interval of {interval} s");
        }
    }
}
