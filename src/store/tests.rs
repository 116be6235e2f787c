use super::file::StateFile;
use super::*;
use crate::alert::Reached;
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tempfile::TempDir;
use vai_core::judge::{Change, Record, RecordKey};
use vai_core::model::{MessageId, Notice, Severity, Wall};

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
    store.close(SOON).await.unwrap();

    let (store, memory, told) = Store::start(open(dir.path())).unwrap();
    let ids: Vec<u64> = memory.messages().keys().map(|id| id.0).collect();
    assert_eq!(ids, [1, 3]);
    assert!(memory.records().contains(&message(3, "redis")));
    assert_eq!(told, [reached("redis-1", "alerts[0]")], "nobody will be told the end of the other");
    store.close(SOON).await.unwrap();
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
        let mut pending = pending::Pending::default();
        pending.latest = Time::from_millis(seconds * 1000);
        file.commit(&pending).unwrap();
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

#[tokio::test]
async fn a_damaged_file_is_left_alone_and_named() {
    let damages: [fn(&mut Vec<u8>); 2] =
        [|file| file[..16].fill(b'x'), |file| file[8192..].fill(0xff)];
    for damage in damages {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, ..) = Store::start(open(dir.path())).unwrap();
        store.apply(at(1), keep(message(1, "redis")));
        store.close(SOON).await.unwrap();
        let mut bytes = fs::read(state_file(&dir)).unwrap();
        damage(&mut bytes);
        fs::write(state_file(&dir), &bytes).unwrap();

        let opened = open(dir.path());
        assert_eq!(opened.memory, Memory::default());
        let (mut store, ..) = Store::start(opened).unwrap();
        let trouble = store.trouble(Time::default()).unwrap();
        assert!(trouble.contains(&state_file(&dir).display().to_string()), "{trouble}");
        assert!(trouble.contains("stop vai, move state.db"), "{trouble}");
        let refused = store.apply(at(2), keep(message(2, "redis"))).wait(SOON).await;
        assert_eq!(refused, Err(trouble.clone()));
        assert_eq!(store.close(SOON).await, Err(trouble));
        assert_eq!(fs::read(state_file(&dir)).unwrap(), bytes);
    }
}

#[test]
fn a_newer_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let newer = schema::VERSION + 1;
    let db = Connection::open(state_file(&dir)).unwrap();
    db.pragma_update(None, "user_version", newer).unwrap();
    drop(db);

    let refusal = Opened::open(dir.path()).unwrap_err().to_string();
    assert!(refusal.contains(&format!("is of version {newer}, written by a newer vai")));
    assert!(refusal.contains(&format!("knows versions up to {}", schema::VERSION)), "{refusal}");
    assert!(refusal.contains("--state-dir"), "{refusal}");
}
