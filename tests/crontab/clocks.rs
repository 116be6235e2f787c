//! The moments that expressions mean in every zone, against Debian's cron.

use crate::debian::Cron;
use crate::expressions::{Civil, Expression, Random};
use crate::{rounds, seed};
use jiff::Timestamp;
use jiff::tz::{self, TimeZone};
use std::collections::BTreeMap;
use std::ops::Range;
use vai::schedule::Crontab;

/// Between 1972, since when clocks change by whole minutes, and 2038.
const YEARS: Range<i64> = 66_700_800..2_145_916_800;

/// How much around a change is looked at, in minutes.
const AROUND: i64 = 20 * 60;

/// Changes of each zone that one round looks at, and expressions at each.
const CHANGES: usize = 2;
const EXPRESSIONS: usize = 3;

/// Every zone in which clocks change: its name and when, in minutes since 1970.
/// Zones that are the same under several names are compared once.
fn zones() -> Vec<(String, TimeZone, Vec<i64>)> {
    let mut found = BTreeMap::new();
    for name in tz::db().available() {
        let zone = TimeZone::get(name.as_str()).unwrap();
        let from = Timestamp::from_second(YEARS.start).unwrap();
        let changes = zone.following(from).take_while(|it| it.timestamp().as_second() < YEARS.end);
        let changes: Vec<(i64, i32)> =
            changes.map(|it| (it.timestamp().as_second(), it.offset().seconds())).collect();
        let first = zone.to_offset(from).seconds();
        found.entry((first, changes)).or_insert((name.to_string(), zone));
    }
    let named = found.into_iter().map(|((first, changes), (name, zone))| {
        let before = std::iter::once(first).chain(changes.iter().map(|&(_, offset)| offset));
        // What is only a new name for the same offset moves no clock.
        let moved = changes.iter().zip(before).filter(|((_, offset), before)| offset != before);
        let minutes = moved.map(|((at, _), _)| at / 60).collect();
        (name, zone, minutes)
    });
    named.filter(|(_, _, changes): &(_, _, Vec<i64>)| !changes.is_empty()).collect()
}

/// What the clock of a zone shows in some minutes, in minutes since 1970.
struct Clock {
    first: i64,
    shows: Vec<i64>,
}

impl Clock {
    fn of(zone: &TimeZone, minutes: Range<i64>) -> Self {
        let offset = |minute: i64| {
            i64::from(zone.to_offset(Timestamp::from_second(minute * 60).unwrap()).seconds())
        };
        let shows = minutes.clone().map(|minute| (minute * 60 + offset(minute)).div_euclid(60));
        Self { first: minutes.start, shows: shows.collect() }
    }

    /// The minutes in which Debian's cron runs `expression`, after a first day
    /// that it may need to find its way.
    fn runs(&self, expression: &Expression) -> Vec<i64> {
        let mut cron = Cron::started_before(self.shows[0]);
        let minutes = self.shows.iter().zip(self.first..);
        let due = minutes.filter(|&(&shown, _)| cron.runs(expression, shown, civil));
        due.map(|(_, minute)| minute).filter(|&minute| minute >= self.first + 24 * 60).collect()
    }
}

/// What a calendar says of a minute since 1970, counted from the year 0 as in
/// "Euclidean affine functions and applications to calendar algorithms".
fn civil(minutes: i64) -> Civil {
    let days = minutes.div_euclid(24 * 60);
    let part = |value: i64| u32::try_from(value).unwrap();
    let of_day = minutes.rem_euclid(24 * 60);
    // Days since 1 March of the year 0, so that a leap day ends a year.
    let shifted = days + 719_468;
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_based = (5 * of_year + 2) / 153;
    Civil {
        minute: part(of_day % 60),
        hour: part(of_day / 60),
        day: part(of_year - (153 * march_based + 2) / 5 + 1),
        month: part(if march_based < 10 { march_based + 3 } else { march_based - 9 }),
        weekday: part((days + 4).rem_euclid(7)),
    }
}

/// The minutes within `minutes` in which `crontab` is due.
fn due(crontab: &Crontab, zone: &TimeZone, minutes: &Range<i64>) -> Vec<i64> {
    let mut at = Timestamp::from_second(minutes.start * 60 - 1).unwrap();
    let mut found = Vec::new();
    while let Some(next) = crontab.next_after(at, zone) {
        assert!(next > at && next.as_second() % 60 == 0, "{next} after {at}");
        let minute = next.as_second() / 60;
        if minute >= minutes.end {
            break;
        }
        found.push(minute);
        at = next;
    }
    found
}

/// That looking back and counting agree with walking on.
fn both_ways_agree(crontab: &Crontab, zone: &TimeZone, minutes: &Range<i64>, due: &[i64]) {
    let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
    let (before, last) =
        (at(minutes.start) - jiff::SignedDuration::from_secs(1), at(minutes.end - 1));
    let count = crontab.count_between(before, last, zone);
    assert_eq!(count as usize, due.len());
    let back = crontab.previous_at_or_before(last, zone).map(|it| it.as_second() / 60);
    let inside = back.filter(|back| minutes.contains(back));
    assert_eq!(inside, due.last().copied());
}

/// What differs between two lists of minutes, for people.
fn difference(found: &[i64], expected: &[i64]) -> String {
    let shown = |minutes: &[i64], others: &[i64]| {
        let only = minutes.iter().filter(|it| !others.contains(it));
        let only = only.map(|it| Timestamp::from_second(it * 60).unwrap().to_string());
        only.collect::<Vec<_>>().join(", ")
    };
    format!("only ours: {}; only Debian's: {}", shown(found, expected), shown(expected, found))
}

#[test]
fn every_zone_changes_its_clocks_as_debians_cron_takes_it() {
    let mut random = Random(seed());
    let (mut expressions, mut instants, mut looked_at) = (0, 0, 0);
    let zones = zones();
    for (name, zone, changes) in &zones {
        for _ in 0..CHANGES * rounds() {
            let change = *random.pick(changes);
            let window = change - AROUND..change + AROUND;
            let clock = Clock::of(zone, window.start - 24 * 60..window.end);
            let near = civil(clock.shows[usize::try_from(24 * 60 + AROUND).unwrap()]);
            looked_at += 1;
            for _ in 0..EXPRESSIONS {
                let expression = Expression::random(&mut random, near);
                let text = &expression.text;
                let crontab: Crontab = text.parse().unwrap_or_else(|why| panic!("{text}: {why:?}"));
                let (found, expected) = (due(&crontab, zone, &window), clock.runs(&expression));
                if found != expected {
                    panic!("{text} in {name}: {}", difference(&found, &expected));
                }
                both_ways_agree(&crontab, zone, &window, &found);
                expressions += 1;
                instants += found.len();
            }
        }
    }
    println!(
        "FIGURES clocks: {expressions} expressions, {instants} instants, at {looked_at} changes \
         of the clocks in {} zones, as Debian's cron",
        zones.len()
    );
}

/// Walking over every change there is, in both directions, gets past it.
#[test]
fn every_change_of_every_zone_is_walked_over() {
    let every_minute: Crontab = "* * * * *".parse().unwrap();
    let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
    let mut walked = 0;
    for (name, zone, changes) in zones() {
        for change in changes {
            let next = every_minute.next_after(at(change - 1), &zone);
            assert_eq!(next, Some(at(change)), "{name}");
            let back = every_minute.previous_at_or_before(at(change), &zone);
            assert_eq!(back, Some(at(change)), "{name}");
            walked += 1;
        }
    }
    println!("FIGURES changes: {walked} changes of the clocks walked over in both directions");
}
