//! Who listens on a port of this network namespace, as far as can be seen.

use super::identity::FsIdentity;
use super::processes::{Processes, is_living};
use procfs::net::{TcpNetEntry, TcpState, tcp, tcp6};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use vai_core::model::ProcId;

/// What was seen at each host and port. The kernel walks through all of its
/// sockets to list those that listen, which costs milliseconds each time.
static LAST_SEEN: LazyLock<Mutex<HashMap<(String, u16), Seen>>> = LazyLock::new(Mutex::default);

#[derive(Clone, Debug, Default)]
struct Seen {
    sockets: HashSet<u64>,
    owners: Vec<Owner>,
}

impl Seen {
    fn processes(&self) -> Vec<ProcId> {
        self.owners.iter().map(|owner| owner.process.clone()).collect()
    }
}

#[derive(Clone, Debug)]
struct Owner {
    process: ProcId,
    /// Where it has one of the sockets: it may have thousands of other files.
    descriptor: PathBuf,
}

impl Owner {
    /// The process, if it has one of the sockets open.
    fn find(process: ProcId, sockets: &HashSet<u64>) -> Option<Self> {
        let _identity = FsIdentity::of_process(process.pid);
        let descriptors = fs::read_dir(format!("/proc/{}/fd", process.pid)).ok()?;
        let mut paths = descriptors.filter_map(|entry| Some(entry.ok()?.path()));
        let descriptor = paths.find(|path| leads_to(path, sockets))?;
        Some(Self { process, descriptor })
    }

    fn still_holds(&self, sockets: &HashSet<u64>) -> bool {
        is_living(&self.process) && {
            let _identity = FsIdentity::of_process(self.process.pid);
            leads_to(&self.descriptor, sockets)
        }
    }
}

/// As [`listening`], but as long as the owners seen last still live and hold
/// their sockets, nobody else is looked for.
pub(super) fn still_listening(host: &str, port: u16) -> Vec<ProcId> {
    let seen = {
        let last_seen = LAST_SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        last_seen.get(&(host.to_owned(), port)).cloned()
    };
    match seen {
        Some(seen) if seen.owners.iter().all(|owner| owner.still_holds(&seen.sockets)) => {
            seen.processes()
        }
        Some(_) | None => listening(host, port),
    }
}

/// The processes that listen where a connection to `port` on a loopback
/// address of `host` (`localhost`, `127.0.0.1` or `::1`) ends up. Empty if
/// that cannot be seen. Blocks.
pub(super) fn listening(host: &str, port: u16) -> Vec<ProcId> {
    let seen = look(host, port);
    let owners = seen.processes();
    let mut last_seen = LAST_SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if owners.is_empty() {
        last_seen.remove(&(host.to_owned(), port));
    } else {
        last_seen.insert((host.to_owned(), port), seen);
    }
    owners
}

fn look(host: &str, port: u16) -> Seen {
    let sockets: HashSet<u64> = tcp()
        .into_iter()
        .chain(tcp6())
        .flatten()
        .filter(|socket| socket.state == TcpState::Listen && takes(socket, host, port))
        .map(|socket| socket.inode)
        .collect();
    if sockets.is_empty() {
        return Seen::default();
    }
    let Ok(processes) = Processes::read() else {
        return Seen::default();
    };
    let ours = processes.ourselves();
    let owners = processes
        .living
        .into_iter()
        .filter(|each| !ours.contains(&each.id.pid))
        .filter_map(|each| Owner::find(each.id, &sockets))
        .collect();
    Seen { sockets, owners }
}

/// Whether `host` in a check means this network namespace itself.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn takes(socket: &TcpNetEntry, host: &str, port: u16) -> bool {
    if socket.local_address.port() != port {
        return false;
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match (socket.local_address.ip(), bare.parse::<IpAddr>()) {
        // Listening on `::` takes IPv4 as well, unless told otherwise.
        (IpAddr::V6(Ipv6Addr::UNSPECIFIED), _) => true,
        (listening, Ok(asked)) => {
            let listening = listening.to_canonical();
            listening == asked || (listening.is_unspecified() && asked.is_ipv4())
        }
        (listening, Err(_)) => listening.is_unspecified() || listening.to_canonical().is_loopback(),
    }
}

/// Whether a descriptor of a process is one of the sockets.
fn leads_to(descriptor: &Path, sockets: &HashSet<u64>) -> bool {
    let inode = || {
        let target = fs::read_link(descriptor).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    inode().is_some_and(|inode: u64| sockets.contains(&inode))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Service, free_port};
    use super::*;
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn nobody_owns_a_port_that_nobody_listens_on() {
        assert_eq!(listening("localhost", free_port()), []);
    }

    /// As root in a container is, where nginx, PostgreSQL and others run as
    /// users of their own.
    #[test]
    fn the_processes_of_other_users_are_seen_without_ptrace() {
        if !rustix::process::geteuid().is_root() {
            return; // an ordinary user sees its own processes only
        }
        let redis = Service::redis_as_nobody();
        let mut sets = capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::SYS_PTRACE);
        sets.permitted.remove(CapabilitySet::SYS_PTRACE);
        // Of this thread only.
        set_capabilities(None, sets).unwrap();
        assert!(fs::read_link(format!("/proc/{}/fd/0", redis.pid())).is_err());

        let owners = listening("localhost", redis.port);
        let pids: Vec<i32> = owners.iter().map(|each| each.pid).collect();
        assert_eq!(pids, [redis.pid()]);
        assert_eq!(fs::metadata("/proc/thread-self").unwrap().uid(), 0);
    }

    #[test]
    fn a_new_owner_of_a_port_replaces_the_old_one() {
        let old = Service::redis();
        let port = old.port;
        let pids = || -> Vec<i32> {
            let owners = still_listening("localhost", port);
            owners.iter().map(|each| each.pid).collect()
        };
        assert_eq!((pids(), pids()), (vec![old.pid()], vec![old.pid()]));
        drop(old);
        assert!(pids().is_empty());
        let new = Service::redis_at(port);
        assert_eq!(pids(), [new.pid()]);
    }

    #[test]
    fn loopback_is_told_from_other_hosts() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "[::1]", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["redis", "10.0.0.1", "localhost.example.com", "0.0.0.0"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
