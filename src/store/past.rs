//! What was, read beside the daemon that writes it.

use super::file::NAME;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use vai_core::model::Incident;

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

/// The last incidents that are over, the latest first, `most` of them.
///
/// # Errors
/// There is no state in `dir`, or it cannot be read.
pub fn closed_incidents(dir: &Path, most: u32) -> Result<Vec<Incident>, ReadError> {
    let path = dir.join(NAME);
    let read = || -> rusqlite::Result<Vec<String>> {
        let db = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut rows =
            db.prepare("SELECT json FROM incidents ORDER BY closed DESC, rowid DESC LIMIT ?1")?;
        let rows = rows.query_map([most], |row| row.get(0))?;
        rows.collect()
    };
    let rows = read().map_err(|source| ReadError::Sql { path: path.clone(), source })?;
    Ok(rows.iter().map(|json| serde_json::from_str(json)).collect::<Result<_, _>>()?)
}
