//! Containers of the test's own, on the engine of this machine, made by the
//! `docker` command line: `vai` itself cannot create any.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vai::docker::{Address, Bollard, Engine, Own};
use vai_core::model::Event;

/// Longer than anything here takes; a wait that fails fails by then.
pub(crate) const SOON: Duration = Duration::from_secs(20);

const IMAGE: &str = "vai-test/busybox:1";

/// Runs `docker` and gives what it printed.
pub(crate) fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(
        output.status.success(),
        "docker {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Makes the image of Debian's busybox-static, unless it is there.
fn ensure_image() {
    let present = Command::new("docker")
        .args(["image", "inspect", IMAGE])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    if present.success() {
        return;
    }
    let busybox = std::fs::read("/bin/busybox").expect("busybox-static is installed");
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(busybox.len() as u64);
    archive.append_data(&mut header, "bin/busybox", busybox.as_slice()).unwrap();
    for applet in ["sh", "sleep", "cat", "tail", "kill", "id", "nc", "ls"] {
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        archive.append_link(&mut link, format!("bin/{applet}"), "busybox").unwrap();
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), archive.into_inner().unwrap()).unwrap();
    docker(&["import", file.path().to_str().unwrap(), IMAGE]);
}

/// A name that no other test has.
pub(crate) fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("vai-e2e-{}-{number}-{what}", std::process::id())
}

/// A container that is gone when this is.
pub(crate) struct Container {
    pub(crate) name: String,
}

impl Container {
    /// Runs `sleep` as its main process.
    pub(crate) fn sleeping() -> Self {
        Self::run(&unique("box"), &[], &["sleep", "600"])
    }

    /// Runs `command` in a container called `name` with further `options`.
    pub(crate) fn run(name: &str, options: &[&str], command: &[&str]) -> Self {
        ensure_image();
        let label = format!("vai.e2e={}", std::process::id());
        let mut args = vec!["run", "-d", "--name", name, "--label", &label];
        args.extend(options);
        args.push(IMAGE);
        args.extend(command);
        docker(&args);
        Self { name: name.to_owned() }
    }

    pub(crate) fn id(&self) -> String {
        docker(&["inspect", "-f", "{{.Id}}", &self.name])
    }

    /// The main process, as the host counts.
    pub(crate) fn host_pid(&self) -> String {
        docker(&["inspect", "-f", "{{.State.Pid}}", &self.name])
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = Command::new("docker")
            .args(["rm", "-f", &self.name])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// The engine of this machine.
pub(crate) fn engine() -> Arc<dyn Engine> {
    engine_at(&Address::from_env().unwrap())
}

pub(crate) fn engine_at(address: &Address) -> Arc<dyn Engine> {
    Arc::new(Bollard::new(address, Own::find(address)).unwrap())
}

/// The next event that `wanted` picks.
pub(crate) async fn expect<T>(
    events: &mut mpsc::Receiver<Event>,
    what: &str,
    mut wanted: impl FnMut(&Event) -> Option<T>,
) -> T {
    let mut seen = Vec::new();
    let search = async {
        loop {
            let event = events.recv().await.expect("the sender lives");
            if let Some(found) = wanted(&event) {
                return found;
            }
            seen.push(event);
        }
    };
    let found = tokio::time::timeout(SOON, search).await;
    found.unwrap_or_else(|_| panic!("no {what}; seen: {seen:#?}"))
}

/// A door to the engine that can be shut.
pub(crate) struct Door {
    _folder: tempfile::TempDir,
    pub(crate) socket: PathBuf,
}

impl Door {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        Self { _folder: folder, socket }
    }

    pub(crate) fn address(&self) -> Address {
        Address::Unix(self.socket.clone())
    }

    /// Passes connections on to the real engine until `shut`, and then cuts
    /// them all and takes the socket away.
    pub(crate) fn open(&self, shut: CancellationToken) -> tokio::task::JoinHandle<()> {
        let listener = UnixListener::bind(&self.socket).unwrap();
        let socket = self.socket.clone();
        tokio::spawn(async move {
            let mut passing = tokio::task::JoinSet::new();
            while let Some(accepted) = shut.run_until_cancelled(listener.accept()).await {
                let (mut client, _) = accepted.unwrap();
                passing.spawn(async move {
                    let mut engine = UnixStream::connect("/var/run/docker.sock").await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut engine).await;
                });
            }
            std::fs::remove_file(socket).unwrap();
        })
    }
}
