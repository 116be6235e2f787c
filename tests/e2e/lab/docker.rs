//! The `docker` command. The tests stay clear of the product's own engine
//! client, so that they cannot share its mistakes.

use super::wait::until;
use std::process::{Command, Output};
use std::time::Duration;

/// Runs `docker` and hands back what it printed.
///
/// # Panics
///
/// If it fails, with its words.
pub(crate) fn docker<I, A>(arguments: I) -> String
where
    I: IntoIterator<Item = A>,
    A: AsRef<str>,
{
    let arguments: Vec<String> =
        arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
    let output = try_docker(&arguments);
    assert!(
        output.status.success(),
        "docker {} failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Runs a `docker` command that removes something. Whether it is gone: some
/// storage drivers fail while a process that just ended still holds a file.
pub(crate) fn remove(arguments: &[&str]) -> bool {
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    until(Duration::from_secs(20), || try_docker(&arguments).status.success().then_some(()))
        .is_some()
}

/// Runs `docker`, whatever comes of it.
pub(crate) fn try_docker(arguments: &[String]) -> Output {
    Command::new("docker").args(arguments).output().expect("the docker command is installed")
}
