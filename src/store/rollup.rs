//! What the results of a check come to over time: a row of fixed size for each
//! check and day, with a slot for every five minutes, and one with a slot for
//! every hour.

use rusqlite::{Connection, OptionalExtension, Result, params};
use std::collections::BTreeMap;
use vai_core::judge::Sample;
use vai_core::model::{Outcome, ServiceName, Wall};

/// A day, in milliseconds.
pub(super) const DAY_MS: i64 = 24 * 3600 * 1000;

/// A check's number is less than this, so that a day and a check are one key.
const CHECKS: i64 = 1 << 20;

/// A table of slots.
pub(super) struct Grain {
    pub(super) table: &'static str,
    slot_ms: i64,
    /// How many days are kept besides the one that is.
    pub(super) kept_days: i64,
}

/// Five minutes, for 30 days.
pub(super) const FINE: Grain = Grain { table: "fine", slot_ms: 300_000, kept_days: 30 };
/// An hour, for a year.
pub(super) const COARSE: Grain = Grain { table: "coarse", slot_ms: 3_600_000, kept_days: 365 };

/// The results of one slot. What does not fit counts as the most that does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    /// Slow ones too.
    pub(super) passes: u16,
    pub(super) fails: u16,
    /// We could not look, or Docker's own check was in its start period.
    pub(super) unknowns: u16,
    /// The slowest pass or fail, in milliseconds.
    pub(super) slowest_ms: u16,
}

impl Slot {
    const BYTES: usize = 8;

    /// Adds a result.
    pub(super) fn add(&mut self, sample: &Sample) {
        let took = u16::try_from(sample.took.as_millis()).unwrap_or(u16::MAX);
        let (count, took) = match sample.outcome {
            Outcome::Pass | Outcome::Slow(_) => (&mut self.passes, took),
            Outcome::Fail(_) => (&mut self.fails, took),
            Outcome::Starting(_) | Outcome::Unknown(_) => (&mut self.unknowns, 0),
        };
        *count = count.saturating_add(1);
        self.slowest_ms = self.slowest_ms.max(took);
    }

    fn merge(self, other: Self) -> Self {
        Self {
            passes: self.passes.saturating_add(other.passes),
            fails: self.fails.saturating_add(other.fails),
            unknowns: self.unknowns.saturating_add(other.unknowns),
            slowest_ms: self.slowest_ms.max(other.slowest_ms),
        }
    }

    fn read(bytes: &[u8]) -> Self {
        let number = |at: usize| match bytes.get(at..at + 2) {
            Some(&[low, high]) => u16::from_le_bytes([low, high]),
            _ => 0,
        };
        Self { passes: number(0), fails: number(2), unknowns: number(4), slowest_ms: number(6) }
    }

    fn bytes(self) -> [u8; Self::BYTES] {
        let numbers = [self.passes, self.fails, self.unknowns, self.slowest_ms];
        let mut bytes = [0; Self::BYTES];
        for (to, number) in bytes.chunks_exact_mut(2).zip(numbers) {
            to.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }
}

/// Which five minutes of which check, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SlotKey {
    /// Since 1970, UTC.
    pub(super) number: i64,
    pub(super) service: ServiceName,
    pub(super) check: String,
}

/// The five minutes that `wall` lies in, counted from 1970.
pub(super) fn number(wall: Wall) -> i64 {
    wall.as_millis().div_euclid(FINE.slot_ms)
}

/// The day that `wall` lies in, counted from 1970, UTC.
pub(super) fn day(wall: Wall) -> i64 {
    wall.as_millis().div_euclid(DAY_MS)
}

impl Grain {
    /// The number of slots in a row.
    const fn slots(&self) -> usize {
        (DAY_MS / self.slot_ms) as usize
    }

    /// Forgets the days that are not kept any more.
    pub(super) fn forget(&self, db: &Connection, today: i64) -> Result<()> {
        let oldest = (today - self.kept_days) * CHECKS;
        db.execute(&format!("DELETE FROM {} WHERE id < ?1", self.table), [oldest])?;
        Ok(())
    }

    /// The slots of one check and day.
    #[cfg(test)]
    pub(super) fn row(&self, db: &Connection, check: i64, day: i64) -> Result<Vec<Slot>> {
        let bytes = self.read(db, day * CHECKS + check)?;
        Ok(bytes.chunks_exact(Slot::BYTES).map(Slot::read).collect())
    }

    fn read(&self, db: &Connection, id: i64) -> Result<Vec<u8>> {
        let found = db
            .prepare_cached(&format!("SELECT slots FROM {} WHERE id = ?1", self.table))?
            .query_row([id], |row| row.get(0))
            .optional()?;
        Ok(found.unwrap_or_else(|| vec![0; self.slots() * Slot::BYTES]))
    }

    fn add(&self, db: &Connection, id: i64, slots: &[(i64, Slot)]) -> Result<()> {
        let mut bytes = self.read(db, id)?;
        for (at, slot) in slots {
            let at = at.rem_euclid(DAY_MS).div_euclid(self.slot_ms);
            let from = usize::try_from(at).unwrap_or(0) * Slot::BYTES;
            if let Some(place) = bytes.get_mut(from..from + Slot::BYTES) {
                place.copy_from_slice(&Slot::read(place).merge(*slot).bytes());
            }
        }
        db.prepare_cached(&format!("INSERT OR REPLACE INTO {} VALUES (?1, ?2)", self.table))?
            .execute(params![id, bytes])?;
        Ok(())
    }
}

/// Adds slots to what is stored of their days.
pub(super) fn store(db: &Connection, slots: &BTreeMap<SlotKey, Slot>) -> Result<()> {
    let mut rows: BTreeMap<(i64, i64), Vec<(i64, Slot)>> = BTreeMap::new();
    let mut ids: BTreeMap<(&ServiceName, &str), i64> = BTreeMap::new();
    for (key, slot) in slots {
        let at = key.number * FINE.slot_ms;
        let day = at.div_euclid(DAY_MS);
        let name = (&key.service, key.check.as_str());
        let id = match ids.get(&name) {
            Some(id) => *id,
            None => check_id(db, &key.service, &key.check, day)?,
        };
        ids.insert(name, id);
        rows.entry((day, id)).or_default().push((at, *slot));
    }
    for ((day, check), slots) in &rows {
        for grain in [&FINE, &COARSE] {
            grain.add(db, day * CHECKS + check, slots)?;
        }
    }
    Ok(())
}

/// The number of a check, which is given to it where it has none.
pub(super) fn check_id(
    db: &Connection,
    service: &ServiceName,
    check: &str,
    day: i64,
) -> Result<i64> {
    db.prepare_cached(
        "INSERT INTO checks (service, name, last_day) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET last_day = max(last_day, excluded.last_day) RETURNING id",
    )?
    .query_row(params![service.as_str(), check, day], |row| row.get(0))
}
