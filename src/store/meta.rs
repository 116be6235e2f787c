//! The few named values of the state file.

use rusqlite::{Connection, OptionalExtension, Result};

/// What tells this file from every other one.
pub(super) const MARK: &str = "mark";
/// The boot that wrote last.
pub(super) const BOOT: &str = "boot_id";
/// What that boot's clock began with, in milliseconds.
pub(super) const BASE: &str = "clock_base_ms";
/// The last registry without errors.
pub(super) const REGISTRY: &str = "last_good_registry";
/// The latest moment of that clock that is known, in milliseconds.
pub(super) const LATEST: &str = "clock_latest_ms";

/// The value of this name.
pub(super) fn text(db: &Connection, name: &str) -> Result<Option<String>> {
    db.prepare_cached("SELECT value FROM meta WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

/// The value of this name as a number; 0 where there is none.
pub(super) fn number(db: &Connection, name: &str) -> Result<u64> {
    Ok(text(db, name)?.and_then(|value| value.parse().ok()).unwrap_or(0))
}

/// Sets the value of this name.
pub(super) fn set(db: &Connection, name: &str, value: &str) -> Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?.execute([name, value])?;
    Ok(())
}
