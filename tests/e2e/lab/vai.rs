use super::calls::{self, VAI_LOG};
use super::output::Lines;
use super::wait::{eventually, until};
use super::{Container, Image, Lab, vai_binary};
use regex::Regex;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

const REGISTRY: &str = "system-config.json";
const PATIENCE: Duration = Duration::from_secs(45);

/// The real `vai run` with a registry of its own; ended when dropped.
pub(crate) struct Vai {
    folder: TempDir,
    /// Of a process of this machine, besides the tests' own.
    environment: Vec<(String, String)>,
    place: Place,
    lines: Lines,
    read: usize,
}

enum Place {
    /// A process of this machine.
    Host(Child),
    /// Process 1 of a container, or its child under init.
    Container { container: Container, binary: &'static str, follower: Child },
}

impl Vai {
    /// Runs it on this machine.
    pub(crate) fn on_host(registry: &Value) -> Self {
        Self::on_host_with(registry, Vec::new())
    }

    /// Runs it on this machine with these variables too.
    pub(crate) fn on_host_with(registry: &Value, environment: Vec<(String, String)>) -> Self {
        let folder = folder_with(registry);
        let lines = Lines::default();
        let child = run_on_host(folder.path(), 0, &environment, &lines);
        Self { folder, environment, place: Place::Host(child), lines, read: 0 }
    }

    /// Runs it as its own small image: no shell, read-only, no capability.
    pub(crate) fn in_its_image(lab: &Lab, registry: &Value) -> Self {
        let folder = folder_with(registry);
        let registry = mount(folder.path(), "/config:ro");
        Self::in_its_image_over(lab, folder, registry)
    }

    /// The same, with the registry mounted as people should not do it.
    pub(crate) fn in_its_image_with_a_mounted_file(lab: &Lab, registry: &Value) -> Self {
        let folder = folder_with(registry);
        let file = folder.path().join(REGISTRY);
        let registry = mount(&file, &format!("/config/{REGISTRY}:ro"));
        Self::in_its_image_over(lab, folder, registry)
    }

    fn in_its_image_over(lab: &Lab, folder: TempDir, registry: String) -> Self {
        let container = lab
            .container("vai", Image::Vai)
            .option("--restart=unless-stopped")
            .option("--read-only")
            .option("--cap-drop=ALL")
            .option("--security-opt=no-new-privileges")
            .option("--volume=/var/lib/vai")
            .option(registry)
            .option(mount(lab.engine.socket(), "/var/run/docker.sock"))
            .option(format!("--env=VAI_CONFIG=/config/{REGISTRY}"))
            .option(format!("--env=VAI_LOG={VAI_LOG}"))
            .command(["run"])
            .start();
        Self::in_container(folder, container, "/vai")
    }

    /// Runs it as the command of a plain distribution image with an init.
    pub(crate) fn in_plain_image(lab: &Lab, registry: &Value) -> Self {
        const BINARY: &str = "/workspace/vai/vai";
        let folder = folder_with(registry);
        let container = lab
            .container("vai", Image::Plain)
            .init(true)
            .option(mount(&vai_binary(), "/workspace/vai/vai:ro"))
            .option(mount(folder.path(), "/config:ro"))
            .option(mount(lab.engine.socket(), "/var/run/docker.sock"))
            .option(format!("--env=VAI_CONFIG=/config/{REGISTRY}"))
            .option(format!("--env=VAI_LOG={VAI_LOG}"))
            .command([BINARY, "run"])
            .start();
        Self::in_container(folder, container, BINARY)
    }

    fn in_container(folder: TempDir, container: Container, binary: &'static str) -> Self {
        let lines = Lines::default();
        let follower = spawn(container.logs(&[]), &lines);
        let place = Place::Container { container, binary, follower };
        Self { folder, environment: Vec::new(), place, lines, read: 0 }
    }

    /// Waits for a line that matches, after the one that was waited for last.
    ///
    /// # Panics
    ///
    /// If none comes within 45 s.
    pub(crate) fn wait_for_line(&mut self, pattern: &str) -> String {
        self.wait_for_line_within(PATIENCE, pattern)
    }

    /// The same for what takes its time.
    pub(crate) fn wait_for_line_within(&mut self, patience: Duration, pattern: &str) -> String {
        let (line, next) = self.lines.wait_for(self.read, pattern, patience);
        self.read = next;
        line
    }

    /// All lines after the one that was waited for last that match.
    pub(crate) fn new_lines_with(&self, pattern: &str) -> Vec<String> {
        let regex = Regex::new(pattern).expect("the test's pattern is a regular expression");
        let lines = self.lines.all();
        lines.into_iter().skip(self.read).filter(|line| regex.is_match(line)).collect()
    }

    /// As if everything that it has printed so far was waited for.
    pub(crate) fn skip_lines(&mut self) {
        self.read = self.lines.all().len();
    }

    /// All lines so far that match.
    pub(crate) fn lines_with(&self, pattern: &str) -> Vec<String> {
        let regex = Regex::new(pattern).expect("the test's pattern is a regular expression");
        let mut lines = self.lines.all();
        lines.retain(|line| regex.is_match(line));
        lines
    }

    /// Another command of the same binary beside it, to its end.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Output {
        let mut command = match &self.place {
            Place::Host(_) => {
                let mut command = Command::new(vai_binary());
                command.env("VAI_STATE_DIR", state_of(self.folder.path()));
                command.env("VAI_CONFIG", self.registry_path());
                command.envs(self.environment.iter().cloned());
                command
            }
            Place::Container { container, binary, .. } => container.exec(binary),
        };
        command.args(arguments).output().expect("it can be run")
    }

    /// Waits until `vai status` shows `service` in `state`.
    ///
    /// # Panics
    ///
    /// If it does not within 45 s, with what it shows instead.
    pub(crate) fn wait_for_state(&self, service: &str, state: &str) {
        let row = Regex::new(&format!(r"(?m)^\W*{service}\b.*\b{state}\b"))
            .expect("names and states are plain words");
        let mut shown = String::new();
        let found = until(PATIENCE, || {
            shown = String::from_utf8_lossy(&self.cli(&["status"]).stdout).into_owned();
            row.is_match(&shown).then_some(())
        });
        assert!(found.is_some(), "{service} is not {state} within {PATIENCE:?}:\n{shown}");
    }

    /// What `vai status --json` says about `service`.
    pub(crate) fn view(&self, service: &str) -> Value {
        let status = self.cli(&["status", service, "--json"]);
        assert!(status.status.success(), "{status:?}");
        serde_json::from_slice(&status.stdout).expect("status prints JSON")
    }

    /// Saves `registry` over its own, in place.
    pub(crate) fn edit(&self, registry: &Value) {
        fs::write(self.registry_path(), pretty(registry)).expect("the registry can be written");
    }

    /// Its registry.
    pub(crate) fn registry_path(&self) -> PathBuf {
        self.folder.path().join(REGISTRY)
    }

    /// Where it keeps its state.
    pub(crate) fn state_folder(&self) -> PathBuf {
        state_of(self.folder.path())
    }

    /// Its process, on this machine.
    pub(crate) fn pid(&self) -> u32 {
        let Place::Host(child) = &self.place else {
            panic!("only a process of this machine has a number that means anything here");
        };
        child.id()
    }

    /// Sends it `signal` and does not wait for anything.
    pub(crate) fn signal(&self, signal: Signal) {
        let Place::Host(child) = &self.place else {
            panic!("only a process of this machine is sent signals");
        };
        kill_process(Pid::from_child(child), signal).expect("it still runs");
    }

    /// Waits until it ended by itself.
    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        let Place::Host(child) = &mut self.place else {
            panic!("only a process of this machine is waited for");
        };
        eventually("the end of vai", Duration::from_secs(20), || {
            child.try_wait().expect("a child can be waited for")
        })
    }

    /// Ends it as `docker stop` does, and hands back how it ended.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.end(Signal::TERM)
    }

    /// Ends it as a crash does.
    pub(crate) fn kill9(&mut self) {
        self.end(Signal::KILL);
    }

    /// Runs it again over the same registry and state.
    pub(crate) fn start_again(&mut self) {
        self.start_again_ahead(0, self.environment.clone());
    }

    /// Runs it again with these variables, and with its boot clock so many
    /// seconds ahead of this machine's; the wall clock is everybody's.
    pub(crate) fn start_again_ahead(&mut self, seconds: u64, environment: Vec<(String, String)>) {
        self.skip_lines();
        self.environment = environment;
        let folder = self.folder.path();
        let child = run_on_host(folder, seconds, &self.environment, &self.lines);
        self.place = Place::Host(child);
    }

    /// Its state folder.
    pub(crate) fn state_dir(&self) -> PathBuf {
        state_of(self.folder.path())
    }

    /// Reads on after the engine was away, which ended its container and the
    /// stream of its lines.
    pub(crate) fn follow_again(&mut self) {
        let Place::Container { container, follower, .. } = &mut self.place else {
            panic!("only the lines of a container come by way of an engine");
        };
        // It ended with the stream.
        let _ = follower.kill();
        let _ = follower.wait();
        eventually("vai runs again", PATIENCE, || container.runs().then_some(()));
        *follower = spawn(container.logs(&["--since", &container.started_at()]), &self.lines);
    }

    fn end(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.wait_for_end()
    }
}

impl Drop for Vai {
    fn drop(&mut self) {
        let (Place::Host(child) | Place::Container { follower: child, .. }) = &mut self.place;
        // It may have ended by itself.
        let _ = child.kill();
        let _ = child.wait();
        let mut lines = self.lines.all();
        if thread::panicking() {
            lines.retain(|line| calls::call(line).is_none());
            println!("What vai printed:\n{}", lines.join("\n"));
        } else {
            let forbidden = calls::forbidden(&lines);
            assert!(forbidden.is_empty(), "calls that are not on the allow-list: {forbidden:?}");
        }
    }
}

fn folder_with(registry: &Value) -> TempDir {
    let folder = TempDir::new().expect("a folder for the registry");
    fs::write(folder.path().join(REGISTRY), pretty(registry)).expect("the folder can be written");
    folder
}

/// `registry` as a person would write it.
pub(crate) fn pretty(registry: &Value) -> String {
    serde_json::to_string_pretty(registry).expect("a value is JSON")
}

/// Runs vai to its end where no daemon is, over `registry`.
pub(crate) fn vai_once(registry: &Value, arguments: &[&str]) -> Output {
    let folder = folder_with(registry);
    Command::new(vai_binary())
        .args(arguments)
        .env("VAI_CONFIG", folder.path().join(REGISTRY))
        .env("VAI_STATE_DIR", state_of(folder.path()))
        .output()
        .expect("it can be run")
}

fn state_of(folder: &Path) -> PathBuf {
    folder.join("state")
}

fn run_on_host(
    folder: &Path,
    seconds_ahead: u64,
    environment: &[(String, String)],
    lines: &Lines,
) -> Child {
    let mut command = match seconds_ahead {
        0 => Command::new(vai_binary()),
        // Becomes vai itself, under the same number.
        ahead => {
            let mut unshare = Command::new("unshare");
            unshare.args(["--time", "--boottime", &ahead.to_string()]).arg(vai_binary());
            unshare
        }
    };
    command
        .env("VAI_LOG", VAI_LOG)
        .arg("run")
        .arg("--config")
        .arg(folder.join(REGISTRY))
        .arg("--state-dir")
        .arg(state_of(folder))
        .envs(environment.iter().cloned());
    spawn(command, lines)
}

fn spawn(mut command: Command, lines: &Lines) -> Child {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it can be run");
    lines.follow(child.stdout.take().expect("stdout is piped"));
    lines.follow(child.stderr.take().expect("stderr is piped"));
    child
}

fn mount(from: &Path, to: &str) -> String {
    format!("--volume={}:{to}", from.display())
}
