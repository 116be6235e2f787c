//! The state file itself.

use super::boot::{self, Boot, Continued};
use super::keep;
use super::load::{Loaded, load};
use super::mark;
use super::pending::Pending;
use super::schema;
use super::write::{self, Extent};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vai_core::model::Wall;

pub(super) const NAME: &str = "state.db";

/// How long to wait for somebody who looks into the file with a tool.
const BUSY: Duration = Duration::from_secs(2);

/// Three days of a check's five-minute slots share a page of this size.
const PAGE_BYTES: u32 = 8192;

/// The log is copied into the file at this many pages, and cut to as much.
const LOG_PAGES: u32 = 256;

/// An open state file of this schema.
#[derive(Debug)]
pub(super) struct StateFile {
    db: Connection,
    path: PathBuf,
    boot: Boot,
    continued: Continued,
}

/// Why a state file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// It was written by a newer `vai`.
    #[error(
        "the state file {} is of version {found}, written by a newer vai; this one knows \
         versions up to {known}. Run the newer vai again, or give this one a state folder of its \
         own by --state-dir", .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// It is damaged, or cannot be read; in words that say how to mend it.
    #[error("{0}")]
    Unusable(String),
}

impl StateFile {
    /// Opens the state file in `dir`, makes it where there is none, and brings
    /// an older one up to date.
    ///
    /// # Errors
    /// A newer one, one that is damaged, or whatever the disk says.
    pub(super) fn open(dir: &Path, boot: Boot) -> Result<(Self, Loaded), OpenError> {
        let path = dir.join(NAME);
        let unusable = |why: String| OpenError::Unusable(unusable(&path, &why));
        let mut db = connect(&path).map_err(unusable)?;
        let sql = |error: rusqlite::Error| unusable(error.to_string());
        let found = schema::version(&db).map_err(sql)?;
        if found > schema::VERSION {
            return Err(OpenError::Newer { path, found, known: schema::VERSION });
        }
        check(&db).map_err(unusable)?;
        schema::migrate(&mut db).map_err(sql)?;
        let continued = boot.go_on(&db).map_err(sql)?;
        let mark = mark::of(&db).map_err(sql)?;
        let loaded = load(&db).map_err(|error| unusable(error.to_string()))?;
        let loaded = Loaded { mark, ..loaded };
        Ok((Self { db, path, boot, continued }, loaded))
    }

    /// The connection, to look into the file and to spoil it.
    #[cfg(test)]
    pub(super) fn db(&self) -> &Connection {
        &self.db
    }

    /// How the clock goes on.
    pub(super) fn continued(&self) -> &Continued {
        &self.continued
    }

    /// Stores so much of what waits, or nothing.
    ///
    /// # Errors
    /// Why nothing could be stored.
    pub(super) fn commit(&mut self, pending: &Pending, extent: Extent) -> Result<(), WriteError> {
        let result = self.write(pending, extent);
        result.map_err(|error| WriteError::new(&self.path, &error))
    }

    /// Forgets what is too old at `now`.
    ///
    /// # Errors
    /// Why it could not be forgotten.
    pub(super) fn sweep(&mut self, now: Wall) -> Result<(), WriteError> {
        let result = keep::sweep(&mut self.db, now);
        result.map_err(|error| WriteError::new(&self.path, &error))
    }

    fn write(&mut self, pending: &Pending, extent: Extent) -> rusqlite::Result<()> {
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        write::pending(&transaction, pending, extent)?;
        boot::store(&transaction, &self.boot.id, self.continued.base, pending.latest)?;
        transaction.commit()
    }
}

/// Why a transaction failed.
#[derive(Debug)]
pub(super) struct WriteError {
    /// In words.
    pub(super) why: String,
    /// Trying again is of no use.
    pub(super) is_final: bool,
}

impl WriteError {
    fn new(path: &Path, error: &rusqlite::Error) -> Self {
        let code = error.sqlite_error_code();
        if let Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) = code {
            return Self { why: unusable(path, &error.to_string()), is_final: true };
        }
        let why = match code {
            Some(ErrorCode::DiskFull) => "the disk is full".to_owned(),
            _ => error.to_string(),
        };
        Self { why: format!("{}: {why}", path.display()), is_final: false }
    }
}

fn unusable(path: &Path, why: &str) -> String {
    format!(
        "the state file {} cannot be used: {why}. It is left as it is; to begin with a new one, \
         stop vai, move {NAME} and {NAME}-wal away and start vai",
        path.display()
    )
}

fn connect(path: &Path) -> Result<Connection, String> {
    // Only the owner may read it: it holds outputs and log lines of services.
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| error.to_string())?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(|error| error.to_string())?;
    configure(&db).map_err(|error| error.to_string())?;
    Ok(db)
}

fn configure(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY)?;
    let pages: u32 = db.pragma_query_value(None, "page_count", |row| row.get(0))?;
    if pages == 0 {
        db.pragma_update(None, "page_size", PAGE_BYTES)?;
        db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    let log_bytes = LOG_PAGES * PAGE_BYTES;
    db.pragma_update_and_check(None, "journal_size_limit", log_bytes, |_| Ok(()))
}

fn check(db: &Connection) -> Result<(), String> {
    let found: rusqlite::Result<String> =
        db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match found {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(damage) => Err(damage),
        Err(error) => Err(error.to_string()),
    }
}
