//! Edits of real files, saved in every way there is.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use vai::config::{Content, Snapshot, Source};

/// An edit takes effect within this time (registry.md, "Loading").
const IN_FORCE: Duration = Duration::from_secs(2);

/// So long a file may be away.
const AWAY: Duration = Duration::from_secs(5);

const OLD: &str = r#"{ "env_file": "vai.env", "services": { "old": {} } }"#;
const NEW: &str = r#"{ "env_file": "vai.env", "services": { "new": {} } }"#;

/// A folder that is watched.
struct Watched {
    folder: TempDir,
    source: Source,
    settled: mpsc::Receiver<Snapshot>,
    shutdown: CancellationToken,
    watch: JoinHandle<()>,
}

impl Watched {
    /// Watches `registry`, a path in a folder that `prepare` fills.
    async fn start(registry: &str, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let source = Source::new(folder.path().join(registry));
        let known = source.read_now().await;
        let (sender, settled) = mpsc::channel(8);
        let shutdown = CancellationToken::new();
        let watch = tokio::spawn({
            let (source, shutdown) = (source.clone(), shutdown.clone());
            async move { source.watch(known, sender, shutdown).await }
        });
        Self { folder, source, settled, shutdown, watch }
    }

    async fn with_a_file() -> Self {
        Self::start("system-config.json", |folder| {
            fs::write(folder.join("system-config.json"), OLD).unwrap();
        })
        .await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The next content, which has to come in time.
    async fn next(&mut self) -> Snapshot {
        let next = timeout(IN_FORCE, self.settled.recv()).await;
        next.expect("an edit is seen within 2 s").unwrap()
    }

    /// Stops the watch; nothing else was sent.
    async fn stop(mut self) {
        self.shutdown.cancel();
        timeout(IN_FORCE, self.watch).await.unwrap().unwrap();
        assert_eq!(self.settled.recv().await, None);
    }
}

fn text(content: &str) -> Content {
    Content::Text(content.to_owned())
}

#[tokio::test]
async fn an_edit_in_place_is_seen() {
    let mut watched = Watched::with_a_file().await;
    fs::write(watched.path("system-config.json"), NEW).unwrap();
    let next = watched.next().await;
    assert_eq!(next.registry, text(NEW));
    assert_eq!(watched.source.read_now().await, next);
    watched.stop().await;
}

#[tokio::test]
async fn an_atomic_rename_is_seen_each_time() {
    let mut watched = Watched::with_a_file().await;
    for content in [NEW, OLD, NEW] {
        fs::write(watched.path("tmp"), content).unwrap();
        fs::rename(watched.path("tmp"), watched.path("system-config.json")).unwrap();
        assert_eq!(watched.next().await.registry, text(content));
    }
    watched.stop().await;
}

#[tokio::test]
async fn a_symlink_swap_further_up_is_seen() {
    let mut watched = Watched::start("current/system-config.json", |folder| {
        for (version, content) in [("v1", OLD), ("v2", NEW)] {
            fs::create_dir(folder.join(version)).unwrap();
            fs::write(folder.join(version).join("system-config.json"), content).unwrap();
        }
        symlink("v1", folder.join("current")).unwrap();
    })
    .await;
    symlink("v2", watched.path("next")).unwrap();
    fs::rename(watched.path("next"), watched.path("current")).unwrap();
    assert_eq!(watched.next().await.registry, text(NEW));
    watched.stop().await;
}

#[tokio::test]
async fn a_slow_copy_is_seen_when_it_is_whole() {
    let mut watched = Watched::with_a_file().await;
    let mut file = fs::File::create(watched.path("system-config.json")).unwrap();
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    for part in NEW.as_bytes().chunks(3) {
        pace.tick().await;
        file.write_all(part).unwrap();
        assert!(watched.settled.try_recv().is_err(), "half a file was sent");
    }
    assert_eq!(watched.next().await.registry, text(NEW));
    watched.stop().await;
}

#[tokio::test]
async fn a_file_that_goes_and_comes_back_is_seen() {
    let mut watched = Watched::with_a_file().await;
    fs::remove_file(watched.path("system-config.json")).unwrap();
    let gone = timeout(AWAY + IN_FORCE, watched.settled.recv()).await;
    assert_eq!(gone.expect("that it is gone is seen").unwrap().registry, Content::Absent);
    fs::write(watched.path("system-config.json"), [0xff]).unwrap();
    let next = watched.next().await.registry;
    assert!(matches!(next, Content::Unreadable(_)), "{next:?}");
    fs::write(watched.path("system-config.json"), NEW).unwrap();
    assert_eq!(watched.next().await.registry, text(NEW));
    watched.stop().await;
}

#[tokio::test]
async fn files_that_are_away_for_a_moment_are_not_missed() {
    let mut watched = Watched::with_a_file().await;
    fs::write(watched.path("vai.env"), "A=1").unwrap();
    assert_eq!(watched.next().await.env_file, text("A=1"));
    for name in ["system-config.json", "vai.env"] {
        fs::rename(watched.path(name), watched.path("away")).unwrap();
        let quiet = timeout(Duration::from_secs(2), watched.settled.recv()).await;
        fs::rename(watched.path("away"), watched.path(name)).unwrap();
        assert!(quiet.is_err(), "{name}: {quiet:?}");
    }
    // The next edit is the next thing that is seen.
    fs::write(watched.path("system-config.json"), NEW).unwrap();
    assert_eq!(watched.next().await.registry, text(NEW));
    watched.stop().await;
}

#[tokio::test]
async fn the_env_file_is_watched_too_and_followed() {
    let mut watched = Watched::with_a_file().await;
    fs::write(watched.path("vai.env"), "A=1").unwrap();
    assert_eq!(watched.next().await.env_file, text("A=1"));
    fs::create_dir(watched.path("secrets")).unwrap();
    fs::write(watched.path("secrets/other.env"), "A=2").unwrap();
    let moved = NEW.replace("vai.env", "secrets/other.env");
    fs::write(watched.path("system-config.json"), &moved).unwrap();
    assert_eq!(watched.next().await.env_file, text("A=2"));
    fs::write(watched.path("secrets/other.env"), "A=3").unwrap();
    assert_eq!(watched.next().await.env_file, text("A=3"));
    watched.stop().await;
}

#[tokio::test]
async fn saving_the_same_again_is_no_edit() {
    let mut watched = Watched::with_a_file().await;
    fs::write(watched.path("system-config.json"), OLD).unwrap();
    fs::write(watched.path("beside"), "x").unwrap();
    let quiet = timeout(Duration::from_millis(1500), watched.settled.recv()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    watched.stop().await;
}

/// What is on disk counts before it is settled: right before an act the file is
/// read again.
#[tokio::test]
async fn what_is_on_disk_is_known_before_it_is_settled() {
    let mut watched = Watched::with_a_file().await;
    let applied = watched.source.read_now().await;
    let started = Instant::now();
    fs::write(watched.path("system-config.json"), NEW).unwrap();
    assert_ne!(watched.source.read_now().await, applied);
    watched.next().await;
    assert!(started.elapsed() >= Duration::from_millis(300));
    watched.stop().await;
}
