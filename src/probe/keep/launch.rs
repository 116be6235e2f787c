//! Runs a program under the keeper instead of under this process.

use super::{Address, Order, Reply, packet};
use crate::check::processes;
use crate::probe::started;
use crate::probe::wire::ACT_VARIABLE;
use nix::sys::signal::SigSet;
use rustix::fd::AsFd;
use rustix::process::setsid;
use std::collections::HashSet;
use std::env;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

/// As shells have it.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// How often an end is looked for that the keeper can no longer tell.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Has the keeper run `argv`, and exits as that does. Where there is no keeper
/// this process becomes the program.
#[must_use]
pub fn launch(argv: &[String]) -> ExitCode {
    match through_keeper(argv) {
        Ok(code) => code,
        Err(_) => become_program(argv),
    }
}

/// Leads a session of its own as the program `argv`.
#[must_use]
pub fn run_in_session(argv: &[String]) -> ExitCode {
    // Fails for the leader of a session, which is as good.
    let _ = setsid();
    // The keeper's own are blocked.
    let _ = SigSet::empty().thread_set_mask();
    become_program(argv)
}

/// # Errors
/// If it was not begun.
fn through_keeper(argv: &[String]) -> io::Result<ExitCode> {
    let socket = packet::connect_to(&Address::own()?.socket)?;
    let (output, errors) = (io::stdout(), io::stderr());
    let order = Order::Launch(argv.to_vec());
    packet::send(&socket, &order, &[output.as_fd(), errors.as_fd()])?;
    let begun = match packet::receive::<Reply>(&socket) {
        Ok(Some((Reply::Begun(pid), _))) => pid,
        Ok(Some((Reply::Exited(_) | Reply::Over(_), _)) | None) | Err(_) => {
            already_begun().ok_or(io::ErrorKind::BrokenPipe)?
        }
    };
    loop {
        match packet::receive::<Reply>(&socket) {
            Ok(Some((Reply::Exited(code), _))) => {
                return Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from));
            }
            Ok(Some((Reply::Begun(_) | Reply::Over(_), _))) => {}
            Ok(None) | Err(_) => break,
        }
    }
    while processes::living(begun).is_some() {
        thread::sleep(LOOK_EVERY);
    }
    say("its keeper was killed meanwhile, so its exit code is not known");
    Ok(ExitCode::SUCCESS)
}

/// A keeper that was killed in between may have begun it: there are never two.
fn already_begun() -> Option<i32> {
    let entry = format!("{ACT_VARIABLE}={}", env::var(ACT_VARIABLE).ok()?);
    let found = started::by(&entry, None, &HashSet::new()).ok()?;
    found.first().map(|process| process.pid)
}

fn become_program(argv: &[String]) -> ExitCode {
    let Some((program, arguments)) = argv.split_first() else { return ExitCode::FAILURE };
    let error = Command::new(program).args(arguments).exec();
    if error.kind() == io::ErrorKind::NotFound {
        // In the words of the engine, which would have said so.
        say(&format!("exec: \"{program}\": executable file not found in $PATH"));
        return ExitCode::from(NOT_FOUND);
    }
    say(&format!("exec: \"{program}\": {error}"));
    ExitCode::from(NOT_EXECUTABLE)
}

fn say(words: &str) {
    // There is nobody to tell if even this cannot be written.
    let _ = writeln!(io::stderr(), "vai: {words}");
}
