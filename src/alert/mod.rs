//! Who is told, by what, until it has arrived.
//!
//! A notice from the core is routed to the sinks of its channels, waits in
//! each sink's queue for others to share a message, is put into words and
//! sent. Each sink has a task of its own, so a hung one holds up no other;
//! sinks send once, and only [`delivery`] tries again.

mod alerter;
mod delivery;
mod message;
mod outbox;
mod queue;
mod router;
mod sinks;
#[cfg(test)]
mod testing;

pub use alerter::{Alerter, Commands, StartError};
pub use delivery::SinkStatus;
pub use outbox::{Reached, Report, Told};
