//! Where run files are: in memory, so that a full disk stops no job and nothing
//! is left in the container's own layer.

use rustix::process::geteuid;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// In this order. The engine mounts the first in every container.
const PARENTS: [&str; 3] = ["/dev/shm", "/.vai", "/tmp"];

/// Nobody else may read what runs write, or make up an end of theirs.
const MODE: u32 = 0o700;

/// The first of our folders that can be had, made if need be.
///
/// # Errors
/// Why the last of them cannot be had.
pub(in crate::probe) fn make() -> io::Result<PathBuf> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for folder in candidates() {
        match DirBuilder::new().mode(MODE).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => last = error,
            Ok(()) | Err(_) if is_ours(&folder) => return Ok(folder),
            Ok(()) | Err(_) => {
                last = io::Error::other(format!("{} is somebody else's", folder.display()));
            }
        }
    }
    Err(last)
}

/// All of our folders that are there.
pub(super) fn existing() -> impl Iterator<Item = PathBuf> {
    candidates().filter(|folder| is_ours(folder))
}

fn candidates() -> impl Iterator<Item = PathBuf> {
    let uid = geteuid().as_raw();
    PARENTS.into_iter().map(move |parent| Path::new(parent).join(format!("vai-{uid}")))
}

fn is_ours(folder: &Path) -> bool {
    // Not through a link that somebody else has laid.
    fs::symlink_metadata(folder).is_ok_and(|found| {
        found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o077 == 0
    })
}
