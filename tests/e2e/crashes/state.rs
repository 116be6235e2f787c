//! The state file as a killed vai left it.

use rusqlite::Connection;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use vai_core::model::Notice;

/// What a state file says, as far as it must not go backwards.
pub(super) struct Kept {
    /// The latest moment that it knows, in milliseconds.
    clock: u64,
    /// The numbers of the next act and message, and of the last incident.
    numbers: [u64; 3],
    /// By service: when its restarts were admitted, in milliseconds, as far
    /// back as its ceiling looks.
    pub(super) spent: BTreeMap<String, Vec<u64>>,
    /// By the open incident's name: since when, and its root.
    incidents: BTreeMap<String, (u64, String)>,
    /// Acts that were admitted and have not ended.
    pub(super) acts: usize,
    /// Messages that have not reached everybody.
    pub(super) messages: Vec<Notice>,
}

impl Kept {
    /// Reads a copy, so that the log beside the file is left for vai to
    /// recover from.
    ///
    /// # Panics
    ///
    /// If the file is damaged.
    pub(super) fn read(folder: &Path) -> Self {
        let copy = TempDir::new().expect("a folder for the copy");
        for name in ["state.db", "state.db-wal"] {
            if let Err(error) = fs::copy(folder.join(name), copy.path().join(name)) {
                assert_eq!(error.kind(), ErrorKind::NotFound, "{name}: {error}");
            }
        }
        let db = Connection::open(copy.path().join("state.db")).expect("it can be opened");
        let verdict: String = db
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .expect("it can be checked");
        assert_eq!(verdict, "ok");
        let clock: String = db
            .query_row("SELECT value FROM meta WHERE name = 'clock_latest_ms'", [], |row| {
                row.get(0)
            })
            .expect("it knows the time");
        let mut kept = Self {
            clock: clock.parse().expect("a number"),
            numbers: [0; 3],
            spent: BTreeMap::new(),
            incidents: BTreeMap::new(),
            acts: 0,
            messages: Vec::new(),
        };
        let mut records = db.prepare("SELECT json FROM records").expect("it has records");
        let records = records.query_map([], |row| row.get::<_, String>(0)).expect("they are read");
        for record in records.map(|record| record.expect("it is read")) {
            kept.take_in(&record);
        }
        kept
    }

    fn take_in(&mut self, record: &str) {
        let Ok(record) = serde_json::from_str::<Value>(record) else {
            panic!("a record is JSON: {record}");
        };
        let host = &record["host"];
        if host.is_object() {
            let names = ["next_act", "next_message", "last_incident"];
            self.numbers = names.map(|name| number(&host[name]));
        } else if let Some([name, service]) = pair(&record["service"]) {
            let spent = service["effort"]["window"].as_array().expect("it counts its restarts");
            self.spent.insert(text(name), spent.iter().map(number).collect());
        } else if let Some([id, it]) = pair(&record["incident"]) {
            let incident = &it["incident"];
            self.incidents.insert(text(id), (number(&incident["since"]), text(&incident["root"])));
        } else if let Some([_, notice]) = pair(&record["message"]) {
            let notice = serde_json::from_value(notice.clone());
            self.messages.push(notice.expect("a message is a notice"));
        }
        self.acts += usize::from(record["act"].is_array());
    }

    /// The open incident of this service: its name, and since when.
    pub(super) fn incident_of(&self, service: &str) -> Option<(&str, u64)> {
        let mut incidents = self.incidents.iter();
        let (id, (since, _)) = incidents.find(|(_, (_, root))| root == service)?;
        Some((id, *since))
    }

    /// Holds it against what was read `before` it: nothing goes backwards.
    pub(super) fn follows(&self, before: &Self, window: Duration) {
        assert!(self.clock >= before.clock, "the clock ran backwards");
        for (now, then) in self.numbers.iter().zip(before.numbers) {
            assert!(*now >= then, "a number is given out twice: {now} after {then}");
        }
        let window = u64::try_from(window.as_millis()).expect("a window is no age of the world");
        for (service, spent) in &before.spent {
            let now = self.spent.get(service).map_or(&[][..], Vec::as_slice);
            for at in spent.iter().filter(|at| **at + window > self.clock) {
                assert!(now.contains(at), "{service}: the restart at {at} is forgotten: {now:?}");
            }
        }
        for (id, (since, _)) in &before.incidents {
            if let Some((now, _)) = self.incidents.get(id) {
                assert_eq!(now, since, "{id} began at another time");
            }
        }
    }
}

fn pair(value: &Value) -> Option<[&Value; 2]> {
    let [key, value] = value.as_array()?.as_slice() else { return None };
    Some([key, value])
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
