//! Cases that somebody has to look at, with what a person expects of them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Unit};
use vai::schedule::Crontab;

/// The moments from `from` on, before `to`, as the clock of `zone_name` shows
/// them; `from` and `to` are in UTC.
fn moments(text: &str, zone_name: &str, from: &str, to: &str) -> Vec<String> {
    let zone = TimeZone::get(zone_name).unwrap();
    let crontab: Crontab = text.parse().unwrap();
    let [from, to]: [Timestamp; 2] = [from, to].map(|at| format!("{at}:00Z").parse().unwrap());
    let mut at = from - SignedDuration::from_secs(1);
    let mut found = Vec::new();
    while let Some(next) = crontab.next_after(at, &zone).filter(|&next| next < to) {
        let shown = zone.to_offset(next).to_datetime(next);
        found.push(shown.strftime("%a %m-%d %H:%M").to_string());
        at = next;
    }
    found
}

/// A job of every minute runs in every minute that really passes.
#[test]
fn every_minute_is_every_minute_through_every_change() {
    for (zone, from, to) in [
        ("Europe/Berlin", "2026-03-28T12:00", "2026-03-29T12:00"),
        ("Europe/Berlin", "2026-10-24T12:00", "2026-10-25T12:00"),
        // At midnight, so that a day there has no 00:00 or two 23:00.
        ("America/Sao_Paulo", "2018-11-03T12:00", "2018-11-04T12:00"),
        ("America/Sao_Paulo", "2019-02-16T12:00", "2019-02-17T12:00"),
        // By half an hour.
        ("Australia/Lord_Howe", "2026-10-03T03:00", "2026-10-04T03:00"),
        ("Australia/Lord_Howe", "2026-04-04T03:00", "2026-04-05T03:00"),
        // By a whole day, and by three hours.
        ("Pacific/Apia", "2011-12-29T22:00", "2011-12-30T22:00"),
        ("Antarctica/Casey", "2018-03-11T00:00", "2018-03-12T00:00"),
        // Written down as an exception to the rule that holds since.
        ("America/Ciudad_Juarez", "2022-11-29T12:00", "2022-11-30T12:00"),
        ("UTC", "2026-03-28T12:00", "2026-03-29T12:00"),
        ("UTC", "2024-02-28T12:00", "2024-02-29T12:00"),
    ] {
        let found = moments("* * * * *", zone, from, to);
        assert_eq!(found.len(), 24 * 60, "{zone} from {from}");
    }
}

/// What the clock of a zone shows at the moments of each expression, around a
/// change.
#[test]
fn changes_of_the_clocks() {
    type Row<'a> = (&'a str, &'a str, (&'a str, &'a str), &'a [&'a str]);
    let berlin_spring = ("2026-03-28T12:00", "2026-03-30T12:00");
    let berlin_autumn = ("2026-10-24T12:00", "2026-10-26T12:00");
    let sao_paulo_spring = ("2018-11-03T12:00", "2018-11-05T12:00");
    let sao_paulo_autumn = ("2019-02-16T12:00", "2019-02-18T12:00");
    let lord_howe_spring = ("2026-10-02T12:00", "2026-10-04T12:00");
    let lord_howe_autumn = ("2026-04-03T12:00", "2026-04-05T12:00");
    let table: &[Row<'_>] = &[
        // Skipped: right after the gap, and once for all that was skipped.
        ("30 2 * * *", "Europe/Berlin", berlin_spring, &["Sun 03-29 03:00", "Mon 03-30 02:30"]),
        ("0,30 2 * * sun", "Europe/Berlin", berlin_spring, &["Sun 03-29 03:00"]),
        (
            "0,30 2,3 * * sun",
            "Europe/Berlin",
            berlin_spring,
            &["Sun 03-29 03:00", "Sun 03-29 03:30"],
        ),
        ("59 1 * * *", "Europe/Berlin", berlin_spring, &["Sun 03-29 01:59", "Mon 03-30 01:59"]),
        ("0 3 * * *", "Europe/Berlin", berlin_spring, &["Sun 03-29 03:00", "Mon 03-30 03:00"]),
        // Only on a day that has what was skipped.
        ("30 2 * * mon", "Europe/Berlin", berlin_spring, &["Mon 03-30 02:30"]),
        // In real time: nothing is made up for.
        ("*/30 2 * * *", "Europe/Berlin", berlin_spring, &["Mon 03-30 02:00", "Mon 03-30 02:30"]),
        (
            "15 */2 29 * *",
            "Europe/Berlin",
            ("2026-03-28T22:00", "2026-03-29T06:00"),
            &["Sun 03-29 00:15", "Sun 03-29 04:15", "Sun 03-29 06:15"],
        ),
        // Repeated: the first time only.
        ("30 2 * * *", "Europe/Berlin", berlin_autumn, &["Sun 10-25 02:30", "Mon 10-26 02:30"]),
        ("59 1 * * *", "Europe/Berlin", berlin_autumn, &["Sun 10-25 01:59", "Mon 10-26 01:59"]),
        ("0 3 * * *", "Europe/Berlin", berlin_autumn, &["Sun 10-25 03:00", "Mon 10-26 03:00"]),
        ("0 2,3 * * sun", "Europe/Berlin", berlin_autumn, &["Sun 10-25 02:00", "Sun 10-25 03:00"]),
        // In real time: both times.
        (
            "0 * 25 * *",
            "Europe/Berlin",
            ("2026-10-24T23:00", "2026-10-25T03:00"),
            &["Sun 10-25 01:00", "Sun 10-25 02:00", "Sun 10-25 02:00", "Sun 10-25 03:00"],
        ),
        // 00:00 does not exist on 4 November 2018 and is the day's job all the same.
        ("@daily", "America/Sao_Paulo", sao_paulo_spring, &["Sun 11-04 01:00", "Mon 11-05 00:00"]),
        ("30 0 * * sun", "America/Sao_Paulo", sao_paulo_spring, &["Sun 11-04 01:00"]),
        (
            "59 23 * * *",
            "America/Sao_Paulo",
            sao_paulo_spring,
            &["Sat 11-03 23:59", "Sun 11-04 23:59"],
        ),
        // The 16th of February 2019 has two 23:00.
        (
            "30 23 * * *",
            "America/Sao_Paulo",
            sao_paulo_autumn,
            &["Sat 02-16 23:30", "Sun 02-17 23:30"],
        ),
        ("@daily", "America/Sao_Paulo", sao_paulo_autumn, &["Sun 02-17 00:00", "Mon 02-18 00:00"]),
        (
            "@hourly",
            "America/Sao_Paulo",
            ("2019-02-17T00:00", "2019-02-17T05:00"),
            &[
                "Sat 02-16 22:00",
                "Sat 02-16 23:00",
                "Sat 02-16 23:00",
                "Sun 02-17 00:00",
                "Sun 02-17 01:00",
            ],
        ),
        // Half an hour: 02:00 becomes 02:30, and 02:00 becomes 01:30.
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            lord_howe_spring,
            &["Sat 10-03 02:15", "Sun 10-04 02:30"],
        ),
        (
            "30 2 * * *",
            "Australia/Lord_Howe",
            lord_howe_spring,
            &["Sat 10-03 02:30", "Sun 10-04 02:30"],
        ),
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            lord_howe_autumn,
            &["Sat 04-04 01:45", "Sun 04-05 01:45"],
        ),
        (
            "0 * * * *",
            "Australia/Lord_Howe",
            ("2026-04-04T13:30", "2026-04-04T18:00"),
            &["Sun 04-05 01:00", "Sun 04-05 02:00", "Sun 04-05 03:00", "Sun 04-05 04:00"],
        ),
        (
            "*/30 * * * *",
            "Australia/Lord_Howe",
            ("2026-04-04T14:00", "2026-04-04T16:00"),
            &["Sun 04-05 01:00", "Sun 04-05 01:30", "Sun 04-05 01:30", "Sun 04-05 02:00"],
        ),
        // Samoa had no 30 December 2011: no clock of winter and summer, nothing
        // is made up for.
        (
            "0 3 * * *",
            "Pacific/Apia",
            ("2011-12-29T00:00", "2012-01-01T00:00"),
            &["Thu 12-29 03:00", "Sat 12-31 03:00", "Sun 01-01 03:00"],
        ),
    ];
    for (text, zone, (from, to), expected) in table {
        assert_eq!(moments(text, zone, from, to), *expected, "{text} in {zone}");
    }
}

/// Months, leap years and the union of the day fields.
#[test]
fn days_of_the_calendar() {
    for (text, from, to, expected) in [
        (
            "30 3 * * 1-5",
            "2026-11-20T00:00",
            "2026-11-30T00:00",
            &[
                "Fri 11-20 03:30",
                "Mon 11-23 03:30",
                "Tue 11-24 03:30",
                "Wed 11-25 03:30",
                "Thu 11-26 03:30",
                "Fri 11-27 03:30",
            ] as &[&str],
        ),
        // Every 13th and every Friday; the 13th of November 2026 is both.
        (
            "0 0 13 * 5",
            "2026-11-01T00:00",
            "2026-12-14T00:00",
            &[
                "Fri 11-06 00:00",
                "Fri 11-13 00:00",
                "Fri 11-20 00:00",
                "Fri 11-27 00:00",
                "Fri 12-04 00:00",
                "Fri 12-11 00:00",
                "Sun 12-13 00:00",
            ],
        ),
        // A field that begins with a star restricts nothing: both have to match.
        (
            "0 0 */2 * sun",
            "2026-11-01T00:00",
            "2026-12-01T00:00",
            &["Sun 11-01 00:00", "Sun 11-15 00:00", "Sun 11-29 00:00"],
        ),
        (
            "0 0 13 * */2",
            "2026-09-01T00:00",
            "2027-01-01T00:00",
            &["Sun 09-13 00:00", "Tue 10-13 00:00", "Sun 12-13 00:00"],
        ),
        (
            "0 0 1-31/2 * sun",
            "2026-11-01T00:00",
            "2026-11-10T00:00",
            &[
                "Sun 11-01 00:00",
                "Tue 11-03 00:00",
                "Thu 11-05 00:00",
                "Sat 11-07 00:00",
                "Sun 11-08 00:00",
                "Mon 11-09 00:00",
            ],
        ),
        // A star in a list is one as well, as Debian's cron reads it.
        (
            "0 0 *,1 * sun",
            "2026-11-01T00:00",
            "2026-11-10T00:00",
            &["Sun 11-01 00:00", "Sun 11-08 00:00"],
        ),
        (
            "0 0 * * 0",
            "2026-11-20T00:00",
            "2026-12-01T00:00",
            &["Sun 11-22 00:00", "Sun 11-29 00:00"],
        ),
        (
            "0 0 * * 7",
            "2026-11-20T00:00",
            "2026-12-01T00:00",
            &["Sun 11-22 00:00", "Sun 11-29 00:00"],
        ),
        (
            "0 0 * * 5-7",
            "2026-11-20T00:00",
            "2026-11-24T00:00",
            &["Fri 11-20 00:00", "Sat 11-21 00:00", "Sun 11-22 00:00"],
        ),
        (
            "0 0 31 * *",
            "2026-01-01T00:00",
            "2026-08-01T00:00",
            &["Sat 01-31 00:00", "Tue 03-31 00:00", "Sun 05-31 00:00", "Fri 07-31 00:00"],
        ),
        (
            "0 0 29 2 *",
            "2026-01-01T00:00",
            "2033-01-01T00:00",
            &["Tue 02-29 00:00", "Sun 02-29 00:00"],
        ),
        // 2100 is no leap year.
        (
            "0 0 29 2 *",
            "2095-01-01T00:00",
            "2105-01-01T00:00",
            &["Wed 02-29 00:00", "Fri 02-29 00:00"],
        ),
        (
            "59 23 31 12 *",
            "2026-01-01T00:00",
            "2028-01-01T00:00",
            &["Thu 12-31 23:59", "Fri 12-31 23:59"],
        ),
        // Leap days that are Sundays, 40 years apart.
        ("0 0 29 2 */7", "2072-03-01T00:00", "2121-01-01T00:00", &["Sun 02-29 00:00"]),
        ("0 0 30 2 *", "2026-01-01T00:00", "2127-01-01T00:00", &[]),
        ("0 0 31 2,4,6,9,11 *", "2026-01-01T00:00", "2127-01-01T00:00", &[]),
    ] {
        assert_eq!(moments(text, "UTC", from, to), expected, "{text}");
    }
}

/// Seconds that have begun count as the minute that they are in.
#[test]
fn a_moment_within_a_minute_is_after_its_beginning() {
    let crontab: Crontab = "*/10 * * * *".parse().unwrap();
    let next = |from: &str| {
        let from: Timestamp = from.parse().unwrap();
        crontab.next_after(from, &TimeZone::UTC).unwrap().to_string()
    };
    assert_eq!(next("2026-11-23T11:59:59.999Z"), "2026-11-23T12:00:00Z");
    assert_eq!(next("2026-11-23T12:00:00Z"), "2026-11-23T12:10:00Z");
    assert_eq!(next("2026-11-23T12:00:00.001Z"), "2026-11-23T12:10:00Z");
    let before = |until: &str| {
        let until: Timestamp = until.parse().unwrap();
        let found = crontab.previous_at_or_before(until, &TimeZone::UTC).unwrap();
        found.round(Unit::Minute).unwrap().to_string()
    };
    assert_eq!(before("2026-11-23T12:00:00Z"), "2026-11-23T12:00:00Z");
    assert_eq!(before("2026-11-23T11:59:59.999Z"), "2026-11-23T11:50:00Z");
}
