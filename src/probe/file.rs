//! The file that is placed in containers: this very executable.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::PathBuf;
use tar::{EntryType, Header};
use tokio::sync::OnceCell;

/// The one folder in a container that `vai` writes to.
const FOLDER: &str = ".vai";

/// May be entered and executed by whatever user the container runs as.
const MODE: u32 = 0o755;

/// An executable that can serve as an agent, named after its content so that
/// two builds never meet in one file.
#[derive(Debug)]
pub(super) struct AgentFile {
    source: PathBuf,
    name: OnceCell<String>,
}

impl AgentFile {
    pub(super) fn new(source: PathBuf) -> Self {
        Self { source, name: OnceCell::new() }
    }

    /// Where it is once it has been placed: `/.vai/agent-<12 hex digits>`.
    pub(super) async fn path(&self) -> io::Result<String> {
        let name = self.name.get_or_try_init(|| async {
            let content = tokio::fs::read(&self.source).await?;
            Ok::<_, io::Error>(name_of(&content))
        });
        Ok(format!("/{FOLDER}/{}", name.await?))
    }

    /// An archive of it and its folder, to be unpacked in `/`. Read anew each
    /// time: it is megabytes, and seldom needed.
    pub(super) async fn archive(&self) -> io::Result<Vec<u8>> {
        let content = tokio::fs::read(&self.source).await?;
        archive(&name_of(&content), &content)
    }
}

fn name_of(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    // 48 bits; chance alone has to be kept out, an attacker inside the
    // container owns the file anyway.
    format!("agent-{:012x}", hasher.finish() >> 16)
}

fn archive(name: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::with_capacity(content.len() + 4096));
    let mut folder = header(EntryType::Directory, 0);
    archive.append_data(&mut folder, format!("{FOLDER}/"), io::empty())?;
    let mut file = header(EntryType::Regular, content.len() as u64);
    archive.append_data(&mut file, format!("{FOLDER}/{name}"), content)?;
    archive.into_inner()
}

fn header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(MODE);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_holds_the_folder_and_the_file_and_nothing_else() {
        let archive = archive("agent-0123456789ab", b"binary").unwrap();
        let mut read = tar::Archive::new(archive.as_slice());
        let entries: Vec<_> = read
            .entries()
            .unwrap()
            .map(|entry| {
                let header = entry.as_ref().unwrap().header().clone();
                let path = entry.unwrap().path().unwrap().into_owned();
                (path, header.mode().unwrap(), header.uid().unwrap())
            })
            .collect();
        assert_eq!(
            entries,
            [(".vai/".into(), 0o755, 0), (".vai/agent-0123456789ab".into(), 0o755, 0)]
        );
    }

    #[test]
    fn the_name_follows_the_content() {
        assert_eq!(name_of(b"one"), name_of(b"one"));
        assert_ne!(name_of(b"one"), name_of(b"two"));
        assert_eq!(name_of(b"one").len(), "agent-".len() + 12);
    }
}
