//! The engine, the directory and the prober against a real Docker Engine.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail like tests")]

mod calls;
mod copies;
mod crontabs;
mod directory;
mod jobs;
mod jobs_outside;
mod prober;
mod probing;
mod running;
mod support;
