//! Measures what a user waits for and what it costs: the real binary, a real
//! engine, a real redis. `tests/figures` makes what this needs; see there.
//!
//! Arguments pick figures by name: `healing`, `engine`, `footprint`,
//! `jobs`, `state`, `alerts`, `storms`.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a figure that cannot be measured ends the run with what went wrong"
)]

mod alerts;
mod daemon;
mod engine;
mod footprint;
mod healing;
mod jobs;
#[path = "../../tests/e2e/lab/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the end-to-end tests use all of it")]
mod lab;
mod processes;
mod state;
mod storms;
mod table;

use std::env;

const FIGURES: [(&str, fn()); 7] = [
    ("healing", healing::measure),
    ("engine", engine::measure),
    ("footprint", footprint::measure),
    ("jobs", jobs::measure),
    ("state", state::measure),
    ("alerts", alerts::measure),
    ("storms", storms::measure),
];

fn main() {
    // cargo adds a --bench of its own.
    let asked: Vec<String> = env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    for (name, measure) in FIGURES {
        if asked.is_empty() || asked.iter().any(|it| it == name) {
            measure();
        }
    }
}
