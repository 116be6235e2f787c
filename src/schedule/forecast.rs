//! The moments to come of an expression, and what changes of the clocks do to
//! them.

use super::Crontab;
use super::moments::Stretch;
use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::{Offset, TimeZone};

/// A moment to come.
#[derive(Clone, Debug, PartialEq)]
pub struct Upcoming {
    /// What the clock shows then.
    pub at: DateTime,
    /// By how much that clock is ahead of UTC.
    pub offset: Offset,
    /// What a change of the clocks makes of it.
    pub change: Option<Change>,
}

/// What a change of the clocks makes of a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It stands for these times of the day, which that day does not have.
    Skipped {
        /// At least one.
        times: Vec<Time>,
        /// Whether it would have come anyway.
        merged: bool,
    },
    /// Its time of the day comes again, and that does not count.
    Once,
    /// Its time of the day has been before on that day.
    Again,
}

impl Crontab {
    /// The moments after `from`, for ever.
    pub fn upcoming(&self, from: Timestamp, zone: &TimeZone) -> impl Iterator<Item = Upcoming> {
        let next = |at: &Timestamp| self.next_after(*at, zone);
        let moments = std::iter::successors(next(&from), next);
        moments.map(|at| {
            let stretch = Stretch::around(at, zone);
            let (shown, offset) = (stretch.offset.to_datetime(at), stretch.offset);
            let change = self.made_up_for(at, &stretch).or_else(|| {
                let change = repeated(&stretch, shown, zone)?;
                (change == Change::Again || self.at_fixed_times).then_some(change)
            });
            Upcoming { at: shown, offset, change }
        })
    }

    /// What was skipped if `at` is when `stretch` begins.
    fn made_up_for(&self, at: Timestamp, stretch: &Stretch) -> Option<Change> {
        stretch.start.filter(|&start| start == at)?;
        let times: Vec<Time> = self.skipped(stretch).map(|skipped| skipped.time()).collect();
        let merged = self.allows(stretch.offset.to_datetime(at));
        (!times.is_empty()).then_some(Change::Skipped { times, merged })
    }
}

/// Whether the clock shows `shown`, a time in `stretch`, twice.
fn repeated(stretch: &Stretch, shown: DateTime, zone: &TimeZone) -> Option<Change> {
    let has_been = stretch.start.is_some_and(|start| shown < stretch.before.to_datetime(start));
    let comes_again = stretch.end.is_some_and(|end| shown >= zone.to_offset(end).to_datetime(end));
    match (has_been, comes_again) {
        (true, _) => Some(Change::Again),
        (false, true) => Some(Change::Once),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(text: &str, zone_name: &str, from: &str, count: usize) -> Vec<String> {
        let zone = TimeZone::get(zone_name).unwrap();
        let crontab: Crontab = text.parse().unwrap();
        let shown = |it: Upcoming| {
            let change = match it.change {
                None => String::new(),
                Some(Change::Skipped { times, merged }) => {
                    let times = times.iter().map(|time| time.strftime("%H:%M").to_string());
                    let times = times.collect::<Vec<_>>().join("+");
                    format!(" for {times}{}", if merged { " as well" } else { "" })
                }
                Some(Change::Once) => " once".to_owned(),
                Some(Change::Again) => " again".to_owned(),
            };
            it.at.strftime("%m-%d %H:%M").to_string() + &change
        };
        crontab.upcoming(from.parse().unwrap(), &zone).take(count).map(shown).collect()
    }

    #[test]
    fn what_changes_of_the_clocks_do_is_marked() {
        let (spring, autumn) = ("2026-03-28T12:00:00Z", "2026-10-24T20:00:00Z");
        for (text, from, expected) in [
            ("30 2 * * *", spring, &["03-29 03:00 for 02:30", "03-30 02:30"] as &[&str]),
            ("0,30 2,3 29 3 *", spring, &["03-29 03:00 for 02:00+02:30 as well", "03-29 03:30"]),
            ("*/30 2 * * *", spring, &["03-30 02:00", "03-30 02:30"]),
            ("0 1,4 * * *", spring, &["03-29 01:00", "03-29 04:00"]),
            ("30 2 * * *", autumn, &["10-25 02:30 once", "10-26 02:30"]),
            ("0 2,3 * * *", autumn, &["10-25 02:00 once", "10-25 03:00"]),
            (
                "@hourly",
                "2026-10-24T23:00:00Z",
                &["10-25 02:00", "10-25 02:00 again", "10-25 03:00"],
            ),
        ] {
            assert_eq!(changes(text, "Europe/Berlin", from, expected.len()), expected, "{text}");
        }
        let lord_howe = changes("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T03:00:00Z", 1);
        assert_eq!(lord_howe, ["04-05 01:45 once"]);
    }

    #[test]
    fn what_never_comes_true_has_none() {
        assert!(changes("0 0 30 2 *", "UTC", "2026-03-28T12:00:00Z", 10).is_empty());
    }
}
