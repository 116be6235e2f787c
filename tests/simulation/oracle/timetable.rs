//! Every instant that schedules have, by an own walk from minute to minute, and
//! what became of it: J1.

use crate::clock::parts;
use crate::plan::Ms;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;
use vai_core::model::{Duty, Instants, Job, JobName, Run, Scheduled, Wall};

const MINUTE: i64 = 60_000;
/// Every schedule comes at least once a day, but for a change of the clocks.
const WALKED: i64 = 2 * 24 * 60;
/// A clock that is set back by more lets things come again: those at a time of
/// the day, and the others.
const CORRECTIONS: (Duration, Duration) = (Duration::from_secs(3 * 3600), Duration::from_secs(300));

/// What a schedule means.
#[derive(Debug)]
struct Clockwork {
    minutes: BTreeSet<i64>,
    hours: BTreeSet<i64>,
    /// At times of the day: a change of the clocks neither skips nor repeats
    /// it.
    fixed: bool,
    zone: TimeZone,
}

impl Clockwork {
    fn of(schedule: &str) -> Self {
        let (fields, zone) = parts(schedule);
        let mut fields = fields.split(' ');
        let (minute, hour) = (fields.next().unwrap_or("*"), fields.next().unwrap_or("*"));
        let fixed = !minute.starts_with('*') && !hour.starts_with('*');
        Self { minutes: values(minute, 60), hours: values(hour, 24), fixed, zone }
    }

    fn local(&self, minute: i64) -> DateTime {
        let at = Timestamp::from_second(minute * 60).unwrap_or(Timestamp::UNIX_EPOCH);
        self.zone.to_datetime(at)
    }

    fn shows(&self, at: DateTime) -> bool {
        self.minutes.contains(&at.minute().into()) && self.hours.contains(&at.hour().into())
    }

    /// Whether it comes in this minute since 1970.
    fn comes(&self, minute: i64) -> bool {
        let here = self.local(minute);
        if !self.fixed {
            return self.shows(here);
        }
        let step = here.duration_since(self.local(minute - 1)).as_mins();
        let skipped = |back| self.shows(here.saturating_sub(jiff::SignedDuration::from_mins(back)));
        match step {
            1 => self.shows(here) && !self.is_repeated(minute, here),
            2.. => (0..step).any(skipped),
            _ => false,
        }
    }

    /// Whether the clock showed this before, an hour ago.
    fn is_repeated(&self, minute: i64, here: DateTime) -> bool {
        let Ok(at) = Timestamp::from_second(minute * 60) else { return false };
        match self.zone.to_ambiguous_timestamp(here).offset() {
            AmbiguousOffset::Fold { after, .. } => self.zone.to_offset(at) == after,
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => false,
        }
    }

    fn walk(&self, from: Wall) -> impl Iterator<Item = Wall> {
        let first = from.as_millis().div_euclid(MINUTE) + 1;
        let comes = (first..).filter(|&minute| self.comes(minute));
        comes.map(|minute| Wall::from_millis(minute * MINUTE))
    }

    /// All after `from`, up to `to`.
    fn within(&self, from: Wall, to: Wall) -> Vec<Wall> {
        let minutes = from.as_millis().div_euclid(MINUTE) + 1..=to.as_millis().div_euclid(MINUTE);
        let comes = minutes.filter(|&minute| self.comes(minute));
        comes.map(|minute| Wall::from_millis(minute * MINUTE)).collect()
    }

    fn next(&self, from: Wall) -> Option<Wall> {
        let last = Wall::from_millis(from.as_millis() + WALKED * MINUTE);
        self.walk(from).take(1).find(|&at| at <= last)
    }

    fn correction(&self) -> Duration {
        if self.fixed { CORRECTIONS.0 } else { CORRECTIONS.1 }
    }
}

/// `*`, `*/n`, `a,b`.
fn values(field: &str, end: i64) -> BTreeSet<i64> {
    match field.strip_prefix('*') {
        None => field.split(',').filter_map(|value| value.parse().ok()).collect(),
        Some(step) => {
            let step = step.trim_start_matches('/').parse().unwrap_or(1);
            (0..end).step_by(step).collect()
        }
    }
}

/// How often an instant came, and how many outcomes of it are kept.
#[derive(Clone, Debug)]
struct Came {
    times: u32,
    kept: u32,
    since: Ms,
}

#[derive(Clone, Debug)]
struct Row {
    schedule: String,
    clockwork: Rc<Clockwork>,
    /// Instants after this are new, once it was looked at.
    until: Option<Wall>,
    /// The first of those.
    next: Option<Wall>,
}

/// The schedules in force, and all instants that came.
#[derive(Clone, Debug, Default)]
pub(super) struct Timetable {
    rows: BTreeMap<JobName, Row>,
    came: BTreeMap<(JobName, String), BTreeMap<Wall, Came>>,
    /// What the clock showed when this vai last looked at it.
    shown: Option<Wall>,
    /// How far that was set back then.
    back: Duration,
    pub(super) counted: u64,
}

impl Timetable {
    /// These jobs are in force.
    pub(super) fn configured(&mut self, jobs: &BTreeMap<JobName, std::sync::Arc<Job>>) {
        let scheduled = |name: &JobName| jobs.get(name).filter(|it| it.duty == Duty::Scheduled);
        self.rows.retain(|name, row| scheduled(name).is_some_and(|it| it.schedule == row.schedule));
        for job in jobs.values().filter(|it| it.duty == Duty::Scheduled) {
            self.rows.entry(job.name.clone()).or_insert_with(|| Row {
                schedule: job.schedule.clone(),
                clockwork: Rc::new(Clockwork::of(&job.schedule)),
                until: None,
                next: None,
            });
        }
    }

    /// Another vai looks at the clock from now on.
    pub(super) fn crashed(&mut self) {
        self.shown = None;
    }

    /// vai looks at the clock, and this is what its schedules say.
    pub(super) fn clock_shows(&mut self, wall: Wall, told: &[Scheduled]) -> Result<(), String> {
        self.back = self.shown.replace(wall).map_or(Duration::ZERO, |shown| shown.since(wall));
        for (name, row) in &self.rows {
            let until = row.corrected(wall, self.back);
            let expected = until.map_or_else(Vec::new, |it| row.clockwork.within(it, wall));
            let told = told.iter().find(|it| it.job == *name);
            let said = told.map_or_else(Vec::new, |it| row.expand(it));
            let earlier = told.and_then(|it| it.earlier).map_or(0, |it| it.count as usize);
            let count = earlier + usize::from(told.is_some_and(|it| it.due.is_some()));
            if said != expected || count != expected.len() {
                let (first, last, all) = (expected.first(), expected.last(), expected.len());
                return Err(format!(
                    "{name} ({}): {all} came, from {first:?} to {last:?}; told was {told:?}",
                    row.schedule
                ));
            }
        }
        Ok(())
    }

    /// The core takes in what came.
    pub(super) fn took_in(&mut self, now: Ms, wall: Wall, told: &[Scheduled]) {
        for told in told {
            let Some(row) = self.rows.get_mut(&told.job) else { continue };
            let came = row.expand(told);
            let until = row.corrected(wall, self.back).filter(|_| came.is_empty());
            row.until = Some(until.unwrap_or(wall));
            row.next = row.until.and_then(|until| row.clockwork.next(until));
            self.counted += came.len() as u64;
            let key = (told.job.clone(), row.schedule.clone());
            let all = self.came.entry(key).or_default();
            for at in came {
                let came = all.entry(at).or_insert(Came { times: 0, kept: 0, since: now });
                came.times += 1;
                came.since = now;
            }
        }
    }

    /// The outcome of a run is kept.
    pub(super) fn kept(&mut self, run: &Run) -> Result<(), String> {
        let Some(instants) = run.scheduled else { return Ok(()) };
        let of_it = self.came.iter_mut().filter(|((name, _), _)| *name == run.job);
        for (_, all) in of_it {
            let range = || instants.first..=instants.last;
            let fits = |all: &BTreeMap<Wall, Came>| {
                all.range(range()).filter(|(_, it)| it.kept < it.times).count()
                    == instants.count as usize
            };
            if fits(all) && all.contains_key(&instants.first) && all.contains_key(&instants.last) {
                all.range_mut(range()).for_each(|(_, it)| it.kept += 1);
                return Ok(());
            }
        }
        Err(format!("{run:?} answers for what did not come, or for what had its outcome"))
    }

    /// How often an instant of a job came.
    pub(super) fn times(&self, job: &JobName, at: Wall) -> u32 {
        let of_it = self.came.iter().filter(|((name, _), _)| name == job);
        of_it.filter_map(|(_, all)| Some(all.get(&at)?.times)).sum()
    }

    /// What came and has no outcome yet, and since when.
    pub(super) fn owed(&self) -> impl Iterator<Item = (&JobName, Wall, Ms)> {
        self.came.iter().flat_map(|((name, _), all)| {
            let owed = all.iter().filter(|(_, came)| came.kept < came.times);
            owed.map(move |(&at, came)| (name, at, came.since))
        })
    }

    /// An instant that the clock shows to be over, and nobody was told of.
    pub(super) fn unheard(&self, wall: Wall) -> Option<(&JobName, Wall)> {
        let next = self.rows.iter().filter_map(|(name, row)| Some((name, row.next?)));
        next.into_iter().find(|&(_, next)| next < wall)
    }
}

impl Row {
    /// From where on instants are new: a clock that was set back by much lets
    /// things come again.
    fn corrected(&self, wall: Wall, back: Duration) -> Option<Wall> {
        let comes_again =
            |until: Wall| until > wall && back.max(until.since(wall)) > self.clockwork.correction();
        self.until.map(|until| if comes_again(until) { wall } else { until })
    }

    fn expand(&self, told: &Scheduled) -> Vec<Wall> {
        let before = |at: Wall| Wall::from_millis(at.as_millis() - 1);
        let all = |it: Instants| self.clockwork.within(before(it.first), it.last);
        let mut instants = told.earlier.map_or_else(Vec::new, all);
        instants.extend(told.due);
        instants
    }
}
