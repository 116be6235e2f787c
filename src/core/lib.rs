//! The pure core of `vai`: what it knows, what is due, and what to do about it.
//!
//! Nothing in this crate reads a clock, does I/O or is async. Time comes in
//! with every call and decisions go out as data, so a test drives the very
//! code that runs in production through hours of virtual time.

pub mod dispatch;
pub mod judge;
pub mod model;
pub mod plan;
pub mod vitals;
pub mod words;
