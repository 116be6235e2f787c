use super::meta;
use rusqlite::{Connection, Result};

/// What tells this state file from every other one, kept in it; made where
/// there is none yet.
pub(super) fn of(db: &Connection) -> Result<String> {
    if let Some(mark) = meta::text(db, meta::MARK)? {
        return Ok(mark);
    }
    let mark = random();
    // On a full disk it holds for this run only, in which nothing is done that
    // it would be needed for.
    let _ = meta::set(db, meta::MARK, &mark);
    Ok(mark)
}

/// One that nobody else has.
pub(super) fn random() -> String {
    let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
    uuid.chars().filter(char::is_ascii_hexdigit).take(16).collect()
}
