//! One file a verb.

pub mod agent;
