//! What is kept for how long, and how large the state can become.
//!
//! Retention runs at the start and every hour. In between nothing exceeds its
//! count but the closed incidents.

use super::rollup::{COARSE, FINE, day};
use rusqlite::{Connection, Result, params};
use std::time::Duration;
use vai_core::model::Wall;

/// How often what is too old is forgotten.
pub(super) const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// Transitions of a service: the last ones, for 90 days at most.
pub(super) const TRANSITIONS: u32 = 500;
const TRANSITIONS_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// A transition's reason is cut to this many bytes.
pub(super) const REASON: usize = 200;

/// Runs of a job: of those that succeeded, that failed and that never ran the
/// last ones each, for 90 days at most; older ones as counts of their days.
pub(super) const RUNS: u32 = 300;
const RUNS_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// The end of what a run wrote is kept of the last ones that succeeded, and of
/// the last ones that failed.
pub(super) const TAILS: u32 = 20;

/// That end is cut to this many bytes.
pub(super) const TAIL: usize = 4 * 1024;

/// Closed incidents: the last ones, for a year at most.
const INCIDENTS: u32 = 2000;
const INCIDENT_BYTES: u32 = 16 * 1024 * 1024;
const INCIDENTS_KEPT: Duration = Duration::from_secs(365 * 24 * 3600);

/// Free pages that one sweep gives back to the file system.
const PAGES_GIVEN_BACK: u32 = 1000;

/// The most that a check takes, in bytes: 32 rows of five-minute slots, three
/// of which share a page of 8 KiB (87,382), 367 rows of hourly ones, 39 to a
/// page (77,090), and its last 200 results (at most 32,768, see `history`).
pub const CHECK_CEILING: u64 = 196 * 1024;

/// The most that a service takes besides its checks, in bytes: 500 transitions
/// of at most 280 bytes with their index, in pages that are a third full at
/// the least, and its record.
pub const SERVICE_CEILING: u64 = 480 * 1024;

/// The most that a job takes, in bytes: 300 runs that succeeded of at most 160
/// bytes, 600 others of at most 360, and 546 counts of days, of at most 100, with
/// their index, in pages that are a third full at the least; 40 ends of outputs,
/// each of which may have a page of its own; and its record.
pub const JOB_CEILING: u64 = 1536 * 1024;

/// The most that everything else takes, in bytes: 16 MiB of closed incidents,
/// messages under way, and the write-ahead log.
pub const FIXED_CEILING: u64 = 32 * 1024 * 1024;

/// Forgets what is too old or too much at `now`.
pub(super) fn sweep(db: &mut Connection, now: Wall) -> Result<()> {
    let transaction = db.transaction()?;
    let today = day(now);
    for grain in [&FINE, &COARSE] {
        grain.forget(&transaction, today)?;
    }
    transaction
        .execute("DELETE FROM transitions WHERE at < ?1", [before(now, TRANSITIONS_KEPT)])?;
    transaction.execute("DELETE FROM runs WHERE ended < ?1", [before(now, RUNS_KEPT)])?;
    transaction.execute("DELETE FROM run_tails WHERE id NOT IN (SELECT id FROM runs)", [])?;
    let oldest = day(Wall::from_millis(before(now, RUNS_KEPT)));
    transaction.execute("DELETE FROM run_days WHERE day < ?1", [oldest])?;
    transaction.execute(
        "DELETE FROM incidents WHERE closed < ?1 OR rowid IN (
             SELECT rowid FROM (
                 SELECT rowid, row_number() OVER newest AS count,
                        sum(length(CAST(json AS BLOB))) OVER newest AS bytes
                 FROM incidents WINDOW newest AS (ORDER BY closed DESC, rowid DESC)
             ) WHERE count > ?2 OR bytes > ?3
         )",
        params![before(now, INCIDENTS_KEPT), INCIDENTS, INCIDENT_BYTES],
    )?;
    transaction.execute("DELETE FROM checks WHERE last_day < ?1", [today - COARSE.kept_days])?;
    transaction.execute("DELETE FROM results WHERE check_id NOT IN (SELECT id FROM checks)", [])?;
    transaction.commit()?;
    let mut vacuum = db.prepare(&format!("PRAGMA incremental_vacuum({PAGES_GIVEN_BACK})"))?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

fn before(now: Wall, span: Duration) -> i64 {
    now.as_millis().saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}
