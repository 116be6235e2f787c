use super::Crontab;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use vai_core::model::Wall;

/// When the daily digest is due, looked at again and again.
#[derive(Debug)]
pub struct Digest {
    /// None: never.
    schedule: Option<Crontab>,
    zone: TimeZone,
    /// The last look, and the moment after it that is due next.
    next: Option<(Timestamp, Timestamp)>,
}

impl Digest {
    /// By `schedule` in `zone`; none is never.
    #[must_use]
    pub fn new(schedule: Option<Crontab>, zone: TimeZone) -> Self {
        Self { schedule, zone, next: None }
    }

    /// Another schedule is in force from now on.
    pub fn replace(&mut self, schedule: Option<Crontab>) {
        if self.schedule != schedule {
            (self.schedule, self.next) = (schedule, None);
        }
    }

    /// Whether its moment has come since the last call. A clock that was set
    /// back makes it wait for its moment again.
    pub fn is_due(&mut self, now: Wall) -> bool {
        let Some(schedule) = &self.schedule else { return false };
        let Ok(now) = Timestamp::from_millisecond(now.as_millis()) else { return false };
        let due = match self.next {
            Some((last, next)) if now >= last => {
                if now < next {
                    return false;
                }
                true
            }
            Some(_) | None => false,
        };
        self.next = schedule.next_after(now, &self.zone).map(|next| (now, next));
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn it_is_due_once_at_its_moment_whatever_happens_to_the_clock() {
        let daily = |hour: u8| format!("0 {hour} * * *").parse::<Crontab>().ok();
        let mut digest = Digest::new(daily(8), TimeZone::UTC);
        let mut due = |millis: i64| digest.is_due(Wall::from_millis(millis));
        assert!(!due(9 * HOUR), "it was due before this began");
        assert!(!due(31 * HOUR));
        assert!(due(32 * HOUR + 1));
        assert!(!due(32 * HOUR + 2));
        assert!(due(80 * HOUR), "late, and once for the days between");
        assert!(!due(57 * HOUR), "set back");
        assert!(due(80 * HOUR));
        digest.replace(daily(9));
        assert!(!digest.is_due(Wall::from_millis(80 * HOUR)));
        assert!(digest.is_due(Wall::from_millis(81 * HOUR)));
        digest.replace(None);
        assert!(!digest.is_due(Wall::from_millis(200 * HOUR)));
    }
}
