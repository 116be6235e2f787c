//! What is told about a place beside its checks: the end of a log, free disk
//! and memory.

use crate::check::words::{plain, size};
use procfs::process::Process;
use rustix::fs::statvfs;
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// How much of a file is told, from its end, in bytes.
const TAIL_LIMIT: u64 = 4 * 1024;

/// File systems that are told beside the root.
const VOLUMES_LIMIT: usize = 7;

/// File systems on disks and in memory. Those over a network are left out:
/// a look at one whose server is gone does not return.
const LOCAL_FILE_SYSTEMS: [&str; 9] =
    ["ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "overlay", "tmpfs"];

/// Limits of the cgroup and what is used of them, version 2 first.
const MEMORY_CGROUPS: [(&str, &str); 2] = [
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
];

/// The last `lines` lines of a file, oldest first, 4 KiB in all. Blocks.
///
/// # Errors
/// In words, with the path.
pub(super) fn tail(path: &str, lines: usize) -> Result<Vec<String>, String> {
    if !Path::new(path).is_absolute() {
        return Err(format!("{path} is not an absolute path"));
    }
    let end = read_end(path).map_err(|error| format!("{path}: {}", plain(&error)))?;
    let text = String::from_utf8_lossy(&end);
    let all: Vec<&str> = text.lines().collect();
    let skipped = all.len().saturating_sub(lines);
    Ok(all[skipped..].iter().map(|&line| line.to_owned()).collect())
}

/// The last whole lines of a file, as far as they fit.
fn read_end(path: &str) -> io::Result<Vec<u8>> {
    // Without O_NONBLOCK the open of a named pipe would wait for a writer.
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let mut file: File = OpenOptions::new().read(true).custom_flags(nonblock).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let start = metadata.len().saturating_sub(TAIL_LIMIT);
    file.seek(SeekFrom::Start(start))?;
    let mut end = Vec::new();
    file.take(TAIL_LIMIT).read_to_end(&mut end)?;
    if start > 0
        && let Some(newline) = end.iter().position(|&byte| byte == b'\n')
        && newline + 1 < end.len()
    {
        end.drain(..=newline);
    }
    Ok(end)
}

/// Free disk and memory, one fact a line. Blocks.
pub(super) fn facts() -> Vec<String> {
    let mut facts: Vec<String> = volumes().iter().filter_map(|path| disk(path)).collect();
    facts.extend(memory());
    facts
}

/// `/` and one mount point of each other local file system.
fn volumes() -> Vec<String> {
    let mut volumes = vec!["/".to_owned()];
    let Ok(mounts) = Process::myself().and_then(|process| process.mountinfo()) else {
        return volumes;
    };
    let root = mounts.0.iter().find(|mount| mount.mount_point == Path::new("/"));
    let mut seen: HashSet<String> = root.map(|root| root.majmin.clone()).into_iter().collect();
    for mount in mounts.0 {
        let path = mount.mount_point.to_string_lossy().into_owned();
        let system = ["/dev", "/proc", "/sys", "/run"];
        if LOCAL_FILE_SYSTEMS.contains(&mount.fs_type.as_str())
            && !system.iter().any(|folder| mount.mount_point.starts_with(folder))
            && volumes.len() <= VOLUMES_LIMIT
            && seen.insert(mount.majmin)
        {
            volumes.push(path);
        }
    }
    volumes
}

fn disk(path: &str) -> Option<String> {
    let stat = statvfs(path).ok()?;
    let (free, all) = (stat.f_bavail, stat.f_blocks);
    let percent = free.checked_mul(100)?.checked_div(all)?;
    let bytes = |blocks: u64| size(blocks.saturating_mul(stat.f_frsize));
    Some(format!("disk {path}: {} of {} free ({percent} %)", bytes(free), bytes(all)))
}

fn memory() -> Option<String> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let total = meminfo_bytes(&meminfo, "MemTotal:")?;
    let limited = MEMORY_CGROUPS.iter().find_map(|(limit, used)| {
        let limit = number(limit)?;
        (limit < total).then_some((limit, limit.saturating_sub(number(used)?)))
    });
    Some(match limited {
        Some((limit, free)) => {
            let (free, limit) = (size(free), size(limit));
            format!("memory: {free} free of the container's {limit}")
        }
        None => {
            let available = size(meminfo_bytes(&meminfo, "MemAvailable:")?);
            format!("memory: {available} of {} available", size(total))
        }
    })
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn meminfo_bytes(meminfo: &str, key: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_tail_of_a_long_file_is_whole_lines_within_the_limit() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for line in 0..100_000 {
            writeln!(file, "line {line}").unwrap();
        }
        let path = file.path().to_str().unwrap();
        assert_eq!(tail(path, 2).unwrap(), ["line 99998", "line 99999"]);

        let most = tail(path, usize::MAX).unwrap();
        let bytes: usize = most.iter().map(|line| line.len() + 1).sum();
        assert!(bytes <= 4096 && bytes > 4000, "{bytes}");
        assert!(most.iter().all(|line| line.starts_with("line 99")), "{most:?}");
    }

    #[test]
    fn one_endless_line_is_told_from_its_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all("x".repeat(10_000).as_bytes()).unwrap();
        file.write_all(b"end\n").unwrap();
        let told = tail(file.path().to_str().unwrap(), 20).unwrap();
        assert_eq!(told.len(), 1);
        assert!(told[0].ends_with("xend"), "{told:?}");
    }

    #[test]
    fn what_is_no_file_says_so_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        let error = tail(fifo.to_str().unwrap(), 1).unwrap_err();
        assert!(error.ends_with("not a regular file"), "{error}");
        let error = tail("/no/such/file", 1).unwrap_err();
        assert_eq!(error, "/no/such/file: No such file or directory");
        assert!(tail("relative.log", 1).is_err());
    }

    #[test]
    fn facts_tell_the_root_disk_and_memory() {
        let facts = facts();
        assert!(facts[0].starts_with("disk /: "), "{facts:?}");
        assert!(facts.last().unwrap().starts_with("memory: "), "{facts:?}");
    }
}
