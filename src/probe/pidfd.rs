//! A hold on exactly one process, whatever becomes of its number.

use crate::check::processes::is_living;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use vai_core::model::ProcId;

/// One to wait on.
#[derive(Debug)]
pub(super) struct PidFd(AsyncFd<OwnedFd>);

/// # Errors
/// As [`PidFd::open`].
pub(super) fn hold(id: &ProcId) -> io::Result<OwnedFd> {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    let pid = Pid::from_raw(id.pid).ok_or_else(gone)?;
    let fd = pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| match errno {
        rustix::io::Errno::SRCH => gone(),
        other => other.into(),
    })?;
    // Only now the number cannot be given to another process any more.
    if is_living(id) { Ok(fd) } else { Err(gone()) }
}

/// Content if the process is gone already.
pub(super) fn send(held: &OwnedFd, signal: Signal) -> io::Result<()> {
    match pidfd_send_signal(held, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

impl PidFd {
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if that very process is gone; others if the
    /// kernel has no pidfds or we no descriptors.
    pub(super) fn open(id: &ProcId) -> io::Result<Self> {
        Ok(Self(wait_on(hold(id)?)?))
    }

    /// Waits until the process ended; a zombie has.
    pub(super) async fn ended(&self) -> io::Result<()> {
        self.0.readable().await.map(drop)
    }

    /// Content if the process is gone already.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        send(self.0.get_ref(), signal)
    }
}

#[expect(
    deprecated,
    reason = "its replacement is unsafe for the sake of types that may change their descriptor; \
              an `OwnedFd` never does"
)]
fn wait_on(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}
