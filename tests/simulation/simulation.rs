//! The core in virtual time: random histories of everything that goes wrong,
//! held against the invariants of behaviour.md, section 9, after every step.
//!
//! `tests/simulate` runs as many as one likes; the tests below run what a
//! change has to pass. A failing seed prints a short history that fails alike.
#![allow(
    clippy::print_stdout,
    clippy::panic,
    reason = "a failing test fails by panicking, and tells why"
)]

mod acts;
mod attention;
mod campaign;
mod clock;
mod disk;
mod engine;
mod faults;
mod heart;
mod history;
mod job_faults;
mod jobs;
mod look;
mod network;
mod oracle;
mod plan;
mod post;
mod registry;
mod regressions;
mod rng;
mod runner;
mod scenarios;
mod secrets;
mod shrink;
mod sinks;
mod story;
mod supervision;
mod target;
mod world;

/// The very schedules that production asks.
#[allow(dead_code, unused_imports, unreachable_pub, reason = "production uses all of it")]
#[path = "../../src/schedule/mod.rs"]
mod schedule;

/// A step of the simulated world: done, or against an invariant.
pub(crate) type Step = Result<(), oracle::Violation>;

/// One in four of the histories that every change has to pass; four tests run
/// side by side.
fn quarter(which: u64) {
    campaign::run(campaign::Seeds::quarter(which));
}

#[test]
fn random_histories_keep_every_invariant_1() {
    quarter(0);
}

#[test]
fn random_histories_keep_every_invariant_2() {
    quarter(1);
}

#[test]
fn random_histories_keep_every_invariant_3() {
    quarter(2);
}

#[test]
fn random_histories_keep_every_invariant_4() {
    quarter(3);
}
