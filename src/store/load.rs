//! What is read at the start.

use super::history::History;
use super::meta;
use super::pending::{DELIVERED, TOLD};
use rusqlite::Connection;
use vai_core::dispatch::Notified;
use vai_core::judge::{Memory, Record};
use vai_core::model::ServiceName;

/// What a state file holds.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// What the core remembers.
    pub(super) memory: Memory,
    /// Who was told what.
    pub(super) notified: Notified,
    /// The last results of the checks.
    pub(super) history: History,
    /// The last registry without errors.
    pub(super) registry: Option<String>,
    /// What tells the file from every other one.
    pub(super) mark: String,
}

/// Why a row cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// The file.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// What stands in it.
    #[error("the record {kind} {key}: {source}")]
    Json {
        /// Of which kind.
        kind: String,
        /// Which.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
}

/// Reads all of it.
pub(super) fn load(db: &Connection) -> Result<Loaded, LoadError> {
    let mut loaded = Loaded { registry: meta::text(db, meta::REGISTRY)?, ..Loaded::default() };
    let mut all = db.prepare("SELECT kind, key, json FROM records")?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, key, json): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let Notified { reached, delivered } = &mut loaded.notified;
        let taken = match kind.as_str() {
            TOLD => serde_json::from_str(&json).map(|told| reached.push(told)),
            DELIVERED => serde_json::from_str(&json).map(|message| delivered.push(message)),
            _ => serde_json::from_str::<Record>(&json).map(|record| loaded.memory.keep(record)),
        };
        taken.map_err(|source| LoadError::Json { kind, key, source })?;
    }
    let mut all = db.prepare(
        "SELECT service, name, json FROM results JOIN checks ON checks.id = results.check_id",
    )?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        let (service, check, json): (String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        match serde_json::from_str(&json) {
            Ok(results) => {
                loaded.history.load(ServiceName::from(service.as_str()), check, results);
            }
            Err(source) => {
                let (kind, key) = ("results".to_owned(), format!("{service} {check}"));
                return Err(LoadError::Json { kind, key, source });
            }
        }
    }
    Ok(loaded)
}
