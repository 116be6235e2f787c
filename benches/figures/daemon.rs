use crate::lab::eventually;
use regex::Regex;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;
use vai::clock;
use vai_core::model::Wall;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running `vai`, with the time at which it printed each line; killed when
/// dropped.
pub(crate) struct Daemon {
    child: Child,
    lines: Receiver<Line>,
    pub(crate) began: Instant,
    _folder: TempDir,
}

/// What it printed, and when that came.
pub(crate) struct Line {
    text: String,
    pub(crate) at: Instant,
    pub(crate) wall: Wall,
}

impl Daemon {
    /// Runs the binary that `VAI_STATIC_BIN` names.
    pub(crate) fn run(registry: &Value) -> Self {
        Self::run_with(registry, &[])
    }

    /// The same with these arguments as well.
    pub(crate) fn run_with(registry: &Value, arguments: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder for the registry");
        let path = folder.path().join("system-config.json");
        fs::write(&path, registry.to_string()).expect("the folder can be written");
        let binary = env::var_os("VAI_STATIC_BIN").expect("tests/figures sets VAI_STATIC_BIN");
        let began = clock::instant();
        let mut child = Command::new(binary)
            .arg("run")
            .arg("--config")
            .arg(path)
            .arg("--state-dir")
            .arg(folder.path().join("state"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("vai can be run");
        let output = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for text in output.lines().map_while(Result::ok) {
                let line = Line { text, at: clock::instant(), wall: clock::wall() };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, began, _folder: folder }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid is positive")
    }

    /// The next line that matches.
    pub(crate) fn line(&self, pattern: &str) -> Line {
        let wanted = Regex::new(pattern).expect("the pattern is a regular expression");
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if wanted.is_match(&line.text) => return line,
                Ok(_) => {}
                Err(error) => panic!("no line /{pattern}/ came: {error}"),
            }
        }
    }

    /// The text of every line that it printed since the last one that was waited
    /// for.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.lines.try_iter().map(|line| line.text).collect()
    }

    /// From SIGTERM to its exit.
    pub(crate) fn stop(mut self) -> Duration {
        let asked = clock::instant();
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("vai still runs");
        // Its last line, which it prints a moment before it exits, comes
        // without the pause between two looks at the process.
        let stopped = self.line("stopped$").at;
        let status = eventually("the end of vai", PATIENCE, || {
            self.child.try_wait().expect("a child can be waited for")
        });
        assert!(status.success(), "vai ended with {status}");
        stopped.duration_since(asked)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
