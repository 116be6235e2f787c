//! What is stored before it has an effect: intents and messages.

use super::turn::Turn;
use crate::clock;
use crate::store::{Store, Written};
use std::collections::VecDeque;
use std::time::Duration;
use tracing::{error, info};
use vai_core::dispatch::Told;
use vai_core::judge::Delta;
use vai_core::model::{ActOutcome, ActReport, Event, Evidence, MessageId, Notice, Time};

/// An act waits no longer than this for its intent to be stored, nor does a
/// message.
pub(super) const STORED_WITHIN: Duration = Duration::from_secs(10);

/// For what is left to be stored at the end.
const LEFT_STORED_WITHIN: Duration = Duration::from_secs(1);

/// The store, and what waits for it.
pub(super) struct Keeping {
    pub(super) store: Store,
    /// Messages that are not stored yet, oldest first.
    waiting: VecDeque<Waiting>,
    /// Whether the core was told that nothing can be stored.
    failed: bool,
}

struct Waiting {
    written: Written,
    until: Time,
    id: MessageId,
    notice: Notice,
}

impl Keeping {
    /// Nothing waits yet.
    pub(super) fn new(store: Store) -> Self {
        Self { store, waiting: VecDeque::new(), failed: false }
    }

    /// When a message has waited long enough.
    pub(super) fn next_wake(&self) -> Option<Time> {
        self.waiting.front().map(|waiting| waiting.until)
    }

    /// Holds a message back until it is stored. One that cannot be stored goes
    /// out as well: it must not be lost with the disk.
    pub(super) fn hold(&mut self, written: Written, id: MessageId, notice: Notice) {
        let until = clock::boot_time() + STORED_WITHIN;
        self.waiting.push_back(Waiting { written, until, id, notice });
    }

    /// The next message that may go out.
    fn release(&mut self) -> Option<(MessageId, Notice)> {
        let ready = |it: &mut Waiting| it.written.is_settled() || clock::boot_time() >= it.until;
        self.waiting.pop_front_if(ready).map(|it| (it.id, it.notice))
    }

    /// Stores what is left.
    pub(super) async fn close(self) {
        if let Err(why) = self.store.close(clock::now(), LEFT_STORED_WITHIN).await {
            error!("the last changes are not stored: {why}");
        }
    }
}

impl Turn {
    /// Sends on what is stored by now, and tells the core whether anything can
    /// be stored at all.
    pub(super) fn follow_store(&mut self) {
        while let Some((id, notice)) = self.keeping.release() {
            self.alerter.deliver(id, notice);
        }
        let trouble = self.keeping.store.trouble(clock::boot_time());
        let failed = trouble.is_some();
        if failed == self.keeping.failed {
            return;
        }
        self.keeping.failed = failed;
        self.shown.set_store(trouble.clone());
        match trouble {
            Some(why) => {
                error!(
                    "nothing can be stored: {why}; vai goes on checking and telling from memory, \
                     and starts and restarts nothing until this is mended"
                );
                self.step(Event::StoreFailed(why));
            }
            None => {
                info!("everything is stored again");
                self.step(Event::StoreBack);
            }
        }
    }

    /// Takes in what became of a message.
    pub(super) fn told(&mut self, told: Told) {
        match told {
            Told::Reached(told) => self.keeping.store.reached(clock::now(), told),
            Told::Over { incident, sink } => {
                self.keeping.store.over(clock::now(), incident, sink);
            }
            Told::Everybody(id) => self.step(Event::Told(id)),
        }
    }

    /// Stores and shows a step of the core.
    pub(super) fn keep(&mut self, delta: Delta) -> Written {
        self.shown.apply(&delta);
        self.keeping.store.apply(clock::now(), delta)
    }
}

/// Of an act that nothing would have been known of after a crash.
pub(super) fn not_stored(why: &str) -> ActReport {
    ActReport {
        outcome: ActOutcome::Refused {
            gate: format!("its intent could not be stored: {why}"),
            by_hand: false,
        },
        instance: None,
        steps: Vec::new(),
        survivor_age: None,
        evidence: Evidence::default(),
        took: Duration::ZERO,
    }
}
