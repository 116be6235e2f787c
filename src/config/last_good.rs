use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const NAME: &str = "last-good-registry.json";
const HALF_WRITTEN: &str = "last-good-registry.json.new";

/// Keeps `source`, a registry without errors, in the state folder for a start
/// at which there is no good one. Only the owner can read it: it may hold
/// literal secrets.
///
/// # Errors
/// Whatever the file system says; the copy before it is then still there.
pub fn save_last_good(state_dir: &Path, source: &str) -> io::Result<()> {
    let half_written = state_dir.join(HALF_WRITTEN);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let descriptor = rustix::fs::open(&half_written, flags, Mode::RUSR | Mode::WUSR)?;
    let mut file = File::from(descriptor);
    file.write_all(source.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&half_written, last_good_path(state_dir))?;
    File::open(state_dir)?.sync_all()
}

/// The copy that was kept last, if there is one.
///
/// # Errors
/// Whatever the file system says when it is there and cannot be read.
pub fn load_last_good(state_dir: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(last_good_path(state_dir)) {
        Ok(source) => Ok(Some(source)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where the last good registry is kept.
#[must_use]
pub fn last_good_path(state_dir: &Path) -> PathBuf {
    state_dir.join(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_last_one_saved_is_loaded_and_private() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load_last_good(folder.path()).unwrap(), None);
        save_last_good(folder.path(), "{\"a\":1}").unwrap();
        save_last_good(folder.path(), "{}").unwrap();
        assert_eq!(load_last_good(folder.path()).unwrap().unwrap(), "{}");
        let mode = std::fs::metadata(last_good_path(folder.path())).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(save_last_good(&folder.path().join("none"), "{}").is_err());
    }
}
