//! The `docker` command. The tests stay clear of the product's own engine
//! client, so that they cannot share its mistakes.

use super::wait::until;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// An engine, by its socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Engine {
    socket: PathBuf,
}

impl Engine {
    /// The one of this machine, which the tests share.
    pub(crate) fn shared() -> Self {
        let host = std::env::var("DOCKER_HOST").unwrap_or_default();
        Self { socket: host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").into() }
    }

    /// The one that listens there.
    pub(super) fn at(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Where it listens.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// What leads vai here.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        vec![("DOCKER_HOST".to_owned(), self.address())]
    }

    /// Runs `docker` and hands back what it printed.
    ///
    /// # Panics
    ///
    /// If it fails, with its words.
    pub(crate) fn docker<I, A>(&self, arguments: I) -> String
    where
        I: IntoIterator<Item = A>,
        A: AsRef<str>,
    {
        let arguments: Vec<String> =
            arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        let output = self.try_docker(&arguments);
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
    pub(super) fn remove(&self, arguments: &[&str]) -> bool {
        let arguments: Vec<String> =
            arguments.iter().map(|&argument| argument.to_owned()).collect();
        until(Duration::from_secs(20), || {
            self.try_docker(&arguments).status.success().then_some(())
        })
        .is_some()
    }

    /// Runs `docker`, whatever comes of it.
    pub(super) fn try_docker(&self, arguments: &[String]) -> Output {
        self.command("docker").args(arguments).output().expect("the docker command is installed")
    }

    /// A program whose `docker` commands come here.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("DOCKER_HOST", self.address());
        command
    }

    fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }
}
