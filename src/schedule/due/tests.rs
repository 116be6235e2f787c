use super::*;

const NOBODY: fn(&JobName) -> Option<Wall> = |_| None;

/// `11-23 12:00` of 2026 in UTC, also with seconds.
fn at(text: &str) -> Wall {
    let seconds = if text.len() > 11 { "" } else { ":00" };
    let text = format!("2026-{}{seconds}Z", text.replace(' ', "T"));
    wall(text.parse().unwrap())
}

fn shown(at: Wall) -> String {
    let at = moment(at).unwrap();
    TimeZone::UTC.to_datetime(at).strftime("%m-%d %H:%M").to_string()
}

fn schedules(of: &[(&str, &str)]) -> BTreeMap<JobName, JobSchedule> {
    let schedule =
        |text: &str| JobSchedule { crontab: text.parse().unwrap(), zone: Some(TimeZone::UTC) };
    of.iter().map(|&(name, text)| (name.into(), schedule(text))).collect()
}

fn due(of: &[(&str, &str)]) -> Due {
    let mut due = Due::new(TimeZone::UTC);
    due.replace(&schedules(of), NOBODY);
    due
}

/// `3 from 11-23 03:00 to 11-23 05:00` for what passed, `-` for nothing, and
/// nothing at all where nothing is told.
fn passed(due: &mut Due, now: &str) -> Option<String> {
    let changed = due.changed(at(now));
    let [only] = &changed[..] else {
        assert!(changed.is_empty(), "{changed:?}");
        return None;
    };
    Some(match all_of(only) {
        None => "-".to_owned(),
        Some(it) if it.count == 1 => {
            assert_eq!(it.first, it.last);
            shown(it.first)
        }
        Some(it) => format!("{} from {} to {}", it.count, shown(it.first), shown(it.last)),
    })
}

/// All instants that came.
fn all_of(scheduled: &Scheduled) -> Option<Instants> {
    let last = scheduled.due?;
    Some(match scheduled.earlier {
        None => Instants { first: last, last, count: 1 },
        Some(earlier) => {
            assert!(earlier.last < last);
            Instants { first: earlier.first, last, count: earlier.count + 1 }
        }
    })
}

/// What comes out at a row of moments, by a clock that goes on, is set forward
/// or is set back.
#[test]
fn what_passed_at_each_look() {
    type Looks<'a> = &'a [(&'a str, Option<&'a str>)];
    let table: &[(&str, Looks<'_>)] = &[
        (
            "0 3 * * *",
            &[
                ("11-23 02:00", Some("-")),
                ("11-23 02:59:59", None),
                ("11-23 03:00", Some("11-23 03:00")),
                ("11-23 03:00:02", None),
                ("11-24 02:59", None),
                ("11-24 03:00:01", Some("11-24 03:00")),
            ],
        ),
        // Whoever looks too late learns of all that passed.
        (
            "*/5 * * * *",
            &[
                ("11-23 02:00", Some("-")),
                ("11-23 02:05", Some("11-23 02:05")),
                ("11-23 03:01", Some("11 from 11-23 02:10 to 11-23 03:00")),
                ("11-25 03:01", Some("576 from 11-23 03:05 to 11-25 03:00")),
            ],
        ),
        // Set back by less than three hours: nothing comes twice.
        (
            "0 3 * * *",
            &[
                ("11-23 02:59", Some("-")),
                ("11-23 03:00", Some("11-23 03:00")),
                ("11-23 01:00", None),
                ("11-23 03:00", None),
                ("11-23 04:00", None),
                ("11-24 03:00", Some("11-24 03:00")),
            ],
        ),
        // By more, it comes again.
        (
            "0 3 * * *",
            &[
                ("11-23 02:59", Some("-")),
                ("11-23 06:00", Some("11-23 03:00")),
                ("11-23 02:30", Some("-")),
                ("11-23 03:00", Some("11-23 03:00")),
            ],
        ),
        // In small steps by more, it waits until it is that much.
        (
            "0 3 * * *",
            &[
                ("11-23 02:59", Some("-")),
                ("11-23 03:00", Some("11-23 03:00")),
                ("11-23 01:30", None),
                ("11-23 00:00", None),
                ("11-22 23:59", Some("-")),
                ("11-23 03:00", Some("11-23 03:00")),
            ],
        ),
        // What goes on in real time does not stand still for long.
        (
            "* * * * *",
            &[
                ("11-23 02:59:30", Some("-")),
                ("11-23 03:00:00", Some("11-23 03:00")),
                ("11-23 02:59:59", None),
                ("11-23 03:00:01", None),
                ("11-23 03:01:00", Some("11-23 03:01")),
                ("11-23 02:01:00", Some("-")),
                ("11-23 02:02:00", Some("11-23 02:02")),
            ],
        ),
        // Nobody runs it, and nothing loops for ever.
        ("0 0 30 2 *", &[("11-23 02:59", Some("-")), ("12-23 02:59", None)]),
    ];
    for (schedule, looks) in table {
        let mut due = due(&[("job", schedule)]);
        for (now, expected) in *looks {
            assert_eq!(passed(&mut due, now).as_deref(), *expected, "{schedule} at {now}");
        }
    }
}

#[test]
fn what_is_next_and_new_goes_with_it() {
    let mut due = due(&[("job", "0 3 * * *")]);
    let told = |due: &mut Due, now: &str| {
        let changed = due.changed(at(now));
        let told = changed.first().map(|it| (shown(it.until), it.next.map(shown)));
        told.map(|(until, next)| format!("{until} {}", next.unwrap_or_default()))
    };
    assert_eq!(told(&mut due, "11-23 02:00").as_deref(), Some("11-23 02:00 11-23 03:00"));
    assert_eq!(told(&mut due, "11-23 03:00:02").as_deref(), Some("11-23 03:00 11-24 03:00"));
    assert_eq!(told(&mut due, "11-23 02:00"), None, "set back, and still waiting for the 24th");
    assert_eq!(told(&mut due, "11-22 02:00").as_deref(), Some("11-22 02:00 11-22 03:00"));
}

#[test]
fn what_was_missed_while_nobody_looked_is_handed_out() {
    let remembered = |text: &'static str| move |_: &JobName| Some(at(text));
    for (schedule, until, now, expected) in [
        ("0 3 * * *", "11-20 03:00", "11-23 12:00", "3 from 11-21 03:00 to 11-23 03:00"),
        ("0 3 * * *", "11-23 03:00:02", "11-23 12:00", "-"),
        ("* * * * *", "01-01 00:00", "11-23 00:00", "469440 from 01-01 00:01 to 11-23 00:00"),
        // The clock was set back meanwhile: by little, and by much.
        ("0 3 * * *", "11-23 03:00", "11-23 02:00", "-"),
        ("0 3 * * *", "11-23 06:00", "11-23 02:00", "-"),
    ] {
        let mut due = Due::new(TimeZone::UTC);
        due.replace(&schedules(&[("job", schedule)]), remembered(until));
        let found = passed(&mut due, now);
        assert_eq!(found.as_deref(), Some(expected), "{schedule} from {until} to {now}");
    }
    let next = |until| {
        let mut due = Due::new(TimeZone::UTC);
        due.replace(&schedules(&[("job", "0 3 * * *")]), remembered(until));
        shown(due.changed(at("11-23 02:00"))[0].next.unwrap())
    };
    assert_eq!(next("11-23 03:00"), "11-24 03:00", "that of the 23rd has been");
    assert_eq!(next("11-23 06:00"), "11-23 03:00", "it comes again");
}

/// Years of every minute are counted, not walked through.
#[test]
fn a_gap_of_decades_costs_nothing() {
    let mut due = Due::new(TimeZone::UTC);
    due.replace(&schedules(&[("job", "* * * * *")]), |_| Some(Wall::from_millis(0)));
    let changed = due.changed(at("01-01 00:00"));
    assert_eq!(all_of(&changed[0]).unwrap().count, 20_454 * 24 * 60);
}

#[test]
fn a_reload_tells_what_is_new_and_keeps_what_is_not() {
    let mut due = due(&[("same", "0 3 * * *"), ("other", "0 3 * * *"), ("gone", "0 3 * * *")]);
    assert_eq!(due.changed(at("11-23 02:00")).len(), 3);
    let edited = schedules(&[("same", "0 3 * * *"), ("other", "30 2 * * *"), ("new", "0 2 * * *")]);
    due.replace(&edited, |name| {
        assert_eq!(name.as_str(), "new", "what is followed is known");
        None
    });
    let names = |changed: Vec<Scheduled>| -> Vec<(String, bool)> {
        changed.into_iter().map(|it| (it.job.to_string(), it.due.is_some())).collect()
    };
    let told = |name: &str, passed| (name.to_owned(), passed);
    // 02:30 was not yet in force when it came.
    let changed = names(due.changed(at("11-23 02:45")));
    assert_eq!(changed, [told("new", false), told("other", false)]);
    assert_eq!(names(due.changed(at("11-23 03:00"))), [told("same", true)]);
    due.replace(&edited, NOBODY);
    assert!(due.changed(at("11-23 03:01")).is_empty());
    due.replace(&BTreeMap::new(), NOBODY);
    assert!(due.changed(at("11-30 03:00")).is_empty());
}

#[test]
fn a_schedule_has_its_own_zone_or_that_of_vai() {
    let berlin = || TimeZone::get("Europe/Berlin").unwrap();
    let mut schedules = schedules(&[("own", "0 3 * * *"), ("none", "0 3 * * *")]);
    schedules.get_mut(&JobName::from("none")).unwrap().zone = None;
    let mut due = Due::new(berlin());
    due.replace(&schedules, NOBODY);
    let next: Vec<String> =
        due.changed(at("11-23 00:00")).iter().map(|it| shown(it.next.unwrap())).collect();
    assert_eq!(next, ["11-23 02:00", "11-23 03:00"]);
    // In autumn what comes twice counts once, what is skipped in spring comes.
    let mut schedules = schedules.clone();
    for (name, text) in [("own", "30 2 * * *"), ("none", "*/30 2 * * *")] {
        let schedule = JobSchedule { crontab: text.parse().unwrap(), zone: Some(berlin()) };
        schedules.insert(name.into(), schedule);
    }
    due.replace(&schedules, NOBODY);
    let counts = |due: &mut Due, now| -> Vec<u32> {
        due.changed(at(now)).iter().map(|it| all_of(it).map_or(0, |it| it.count)).collect()
    };
    counts(&mut due, "10-24 12:00");
    assert_eq!(counts(&mut due, "10-25 12:00"), [4, 1]);
    due.replace(&BTreeMap::new(), NOBODY);
    due.replace(&schedules, |_| Some(at("03-28 12:00")));
    assert_eq!(counts(&mut due, "03-29 12:00"), [0, 1]);
}
