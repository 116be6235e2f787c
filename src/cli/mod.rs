//! One file a verb.

/// `vai validate`.
pub mod validate;
