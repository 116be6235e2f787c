//! The real binary, a real engine, real services. `tests/run` makes what these
//! need; see there.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers of tests fail a test by panicking, and tell why"
)]

mod commands;
mod containers;
mod deploys;
mod edits;
mod engine;
mod healing;
mod lab;
mod lifecycle;
mod mail;
mod reach;
mod refused;
mod services;
mod warnings;
