use super::Crontab;
use jiff::tz::TimeZone;

/// When a job is due.
#[derive(Clone, Debug, PartialEq)]
pub struct JobSchedule {
    /// Its schedule.
    pub crontab: Crontab,
    /// What `crontab` is read in; `None` is the zone that vai runs in.
    pub zone: Option<TimeZone>,
}
