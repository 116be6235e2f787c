//! Who is told, by what, until it has arrived.
//!
//! What is told by which sink, and when, is decided by `vai_core::dispatch`;
//! here it is put into words and sent. Each send has a task of its own, so a
//! hung sink holds up no other; sinks send once and never try again.

mod alerter;
mod delivery;
mod heartbeat;
mod message;
mod sinks;
#[cfg(test)]
mod testing;
mod trial;

pub use alerter::{Alerter, Before, Commands, StartError};
pub use delivery::SinkStatus;
pub use heartbeat::heartbeat;
pub use trial::{Trial, try_channel};
