//! The schema of the state file, and how an older one becomes it.

use rusqlite::{Connection, Result, TransactionBehavior};

/// Each makes a file of its own number, counted from 1, out of one of the
/// number before. What was released is never edited.
const MIGRATIONS: &[&str] = &[
    // What the core remembers, each record as JSON, and the clock.
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
     CREATE TABLE records (
         kind TEXT NOT NULL,
         key  TEXT NOT NULL,
         json TEXT NOT NULL,
         PRIMARY KEY (kind, key)
     ) WITHOUT ROWID;",
    // What happened. The `id` of `fine` and `coarse` is day × 2^20 + check, so
    // that a day's rows stand together and go together.
    "CREATE TABLE transitions (
         id      INTEGER PRIMARY KEY,
         service TEXT NOT NULL,
         at      INTEGER NOT NULL,
         before  TEXT NOT NULL,
         after   TEXT NOT NULL,
         reason  TEXT NOT NULL
     );
     CREATE INDEX transitions_of ON transitions (service);
     CREATE TABLE incidents (
         id     TEXT NOT NULL UNIQUE,
         closed INTEGER NOT NULL,
         json   TEXT NOT NULL
     );
     CREATE TABLE checks (
         id       INTEGER PRIMARY KEY,
         service  TEXT NOT NULL,
         name     TEXT NOT NULL,
         last_day INTEGER NOT NULL,
         UNIQUE (service, name)
     );
     CREATE TABLE fine (id INTEGER PRIMARY KEY, slots BLOB NOT NULL);
     CREATE TABLE coarse (id INTEGER PRIMARY KEY, slots BLOB NOT NULL);
     CREATE TABLE results (check_id INTEGER PRIMARY KEY, json TEXT NOT NULL);",
    // The runs of jobs. `kind` is what has a bound of its own. What they wrote
    // stands apart: a row that shrinks would leave its page half empty for good.
    "CREATE TABLE runs (
         id       INTEGER PRIMARY KEY,
         job      TEXT NOT NULL,
         kind     INTEGER NOT NULL,
         run      INTEGER NOT NULL,
         outcome  TEXT NOT NULL,
         reason   TEXT NOT NULL,
         began    INTEGER,
         ended    INTEGER NOT NULL,
         took_ms  INTEGER NOT NULL,
         attempts INTEGER NOT NULL,
         bytes    INTEGER NOT NULL,
         first    INTEGER,
         last     INTEGER,
         instants INTEGER
     );
     CREATE INDEX runs_of ON runs (job, kind);
     CREATE TABLE run_tails (id INTEGER PRIMARY KEY, tail TEXT NOT NULL);
     CREATE TABLE run_days (
         job     TEXT NOT NULL,
         day     INTEGER NOT NULL,
         outcome TEXT NOT NULL,
         count   INTEGER NOT NULL,
         PRIMARY KEY (job, day, outcome)
     ) WITHOUT ROWID;",
];

/// The number that this `vai` writes.
pub(super) const VERSION: u32 = MIGRATIONS.len() as u32;

/// The number of a file; 0 is an empty one.
pub(super) fn version(db: &Connection) -> Result<u32> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings a file of an older number, or an empty one, up to [`VERSION`]; each
/// migration is one transaction.
pub(super) fn migrate(db: &mut Connection) -> Result<()> {
    let found = version(db)?;
    for (number, sql) in (1..).zip(MIGRATIONS).skip_while(|(number, _)| *number <= found) {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    Ok(())
}
