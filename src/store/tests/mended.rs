//! A state folder that cannot be used at the start, and can be later.

use super::*;
use std::process::Command;

/// A small file system of its own.
struct Disk(TempDir);

impl Disk {
    /// `None` where it cannot be mounted: only root can.
    fn mount() -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        disk.run("mount", &["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).then_some(disk)
    }

    fn remount(&self, how: &str) {
        assert!(self.run("mount", &["-o", &format!("remount,{how}")]), "remount {how}");
    }

    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let status = Command::new(program).args(arguments).arg(self.0.path()).status();
        status.is_ok_and(|status| status.success())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn fill(&self) {
        use std::io::Write;
        let mut filler = fs::File::create(self.path().join("filler")).unwrap();
        while filler.write_all(&[0; 1024]).is_ok() {}
    }

    fn make_room(&self) {
        fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.run("umount", &[]);
    }
}

async fn wait_until_stored(store: &Store, number: u64) {
    let mut progress = store.progress();
    let mended = progress.wait_for(|it| it.trouble.is_none() && it.stored >= number);
    clock::Deadline::after(SOON).bound(mended).await.unwrap().unwrap();
}

fn advice(store: &mut Store) -> String {
    let advice = store.trouble(Time::default()).unwrap();
    assert!(!advice.contains("move state.db"), "{advice}");
    advice
}

#[tokio::test]
async fn what_a_full_disk_holds_is_known_and_goes_on_once_there_is_room() {
    let Some(disk) = Disk::mount() else { return };
    let (mut store, ..) = Store::start(open(disk.path())).unwrap();
    store.apply(at(1), keep(message(1, "redis")));
    store.close(at(2), SOON).await.unwrap();
    disk.fill();

    let opened = open(disk.path());
    assert_eq!(opened.memory.messages().len(), 1);
    let (mut store, ..) = Store::start(opened).unwrap();
    let advice = advice(&mut store);
    assert!(advice.contains("the disk is full. Make room on it"), "{advice}");
    assert!(store.apply(at(3), keep(message(2, "web"))).wait(SOON).await.is_err());
    disk.make_room();
    wait_until_stored(&store, 1).await;
    store.close(at(9), SOON).await.unwrap();
    assert_eq!(open(disk.path()).memory.messages().len(), 2);
}

#[tokio::test]
async fn a_first_start_on_a_full_disk_leaves_nothing_that_looks_damaged() {
    let Some(disk) = Disk::mount() else { return };
    disk.fill();
    let (mut store, ..) = Store::start(open(disk.path())).unwrap();
    let advice = advice(&mut store);
    assert!(advice.contains("the disk is full. Make room on it"), "{advice}");
    store.apply(at(1), keep(message(1, "redis")));
    assert!(!disk.path().join("state.db").exists());
    disk.make_room();
    wait_until_stored(&store, 1).await;
    store.close(at(9), SOON).await.unwrap();
    assert_eq!(open(disk.path()).memory.messages().len(), 1);
}

#[tokio::test]
async fn a_read_only_folder_is_called_that_and_used_once_it_is_writable() {
    let Some(disk) = Disk::mount() else { return };
    let (mut store, ..) = Store::start(open(disk.path())).unwrap();
    store.apply(at(1), keep(message(1, "redis")));
    store.close(at(2), SOON).await.unwrap();
    disk.remount("ro");

    let opened = open(disk.path());
    assert_eq!(opened.memory.messages().len(), 1);
    let (mut store, ..) = Store::start(opened).unwrap();
    let advice = advice(&mut store);
    assert!(advice.contains("its file system is read-only. Mount"), "{advice}");
    store.apply(at(3), keep(message(2, "web")));
    disk.remount("rw");
    wait_until_stored(&store, 1).await;
    store.close(at(9), SOON).await.unwrap();
    assert_eq!(open(disk.path()).memory.messages().len(), 2);
}

#[tokio::test]
async fn a_file_that_turns_up_later_is_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, ..) = Store::start(open(dir.path())).unwrap();
    store.apply(at(1), keep(message(1, "redis")));
    store.close(at(2), SOON).await.unwrap();
    let away = dir.path().join("away");
    fs::rename(state_file(&dir), &away).unwrap();
    fs::create_dir(state_file(&dir)).unwrap();

    let (mut store, ..) = Store::start(open(dir.path())).unwrap();
    advice(&mut store);
    store.apply(at(3), keep(message(2, "web")));
    fs::remove_dir(state_file(&dir)).unwrap();
    fs::rename(&away, state_file(&dir)).unwrap();
    let mut progress = store.progress();
    let told =
        progress.wait_for(|it| it.trouble.as_ref().is_some_and(|it| it.contains("restart vai")));
    clock::Deadline::after(SOON).bound(told).await.unwrap().unwrap();
    store.close(at(9), SOON).await.unwrap_err();
    assert_eq!(open(dir.path()).memory.messages().len(), 1);
}

#[tokio::test]
async fn an_empty_file_is_damaged_and_not_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(state_file(&dir), "").unwrap();
    let (mut store, ..) = Store::start(open(dir.path())).unwrap();
    let trouble = store.trouble(Time::default()).unwrap();
    assert!(trouble.contains("it is empty, as after a power cut"), "{trouble}");
    assert!(trouble.contains("stop vai, move state.db"), "{trouble}");
    store.close(at(9), SOON).await.unwrap_err();
    assert_eq!(fs::read(state_file(&dir)).unwrap(), b"");
}

#[test]
fn who_may_not_write_there_is_named() {
    use super::super::cause::Cause;
    let denied = io::Error::from(io::ErrorKind::PermissionDenied);
    let advice = Cause::of_io(&denied).advise(Path::new("/state/state.db"), &denied.to_string());
    assert!(advice.contains("as whom vai runs, may not write there"), "{advice}");
}
