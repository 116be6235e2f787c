//! What goes into one transaction.

use super::history::History;
use super::keep;
use super::meta;
use super::pending::{Closed, Happened, Pending, RowKey};
use super::{rollup, runs};
use rusqlite::{Connection, Result, params};
use std::collections::BTreeMap;

/// How much of what waits is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All but statistics.
    WithoutSlots,
    /// Everything.
    All,
}

/// Writes what waits.
pub(super) fn pending(db: &Connection, pending: &Pending, extent: Extent) -> Result<()> {
    rows(db, &pending.rows)?;
    transitions(db, pending.transitions.iter())?;
    incidents(db, pending.closed.iter())?;
    runs::store(db, pending.runs.iter())?;
    if let Some(registry) = &pending.registry {
        meta::set(db, meta::REGISTRY, registry)?;
    }
    if extent == Extent::All {
        rollup::store(db, &pending.slots)?;
        if let Some(history) = &pending.history {
            results(db, history)?;
        }
    }
    Ok(())
}

fn rows(db: &Connection, rows: &BTreeMap<RowKey, Option<String>>) -> Result<()> {
    let mut keep = db.prepare_cached("INSERT OR REPLACE INTO records VALUES (?1, ?2, ?3)")?;
    let mut forget = db.prepare_cached("DELETE FROM records WHERE kind = ?1 AND key = ?2")?;
    for (RowKey { kind, key }, json) in rows {
        match json {
            Some(json) => keep.execute([kind, key.as_str(), json])?,
            None => forget.execute([kind, key.as_str()])?,
        };
    }
    Ok(())
}

fn transitions<'a>(db: &Connection, all: impl Iterator<Item = &'a Happened>) -> Result<()> {
    let mut add = db.prepare_cached(
        "INSERT INTO transitions (service, at, before, after, reason) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let mut trim = db.prepare_cached(
        "DELETE FROM transitions WHERE service = ?1 AND id <= (
             SELECT id FROM transitions WHERE service = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2
         )",
    )?;
    for Happened { at, transition: it } in all {
        let service = it.service.as_str();
        let (before, after) = (it.from.label(), it.to.label());
        add.execute(params![service, at.as_millis(), before, after, it.reason])?;
        trim.execute(params![service, keep::TRANSITIONS])?;
    }
    Ok(())
}

fn incidents<'a>(db: &Connection, all: impl Iterator<Item = &'a Closed>) -> Result<()> {
    let mut add = db.prepare_cached("INSERT OR REPLACE INTO incidents VALUES (?1, ?2, ?3)")?;
    for Closed { id, at, json } in all {
        add.execute(params![id.0, at.as_millis(), json])?;
    }
    Ok(())
}

fn results(db: &Connection, history: &History) -> Result<()> {
    db.execute("DELETE FROM results", [])?;
    let mut add = db.prepare_cached("INSERT INTO results VALUES (?1, ?2)")?;
    for (service, check, results) in history.all() {
        let Some(last) = results.back() else { continue };
        let id = rollup::check_id(db, service, check, rollup::day(last.at))?;
        if let Some(json) = super::pending::json(results) {
            add.execute(params![id, json])?;
        }
    }
    Ok(())
}
