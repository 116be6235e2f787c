//! Which minutes of which days expressions mean, against the crate `croner`.

use crate::expressions::{Civil, Expression, Random};
use crate::{rounds, seed};
use chrono::{Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use croner::parser::CronParser;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use vai::schedule::Crontab;

/// Expressions of one round, and instants of each.
const EXPRESSIONS: usize = 3000;
const INSTANTS: usize = 6;

/// A minute before something awkward: a month's end, a leap day or what looks
/// like one, a year's end, or any time at all.
fn somewhere(random: &mut Random) -> NaiveDateTime {
    let years = [1999, 2000, 2023, 2024, 2027, 2028, 2096, 2100, 2104];
    let year = *random.pick(&years);
    let month = if random.one_in(2) { 2 } else { random.within(1, 12) };
    let first = NaiveDate::from_ymd_opt(year, month, 1).unwrap();
    let next_month = first + chrono::Months::new(1);
    let days = if random.one_in(4) { random.below(28) } else { random.within(1, 3) };
    let day = next_month - TimeDelta::days(days.into());
    day.and_hms_opt(random.below(24), random.below(60), 0).unwrap()
}

fn civil(at: NaiveDateTime) -> Civil {
    Civil {
        minute: at.minute(),
        hour: at.hour(),
        day: at.day(),
        month: at.month(),
        weekday: at.weekday().num_days_from_sunday(),
    }
}

#[test]
fn month_ends_and_leap_days_are_where_croner_finds_them() {
    let mut random = Random(seed());
    let (mut expressions, mut instants, mut never) = (0, 0, 0);
    for _ in 0..EXPRESSIONS * rounds() {
        let start = somewhere(&mut random);
        let expression = Expression::random(&mut random, civil(start));
        let crontab: Crontab = expression.text.parse().unwrap();
        // It knows the union of the day fields, and has to be told where a step
        // from a star keeps crontab from it.
        let parser = CronParser::builder().dom_and_dow(expression.both_days).build();
        let text = expression.text.replace("@midnight", "@daily");
        let theirs = parser.parse(&text).unwrap_or_else(|why| panic!("{text}: {why}"));
        let mut at = start;
        expressions += 1;
        for _ in 0..INSTANTS {
            let moment = Timestamp::from_second(at.and_utc().timestamp()).unwrap();
            let ours = crontab.next_after(moment, &TimeZone::UTC);
            let ours = ours.map(|it| it.as_second());
            let found = theirs.find_next_occurrence(&at, false).ok();
            let seconds = found.map(|it| it.and_utc().timestamp());
            assert_eq!(ours, seconds, "{} after {at}", expression.text);
            let Some(found) = found else {
                never += 1;
                break;
            };
            at = found;
            instants += 1;
        }
    }
    println!(
        "FIGURES calendar: {expressions} expressions, {instants} instants, {never} that never \
         come, as croner"
    );
}
