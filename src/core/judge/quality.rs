//! How well a check does over a longer time than a failure takes to confirm:
//! whether it flaps, and how many of its probes fail without being confirmed.

use super::error_rate::ErrorRate;
use serde::{Deserialize, Serialize};

/// Samples that flapping is judged by, one an interval.
const FLAP_SAMPLES: u32 = 21;
/// Percent of weighted changes among them where flapping starts.
const FLAP_START: f64 = 30.0;
/// Percent where it stops.
const FLAP_STOP: f64 = 20.0;
/// The samples of one check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Quality {
    /// One sample an interval, the newest in the lowest bit; set: a fail.
    ticks: u32,
    flapping: bool,
    rate: ErrorRate,
}

impl Quality {
    /// Takes in a result; `on_tick` if it is the one of its interval.
    pub(crate) fn count(&mut self, failed: bool, on_tick: bool) {
        self.rate.count(failed);
        if on_tick {
            self.ticks = (self.ticks << 1 | u32::from(failed)) & ((1 << FLAP_SAMPLES) - 1);
            let changes = self.changes();
            self.flapping = changes >= FLAP_START || (self.flapping && changes >= FLAP_STOP);
        }
    }

    /// Its fails were confirmed: they are accounted for.
    pub(crate) fn confirmed(&mut self) {
        self.rate.forget_told();
    }

    /// `vai` ended the fails: being healed is not coming and going by itself.
    pub(crate) fn healed(&mut self) {
        while self.ticks & 1 == 1 {
            self.ticks >>= 1;
        }
    }

    /// Percent of the samples that differ from the one before, newer ones
    /// weighing more: 0.75 for the oldest to 1.25 for the newest, as Nagios
    /// counts them.
    fn changes(&self) -> f64 {
        let last = FLAP_SAMPLES - 2;
        let changed = self.ticks ^ (self.ticks >> 1);
        let weights = (0..=last)
            .filter(|age| changed >> age & 1 == 1)
            .map(|age| 1.25 - 0.5 * f64::from(age) / f64::from(last));
        weights.sum::<f64>() * 100.0 / f64::from(FLAP_SAMPLES - 1)
    }

    pub(crate) fn is_flapping(&self) -> bool {
        self.flapping
    }

    /// What is to be said about the check of this name, if anything.
    pub(crate) fn complaint(&self, check: &str) -> Option<String> {
        if self.flapping {
            let changed = (self.ticks ^ (self.ticks >> 1)) & ((1 << (FLAP_SAMPLES - 1)) - 1);
            let times = changed.count_ones();
            return Some(format!(
                "check {check} is flapping: it changed {times} times in {FLAP_SAMPLES} intervals"
            ));
        }
        let (failures, samples) = self.rate.excess()?;
        Some(format!("check {check} failed {failures} of its last {samples} times"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(quality: &mut Quality, samples: impl IntoIterator<Item = bool>) {
        for failed in samples {
            quality.count(failed, true);
        }
    }

    #[test]
    fn one_outage_is_no_flapping() {
        let mut quality = Quality::default();
        ticks(&mut quality, [true; 10]);
        ticks(&mut quality, [false; 10]);
        assert!(!quality.is_flapping());
    }

    #[test]
    fn coming_and_going_is_flapping_until_it_has_been_calm() {
        let mut quality = Quality::default();
        let mut changes = 0;
        while !quality.is_flapping() {
            ticks(&mut quality, [changes % 2 == 0]);
            changes += 1;
        }
        // 5 newest changes weigh 5.99 of 20, 6 weigh 7.1: 30 % lies between.
        assert_eq!(changes, 6);
        let mut calm = 0;
        while quality.is_flapping() {
            ticks(&mut quality, [true]);
            calm += 1;
        }
        // The seven changes weigh 20.05 % when five of them are left.
        assert_eq!(calm, 17);
    }

    #[test]
    fn flapping_is_told_by_how_often_it_changed() {
        let mut quality = Quality::default();
        for n in 0..60 {
            ticks(&mut quality, [n % 2 == 0]);
            let changed = (n + 1).min(20);
            let words =
                format!("check tcp is flapping: it changed {changed} times in 21 intervals");
            assert_eq!(quality.complaint("tcp"), quality.is_flapping().then_some(words));
        }
        assert!(quality.is_flapping());
        let mut by_thirds = Quality::default();
        ticks(&mut by_thirds, (0..60).map(|n| n % 3 < 2));
        let words = by_thirds.complaint("tcp").unwrap();
        assert_eq!(words, "check tcp is flapping: it changed 13 times in 21 intervals");
    }

    #[test]
    fn what_is_healed_each_time_does_not_flap() {
        let mut quality = Quality::default();
        for _ in 0..20 {
            ticks(&mut quality, [false, true, true]);
            quality.healed();
        }
        assert!(!quality.is_flapping());
    }
}
