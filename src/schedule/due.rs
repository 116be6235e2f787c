//! Which scheduled instants of jobs came, looked at again and again.

use super::Crontab;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use vai_core::model::{Instants, JobName, Scheduled, Wall};

/// When a job is due.
#[derive(Clone, Debug, PartialEq)]
pub struct JobSchedule {
    /// Its schedule.
    pub crontab: Crontab,
    /// What `crontab` is read in; `None` is the zone that vai runs in.
    pub zone: Option<TimeZone>,
}

/// A clock that is set back by more is corrected: what was due comes again.
/// The jobs at a time of the day wait so long for the clock to catch up, as
/// Debian's cron lets them.
const CORRECTION: SignedDuration = SignedDuration::from_hours(3);

/// The same for jobs that go on in real time, such as every minute: they must
/// not stand still for hours.
const SMALL_CORRECTION: SignedDuration = SignedDuration::from_mins(5);

/// The schedules of the jobs of the registry in force.
///
/// A clock that is set forward lets what it skips come at once. One that is set
/// back lets nothing come twice, unless it goes back by more than three hours;
/// five minutes for jobs that go on in real time.
#[derive(Debug)]
pub struct Due {
    jobs: BTreeMap<JobName, Followed>,
    /// Of schedules that name none.
    zone: TimeZone,
    /// When was looked last.
    looked: Timestamp,
    /// Nothing comes before this.
    next: Timestamp,
}

/// A job and how far it is.
#[derive(Debug)]
struct Followed {
    schedule: JobSchedule,
    /// From here on instants are new; `None` until it is looked at.
    until: Option<Timestamp>,
    /// What was told of it last.
    told: Option<Standing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    until: Timestamp,
    next: Option<Timestamp>,
}

impl Due {
    /// `zone` is the one of schedules that name none.
    #[must_use]
    pub fn new(zone: TimeZone) -> Self {
        let never = Timestamp::MIN;
        Self { jobs: BTreeMap::new(), zone, looked: never, next: never }
    }

    /// Other schedules are in force from now on. For a job that was not
    /// followed before, `remembered` says from where on its instants are new:
    /// what came since then, while `vai` was down, is handed out. Without that,
    /// and for a job whose schedule is another one, they are new from now on.
    pub fn replace(
        &mut self,
        schedules: &BTreeMap<JobName, JobSchedule>,
        remembered: impl Fn(&JobName) -> Option<Wall>,
    ) {
        let mut before = std::mem::take(&mut self.jobs);
        for (name, schedule) in schedules {
            let job = match before.remove(name) {
                Some(same) if same.schedule == *schedule => same,
                Some(_) => Followed::new(schedule, None),
                None => Followed::new(schedule, remembered(name).and_then(moment)),
            };
            self.jobs.insert(name.clone(), job);
        }
        self.next = Timestamp::MIN;
    }

    /// When the next instant of any job comes, if ever, as far as was looked.
    #[must_use]
    pub fn next(&self) -> Option<Wall> {
        (self.next < Timestamp::MAX).then(|| wall(self.next))
    }

    /// What is new at `now`: the instants that came, and how a job stands that
    /// was not told of before or that a clock which was set concerns. Costs
    /// nothing until the next instant is due.
    pub fn changed(&mut self, now: Wall) -> Vec<Scheduled> {
        let Some(now) = moment(now) else { return Vec::new() };
        let set_back = self.looked.duration_since(now).max(SignedDuration::ZERO);
        self.looked = now;
        if set_back.is_zero() && now < self.next {
            return Vec::new();
        }
        let mut changed = Vec::new();
        for (name, job) in &mut self.jobs {
            if set_back.is_zero() && job.is_quiet(now) {
                continue;
            }
            changed.extend(job.look(name, now, set_back, &self.zone));
        }
        let next = self.jobs.values().filter_map(|job| job.told?.next).min();
        self.next = next.unwrap_or(Timestamp::MAX);
        changed
    }
}

impl Followed {
    fn new(schedule: &JobSchedule, until: Option<Timestamp>) -> Self {
        Self { schedule: schedule.clone(), until, told: None }
    }

    /// Whether nothing can have come by `now` that was not told.
    fn is_quiet(&self, now: Timestamp) -> bool {
        self.told.is_some_and(|told| told.next.is_none_or(|next| now < next))
    }

    fn look(
        &mut self,
        name: &JobName,
        now: Timestamp,
        set_back: SignedDuration,
        default: &TimeZone,
    ) -> Option<Scheduled> {
        let JobSchedule { crontab, zone } = &self.schedule;
        let zone = zone.as_ref().unwrap_or(default);
        let small = if crontab.at_fixed_times { CORRECTION } else { SMALL_CORRECTION };
        let mut until = self.until.unwrap_or(now);
        if until > now && set_back.max(until.duration_since(now)) > small {
            until = now;
        }
        let passed = between(crontab, zone, until, now);
        if passed.is_some() {
            until = now;
        }
        self.until = Some(until);
        let standing = Standing { until, next: crontab.next_after(until.max(now), zone) };
        if passed.is_none() && self.told == Some(standing) {
            return None;
        }
        self.told = Some(standing);
        Some(Scheduled {
            job: name.clone(),
            earlier: passed.and_then(|passed| passed.earlier),
            due: passed.map(|passed| wall(passed.last)),
            until: wall(until),
            next: standing.next.map(wall),
        })
    }
}

/// Moments of a schedule, at least one.
#[derive(Clone, Copy)]
struct Passed {
    /// All but the last, if there are more.
    earlier: Option<Instants>,
    last: Timestamp,
}

/// The moments of `crontab` after `from`, up to `now`.
fn between(crontab: &Crontab, zone: &TimeZone, from: Timestamp, now: Timestamp) -> Option<Passed> {
    let first = crontab.next_after(from, zone).filter(|&first| first <= now)?;
    let last = crontab.previous_at_or_before(now, zone)?;
    let before_last = last.checked_sub(SignedDuration::from_millis(1)).ok();
    let before_last = before_last.filter(|_| first < last);
    let earlier = before_last.and_then(|at| crontab.previous_at_or_before(at, zone)).map(|at| {
        let count = crontab.count_between(from, at, zone);
        Instants { first: wall(first), last: wall(at), count }
    });
    Some(Passed { earlier, last })
}

fn moment(wall: Wall) -> Option<Timestamp> {
    Timestamp::from_millisecond(wall.as_millis()).ok()
}

fn wall(moment: Timestamp) -> Wall {
    Wall::from_millis(moment.as_millisecond())
}

#[cfg(test)]
mod tests;
