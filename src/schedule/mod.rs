//! When something is due by the wall clock: crontab's schedules, and the jobs
//! and maintenance windows that follow them. Pure: whoever asks hands in the
//! time.

mod crontab;
mod digest;
mod due;
mod explain;
mod field;
mod forecast;
mod mistake;
mod moments;
mod windows;

pub use crontab::Crontab;
pub use digest::Digest;
pub use due::{Due, JobSchedule};
pub use field::Field;
pub use forecast::{Change, Upcoming};
pub use mistake::{CrontabError, Mistake};
pub use windows::{Window, Windows};
