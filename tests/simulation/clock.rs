//! What the wall clock brings: the schedules of production, asked as its loop
//! asks them.

use crate::engine::Link;
use crate::plan::{MINUTE, Ms, SECOND};
use crate::schedule::{Crontab, Due, JobSchedule};
use crate::world::{Thing, World};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use vai_core::model::{Duty, Event, Job, JobName, Wall};

/// How often the loop looks at the clock. Where it cannot find anything, it is
/// not simulated.
const BEAT: Ms = 2 * SECOND;

/// The crontabs of the containers were read so long after a registry came into
/// force.
const CRONTABS_READ: Ms = 3 * SECOND;

/// At the end nothing new comes for so long.
const CLOSING: Ms = 90 * MINUTE;

/// How far a vai is with its schedules; it is gone with it.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    due: Option<Due>,
    next: BTreeMap<JobName, Option<Wall>>,
    /// The beat that is waited for.
    beat: Option<Ms>,
}

/// The schedule and the zone of a job, as they stand in the registry.
pub(crate) fn parts(schedule: &str) -> (&str, TimeZone) {
    let (fields, zone) = schedule.rsplit_once(' ').unwrap_or((schedule, "UTC"));
    (fields, TimeZone::get(zone).unwrap_or(TimeZone::UTC))
}

fn schedule(job: &Job) -> Option<JobSchedule> {
    let (fields, zone) = parts(&job.schedule);
    Some(JobSchedule { crontab: fields.parse::<Crontab>().ok()?, zone: Some(zone) })
}

impl World {
    /// A registry is in force.
    pub(crate) fn configured(&mut self) -> crate::Step {
        self.feed(Event::Configured(self.watchlist.clone()))?;
        self.schedules_changed()
    }

    /// The schedules are read anew, and looked at.
    pub(crate) fn schedules_changed(&mut self) -> crate::Step {
        let Some(core) = &self.core else { return Ok(()) };
        let scheduled = self.watchlist.jobs.values().filter(|it| it.duty == Duty::Scheduled);
        let schedules: BTreeMap<JobName, JobSchedule> =
            scheduled.filter_map(|job| Some((job.name.clone(), schedule(job)?))).collect();
        if schedules.is_empty() && self.clock.due.is_none() {
            return Ok(());
        }
        let due = self.clock.due.get_or_insert_with(|| Due::new(TimeZone::UTC));
        due.replace(&schedules, |name| core.scheduled_until(name));
        self.clock.next.retain(|name, _| schedules.contains_key(name));
        self.later(CRONTABS_READ, Thing::Crontabs { run: self.run });
        self.look_at_the_clock()
    }

    fn look_at_the_clock(&mut self) -> crate::Step {
        let wall = self.clock().wall;
        // A loop that is stuck asks for nothing.
        let asks = self.core.is_some() && !self.is_closing();
        let Some(due) = self.clock.due.as_mut().filter(|_| asks) else { return Ok(()) };
        let scheduled = due.changed(wall);
        self.clock.next.extend(scheduled.iter().map(|it| (it.job.clone(), it.next)));
        self.oracle.clock_shows(self.now, wall, &scheduled)?;
        self.next_beat();
        if scheduled.is_empty() { Ok(()) } else { self.feed(Event::Scheduled(scheduled)) }
    }

    /// At the end nothing new comes, so that all can have its outcome.
    fn is_closing(&self) -> bool {
        self.now + CLOSING > self.plan.busy + self.plan.quiet
    }

    /// The clock may show anything now: the next beat finds out.
    pub(crate) fn clock_was_set(&mut self) {
        if self.clock.due.is_some() {
            self.wait_for(self.now + 1);
        }
        self.oracle.disturbed(self.now.max(self.frozen_until));
    }

    fn next_beat(&mut self) {
        let wall = self.clock().wall;
        let next = self.clock.next.values().flatten().min();
        if let Some(next) = next {
            self.wait_for(self.now + next.since(wall).as_millis() as Ms);
        }
    }

    /// The first beat from then on.
    fn wait_for(&mut self, at: Ms) {
        let at = at.max(self.now + 1).div_ceil(BEAT) * BEAT;
        self.clock.beat = Some(at);
        self.later(at - self.now, Thing::Beat { run: self.run });
    }

    /// What time alone breaks of jobs.
    pub(crate) fn audit_jobs(&mut self) -> crate::Step {
        if self.clock.due.is_none() || self.disk.fails || self.is_closing() {
            return Ok(());
        }
        if self.link != Link::Up || !self.engine_up {
            self.oracle.disturbed(self.now);
        }
        self.oracle.audit_jobs(self.now, self.clock())
    }

    pub(crate) fn beat(&mut self) -> crate::Step {
        // Of those that were waited for, the last one counts.
        if self.clock.beat.is_some_and(|at| at <= self.now) {
            self.clock.beat = None;
            return self.look_at_the_clock();
        }
        Ok(())
    }
}
