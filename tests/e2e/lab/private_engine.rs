use super::output::Lines;
use super::wait::{eventually, until};
use super::{Engine, run};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// Before the run in the name of an engine's folder and of its cgroup.
const PREFIX: &str = "vai-e2e-engine-";

/// The first process of a machine of its own. Its `/run` is empty, as after a
/// boot, and it reaps whatever the engine leaves behind.
const BOOT: &str = "mount -t tmpfs tmpfs /run && ip link set lo up && echo ready
                    sleep infinity & wait $!";

/// What becomes of containers when their engine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Containers {
    /// It stops them all.
    EndWithIt,
    /// They go on: `live-restore`.
    OutliveIt,
}

/// An engine that a test may stop, kill and take the power from, as good as on
/// a machine of its own: it has its own network, mounts and processes, so that
/// the end of its first process is the end of everything. The engine that the
/// tests share is not touched.
pub(crate) struct PrivateEngine {
    folder: TempDir,
    machine: Machine,
    /// `nsenter`, which ends with the engine.
    daemon: Option<Child>,
}

/// The namespaces that an engine and its containers live in.
struct Machine {
    unshare: Child,
    /// The first process in it, as this machine counts.
    first: Pid,
}

impl PrivateEngine {
    /// One without containers, up when this returns.
    ///
    /// # Panics
    ///
    /// Without the rights of root.
    pub(crate) fn start(containers: Containers) -> Self {
        assert!(rustix::process::geteuid().is_root(), "an engine of one's own takes root");
        sweep();
        let folder = TempDir::with_prefix(format!("{PREFIX}{}-", run::id()))
            .expect("a folder for the engine");
        let config = json!({
            "data-root": folder.path().join("data"),
            "live-restore": containers == Containers::OutliveIt,
            "cgroup-parent": cgroup_of(folder.path()),
        });
        fs::write(folder.path().join("daemon.json"), config.to_string())
            .expect("the folder can be written");
        let machine = Machine::boot(folder.path());
        let mut engine = Self { folder, machine, daemon: None };
        engine.start_again();
        engine
    }

    /// What the tests talk to.
    pub(crate) fn engine(&self) -> Engine {
        Engine::at(self.folder.path().join("docker.sock"))
    }

    /// Ends it as an upgrade of its package does.
    pub(crate) fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    /// Ends it as a crash does.
    pub(crate) fn kill9(&mut self) {
        self.end(Signal::KILL);
    }

    /// Starts the ended engine.
    pub(crate) fn start_again(&mut self) {
        assert!(self.daemon.is_none(), "it runs");
        let inside = PathBuf::from(format!("/proc/{}/root", self.machine.first));
        // A killed one leaves it behind, and its number may be another's.
        remove_file(&inside.join("run/docker.pid"));
        let log = fs::File::options().create(true).append(true).open(self.log());
        let log = log.expect("the folder can be written");
        let daemon = Command::new("nsenter")
            .args(["--net", "--mount", "--pid", "--target"])
            .arg(self.machine.first.to_string())
            .arg("dockerd")
            .arg("--config-file")
            .arg(self.folder.path().join("daemon.json"))
            .arg("--host")
            .arg(format!("unix://{}", self.engine().socket().display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file has more than one handle"))
            .stderr(log)
            .spawn();
        self.daemon = Some(daemon.expect("nsenter is installed"));
        let engine = self.engine();
        let ping = ["version", "--format", "{{.Server.Version}}"].map(str::to_owned);
        eventually("a private engine", Duration::from_secs(30), || {
            engine.try_docker(&ping).status.success().then_some(())
        });
    }

    /// Takes the power from it and all its containers, and boots it again.
    pub(crate) fn lose_power(&mut self) {
        self.machine.halt();
        self.wait_for_end();
        self.machine = Machine::boot(self.folder.path());
        self.start_again();
    }

    fn end(&mut self, signal: Signal) {
        let nsenter = self.daemon.as_ref().expect("it runs");
        kill_process(child_of(nsenter), signal).expect("it runs");
        self.wait_for_end();
    }

    fn wait_for_end(&mut self) {
        let mut nsenter = self.daemon.take().expect("it was started");
        eventually("the end of the engine", Duration::from_secs(40), || {
            nsenter.try_wait().expect("a child can be waited for")
        });
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for PrivateEngine {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(40)..];
            println!("What the engine printed last:\n{}", last.join("\n"));
        }
        self.machine.halt();
        if let Some(nsenter) = &mut self.daemon {
            // It ended with the machine.
            let _ = nsenter.wait();
        }
        clear(self.folder.path());
    }
}

impl Machine {
    /// Boots one; `folder` is in its command line, for the sweep.
    fn boot(folder: &Path) -> Self {
        let mut unshare = Command::new("unshare")
            .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-c", BOOT])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare is installed");
        let lines = Lines::default();
        lines.follow(unshare.stdout.take().expect("stdout is piped"));
        lines.wait_for(0, "ready", Duration::from_secs(10));
        let first = child_of(&unshare);
        Self { unshare, first }
    }

    /// Ends everything in it, and returns when it has ended.
    fn halt(&mut self) {
        // It may have ended by itself.
        let _ = kill_process(self.first, Signal::KILL);
        let _ = self.unshare.wait();
    }
}

/// The one child of a child of ours.
fn child_of(parent: &Child) -> Pid {
    let path = format!("/proc/{0}/task/{0}/children", parent.id());
    eventually("a child", Duration::from_secs(5), || {
        let children = fs::read_to_string(&path).ok()?;
        Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
    })
}

fn cgroup_of(folder: &Path) -> String {
    format!("/{}", name_of(folder))
}

fn name_of(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Removes what a halted engine leaves on the disk and among the cgroups.
fn clear(folder: &Path) {
    // Mounts end a moment after the last process.
    until(Duration::from_secs(10), || fs::remove_dir_all(folder).map_or_else(is_absent, Some));
    let root = PathBuf::from("/sys/fs/cgroup");
    for controller in subfolders(&root).into_iter().chain([root]) {
        let ours = controller.join(name_of(folder));
        for container in subfolders(&ours) {
            let _ = fs::remove_dir(container);
        }
        // Most controllers have none.
        let _ = fs::remove_dir(ours);
    }
}

fn is_absent(error: io::Error) -> Option<()> {
    (error.kind() == ErrorKind::NotFound).then_some(())
}

fn remove_file(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{}: {error}", path.display());
    }
}

fn subfolders(of: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(of).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// Ends and removes the engines of dead runs.
fn sweep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for folder in subfolders(&std::env::temp_dir()) {
            let name = name_of(&folder);
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            let run = rest.rsplit_once('-').map_or(rest, |(run, _)| run);
            if !run::lives(run) {
                halt_left_over(&folder);
                clear(&folder);
            }
        }
    });
}

fn halt_left_over(folder: &Path) {
    let folder = folder.to_string_lossy();
    for process in procfs::process::all_processes().into_iter().flatten().flatten() {
        let command = process.cmdline().unwrap_or_default();
        let is_first = command.first().is_some_and(|it| it == "sh")
            && command.last().is_some_and(|it| *it == folder);
        if let Some(pid) = Pid::from_raw(process.pid).filter(|_| is_first) {
            // Another run may sweep it at this moment.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
