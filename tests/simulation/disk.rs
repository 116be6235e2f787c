//! The disk: what was stored survives a crash, through JSON as the real store
//! keeps it.

use vai_core::judge::{Change, Delta, Memory, Record};

/// What is stored, and what waits while nothing can be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    saved: Memory,
    unsaved: Vec<Change>,
    pub(crate) fails: bool,
}

impl Disk {
    /// Stores a delta; whether that worked. What could not be stored is when
    /// the disk is back.
    pub(crate) fn store(&mut self, delta: &Delta) -> bool {
        let kept = |change: &&Change| matches!(change, Change::Keep(_) | Change::Forget(_));
        if self.fails {
            self.unsaved.extend(delta.changes.iter().filter(kept).cloned());
            return false;
        }
        for change in delta.changes.iter().filter(kept) {
            self.saved.apply(change);
        }
        true
    }

    pub(crate) fn back(&mut self) {
        self.fails = false;
        for change in std::mem::take(&mut self.unsaved) {
            self.saved.apply(&change);
        }
    }

    /// The crash of the one who writes: whether anything was lost with it.
    pub(crate) fn crash(&mut self) -> bool {
        !std::mem::take(&mut self.unsaved).is_empty()
    }

    /// What is read back at the next start, or what JSON made of it.
    pub(crate) fn load(&self) -> Result<Memory, String> {
        let mut memory = Memory::default();
        for record in self.saved.records() {
            let text = serde_json::to_string(&record).map_err(|error| error.to_string())?;
            let back: Record =
                serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
            if serde_json::to_string(&back).ok().as_ref() != Some(&text) {
                return Err(format!("a record comes back changed: {text}"));
            }
            memory.keep(back);
        }
        Ok(memory)
    }
}
