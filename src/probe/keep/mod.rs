//! What the commands of services start is kept by one small process for each
//! container instance and user, in an exec of its own. As a child subreaper it
//! takes away the dead that the container's first process may leave lying, and
//! it is the one who sees what a command left behind end. Agents come and go
//! beside it; it leaves when nothing is left to keep. Its own loss ends nobody:
//! what it kept falls to the container's first process, and its streams are the
//! engine's.

mod act;
mod keeper;
mod launch;
mod packet;
mod place;

pub use keeper::keep;
pub use launch::{launch, run_in_session};
pub use place::{Kept, KeptEnd};

use super::run::{make_folder, world};
use rustix::process::{getegid, getgroups};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// Said on standard output once there is a keeper.
const READY: &str = "ready";

/// What a keeper is asked, one a packet.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    /// Run this program with its arguments, in the environment and folder of
    /// whoever asks, with the standard output and error that come with it.
    Launch(Vec<String>),
    /// Tell what becomes of what the act with this mark left behind.
    Watch(String),
}

/// What a keeper answers, one a packet.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    /// The program runs, under this number.
    Begun(i32),
    /// It ended, as a shell counts.
    Exited(i32),
    /// The commands of the act ended, and so has all that they left behind.
    Over(Fate),
}

/// What became of what the commands of an act left behind, once none of it
/// lives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fate {
    /// How the last of it ended, where that was by a signal or another exit code
    /// than 0: `api-server (pid 12) exited 1`. Absent too where nothing was left
    /// behind, or something may be that was not recognised: then it proves
    /// nothing.
    pub failed: Option<String>,
}

/// Where a keeper is found: by its own kind only, so that it gives nobody what
/// they did not have.
struct Address {
    socket: PathBuf,
    /// Held by the keeper as long as it lives.
    lock: PathBuf,
}

impl Address {
    fn own() -> io::Result<Self> {
        let folder = make_folder()?.join("keeper");
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut hasher = DefaultHasher::new();
        world().hash(&mut hasher);
        getegid().as_raw().hash(&mut hasher);
        let groups = getgroups()?;
        groups.iter().map(|group| group.as_raw()).collect::<Vec<_>>().hash(&mut hasher);
        // Another build may speak otherwise.
        fs::read_link("/proc/self/exe")?.hash(&mut hasher);
        let name = format!("{:016x}", hasher.finish());
        let file = |kind: &str| folder.join(format!("{name}.{kind}"));
        Ok(Self { socket: file("sock"), lock: file("lock") })
    }
}
