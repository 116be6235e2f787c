//! The real binary, a real engine, real services. `tests/run` makes what these
//! need; see there.
#![allow(clippy::expect_used, reason = "helpers of tests fail a test by panicking, as tests do")]

mod containers;
mod edits;
mod healing;
mod lab;
mod lifecycle;
mod mail;
mod services;
