//! The real binary, a real engine, real services. `tests/run` makes what these
//! need; see there.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers of tests fail a test by panicking, and tell why"
)]

mod attention;
mod command_line;
mod commands;
mod containers;
mod copies;
mod crashes;
mod delivery;
mod dependencies;
mod deploys;
mod edits;
mod ends;
mod engine;
mod engine_calls;
mod engine_restarts;
mod giving_up;
mod healing;
mod heartbeat;
mod jobs;
mod keeping;
mod lab;
mod lifecycle;
mod mail;
mod maintenance;
mod operator;
mod own_network;
mod pauses;
mod reach;
mod refused;
mod secrets;
mod services;
mod state;
mod storm;
mod warnings;
mod written;
