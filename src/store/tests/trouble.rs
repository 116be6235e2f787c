//! Damaged, newer and unwritable files.

use super::*;
use rusqlite::Connection;

#[tokio::test]
async fn a_damaged_file_is_left_alone_and_named() {
    let damages: [fn(&mut Vec<u8>); 2] =
        [|file| file[..16].fill(b'x'), |file| file[8192..].fill(0xff)];
    for damage in damages {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, ..) = Store::start(open(dir.path())).unwrap();
        store.apply(at(1), keep(message(1, "redis")));
        store.close(at(9), SOON).await.unwrap();
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
        assert_eq!(store.close(at(9), SOON).await, Err(trouble));
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

fn pending(news: Vec<Delta>) -> Pending {
    let mut pending = Pending::default();
    for (number, delta) in (1..).zip(news) {
        pending.take_in(Job { number, now: at(number), news: News::Delta(delta) });
    }
    pending
}

#[test]
fn a_full_disk_loses_nothing_once_there_is_room_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut file, _) = StateFile::open(dir.path(), boot("a", 0)).unwrap();
    let pages: u32 = file.db().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let limit = |file: &StateFile, pages: u32| {
        let set = format!("PRAGMA max_page_count = {pages}");
        file.db().query_row(&set, [], |_| Ok(())).unwrap();
    };
    limit(&file, pages);
    let many = pending((1..100).map(|id| keep(message(id, "redis"))).collect());

    let refused = file.commit(&many, Extent::All).unwrap_err();
    assert!(!refused.is_final);
    assert!(refused.why.contains("the disk is full. Make room on it"), "{}", refused.why);
    limit(&file, pages + 1000);
    file.commit(&many, Extent::All).unwrap();
    drop(file);
    assert_eq!(open(dir.path()).memory.messages().len(), 99);
}

#[tokio::test]
async fn trouble_is_told_while_it_lasts_and_what_came_meanwhile_is_stored_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, ..) = Store::start(open(dir.path())).unwrap();
    let other = Connection::open(state_file(&dir)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let refused = store.apply(at(1), keep(message(1, "redis")));
    assert!(!refused.is_settled());
    let why = refused.wait(SOON).await.unwrap_err();
    assert!(why.contains("locked"), "{why}");
    assert_eq!(store.trouble(at(1).mono), Some(why));
    let meanwhile = store.apply(at(2), keep(message(2, "redis")));
    assert!(meanwhile.is_settled(), "nobody waits for what cannot be stored");

    other.execute_batch("ROLLBACK").unwrap();
    let mut progress = store.progress();
    progress.wait_for(|it| it.trouble.is_none() && it.stored >= 2).await.unwrap();
    assert_eq!(store.trouble(at(2).mono), None);
    store.close(at(9), SOON).await.unwrap();
    assert_eq!(open(dir.path()).memory.messages().len(), 2);
}

#[tokio::test]
async fn a_file_that_is_damaged_while_it_is_used_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, ..) = Store::start(open(dir.path())).unwrap();
    store.apply(at(1), keep(message(1, "redis"))).wait(SOON).await.unwrap();
    let other = Connection::open(state_file(&dir)).unwrap();
    other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(other);
    let mut bytes = fs::read(state_file(&dir)).unwrap();
    bytes[8192..].fill(0xff);
    fs::write(state_file(&dir), &bytes).unwrap();
    let other = Connection::open(state_file(&dir)).unwrap();
    // Any write tells the store that what it has read is out of date.
    other.execute_batch("PRAGMA user_version = 2").unwrap();

    let why = store.apply(at(2), keep(message(2, "redis"))).wait(SOON).await.unwrap_err();
    assert!(why.contains("cannot be used"), "{why}");
    assert!(store.apply(at(3), keep(message(3, "redis"))).wait(SOON).await.is_err());
    assert_eq!(store.close(at(9), SOON).await, Err(why));
}

#[test]
fn a_disk_that_does_not_answer_is_trouble_after_10_s() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, ..) = Store::start(Opened {
        file: Err(Unopened { why: String::new(), again: None }),
        ..open(dir.path())
    })
    .unwrap();
    // As if the writer were stuck: nothing is ever stored.
    store.writer = Writer::stuck();
    store.apply(at(100), keep(message(1, "redis")));
    assert_eq!(store.trouble(at(109).mono), None);
    let trouble = store.trouble(at(110).mono).unwrap();
    assert_eq!(trouble, "the disk has not answered for 10 s");
}
