//! The `vai` command.

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use vai::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            // There is nobody to tell if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "vai: {error:#}");
            ExitCode::FAILURE
        }
    }
}
