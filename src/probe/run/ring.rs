//! The end of what a run wrote, in a file of fixed size that is read while it
//! is written.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// What is kept, in bytes.
pub(super) const SIZE: u64 = 32 * 1024;

/// Two counters of all bytes, before what is kept of them: up to where they may
/// be overwritten right now, and up to where they are whole.
const HEADER: u64 = 16;

/// The writing end.
#[derive(Debug)]
pub(super) struct Ring {
    file: File,
    total: u64,
}

impl Ring {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
        Ok(Self { file, total: 0 })
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let total = self.total + bytes.len() as u64;
        self.file.write_all_at(&total.to_le_bytes(), 0)?;
        let kept = &bytes[bytes.len().saturating_sub(usize::try_from(SIZE).unwrap_or(0))..];
        let start = (total - kept.len() as u64) % SIZE;
        let room = usize::try_from(SIZE - start).unwrap_or(0).min(kept.len());
        let (first, second) = kept.split_at(room);
        self.file.write_all_at(first, HEADER + start)?;
        self.file.write_all_at(second, HEADER)?;
        self.total = total;
        self.file.write_all_at(&total.to_le_bytes(), 8)
    }
}

/// What is kept from byte `from` on, and where that begins: later if what was
/// before is overwritten.
pub(super) fn read(path: &Path, from: u64) -> io::Result<(u64, Vec<u8>)> {
    let file = File::open(path)?;
    let mut kept = vec![0; usize::try_from(SIZE).unwrap_or(0)];
    let end = counter(&file, 8)?;
    let length = read_at_most(&file, &mut kept)?;
    // What was overwritten meanwhile does not count.
    let begin = counter(&file, 0)?.saturating_sub(SIZE).max(from).min(end);
    let at = |position: u64| usize::try_from(position % SIZE).unwrap_or(0).min(length);
    let bytes = if begin == end {
        Vec::new()
    } else if at(begin) < at(end) {
        kept[at(begin)..at(end)].to_vec()
    } else {
        [&kept[at(begin)..length], &kept[..at(end)]].concat()
    };
    Ok((begin, bytes))
}

/// How much was written in all.
pub(super) fn total(path: &Path) -> io::Result<u64> {
    counter(&File::open(path)?, 8)
}

fn counter(file: &File, at: u64) -> io::Result<u64> {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, at)?;
    Ok(u64::from_le_bytes(bytes))
}

fn read_at_most(file: &File, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match file.read_at(&mut into[filled..], HEADER + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_any_output_is_read_from_anywhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        let mut ring = Ring::create(&path).unwrap();
        let mut all = Vec::new();
        for length in [0, 1, 10, 5000, 32_768, 7, 100_000, 20_000, 32_767] {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 7 + length) as u8).collect();
            ring.push(&bytes).unwrap();
            all.extend(bytes);
            for from in [0, all.len() / 2, all.len().saturating_sub(100), all.len(), all.len() + 9]
            {
                let (begin, found) = read(&path, from as u64).unwrap();
                let oldest = all.len().saturating_sub(SIZE as usize);
                assert_eq!(begin as usize, from.max(oldest).min(all.len()), "{length} {from}");
                assert_eq!(found, all[begin as usize..], "{length} {from}");
            }
        }
    }
}
