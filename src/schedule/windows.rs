//! Maintenance windows: which are open, and when that changes next.

use super::Crontab;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use vai_core::model::{JobName, MaintenanceWindow, ServiceName, Wall};

/// A maintenance window of the registry.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// When it begins.
    pub schedule: Crontab,
    /// It is open at t if it began at s with s ≤ t < s + `duration`.
    pub duration: Duration,
    /// What `schedule` is read in; `None` is the zone that vai runs in.
    pub zone: Option<TimeZone>,
    /// The services in it.
    pub services: Vec<ServiceName>,
    /// The jobs in it.
    pub jobs: Vec<JobName>,
    /// In the registry's words; may be empty.
    pub reason: String,
}

/// The windows of the registry in force, looked at again and again.
#[derive(Debug)]
pub struct Windows {
    windows: Vec<Window>,
    /// Of windows that name none.
    zone: TimeZone,
    /// What was handed out last; `None` before the first time.
    told: Option<Vec<MaintenanceWindow>>,
    /// The last look holds from here …
    from: Timestamp,
    /// … to before here.
    until: Timestamp,
}

impl Windows {
    /// `zone` is the one of windows that name none.
    #[must_use]
    pub fn new(windows: Vec<Window>, zone: TimeZone) -> Self {
        let never = Timestamp::MIN;
        Self { windows, zone, told: None, from: never, until: never }
    }

    /// Other windows are in force from now on.
    pub fn replace(&mut self, windows: Vec<Window>) {
        self.windows = windows;
        self.until = self.from;
    }

    /// The windows that are open at `now`, if they are others than at the last
    /// call, and at the first call. Costs nothing until the next change is due,
    /// and notices a clock that was set, in either direction.
    pub fn changed(&mut self, now: Wall) -> Option<Vec<MaintenanceWindow>> {
        let now = Timestamp::from_millisecond(now.as_millis()).ok()?;
        if self.from <= now && now < self.until {
            return None;
        }
        let (open, until) = open_at(&self.windows, &self.zone, now);
        (self.from, self.until) = (now, until);
        if self.told.as_ref() == Some(&open) {
            return None;
        }
        self.told = Some(open.clone());
        Some(open)
    }
}

/// The windows that are open at `now`, and the moment of the next change.
fn open_at(
    windows: &[Window],
    default: &TimeZone,
    now: Timestamp,
) -> (Vec<MaintenanceWindow>, Timestamp) {
    let mut open = Vec::new();
    let mut change = Timestamp::MAX;
    for window in windows {
        let zone = window.zone.as_ref().unwrap_or(default);
        let next = window.schedule.next_after(now, zone);
        change = change.min(next.unwrap_or(Timestamp::MAX));
        let began = window.schedule.previous_at_or_before(now, zone);
        let length = SignedDuration::try_from(window.duration).unwrap_or(SignedDuration::MAX);
        let end = began.and_then(|began| began.checked_add(length).ok());
        if let Some(end) = end.filter(|&end| now < end) {
            change = change.min(end);
            open.push(MaintenanceWindow {
                services: window.services.clone(),
                jobs: window.jobs.clone(),
                reason: window.reason.clone(),
                until: Wall::from_millis(end.as_millisecond()),
            });
        }
    }
    (open, change)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    fn window(schedule: &str, hours: u64, reason: &str) -> Window {
        Window {
            schedule: schedule.parse().unwrap(),
            duration: Duration::from_secs(hours * HOUR),
            zone: None,
            services: vec![ServiceName::from("redis")],
            jobs: Vec::new(),
            reason: reason.to_owned(),
        }
    }

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    /// `2026-11-23 12:00` in Berlin; a second `02:30` of a night is `02:30+01`.
    fn wall(text: &str) -> Wall {
        let at: Timestamp = match text.split_once('+') {
            Some((time, hours)) => format!("{time}:00+{hours}:00").parse().unwrap(),
            None => {
                let civil: jiff::civil::DateTime = text.parse().unwrap();
                berlin().to_ambiguous_timestamp(civil).compatible().unwrap()
            }
        };
        Wall::from_millis(at.as_millisecond())
    }

    /// The reasons and ends of what is open at `at`.
    fn open(windows: &[Window], at: &str) -> Vec<(String, Wall)> {
        let now = Timestamp::from_millisecond(wall(at).as_millis()).unwrap();
        let (open, _) = open_at(windows, &berlin(), now);
        open.into_iter().map(|window| (window.reason, window.until)).collect()
    }

    #[test]
    fn a_window_is_open_from_its_start_to_before_its_end() {
        for (schedule, hours, at, until) in [
            ("0 3 * * *", 1, "2026-11-23 02:59", None),
            ("0 3 * * *", 1, "2026-11-23 03:00", Some("2026-11-23 04:00")),
            ("0 3 * * *", 1, "2026-11-23 03:59", Some("2026-11-23 04:00")),
            ("0 3 * * *", 1, "2026-11-23 04:00", None),
            // Over midnight, and over the end of a week.
            ("0 23 * * *", 3, "2026-11-24 01:59", Some("2026-11-24 02:00")),
            ("0 23 * * sun", 4, "2026-11-23 00:30", Some("2026-11-23 03:00")),
            ("0 23 * * sun", 4, "2026-11-24 00:30", None),
            // Without a pause between two of them.
            ("0 3 * * *", 24, "2026-11-23 02:59", Some("2026-11-23 03:00")),
            ("0 3 * * *", 24, "2026-11-23 03:00", Some("2026-11-24 03:00")),
            // The hour that is skipped in spring: from right after the gap.
            ("30 2 * * *", 1, "2026-03-29 01:59", None),
            ("30 2 * * *", 1, "2026-03-29 03:00", Some("2026-03-29 04:00")),
            // It lasts as long as it says, whatever the clocks do meanwhile.
            ("0 1 * * *", 2, "2026-03-29 03:30", Some("2026-03-29 04:00")),
            ("0 1 * * *", 2, "2026-10-25 02:30", Some("2026-10-25 02:00+01")),
            // The hour that comes twice in autumn: once.
            ("30 2 * * *", 1, "2026-10-25 02:45", Some("2026-10-25 02:30+01")),
            ("30 2 * * *", 1, "2026-10-25 02:45+01", None),
        ] {
            let expected: Vec<Wall> = until.into_iter().map(wall).collect();
            let found = open(&[window(schedule, hours, "")], at);
            let found: Vec<Wall> = found.into_iter().map(|(_, until)| until).collect();
            assert_eq!(found, expected, "{schedule} for {hours} h at {at}");
        }
    }

    #[test]
    fn windows_that_overlap_are_open_side_by_side() {
        let windows = [window("0 3 * * *", 2, "backup"), window("0 4 * * *", 2, "updates")];
        let reasons = |at| -> Vec<String> {
            open(&windows, at).into_iter().map(|(reason, _)| reason).collect()
        };
        assert_eq!(reasons("2026-11-23 03:30"), ["backup"]);
        assert_eq!(reasons("2026-11-23 04:30"), ["backup", "updates"]);
        assert_eq!(reasons("2026-11-23 05:30"), ["updates"]);
    }

    #[test]
    fn a_window_has_a_zone_of_its_own() {
        let in_utc = Window { zone: Some(TimeZone::UTC), ..window("0 3 * * *", 1, "") };
        assert!(open(std::slice::from_ref(&in_utc), "2026-11-23 03:30").is_empty());
        assert_eq!(open(&[in_utc], "2026-11-23 04:30").len(), 1);
    }

    /// How many windows a call hands out as open; `None`: nothing new.
    fn told(windows: &mut Windows, at: &str) -> Option<usize> {
        windows.changed(wall(at)).map(|open| open.len())
    }

    #[test]
    fn a_change_is_told_once_also_when_the_clock_is_set() {
        let mut windows = Windows::new(vec![window("0 3 * * *", 1, "")], berlin());
        assert_eq!(told(&mut windows, "2026-11-23 02:00"), Some(0));
        assert_eq!(told(&mut windows, "2026-11-23 02:59"), None);
        assert_eq!(told(&mut windows, "2026-11-23 03:00"), Some(1));
        assert_eq!(told(&mut windows, "2026-11-23 03:30"), None);
        // Set back to before the start, and on over the end.
        assert_eq!(told(&mut windows, "2026-11-23 02:30"), Some(0));
        assert_eq!(told(&mut windows, "2026-11-23 03:10"), Some(1));
        assert_eq!(told(&mut windows, "2026-11-25 12:00"), Some(0));
        assert_eq!(told(&mut windows, "2026-11-24 02:00"), None);
    }

    #[test]
    fn a_reload_changes_what_is_open_at_once() {
        let mut windows = Windows::new(Vec::new(), berlin());
        assert_eq!(told(&mut windows, "2026-11-23 03:30"), Some(0));
        windows.replace(vec![window("0 3 * * *", 1, "")]);
        assert_eq!(told(&mut windows, "2026-11-23 03:30"), Some(1));
        windows.replace(vec![window("0 3 * * *", 1, "")]);
        assert_eq!(told(&mut windows, "2026-11-23 03:31"), None);
        windows.replace(vec![window("0 3 * * *", 2, "")]);
        assert_eq!(told(&mut windows, "2026-11-23 03:32"), Some(1));
        windows.replace(Vec::new());
        assert_eq!(told(&mut windows, "2026-11-23 03:33"), Some(0));
    }
}
