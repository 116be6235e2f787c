//! One file a verb.

pub mod validate;
