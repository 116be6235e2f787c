//! Everything that becomes of what a run writes.

use super::log::Log;
use super::ring::Ring;
use crate::check::words::{plain, size};
use crate::clock;
use crate::docker::Tail;
use jiff::Timestamp;
use std::path::Path;
use std::time::Duration;
use vai_core::model::HowEnded;
use vai_core::words;

/// Counts it, keeps its end, and writes it to the log.
#[derive(Debug)]
pub(super) struct Output {
    title: String,
    bytes: u64,
    tail: Tail,
    ring: Option<Ring>,
    log: Option<Log>,
    notes: Vec<String>,
}

impl Output {
    /// Keeps its end in the file `ring`, and writes it to the file `log`.
    pub(super) fn new(title: &str, ring: &Path, log: Option<&Path>) -> Self {
        let mut notes = Vec::new();
        let log = log.and_then(|path| {
            let no_thread = |error| {
                let path = path.display();
                notes.push(format!("its output is not in {path}: {}", plain(&error)));
            };
            Log::open(path).map_err(no_thread).ok()
        });
        let mut output = Self {
            title: title.to_owned(),
            bytes: 0,
            tail: Tail::default(),
            // Without it nobody can look on, and that is all.
            ring: Ring::create(ring).ok(),
            log,
            notes,
        };
        output.line("begins");
        output
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        self.tail.push(chunk);
        // A full memory: nobody can look on any more, and that is all.
        let kept = self.ring.as_mut().is_none_or(|ring| ring.push(chunk).is_ok());
        self.ring = self.ring.take().filter(|_| kept);
        if let Some(log) = &mut self.log {
            log.push(chunk);
        }
    }

    /// The run is over: how much it wrote, the end of that, and what there is
    /// to know about it. What its background processes write after it goes on
    /// into the log.
    pub(super) fn end(&mut self, how: &HowEnded, took: Duration) -> (u64, String, Vec<String>) {
        let bytes = size(self.bytes);
        self.line(&format!("{} after {}, {bytes} of output", ended(how), words::duration(took)));
        self.ring = None;
        let mut notes = std::mem::take(&mut self.notes);
        notes.extend(self.log.as_mut().and_then(Log::trouble));
        (self.bytes, std::mem::take(&mut self.tail).into_text(), notes)
    }

    /// Nothing comes any more.
    pub(super) fn close(&mut self) {
        if let Some(log) = &mut self.log {
            log.settle();
            // Whoever could be told is gone.
            let _ = log.trouble();
        }
    }

    fn line(&mut self, what: &str) {
        if let Some(log) = &mut self.log {
            let now = Timestamp::from_millisecond(clock::wall().as_millis()).unwrap_or_default();
            let now = now.strftime("%Y-%m-%dT%H:%M:%SZ");
            log.line(&format!("{now} {} {what}", self.title));
        }
    }
}

fn ended(how: &HowEnded) -> String {
    match how {
        HowEnded::Exited(code) => format!("exited {code}"),
        HowEnded::Signalled(signal) => format!("was ended by signal {signal}"),
        HowEnded::TimedOut { .. } => "took too long and was ended".to_owned(),
        HowEnded::Replaced => "was ended for a newer run".to_owned(),
        HowEnded::Refused(why) | HowEnded::NotBegun(why) => format!("was not begun: {why}"),
        HowEnded::Lost(why) => format!("was lost: {why}"),
    }
}
