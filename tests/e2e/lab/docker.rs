//! The `docker` command. The tests stay clear of the product's own engine
//! client, so that they cannot share its mistakes.

use std::process::{Command, Output};

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

/// Runs `docker`, whatever comes of it.
pub(crate) fn try_docker(arguments: &[String]) -> Output {
    Command::new("docker").args(arguments).output().expect("the docker command is installed")
}
