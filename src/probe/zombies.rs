//! The dead that nobody took away: they keep their numbers, so a lock file that
//! names one looks as if its owner lived.

use procfs::process::{Process, all_processes};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What mends it.
const REMEDY: &str = "`init: true` in its compose file (`docker run --init`) gives the container a \
                      first process that does";

/// Where services leave their numbers.
const LOCK_FOLDERS: [&str; 2] = ["/run", "/tmp"];

/// What PostgreSQL calls its lock in its data folder.
const LOCKS: [&str; 1] = ["postmaster.pid"];

/// Names of zombies that are told.
const NAMES: usize = 5;

/// SIGCHLD in the sets of `/proc/<pid>/status`.
const CHILD: u32 = 16;

/// Inits wait for it in a way that its sets do not show.
const INITS: [&str; 9] = [
    "docker-init",
    "tini",
    "tini-static",
    "dumb-init",
    "catatonit",
    "podman-init",
    "systemd",
    "init",
    "s6-svscan",
];

/// Shells wait for whoever ends, without asking for the signal.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"];

/// Whom process 1 of this place left lying, one fact a line; first those that
/// a lock file names, among them those in the folders that `command` names.
/// Blocks.
pub(super) fn facts(command: &str) -> Vec<String> {
    let zombies = of_process_1();
    if zombies.is_empty() {
        return Vec::new();
    }
    let first = Process::new(1).and_then(|process| process.stat());
    let first = first.map_or_else(|_| "?".to_owned(), |stat| stat.comm);
    let why = format!("process 1 of the container ({first}) does not take away the dead");
    let mut facts: Vec<String> = locks(command)
        .into_iter()
        .filter_map(|(path, pid)| {
            let name = zombies.get(&pid)?;
            let path = path.display();
            Some(format!(
                "{path} names {name} (pid {pid}), which is dead, but a zombie that looks alive: \
                 {why}; {REMEDY}"
            ))
        })
        .collect();
    if facts.is_empty() {
        let mut names: Vec<String> =
            zombies.iter().take(NAMES).map(|(pid, name)| format!("{name} (pid {pid})")).collect();
        let more = zombies.len() - names.len();
        if more > 0 {
            names.push(format!("{more} more"));
        }
        facts.push(format!("zombies: {}; {why}; {REMEDY}", names.join(", ")));
    }
    facts
}

/// Why process 1 of this place will leave the dead lying, if that is to be
/// seen. Blocks.
pub(super) fn careless_first_process() -> Option<String> {
    let name = Process::new(1).and_then(|process| process.stat()).ok()?.comm;
    // Within 15 bytes, as the kernel shows a name.
    let is = |other: &&&str| other.starts_with(&name) && other.len().min(15) == name.len();
    if SHELLS.iter().chain(&INITS).any(|other| is(&other)) {
        return None;
    }
    let status = fs::read_to_string("/proc/1/status").ok()?;
    is_careless(&status).then(|| {
        format!(
            "its process 1 ({name}) does not take away the dead: what dies in it, other than \
             what vai started, stays as a zombie that looks alive; {REMEDY}"
        )
    })
}

/// Whether a process neither catches nor ignores nor waits for the signal that a
/// child has ended.
fn is_careless(status: &str) -> bool {
    let set = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(line.trim(), 16).ok()
    };
    let sets = ["SigBlk:", "SigIgn:", "SigCgt:"].map(set);
    sets.iter().all(|set| set.is_some_and(|set| set >> CHILD & 1 == 0))
}

fn of_process_1() -> BTreeMap<i32, String> {
    let Ok(all) = all_processes() else { return BTreeMap::new() };
    let stats = all.filter_map(|process| process.ok()?.stat().ok());
    stats
        .filter(|stat| stat.state == 'Z' && stat.ppid == 1)
        .map(|stat| (stat.pid, stat.comm))
        .collect()
}

/// The files that may hold a number, and the number.
fn locks(command: &str) -> Vec<(PathBuf, i32)> {
    let mut files: Vec<PathBuf> = Vec::new();
    let words = command.split([' ', '\t', '\n', '=', '"', '\'', ';', '&', '(', ')']);
    for word in words.filter(|word| word.starts_with('/')) {
        files.push(word.into());
        files.extend(LOCKS.iter().map(|lock| Path::new(word).join(lock)));
    }
    for folder in LOCK_FOLDERS.map(Path::new) {
        files.extend(pid_files(folder));
        let below = fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            files.extend(pid_files(&entry.path()));
        }
    }
    files.into_iter().filter_map(|file| number_in(&file).map(|pid| (file, pid))).collect()
}

fn pid_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension() == Some("pid".as_ref()))
        .collect()
}

/// The number in the first line of a small regular file.
fn number_in(file: &Path) -> Option<i32> {
    const LARGEST: u64 = 4096;
    let metadata = fs::metadata(file).ok()?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return None;
    }
    fs::read_to_string(file).ok()?.lines().next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(blocked: u64, ignored: u64, caught: u64) -> String {
        format!(
            "Name:\tx\nSigBlk:\t{blocked:016x}\nSigIgn:\t{ignored:016x}\nSigCgt:\t{caught:016x}\n"
        )
    }

    #[test]
    fn who_neither_catches_nor_ignores_nor_waits_for_the_end_of_a_child_is_careless() {
        let child = 1 << CHILD;
        assert!(is_careless(&status(0, 0, 1)));
        for cares in [status(child, 0, 0), status(0, child, 0), status(0, 0, child)] {
            assert!(!is_careless(&cares), "{cares}");
        }
        assert!(!is_careless("Name:\tx\n"), "nothing is known");
    }

    #[test]
    fn a_lock_is_found_in_the_folders_that_a_command_names() {
        // Not where every command is looked for.
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        fs::write(folder.path().join("postmaster.pid"), "57\n/var/lib\n").unwrap();
        let command = format!("postgres -D {} >> /tmp/pg.log 2>&1 &", folder.path().display());
        assert!(locks(&command).contains(&(folder.path().join("postmaster.pid"), 57)));
        let command = format!("postgres --data=\"{}\"", folder.path().display());
        assert!(locks(&command).contains(&(folder.path().join("postmaster.pid"), 57)));
        assert!(!locks("postgres").iter().any(|(_, pid)| *pid == 57));
    }
}
