use crate::clock;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use vai_core::model::Wall;

/// Held for as long as this is alive: one daemon for one state folder.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon uses it.
    #[error(
        "another vai ({holder}) uses the state folder {}; stop that one, or give this one a \
         folder of its own by --state-dir",
        .dir.display()
    )]
    Held {
        /// The folder.
        dir: PathBuf,
        /// Who, in words.
        holder: String,
    },
    /// It cannot be made or written.
    #[error("the state folder {}: {source}", .dir.display())]
    Io {
        /// The folder.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What the holder writes into the lock file, for whoever comes second.
#[derive(Serialize, Deserialize)]
struct Holder {
    pid: u32,
    host: String,
    since: Wall,
}

impl StateLock {
    /// Takes the state folder `dir`, which is made with mode 0700 if it is not
    /// there. The kernel gives the lock back when the process ends, however it
    /// ends.
    ///
    /// # Errors
    /// Another daemon has it, or it cannot be made or written.
    pub fn acquire(dir: &Path) -> Result<Self, LockError> {
        let io = |source| LockError::Io { dir: dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
        let path = dir.join("vai.lock");
        // Not truncated: until the lock is ours, it names the other holder.
        let mut file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { dir: dir.to_owned(), holder: holder(&path) });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        write_holder(&mut file).map_err(io)?;
        Ok(Self { _file: file })
    }
}

fn write_holder(file: &mut File) -> io::Result<()> {
    let holder = Holder { pid: std::process::id(), host: host(), since: clock::wall() };
    let mut text = serde_json::to_string(&holder)?;
    text.push('\n');
    file.set_len(0)?;
    file.write_all(text.as_bytes())
}

/// The pid alone says little: two containers may share a folder.
fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

fn holder(path: &Path) -> String {
    let written =
        fs::read_to_string(path).ok().and_then(|text| serde_json::from_str::<Holder>(&text).ok());
    match written {
        Some(Holder { pid, host, since }) => {
            format!("pid {pid} on {host}, since {}", super::utc(since))
        }
        None => "which has only just started".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_daemon_is_refused_and_told_who_holds_the_folder() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("state");
        let first = StateLock::acquire(&dir).unwrap();
        let refusal = StateLock::acquire(&dir).unwrap_err().to_string();
        let holder = format!("another vai (pid {} on {}, since ", std::process::id(), host());
        assert!(refusal.starts_with(&holder), "{refusal}");
        assert!(refusal.contains("--state-dir"), "{refusal}");
        drop(first);
        StateLock::acquire(&dir).unwrap();
    }
}
