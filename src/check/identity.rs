//! Another's file system identity, for what `/proc` shows to its own kind only.

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// The thread's file system identity, borrowed from a process. Root in a
/// container lacks `CAP_SYS_PTRACE`: it may look at the descriptors of its own
/// kind only. Given back on drop, since the thread belongs to a pool.
pub(crate) struct FsIdentity {
    previous: (Uid, Gid),
}

impl FsIdentity {
    /// `None` if the process is of our own kind already, or gone.
    pub(crate) fn of_process(pid: i32) -> Option<Self> {
        let owner = fs::metadata(format!("/proc/{pid}")).ok()?;
        let (uid, gid) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
        if uid == Uid::effective() && gid == Gid::effective() {
            return None;
        }
        // The group first: without root's identity it could not be changed.
        let gid = setfsgid(gid);
        let uid = setfsuid(uid);
        Some(Self { previous: (uid, gid) })
    }
}

impl Drop for FsIdentity {
    fn drop(&mut self) {
        let (uid, gid) = self.previous;
        setfsuid(uid);
        setfsgid(gid);
    }
}
