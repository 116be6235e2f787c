//! The log of a job: what its runs wrote, between a line about the beginning
//! and one about the end of each. A thread writes it, so that no file system
//! holds up a job, and it stays short whatever a job writes.

use crate::check::words::{plain, size};
use crate::docker::Tail;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A file longer than this is put aside before a run, in bytes.
const LONGEST: u64 = 64 << 20;

/// Of one run the first so many bytes are written …
const HEAD: usize = 10 << 20;

/// … and the last so many.
const TAIL: usize = 64 << 10;

/// Chunks that wait to be written.
const QUEUE: usize = 16;

/// A log that takes nothing holds up a run no longer than this, in all.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(5);

/// What the thread is given.
#[derive(Debug)]
enum Part {
    Bytes(Vec<u8>),
    /// To be answered once all before it is written.
    Flush(SyncSender<()>),
}

/// The writing end.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    parts: SyncSender<Part>,
    trouble: Arc<Mutex<Option<String>>>,
    patience: Duration,
    head_left: usize,
    tail: Tail,
    beyond: usize,
    refused: usize,
    ends_line: bool,
}

impl Log {
    /// Begins to write to `path`.
    ///
    /// # Errors
    /// If no thread can be had for it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let (parts, written) = sync_channel(QUEUE);
        let trouble = Arc::<Mutex<Option<String>>>::default();
        let writer = Writer { path: path.to_owned(), trouble: Arc::clone(&trouble) };
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.run(&written))?;
        Ok(Self {
            path: path.to_owned(),
            parts,
            trouble,
            patience: PATIENCE,
            head_left: HEAD,
            tail: Tail::of(TAIL),
            beyond: 0,
            refused: 0,
            ends_line: true,
        })
    }

    /// What the run wrote.
    pub(super) fn push(&mut self, output: &[u8]) {
        let (head, rest) = output.split_at(output.len().min(self.head_left));
        self.head_left -= head.len();
        self.send(head.to_vec());
        self.beyond += rest.len();
        self.tail.push(rest);
    }

    /// A line of our own, after what was written before it.
    pub(super) fn line(&mut self, text: &str) {
        self.settle();
        let begin = if self.ends_line { "" } else { "\n" };
        self.send(format!("{begin}[vai] {text}\n").into_bytes());
    }

    /// Writes the end of what was too much.
    pub(super) fn settle(&mut self) {
        let tail = self.tail.take();
        let left_out = std::mem::take(&mut self.beyond) - tail.len();
        if left_out > 0 {
            let begin = if self.ends_line { "" } else { "\n" };
            let left_out = size(left_out as u64);
            self.send(format!("{begin}[vai] {left_out} are left out here\n").into_bytes());
        }
        self.send(tail);
    }

    /// Waits a moment until all is written, and says what is not.
    pub(super) fn trouble(&mut self) -> Option<String> {
        let (flushed, all_written) = sync_channel(1);
        let written = self.offer(Part::Flush(flushed))
            && all_written.recv_timeout(self.patience.max(PAUSE)).is_ok();
        let told = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let path = self.path.display();
        told.or_else(|| match (self.refused, written) {
            (0, true) => None,
            (0, false) => Some(format!("its log {path} takes what is written too slowly")),
            (refused, _) => Some(format!(
                "{} of its output are missing in its log {path}, which took them too slowly",
                size(refused as u64)
            )),
        })
    }

    fn send(&mut self, part: Vec<u8>) {
        let Some(&last) = part.last() else { return };
        self.ends_line = last == b'\n';
        let length = part.len();
        if !self.offer(Part::Bytes(part)) {
            self.refused += length;
        }
    }

    /// Whether there was room for `part` while patience lasted.
    fn offer(&mut self, mut part: Part) -> bool {
        loop {
            part = match self.parts.try_send(part) {
                Ok(()) => return true,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(part)) => part,
            };
            if self.patience.is_zero() {
                return false;
            }
            thread::sleep(PAUSE);
            self.patience = self.patience.saturating_sub(PAUSE);
        }
    }
}

/// The thread.
struct Writer {
    path: PathBuf,
    trouble: Arc<Mutex<Option<String>>>,
}

impl Writer {
    fn run(&self, parts: &Receiver<Part>) {
        let mut file = self.heed(open(&self.path));
        for part in parts {
            match part {
                Part::Bytes(bytes) => {
                    file = file.and_then(|mut file| {
                        let written = file.write_all(&bytes);
                        self.heed(written.map(|()| file))
                    });
                }
                // Whoever asked may be tired of waiting.
                Part::Flush(flushed) => drop(flushed.try_send(())),
            }
        }
    }

    fn heed<T>(&self, result: io::Result<T>) -> Option<T> {
        result
            .inspect_err(|error| {
                let path = self.path.display();
                let words = format!("its output could not be written to {path}: {}", plain(error));
                let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
                trouble.get_or_insert(words);
            })
            .ok()
    }
}

/// Opens the log to append to it, after one that is too long was put aside.
fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let found = fs::metadata(path);
    if found.is_ok_and(|found| found.is_file() && found.len() > LONGEST) {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".1");
        fs::rename(path, aside)?;
    }
    // The open of a named pipe that nobody reads would never return.
    let nonblock = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().append(true).create(true).custom_flags(nonblock).open(path)?;
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_our_own_begin_a_line_and_follow_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/x.log");
        let mut log = Log::open(&path).unwrap();
        log.line("begins");
        log.push(b"half");
        log.push(b" a line");
        log.line("ends");
        assert_eq!(log.trouble(), None);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "[vai] begins\nhalf a line\n[vai] ends\n");
    }

    #[test]
    fn of_too_much_the_beginning_and_the_end_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let mut log = Log::open(&path).unwrap();
        for _ in 0..3 * HEAD / 4096 {
            log.push(&[b'x'; 4096]);
        }
        log.push(b"the end");
        log.line("ends");
        assert_eq!(log.trouble(), None);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.len() < HEAD + TAIL + 100 && text.len() > HEAD + TAIL, "{}", text.len());
        assert!(text[HEAD..].starts_with("\n[vai] 19.9 MiB are left out here\nxxx"));
        assert!(text.ends_with("xxxthe end\n[vai] ends\n"));
    }

    #[test]
    fn a_long_file_is_put_aside_and_what_cannot_be_written_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        File::create(&path).unwrap().set_len(LONGEST + 1).unwrap();
        let mut log = Log::open(&path).unwrap();
        log.line("begins");
        assert_eq!(log.trouble(), None);
        assert_eq!(fs::metadata(folder.path().join("x.log.1")).unwrap().len(), LONGEST + 1);
        assert_eq!(fs::read_to_string(&path).unwrap(), "[vai] begins\n");

        let mut log = Log::open(folder.path()).unwrap();
        log.push(b"lost");
        let told = log.trouble().unwrap();
        let words = format!("to {}: Is a directory", folder.path().display());
        assert!(told.ends_with(&words), "{told}");
    }

    #[test]
    fn a_file_that_takes_nothing_holds_up_nobody_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let _reader = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let mut log = Log::open(&path).unwrap();
        log.patience = Duration::from_millis(50);
        for _ in 0..100 {
            log.push(&[b'x'; 64 << 10]);
        }
        let told = log.trouble().unwrap();
        assert!(told.contains("MiB of its output are missing in its log"), "{told}");
    }
}
