//! The moments that a crontab expression means in a time zone, through every
//! change of the clocks (behaviour.md, section 5): times of the day that are
//! skipped come right after the gap, those that are repeated count once.

use super::Crontab;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// A 29 February that is a Sunday may be 40 years away; farther ahead there is
/// nothing.
const HORIZON: SignedDuration = SignedDuration::from_hours(41 * 366 * 24);

/// What changes a zone's clock by more is no change between summer and winter:
/// nothing is made up for, and what is repeated counts again (as Debian's
/// cron, to which a jump forward by exactly this is large, one back is not).
const LARGEST_CHANGE: SignedDuration = SignedDuration::from_hours(3);

const SECOND: SignedDuration = SignedDuration::from_secs(1);

impl Crontab {
    /// The first moment after `at`; `None` if the expression never comes true.
    #[must_use]
    pub fn next_after(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if !self.comes_true() {
            return None;
        }
        let last = at.checked_add(HORIZON).ok()?;
        let mut after = at;
        let mut stretch = Stretch::around(at, zone);
        loop {
            if let Some(found) = self.first_in(&stretch, after, last) {
                return Some(found);
            }
            stretch = Stretch::around(stretch.end.filter(|&end| end <= last)?, zone);
            if self.falls_into_the_gap(&stretch) {
                return stretch.start;
            }
            after = stretch.start?.checked_sub(SECOND).ok()?;
        }
    }

    /// The last moment that is not after `at`; `None` if there was none.
    #[must_use]
    pub fn previous_at_or_before(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if !self.comes_true() {
            return None;
        }
        let first = at.checked_sub(HORIZON).ok()?;
        let mut until = at;
        loop {
            let stretch = Stretch::around(until, zone);
            if let Some(found) = self.last_in(&stretch, until, first) {
                return Some(found);
            }
            let start = stretch.start.filter(|&start| start >= first)?;
            if self.falls_into_the_gap(&stretch) {
                return Some(start);
            }
            until = start.checked_sub(SECOND).ok()?;
        }
    }

    /// How many moments there are after `after`, up to `until`. Costs as many
    /// steps as there are days between them.
    #[must_use]
    pub fn count_between(&self, after: Timestamp, until: Timestamp, zone: &TimeZone) -> u32 {
        let mut count = 0_u32;
        let mut after = after;
        let mut stretch = Stretch::around(after, zone);
        loop {
            let end = stretch.end.filter(|&end| end <= until);
            let last = end.and_then(|end| end.checked_sub(SECOND).ok()).unwrap_or(until);
            count = count.saturating_add(self.count_in(&stretch, after, last));
            let Some(end) = end else { return count };
            stretch = Stretch::around(end, zone);
            let made_up = self.falls_into_the_gap(&stretch);
            count = count.saturating_add(u32::from(made_up));
            after = if made_up { end } else { last };
        }
    }

    fn count_in(&self, stretch: &Stretch, after: Timestamp, until: Timestamp) -> u32 {
        let after = self.not_repeated(stretch, after);
        let civil = |at: Timestamp| stretch.offset.to_datetime(at);
        if after < until { self.civil_count(civil(after), civil(until)) } else { 0 }
    }

    fn first_in(&self, stretch: &Stretch, after: Timestamp, last: Timestamp) -> Option<Timestamp> {
        let after = self.not_repeated(stretch, after);
        let end = stretch.end.map_or(last, |end| end.min(last));
        let found = self.civil_after(stretch.offset.to_datetime(after), stretch.date(end))?;
        let found = stretch.offset.to_timestamp(found).ok()?;
        stretch.end.is_none_or(|end| found < end).then_some(found)
    }

    fn last_in(&self, stretch: &Stretch, until: Timestamp, first: Timestamp) -> Option<Timestamp> {
        let start = stretch.start.map_or(first, |start| start.max(first));
        let found = self.civil_until(stretch.offset.to_datetime(until), stretch.date(start))?;
        let found = stretch.offset.to_timestamp(found).ok()?;
        let fresh = self.fresh(stretch).unwrap_or(start);
        (found >= start && found >= fresh).then_some(found)
    }

    /// `after`, or later where the clock of `stretch` only repeats itself.
    fn not_repeated(&self, stretch: &Stretch, after: Timestamp) -> Timestamp {
        let fresh = self.fresh(stretch).and_then(|fresh| fresh.checked_sub(SECOND).ok());
        fresh.map_or(after, |fresh| fresh.max(after))
    }

    /// When the clock of `stretch` shows what it has not shown before.
    fn fresh(&self, stretch: &Stretch) -> Option<Timestamp> {
        let repeated = stretch.before.duration_since(stretch.offset);
        let repeats = repeated.is_positive() && repeated <= LARGEST_CHANGE;
        let start = stretch.start.filter(|_| self.at_fixed_times && repeats)?;
        start.checked_add(repeated).ok()
    }

    /// Whether a time of the day was skipped when `stretch` began.
    fn falls_into_the_gap(&self, stretch: &Stretch) -> bool {
        self.skipped(stretch).next().is_some()
    }

    /// The times of the day that were skipped when `stretch` began.
    pub(super) fn skipped(&self, stretch: &Stretch) -> impl Iterator<Item = DateTime> {
        let gap = stretch.offset.duration_since(stretch.before);
        let is_gap = gap.is_positive() && gap < LARGEST_CHANGE;
        let start = stretch.start.filter(|_| self.at_fixed_times && is_gap);
        let last_before = start.and_then(|start| start.checked_sub(SECOND).ok());
        let edges = start.zip(last_before).map(|(start, last)| {
            (stretch.before.to_datetime(last), stretch.offset.to_datetime(start))
        });
        let (from, to) = edges.unzip();
        let next = move |from: &DateTime| {
            let to: DateTime = to?;
            self.civil_after(*from, to.date()).filter(|&found| found < to)
        };
        std::iter::successors(from.and_then(|from| next(&from)), next)
    }
}

/// The time between two changes of a zone's offset.
pub(super) struct Stretch {
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
    pub(super) offset: Offset,
    /// The offset until `start`.
    pub(super) before: Offset,
}

impl Stretch {
    pub(super) fn around(at: Timestamp, zone: &TimeZone) -> Self {
        let start = last_change(at, zone);
        let earlier = start.and_then(|start| start.checked_sub(SECOND).ok());
        Self {
            start,
            end: zone.following(at).next().map(|change| change.timestamp()),
            offset: zone.to_offset(at),
            before: zone.to_offset(earlier.unwrap_or(at)),
        }
    }

    fn date(&self, at: Timestamp) -> Date {
        self.offset.to_datetime(at).date()
    }
}

/// The last change of `zone` up to `at`. Looking back, jiff can miss the last
/// change that is written down and invent one by the rule that holds since
/// (America/Ciudad_Juarez in 2022); looking on, it does not.
fn last_change(at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let soon = at.checked_add(SECOND).unwrap_or(at);
    let before = zone.preceding(soon).map(|change| change.timestamp()).find(|&it| it <= at)?;
    let since = zone.following(before).map(|change| change.timestamp());
    Some(since.take_while(|&it| it <= at).last().unwrap_or(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    /// The next moments after `from`, as they stand on the clock of `zone`.
    fn next(text: &str, zone_name: &str, from: &str, count: usize) -> Vec<String> {
        let (crontab, zone): (Crontab, _) = (text.parse().unwrap(), zone(zone_name));
        let mut at: Timestamp = from.parse().unwrap();
        let step = |_| {
            at = crontab.next_after(at, &zone)?;
            Some(zone.to_offset(at).to_datetime(at).strftime("%a %m-%d %H:%M").to_string())
        };
        (0..count).map_while(step).collect()
    }

    #[test]
    fn an_expression_means_what_crontab_says() {
        let from = "2026-11-23T12:00:30Z"; // a Monday
        for (text, expected) in [
            ("0 3 * * *", ["Tue 11-24 03:00", "Wed 11-25 03:00"]),
            ("*/20 * * * *", ["Mon 11-23 12:20", "Mon 11-23 12:40"]),
            ("0 4 * * 7", ["Sun 11-29 04:00", "Sun 12-06 04:00"]),
            // Both restricted: either one is enough.
            ("0 0 1 * fri", ["Fri 11-27 00:00", "Tue 12-01 00:00"]),
            // One restricted: that one.
            ("0 0 1 * *", ["Tue 12-01 00:00", "Fri 01-01 00:00"]),
            // A step from a star is no restriction, as in Vixie's cron.
            ("0 0 */2 * mon", ["Mon 12-07 00:00", "Mon 12-21 00:00"]),
            ("0 0 29 2 *", ["Tue 02-29 00:00", "Sun 02-29 00:00"]),
        ] {
            assert_eq!(next(text, "UTC", from, 2), expected, "{text}");
        }
        assert!(next("0 0 30 2 *", "UTC", from, 1).is_empty());
        assert!(next("0 0 30 2 *", "Europe/Berlin", from, 1).is_empty());
    }

    #[test]
    fn what_the_spring_gap_skips_comes_right_after_it() {
        let from = "2026-03-28T12:00:00Z"; // on the 29th 02:00 becomes 03:00
        let next = |text, count| next(text, "Europe/Berlin", from, count);
        assert_eq!(next("30 2 * * *", 2), ["Sun 03-29 03:00", "Mon 03-30 02:30"]);
        assert_eq!(next("0,30 2 29 3 *", 1), ["Sun 03-29 03:00"]);
        assert_eq!(next("30 1,3 29 3 *", 2), ["Sun 03-29 01:30", "Sun 03-29 03:30"]);
        // Every half hour goes on in real time.
        assert_eq!(
            next("*/30 1-3 29 3 *", 3),
            ["Sun 03-29 01:00", "Sun 03-29 01:30", "Sun 03-29 03:00"]
        );
    }

    #[test]
    fn what_the_autumn_repeats_counts_once() {
        let from = "2026-10-24T22:30:00Z"; // on the 25th 03:00 becomes 02:00
        let next = |text, count| next(text, "Europe/Berlin", from, count);
        assert_eq!(next("30 2 * * *", 2), ["Sun 10-25 02:30", "Mon 10-26 02:30"]);
        assert_eq!(next("0 3 * * *", 1), ["Sun 10-25 03:00"]);
        // Every hour goes on in real time.
        assert_eq!(
            next("30 * * * *", 4),
            ["Sun 10-25 01:30", "Sun 10-25 02:30", "Sun 10-25 02:30", "Sun 10-25 03:30"]
        );
    }

    /// Against every minute of a month with a change of the clocks, looked at
    /// one by one.
    #[test]
    fn what_goes_on_in_real_time_misses_and_adds_nothing() {
        type Says = fn(jiff::civil::DateTime) -> bool;
        let table: [(&str, Says); 3] = [
            ("*/20 * * * *", |it| it.minute() % 20 == 0),
            ("15 */2 * * *", |it| it.minute() == 15 && it.hour() % 2 == 0),
            ("* 2 * * sun", |it| it.hour() == 2 && it.weekday() == jiff::civil::Weekday::Sunday),
        ];
        for ((text, says), zone_name) in table
            .iter()
            .flat_map(|row| ["Europe/Berlin", "Australia/Lord_Howe"].map(|zone| (*row, zone)))
        {
            let (crontab, zone): (Crontab, _) = (text.parse().unwrap(), zone(zone_name));
            for from in ["2026-03-20T00:00:00Z", "2026-10-01T00:00:00Z"] {
                let mut at: Timestamp = from.parse().unwrap();
                let mut next = crontab.next_after(at, &zone).unwrap();
                for _ in 0..30 * 24 * 60 {
                    at += SECOND * 60;
                    let is_due = says(zone.to_offset(at).to_datetime(at));
                    assert_eq!(next == at, is_due, "{text} in {zone_name} at {at}");
                    if is_due {
                        next = crontab.next_after(at, &zone).unwrap();
                    }
                }
            }
        }
    }

    /// Walking back meets the same moments as walking on, and the one that is
    /// asked at counts.
    #[test]
    fn both_ways_lead_through_the_same_moments() {
        for text in ["30 2 * * *", "*/30 * * * *", "0 2,3 * * sun", "15 2 25,29 * *", "@hourly"] {
            for zone_name in ["Europe/Berlin", "America/New_York", "UTC", "Australia/Lord_Howe"] {
                let (crontab, zone): (Crontab, _) = (text.parse().unwrap(), zone(zone_name));
                for year in ["2026-03-01T00:00:00Z", "2026-10-01T00:00:00Z"] {
                    let mut at: Timestamp = year.parse().unwrap();
                    let until = at + SignedDuration::from_hours(40 * 24);
                    while let Some(next) = crontab.next_after(at, &zone).filter(|&it| it < until) {
                        assert!(next > at, "{text} in {zone_name} after {at}");
                        let back = |at| crontab.previous_at_or_before(at, &zone).unwrap();
                        assert_eq!(back(next), next, "{text} in {zone_name}");
                        assert!(back(next - SECOND) <= at, "{text} in {zone_name} before {next}");
                        at = next;
                    }
                }
            }
        }
    }
}
