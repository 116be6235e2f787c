//! What was, read beside the daemon that writes it.

use super::file::NAME;
use super::runs::{self, RunDay};
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;
use std::path::{Path, PathBuf};
use vai_core::model::{Incident, JobName, Run, RunId};

/// Why the past cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file.
    #[error("the state file {}: {source}", .path.display())]
    Sql {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// What stands in it.
    #[error("an incident in the state file cannot be read: {0}")]
    Json(#[from] serde_json::Error),
}

/// What became of a job's runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct JobPast {
    /// The last ones, the latest first.
    pub runs: Vec<Run>,
    /// Older ones, as counts of their days, the latest first.
    pub days: Vec<RunDay>,
}

/// The last incidents that are over, the latest first, `most` of them.
///
/// # Errors
/// There is no state in `dir`, or it cannot be read.
pub fn closed_incidents(dir: &Path, most: u32) -> Result<Vec<Incident>, ReadError> {
    let rows: Vec<String> = read(dir, |db| {
        let mut rows =
            db.prepare("SELECT json FROM incidents ORDER BY closed DESC, rowid DESC LIMIT ?1")?;
        let rows = rows.query_map([most], |row| row.get(0))?;
        rows.collect()
    })?;
    Ok(rows.iter().map(|json| serde_json::from_str(json)).collect::<Result<_, _>>()?)
}

/// The last runs of a job, `most` of them, and all its days.
///
/// # Errors
/// There is no state in `dir`, or it cannot be read.
pub fn job_past(dir: &Path, job: &JobName, most: u32) -> Result<JobPast, ReadError> {
    read(dir, |db| Ok(JobPast { runs: runs::latest(db, job, most)?, days: runs::days(db, job)? }))
}

/// One run of a job, if it is over and kept.
///
/// # Errors
/// There is no state in `dir`, or it cannot be read.
pub fn job_run(dir: &Path, job: &JobName, id: RunId) -> Result<Option<Run>, ReadError> {
    read(dir, |db| runs::one(db, job, id))
}

fn read<T>(
    dir: &Path,
    query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, ReadError> {
    let path = dir.join(NAME);
    Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .and_then(|db| query(&db))
        .map_err(|source| ReadError::Sql { path, source })
}
