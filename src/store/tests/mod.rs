//! The store from the outside, and what it makes of broken files. What is kept
//! over time has a file of its own.

mod kept;
mod mended;
mod runs;
mod trouble;

use super::file::StateFile;
use super::pending::{Job, Pending};
use super::write::Extent;
use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tempfile::TempDir;
use vai_core::dispatch::Reached;
use vai_core::judge::{Change, Record, RecordKey};
use vai_core::model::{MessageId, Notice, RunOutcome, Severity, Wall};

const SOON: Duration = Duration::from_secs(20);

fn boot(id: &str, uptime: u64) -> Boot {
    Boot { id: id.to_owned(), uptime: Duration::from_secs(uptime) }
}

fn at(seconds: u64) -> Now {
    Now { mono: Time::from_millis(seconds * 1000), wall: Wall::from_millis(0) }
}

fn open(dir: &Path) -> Opened {
    Opened::open_in(dir, boot("a", 0)).unwrap()
}

fn message(id: u64, root: &str) -> Record {
    let incident = crate::show::fixture::incident(root);
    let notice = Notice {
        incident,
        kind: vai_core::model::NoticeKind::Opened,
        notify: vai_core::model::Notify::Default,
        detail: vai_core::model::EvidenceDetail::Full,
        at: Wall::default(),
        decided: None,
    };
    Record::Message(MessageId(id), notice)
}

fn keep(record: Record) -> Delta {
    Delta { changes: vec![Change::Keep(Box::new(record))] }
}

fn forget(id: u64) -> Delta {
    Delta { changes: vec![Change::Forget(RecordKey::Message(MessageId(id)))] }
}

fn reached(incident: &str, sink: &str) -> Reached {
    Reached {
        incident: IncidentId(incident.to_owned()),
        sink: sink.to_owned(),
        opening: "vai-1".to_owned(),
        severity: Severity::Critical,
    }
}

fn state() -> (TempDir, StateFile) {
    let dir = tempfile::tempdir().unwrap();
    let (file, _) = StateFile::open(dir.path(), boot("a", 0)).unwrap();
    (dir, file)
}

fn add(pending: &mut Pending, now: Now, changes: Vec<Change>) {
    let number = pending.number + 1;
    pending.take_in(Job { number, now, news: News::Delta(Delta { changes }) });
}

fn commit(file: &mut StateFile, now: Now, changes: Vec<Change>) {
    let mut pending = Pending::default();
    add(&mut pending, now, changes);
    file.commit(&pending, Extent::All).unwrap();
}

fn count(file: &StateFile, table: &str) -> u32 {
    let sql = format!("SELECT count(*) FROM {table}");
    file.db().query_row(&sql, [], |row| row.get(0)).unwrap()
}

fn state_file(dir: &TempDir) -> PathBuf {
    dir.path().join("state.db")
}

#[test]
fn a_state_file_keeps_its_mark_and_each_has_its_own() {
    let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mark = open(one.path()).mark;
    assert_eq!(mark.len(), 16, "{mark}");
    assert_eq!(open(one.path()).mark, mark);
    assert_ne!(open(other.path()).mark, mark);
    fs::write(state_file(&one), "no database").unwrap();
    let damaged = open(one.path()).mark;
    assert_eq!(damaged.len(), 16);
    assert_ne!(damaged, mark);
}

#[tokio::test]
async fn the_last_good_registry_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(open(dir.path()).last_good, None);
    let (mut store, ..) = Store::start(open(dir.path())).unwrap();
    store.registry(at(1), "{\"a\":1}".to_owned());
    store.registry(at(2), "{}".to_owned());
    store.close(at(3), SOON).await.unwrap();
    assert_eq!(open(dir.path()).last_good.as_deref(), Some("{}"));
}

#[tokio::test]
async fn what_was_kept_is_there_after_a_restart_and_what_was_forgotten_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, memory, told) = Store::start(open(dir.path())).unwrap();
    assert_eq!((memory, told), (Memory::default(), Vec::new()));
    for id in 1..=3 {
        store.apply(at(id), keep(message(id, "redis")));
    }
    store.reached(at(4), reached("redis-1", "alerts[0]"));
    store.reached(at(4), reached("nginx-1", "alerts[0]"));
    store.apply(at(5), forget(2)).wait(SOON).await.unwrap();
    store.close(at(9), SOON).await.unwrap();

    let (store, memory, told) = Store::start(open(dir.path())).unwrap();
    let ids: Vec<u64> = memory.messages().keys().map(|id| id.0).collect();
    assert_eq!(ids, [1, 3]);
    assert!(memory.records().contains(&message(3, "redis")));
    assert_eq!(told, [reached("redis-1", "alerts[0]")], "nobody will be told the end of the other");
    store.close(at(9), SOON).await.unwrap();
    let (_store, _, told) = Store::start(open(dir.path())).unwrap();
    assert_eq!(told.len(), 1);
    let mode = fs::metadata(state_file(&dir)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_stored_step_survives_without_a_clean_end() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, ..) = Store::start(open(dir.path())).unwrap();
    store.apply(at(1), keep(message(1, "redis"))).wait(SOON).await.unwrap();
    // As a crash leaves it: the log is not yet copied into the file.
    let copy = tempfile::tempdir().unwrap();
    for name in ["state.db", "state.db-wal"] {
        fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
    }
    assert_eq!(open(copy.path()).memory.messages().len(), 1);
}

#[test]
fn the_clock_goes_on_and_never_back() {
    let dir = tempfile::tempdir().unwrap();
    let open = |id, uptime| StateFile::open(dir.path(), boot(id, uptime)).unwrap().0;
    let store = |mut file: StateFile, seconds: u64| {
        let latest = Time::from_millis(seconds * 1000);
        let pending = pending::Pending { latest, ..pending::Pending::default() };
        file.commit(&pending, write::Extent::All).unwrap();
    };
    let seconds = |file: &StateFile| (file.continued().base.as_secs(), file.continued().rebooted);

    let first = open("a", 1000);
    assert_eq!(seconds(&first), (0, false));
    store(first, 1500);
    let same_boot = open("a", 1600);
    assert_eq!(seconds(&same_boot), (0, false));
    drop(same_boot);
    let second_boot = open("b", 20);
    assert_eq!(seconds(&second_boot), (1500, true));
    store(second_boot, 1530);
    let again = open("b", 60);
    assert_eq!(seconds(&again), (1500, false));
    drop(again);
    let set_back = open("b", 10);
    assert_eq!(seconds(&set_back), (1520, false), "not before what was seen");
}

fn opened_copy_of(name: &str) -> (TempDir, StateFile, load::Loaded) {
    let dir = tempfile::tempdir().unwrap();
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/state").join(name);
    fs::copy(old, state_file(&dir)).unwrap();
    let (file, loaded) = StateFile::open(dir.path(), boot("another", 5)).unwrap();
    assert_eq!(schema::version(file.db()).unwrap(), schema::VERSION);
    (dir, file, loaded)
}

#[test]
fn a_file_of_version_1_is_brought_up_to_date_with_all_that_it_holds() {
    let (_dir, file, loaded) = opened_copy_of("v1.db");
    assert_eq!((file.continued().rebooted, file.continued().base.as_millis()), (true, 2_828_052));
    let memory = loaded.memory;
    let open: Vec<&str> = memory.incidents().map(|it| it.root.as_str()).collect();
    assert_eq!(open, ["licensed"]);
    assert_eq!(memory.messages().len(), 1);
    let keys: Vec<RecordKey> = memory.records().iter().map(Record::key).collect();
    for service in ["box", "licensed", "paused", "stopping"] {
        assert!(keys.contains(&RecordKey::Service(service.into())), "{keys:?}");
    }
    assert!(keys.contains(&RecordKey::Act(vai_core::model::ActId(4))), "{keys:?}");
    assert_eq!(loaded.told.len(), 1);
    assert_eq!(loaded.told[0].sink, "alerts[1] webhook");
}

#[test]
fn a_file_of_version_2_is_brought_up_to_date_with_what_was_and_takes_runs() {
    let (dir, mut file, loaded) = opened_copy_of("v2.db");

    let open: Vec<&str> = loaded.memory.incidents().map(|it| it.root.as_str()).collect();
    assert_eq!((open, loaded.memory.messages().len()), (vec!["worker"], 3));
    assert!(loaded.registry.is_some());
    assert!(loaded.history.of(&"redis".into(), "tcp").count() > 5);
    assert_eq!((count(&file, "transitions"), count(&file, "checks")), (20, 2));
    assert_eq!(closed_incidents(dir.path(), 9).unwrap()[0].root, "redis");

    let run = crate::show::fixture::run("backup", 7, RunOutcome::Failed);
    commit(&mut file, at(9), vec![Change::Run(Box::new(run.clone()))]);
    assert_eq!(job_run(dir.path(), &run.job, run.id).unwrap(), Some(run));
}
