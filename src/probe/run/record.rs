//! Run files: that a run was begun, once, and what came of it.

use super::folder;
use crate::check::processes::{self, is_living};
use crate::clock;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vai_core::model::{ProcId, RunEnd};

/// What nobody asked for in this time will not be asked for any more.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Of a run under way or over, in one folder: `<mark>.run` says who watches
/// over it, `<mark>.end` what came of it, `<mark>.out` holds the end of what it
/// wrote.
#[derive(Clone, Debug)]
pub(super) struct Record {
    folder: PathBuf,
    mark: String,
}

/// Who watches over a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// Its supervisor.
    pub(super) supervisor: ProcId,
    /// The boot and the process namespace in which that number means anything.
    /// The folder may be another container's as well, or older than this one's
    /// last start.
    world: String,
    /// The host's uptime then.
    pub(super) at: Duration,
}

impl Begun {
    /// By this very process, now.
    pub(super) fn now() -> io::Result<Self> {
        let own = i32::try_from(std::process::id()).ok().and_then(processes::living);
        let supervisor = own.ok_or_else(|| io::Error::other("there is no /proc"))?;
        Ok(Self { supervisor, world: world(), at: clock::uptime() })
    }

    /// Whether whoever watches still does.
    pub(super) fn is_watched(&self) -> bool {
        is_living(&self.supervisor)
    }
}

/// The boot and the process namespace of this process.
pub(in crate::probe) fn world() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{} {}", boot.trim(), namespace.display())
}

impl Record {
    /// Writes down that the run `mark` is begun; `None` if it was before.
    /// Whatever happens, only one caller ever gets the record.
    ///
    /// # Errors
    /// If nothing can be written down.
    pub(super) fn create(mark: &str, begun: &Begun) -> io::Result<Option<Self>> {
        if Self::find(mark).is_some() {
            return Ok(None);
        }
        let record = Self { folder: folder::make()?, mark: mark.to_owned() };
        let draft = record.file(&format!("{}.new", begun.supervisor.pid));
        fs::write(&draft, serde_json::to_vec(begun)?)?;
        // All of it appears at once, and not twice.
        let linked = fs::hard_link(&draft, record.file("run"));
        fs::remove_file(&draft)?;
        match linked {
            Ok(()) => Ok(Some(record)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The record of the run `mark`, if it was begun in this run of the place.
    pub(super) fn find(mark: &str) -> Option<Self> {
        if !is_mark(mark) {
            return None;
        }
        let world = world();
        folder::existing()
            .map(|folder| Self { folder, mark: mark.to_owned() })
            .find(|record| record.begun().is_some_and(|begun| begun.world == world))
    }

    /// Who watches over the run.
    pub(super) fn begun(&self) -> Option<Begun> {
        read(&self.file("run"))
    }

    /// What came of it, once that is known.
    pub(super) fn end(&self) -> Option<RunEnd> {
        read(&self.file("end"))
    }

    /// Writes down what came of it.
    ///
    /// # Errors
    /// If the folder is full.
    pub(super) fn set_end(&self, end: &RunEnd) -> io::Result<()> {
        let draft = self.file("end.new");
        fs::write(&draft, serde_json::to_vec(end)?)?;
        fs::rename(draft, self.file("end"))
    }

    /// Where the end of what it wrote is kept.
    pub(super) fn output(&self) -> PathBuf {
        self.file("out")
    }

    /// Removes all of it.
    pub(super) fn remove(&self) {
        // Last what says that it was begun. What is not there needs no removing.
        for kind in ["out", "end.new", "end", "run"] {
            let _ = fs::remove_file(self.file(kind));
        }
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", self.mark))
    }
}

/// Removes what was left a long time ago, by runs that nobody asked for again.
pub(super) fn remove_old() {
    let files = folder::existing().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    for path in files.flatten().map(|entry| entry.path()) {
        let watched = read::<Begun>(&path.with_extension("run")).is_some_and(|it| it.is_watched());
        if !watched && is_old(&path) {
            // It may be gone by now.
            let _ = fs::remove_file(path);
        }
    }
}

fn is_old(path: &Path) -> bool {
    let kept_for = i64::try_from(KEPT_FOR.as_secs()).unwrap_or(i64::MAX);
    let now = clock::wall().as_millis() / 1000;
    fs::metadata(path).is_ok_and(|metadata| now - metadata.mtime() > kept_for)
}

/// Marks become names of files.
pub(super) fn is_mark(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_reader(File::open(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use vai_core::model::HowEnded;

    fn mark(what: &str) -> String {
        format!("unit{}-{what}", std::process::id())
    }

    #[test]
    fn of_many_who_begin_a_run_at_once_one_does() {
        let begin = |pid| {
            let mut begun = Begun::now().unwrap();
            begun.supervisor.pid = pid;
            Record::create(&mark("once"), &begun).unwrap()
        };
        let created = thread::scope(|scope| {
            let all: Vec<_> = (1..17).map(|pid| scope.spawn(move || begin(pid))).collect();
            all.into_iter().filter_map(|each| each.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(created.len(), 1);
        created[0].remove();
        assert!(Record::find(&mark("once")).is_none());
    }

    #[test]
    fn a_trace_of_another_world_is_none() {
        let begun = Begun { world: "another boot".into(), ..Begun::now().unwrap() };
        let record = Record::create(&mark("world"), &begun).unwrap().unwrap();
        assert!(Record::find(&mark("world")).is_none());
        record.remove();
    }

    #[test]
    fn an_end_is_whole_or_not_there() {
        let record = Record::create(&mark("end"), &Begun::now().unwrap()).unwrap().unwrap();
        assert!(record.begun().unwrap().is_watched());
        assert_eq!(record.end(), None);
        let end = RunEnd {
            how: HowEnded::Exited(3),
            took: Duration::from_secs(1),
            bytes: 5,
            tail: "tail".into(),
            notes: vec!["note".into()],
        };
        record.set_end(&end).unwrap();
        assert_eq!(Record::find(&mark("end")).unwrap().end(), Some(end));
        record.remove();
    }

    #[test]
    fn no_mark_leaves_the_folder() {
        assert!(is_mark("0af3-17-1"));
        for wrong in ["", "../x", "a/b", "a.b", "a b"] {
            assert!(!is_mark(wrong), "{wrong}");
        }
    }
}
