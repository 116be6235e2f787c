//! Why the state file cannot be used, and what helps against that.

use super::file::NAME;
use rusqlite::ErrorCode;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// The room that SQLite needs beside the file, and more.
static ROOM: [u8; 64 * 1024] = [0; 64 * 1024];

/// Why the state file cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It is no state file any more.
    Damaged,
    /// There is no room left.
    Full,
    /// Its file system is mounted read-only.
    ReadOnly,
    /// Somebody else's file or folder.
    NoPermission,
    /// Something else that may pass.
    Other,
}

impl Cause {
    /// What an error of SQLite on the file at `path` comes from. Several causes
    /// have one and the same error, so the folder is tried out as well.
    pub(super) fn of_sql(error: &rusqlite::Error, path: &Path) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(
                ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::SystemIoFailure,
            ) => try_to_write(path).err().map_or(Self::Other, |error| Self::of_io(&error)),
            _ => Self::Other,
        }
    }

    /// What an error of the file system comes from.
    pub(super) fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full,
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            ErrorKind::PermissionDenied => Self::NoPermission,
            _ => Self::Other,
        }
    }

    /// What is wrong with the file at `path` and what to do; `why` in the words
    /// of the error.
    pub(super) fn advise(self, path: &Path, why: &str) -> String {
        let (what, help) = match self {
            Self::Damaged => {
                return format!(
                    "the state file {} cannot be used: {why}. It is left as it is; to begin with \
                     a new one, stop vai, move {NAME} and {NAME}-wal away and start vai",
                    path.display()
                );
            }
            Self::Full => ("the disk is full".to_owned(), "Make room on it; "),
            Self::ReadOnly => (
                "its file system is read-only".to_owned(),
                "Mount the state folder so that it can be written; ",
            ),
            Self::NoPermission => {
                let user = rustix::process::geteuid().as_raw();
                let what = format!("user {user}, as whom vai runs, may not write there");
                (what, "Give folder and file to that user; ")
            }
            Self::Other => (why.to_owned(), ""),
        };
        format!("{}: {what}. {help}it is tried again every 5 s", path.display())
    }
}

/// Writes to the folder of `path` what SQLite would.
fn try_to_write(path: &Path) -> io::Result<()> {
    if path.exists() {
        File::options().write(true).open(path)?;
    }
    let beside = path.with_extension("db.try");
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(&ROOM)?;
        file.sync_all()
    });
    // It may never have been there.
    let _ = fs::remove_file(&beside);
    written
}
