//! One file a verb.

pub mod agent;
pub mod health;
pub mod operate;
pub mod reload;
pub mod status;
pub mod validate;

mod client;

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

/// Where the daemon keeps its state, and its socket.
#[derive(Clone, Debug, clap::Args)]
pub struct StateDir {
    /// The daemon's state folder.
    #[arg(long, value_name = "DIR", env = "VAI_STATE_DIR", default_value = "/var/lib/vai")]
    pub state_dir: PathBuf,
}

/// Prints `text` to standard output. Reasons hold what services printed, and
/// that must not speak to the reader's terminal. Whoever reads it may stop
/// early (`vai status | head`).
fn print(text: &str) -> io::Result<()> {
    let harmless = text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}");
    let mut out = io::stdout().lock();
    match out.write_all(harmless.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}
