use super::meta;
use crate::clock;
use rusqlite::{Connection, Result};
use std::fs;
use std::time::Duration;
use vai_core::model::Time;

/// Which boot of the host this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Boot {
    /// The kernel's name for it.
    pub(super) id: String,
    /// For how long it has lasted.
    pub(super) uptime: Duration,
}

/// How the boot clock goes on from what was stored of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Continued {
    /// What all boots before this one add to it.
    pub(super) base: Duration,
    /// Whether the host was booted since.
    pub(super) rebooted: bool,
}

impl Boot {
    /// The one that is.
    pub(super) fn current() -> Self {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self { id: id.trim().to_owned(), uptime: clock::uptime() }
    }

    /// In the same boot the clock goes on as it did. In another one it goes on
    /// from the latest moment that is known, so that it never runs backwards
    /// and of a reboot only the time since the host came up has passed: a
    /// budget can only be too strict.
    pub(super) fn go_on(&self, db: &Connection) -> Result<Continued> {
        let Some(before) = meta::text(db, meta::BOOT)? else {
            return Ok(Continued::default());
        };
        let number = |name| meta::number(db, name).map(Duration::from_millis);
        let (base, latest) = (number(meta::BASE)?, number(meta::LATEST)?);
        let rebooted = before != self.id;
        let base = if rebooted { latest } else { base.max(latest.saturating_sub(self.uptime)) };
        Ok(Continued { base, rebooted })
    }
}

/// What of the clock goes into every transaction.
pub(super) fn store(db: &Connection, boot: &str, base: Duration, latest: Time) -> Result<()> {
    meta::set(db, meta::BOOT, boot)?;
    meta::set(db, meta::BASE, &base.as_millis().to_string())?;
    meta::set(db, meta::LATEST, &latest.as_millis().to_string())
}
