//! When something is due by the wall clock: crontab's schedules, and the jobs
//! and maintenance windows that follow them. Pure: whoever asks hands in the
//! time.

mod crontab;
mod digest;
mod due;
mod moments;
mod windows;

pub use crontab::{Crontab, CrontabError, Field, MACROS};
pub use digest::Digest;
pub use due::{Due, JobSchedule};
pub use windows::{Window, Windows};
