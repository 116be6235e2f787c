//! A new state file. It gets its name once it is whole: one that is empty under
//! that name has lost what it held.

use super::file::{NAME, connect};
use super::schema;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// What was wrong with it: SQLite, or the file system.
#[derive(Debug, thiserror::Error)]
pub(super) enum CreateError {
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Makes the state file in `dir`.
pub(super) fn create(dir: &Path) -> Result<(), CreateError> {
    let unfinished = dir.join(format!("{NAME}.new"));
    let made = prepare(&unfinished);
    if made.is_err() {
        // What is left of it is replaced by the next one.
        let _ = remove(&unfinished);
    }
    made?;
    // What belongs to a file that somebody moved away would be read into ours.
    for of_another in logs(&dir.join(NAME)) {
        remove_if_there(&of_another)?;
    }
    fs::rename(&unfinished, dir.join(NAME))?;
    File::open(dir)?.sync_all()?;
    Ok(())
}

fn prepare(path: &Path) -> Result<(), CreateError> {
    remove(path)?;
    let mut db = connect(path)?;
    schema::migrate(&mut db)?;
    // Nothing stays in its log.
    db.close().map_err(|(_, error)| error)?;
    File::open(path)?.sync_all()?;
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    logs(path).iter().try_for_each(|log| remove_if_there(log))?;
    remove_if_there(path)
}

fn logs(path: &Path) -> [PathBuf; 2] {
    ["-wal", "-shm"].map(|end| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    })
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
