//! The runs of jobs: the last ones as they were, older ones as a count for
//! each day and outcome, so that every scheduled instant stays accounted for.

use super::keep::{RUNS, TAILS};
use super::rollup::day;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, Result, Row, params};
use serde::Serialize;
use std::time::Duration;
use vai_core::model::{Instants, JobName, Run, RunId, RunOutcome, Wall};

const OUTCOMES: [RunOutcome; 6] = [
    RunOutcome::Succeeded,
    RunOutcome::Failed,
    RunOutcome::TimedOut,
    RunOutcome::Replaced,
    RunOutcome::Skipped,
    RunOutcome::Missed,
];

/// Each kind has its own bound, so that a flood of one does not push out what
/// tells of another: a job that is skipped every minute does not hide why it
/// failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Succeeded = 0,
    Failed = 1,
    NeverRan = 2,
}

impl Kind {
    fn of(outcome: RunOutcome) -> Self {
        match outcome {
            RunOutcome::Succeeded => Self::Succeeded,
            RunOutcome::Failed | RunOutcome::TimedOut | RunOutcome::Replaced => Self::Failed,
            RunOutcome::Skipped | RunOutcome::Missed => Self::NeverRan,
        }
    }
}

/// What became of the scheduled instants of a day of which the runs are kept no
/// more one by one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunDay {
    /// Midnight, UTC.
    pub day: Wall,
    /// How many of them ended how; none is 0.
    pub counts: Vec<DayCount>,
}

/// How many instants of a day ended so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DayCount {
    /// How.
    pub outcome: RunOutcome,
    /// How many.
    pub count: u64,
}

/// Adds runs, and folds what is more than is kept into its days.
pub(super) fn store<'a>(db: &Connection, all: impl Iterator<Item = &'a Run>) -> Result<()> {
    for run in all {
        let kind = Kind::of(run.outcome);
        add(db, run, kind)?;
        if kind != Kind::NeverRan && !run.tail.is_empty() {
            db.prepare_cached("INSERT INTO run_tails VALUES (?1, ?2)")?
                .execute(params![db.last_insert_rowid(), run.tail])?;
        }
        bound(db, &run.job, kind as u8)?;
    }
    Ok(())
}

fn add(db: &Connection, run: &Run, kind: Kind) -> Result<()> {
    let mut add = db.prepare_cached(
        "INSERT INTO runs (job, kind, run, outcome, reason, began, ended, took_ms, attempts, bytes,
                           first, last, instants)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    let instants = run.scheduled.as_ref();
    add.execute(params![
        run.job.as_str(),
        kind as u8,
        run.id.0.cast_signed(),
        run.outcome.label(),
        run.reason,
        run.began.map(Wall::as_millis),
        run.ended.as_millis(),
        i64::try_from(run.took.as_millis()).unwrap_or(i64::MAX),
        run.attempts,
        run.bytes.cast_signed(),
        instants.map(|it| it.first.as_millis()),
        instants.map(|it| it.last.as_millis()),
        instants.map(|it| it.count),
    ])?;
    Ok(())
}

fn bound(db: &Connection, job: &JobName, kind: u8) -> Result<()> {
    let mut cut = db.prepare_cached(
        "DELETE FROM run_tails WHERE id = (
             SELECT id FROM runs WHERE job = ?1 AND kind = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3
         )",
    )?;
    cut.execute(params![job.as_str(), kind, TAILS])?;
    let mut trim = db.prepare_cached(
        "DELETE FROM runs WHERE job = ?1 AND kind = ?2 AND id <= (
             SELECT id FROM runs WHERE job = ?1 AND kind = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3
         ) RETURNING ended, outcome, ifnull(instants, 1)",
    )?;
    let mut count = db.prepare_cached(
        "INSERT INTO run_days VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET count = count + excluded.count",
    )?;
    let mut gone = trim.query(params![job.as_str(), kind, RUNS])?;
    while let Some(row) = gone.next()? {
        let (ended, outcome, instants): (i64, String, i64) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        count.execute(params![job.as_str(), day(Wall::from_millis(ended)), outcome, instants])?;
    }
    Ok(())
}

/// The last runs of a job, the latest first, `most` of them.
pub(super) fn latest(db: &Connection, job: &JobName, most: u32) -> Result<Vec<Run>> {
    let mut rows = db.prepare(
        "SELECT * FROM runs LEFT JOIN run_tails USING (id)
         WHERE job = ?1 ORDER BY ended DESC, id DESC LIMIT ?2",
    )?;
    let rows = rows.query_map(params![job.as_str(), most], read)?;
    rows.collect()
}

/// One run of a job, if it is kept one by one.
pub(super) fn one(db: &Connection, job: &JobName, id: RunId) -> Result<Option<Run>> {
    let mut rows = db
        .prepare("SELECT * FROM runs LEFT JOIN run_tails USING (id) WHERE job = ?1 AND run = ?2")?;
    rows.query_map(params![job.as_str(), id.0.cast_signed()], read)?.next().transpose()
}

/// The days of a job that are kept as counts, the latest first.
pub(super) fn days(db: &Connection, job: &JobName) -> Result<Vec<RunDay>> {
    let mut rows =
        db.prepare("SELECT day, outcome, count FROM run_days WHERE job = ?1 ORDER BY day DESC")?;
    let mut rows = rows.query([job.as_str()])?;
    let mut days: Vec<RunDay> = Vec::new();
    while let Some(row) = rows.next()? {
        let day = Wall::from_millis(row.get::<_, i64>(0)? * super::rollup::DAY_MS);
        let count = row.get::<_, i64>(2)?.cast_unsigned();
        let counted = DayCount { outcome: outcome(row, 1)?, count };
        match days.last_mut() {
            Some(known) if known.day == day => known.counts.push(counted),
            _ => days.push(RunDay { day, counts: vec![counted] }),
        }
    }
    Ok(days)
}

fn read(row: &Row<'_>) -> Result<Run> {
    let wall = |name| row.get::<_, Option<i64>>(name).map(|it| it.map(Wall::from_millis));
    let scheduled = match (wall("first")?, wall("last")?, row.get("instants")?) {
        (Some(first), Some(last), Some(count)) => Some(Instants { first, last, count }),
        _ => None,
    };
    Ok(Run {
        id: RunId(row.get::<_, i64>("run")?.cast_unsigned()),
        job: JobName::from(row.get::<_, String>("job")?.as_str()),
        scheduled,
        outcome: outcome(row, row.as_ref().column_index("outcome")?)?,
        reason: row.get("reason")?,
        began: wall("began")?,
        ended: Wall::from_millis(row.get("ended")?),
        took: Duration::from_millis(row.get::<_, i64>("took_ms")?.cast_unsigned()),
        attempts: row.get("attempts")?,
        bytes: row.get::<_, i64>("bytes")?.cast_unsigned(),
        tail: row.get::<_, Option<String>>("tail")?.unwrap_or_default(),
    })
}

fn outcome(row: &Row<'_>, column: usize) -> Result<RunOutcome> {
    let label: String = row.get(column)?;
    OUTCOMES.into_iter().find(|it| it.label() == label).ok_or_else(|| {
        let why = format!("\"{label}\" is no outcome that this vai knows");
        Error::FromSqlConversionFailure(column, Type::Text, why.into())
    })
}
