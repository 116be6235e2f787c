//! The state file itself.

use super::boot::{self, Boot, Continued};
use super::cause::Cause;
use super::create::{CreateError, create};
use super::keep;
use super::load::{LoadError, Loaded, load};
use super::mark;
use super::pending::Pending;
use super::schema;
use super::write::{self, Extent};
use percent_encoding::{AsciiSet, CONTROLS};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vai_core::model::Wall;

pub(super) const NAME: &str = "state.db";

/// How long to wait for somebody who looks into the file with a tool.
const BUSY: Duration = Duration::from_secs(2);

/// What means something in the path of a URI.
const URI_PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'#').add(b'%').add(b'?');

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
    /// It is damaged; in words that say how to mend it.
    #[error("{0}")]
    Damaged(String),
    /// It cannot be opened now, and may be later; in words that say what helps.
    #[error("{0}")]
    Closed(String),
}

impl OpenError {
    fn new(cause: Cause, path: &Path, why: &dyn Display) -> Self {
        let advice = cause.advise(path, &why.to_string());
        if cause == Cause::Damaged { Self::Damaged(advice) } else { Self::Closed(advice) }
    }

    fn sql(path: &Path, error: &rusqlite::Error) -> Self {
        Self::new(Cause::of_sql(error, path), path, error)
    }

    fn load(path: &Path, error: &LoadError) -> Self {
        match error {
            LoadError::Sql(error) => Self::sql(path, error),
            LoadError::Json { .. } => Self::new(Cause::Damaged, path, error),
        }
    }
}

impl StateFile {
    /// Opens the state file in `dir`, makes it where there is none, and brings
    /// an older one up to date.
    ///
    /// # Errors
    /// A newer one, one that is damaged, or whatever the disk says.
    pub(super) fn open(dir: &Path, boot: Boot) -> Result<(Self, Loaded), OpenError> {
        let path = dir.join(NAME);
        let sql = |error: rusqlite::Error| OpenError::sql(&path, &error);
        let io = |error: io::Error| OpenError::new(Cause::of_io(&error), &path, &error);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.len() == 0 => {
                let why = "it is empty, as after a power cut";
                return Err(OpenError::new(Cause::Damaged, &path, &why));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                create(dir).map_err(|error| match error {
                    CreateError::Sql(error) => sql(error),
                    CreateError::Io(error) => io(error),
                })?;
            }
            Err(error) => return Err(io(error)),
        }
        let mut db = connect(&path).map_err(sql)?;
        check(&db, &path)?;
        schema::migrate(&mut db).map_err(sql)?;
        let continued = boot.go_on(&db).map_err(sql)?;
        let mark = mark::of(&db).map_err(sql)?;
        let loaded = load(&db).map_err(|error| OpenError::load(&path, &error))?;
        let loaded = Loaded { mark, ..loaded };
        Ok((Self { db, path, boot, continued }, loaded))
    }

    /// What the state file in `dir` holds, if it can be read although it cannot
    /// be opened for good: on a full disk, or a read-only one.
    pub(super) fn look_into(dir: &Path, boot: &Boot) -> Option<(Loaded, Continued)> {
        let path = dir.join(NAME);
        let whole = fs::metadata(&path).is_ok_and(|file| file.len() > 0);
        let db = whole.then(|| connect_for_reading(&path))?.ok()?;
        check(&db, &path).ok()?;
        let is_ours = schema::version(&db).is_ok_and(|found| found == schema::VERSION);
        let loaded = is_ours.then(|| load(&db))?.ok()?;
        let continued = boot.go_on(&db).ok()?;
        let mark = mark::of(&db).ok()?;
        Some((Loaded { mark, ..loaded }, continued))
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
        let cause = Cause::of_sql(error, path);
        let why = cause.advise(path, &error.to_string());
        Self { why, is_final: cause == Cause::Damaged }
    }
}

/// Opens the file at `path`, or begins it.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // Only the owner may read it: it holds outputs and log lines of services. What
    // is wrong here, SQLite says right after.
    let _ = File::options().create(true).truncate(false).write(true).mode(0o600).open(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    configure(&db)?;
    Ok(db)
}

/// Opens the file at `path` without the index of its log, which would need room
/// beside it.
fn connect_for_reading(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    if schema::version(&db).is_ok() {
        return Ok(db);
    }
    // Nobody can write there; without a log, the file alone is all there is.
    let log = path.with_extension("db-wal");
    if fs::metadata(log).is_ok_and(|log| log.len() > 0) {
        return Ok(db);
    }
    let path = percent_encoding::utf8_percent_encode(&path.to_string_lossy(), URI_PATH).to_string();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{path}?immutable=1"), flags)
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

fn check(db: &Connection, path: &Path) -> Result<(), OpenError> {
    let sql = |error: rusqlite::Error| OpenError::sql(path, &error);
    let found = schema::version(db).map_err(sql)?;
    if found > schema::VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: schema::VERSION });
    }
    let verdict: String =
        db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(sql)?;
    if verdict == "ok" { Ok(()) } else { Err(OpenError::new(Cause::Damaged, path, &verdict)) }
}
