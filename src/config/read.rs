//! Reading files that somebody else names: never one that has no end, and never
//! one that waits for a writer.

use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// The most that a file of secrets may hold. Docker allows half of it.
pub(super) const MOST: u64 = 1 << 20;

/// What the regular file at `path` holds, which has to be at most [`MOST`].
///
/// # Errors
/// It is not there, cannot be read, is not a regular file, or is too large.
pub(super) fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    // Without NONBLOCK the opening of a FIFO waits for somebody to write.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
    let what = match kind {
        FileType::RegularFile => return read_all(File::from(file)),
        FileType::Directory => "a folder",
        FileType::Fifo => "a FIFO",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Socket => "a socket",
        FileType::Symlink | FileType::Unknown => "something else",
    };
    Err(io::Error::new(ErrorKind::InvalidInput, format!("it is {what} and not a regular file")))
}

fn read_all(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        let why = format!("it is larger than {} KiB", MOST >> 10);
        return Err(io::Error::new(ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_a_regular_file_of_bounded_size_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, link, fifo, large) = (
            folder.path().join("plain"),
            folder.path().join("link"),
            folder.path().join("fifo"),
            folder.path().join("large"),
        );
        fs::write(&plain, "secret").unwrap();
        std::os::unix::fs::symlink(&plain, &link).unwrap();
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        fs::write(&large, vec![b'x'; (MOST + 1) as usize]).unwrap();
        assert_eq!(read_small(&plain).unwrap(), b"secret");
        assert_eq!(read_small(&link).unwrap(), b"secret", "as Kubernetes mounts them");
        for (path, why) in [
            (fifo.as_path(), "it is a FIFO and not a regular file"),
            (Path::new("/dev/zero"), "it is a device and not a regular file"),
            (folder.path(), "it is a folder and not a regular file"),
            (large.as_path(), "it is larger than 1024 KiB"),
        ] {
            assert_eq!(read_small(path).unwrap_err().to_string(), why, "{}", path.display());
        }
        let absent = read_small(&folder.path().join("absent")).unwrap_err();
        assert_eq!(absent.kind(), ErrorKind::NotFound);
    }
}
