//! Which processes an act or a run of ours started, told by their environment.

use crate::check::identity::FsIdentity;
use crate::check::processes::{Living, Processes};
use std::collections::HashSet;
use std::fs;
use std::io;
use std::time::Duration;
use vai_core::model::ProcId;

/// How exactly the start of a process is known.
const TICK: Duration = Duration::from_millis(10);

/// What the environment of a process says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// It is from the act.
    Act,
    /// It is not.
    Elsewhere,
    /// Overwritten by a title, or not to be read.
    Hidden,
}

/// The living processes with `entry`, `NAME=value`, in their environment, and
/// everything that came from them; of `candidates` also those that began after
/// the uptime `since` and hide their environment. Never one of ours, nor the container's first.
/// Blocks.
///
/// # Errors
/// If there is no `/proc` to read.
pub(super) fn by(
    entry: &str,
    since: Option<Duration>,
    candidates: &HashSet<ProcId>,
) -> io::Result<Vec<ProcId>> {
    let all = Processes::read()?;
    let spared = all.ourselves();
    let is_of_act = |living: &&Living| match origin(living.id.pid, entry.as_bytes()) {
        Origin::Act => true,
        Origin::Elsewhere => false,
        Origin::Hidden => {
            candidates.contains(&living.id)
                && since.is_some_and(|since| living.started() + TICK > since)
        }
    };
    let mut found: Vec<ProcId> = Vec::new();
    for root in all.living.iter().filter(is_of_act) {
        let family = std::iter::once(root).chain(all.descendants(root.id.pid));
        for id in family.map(|living| &living.id) {
            if id.pid != 1 && !spared.contains(&id.pid) && !found.contains(id) {
                found.push(id.clone());
            }
        }
    }
    Ok(found)
}

fn origin(pid: i32, entry: &[u8]) -> Origin {
    let path = format!("/proc/{pid}/environ");
    let read = fs::read(&path).or_else(|_| {
        let _identity = FsIdentity::of_process(pid);
        fs::read(&path)
    });
    match read {
        Ok(environment) if environment.split(|&byte| byte == 0).any(|each| each == entry) => {
            Origin::Act
        }
        Ok(environment) if environment.contains(&b'=') => Origin::Elsewhere,
        Ok(_) | Err(_) => Origin::Hidden,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{Service, wait_until};
    use crate::clock;
    use crate::probe::wire::ACT_VARIABLE;
    use std::process::Command;

    /// A shell with `mark` that waits for a child without an environment.
    fn family(mark: &str) -> Service {
        let script = "env -i sleep 600 & wait";
        let mut shell = Command::new("sh");
        let shell = shell.args(["-c", script]).env(ACT_VARIABLE, mark);
        Service::spawn(tempfile::tempdir().unwrap(), 0, shell)
    }

    fn names(mark: &str) -> Vec<String> {
        let found = by(&format!("{ACT_VARIABLE}={mark}"), None, &HashSet::new()).unwrap();
        found.into_iter().map(|id| id.name).collect()
    }

    #[test]
    fn what_an_act_started_is_found_with_all_that_came_from_it_and_nothing_else() {
        let _other = family("test-started-12");
        let shell = family("test-started-1");
        wait_until("the shell's child", || names("test-started-1").contains(&"sleep".to_owned()));
        let found = by("VAI_ACT=test-started-1", None, &HashSet::new()).unwrap();
        assert_eq!(found[0].pid, shell.pid());
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(names("test-started-3"), [""; 0]);
    }

    #[test]
    fn an_overwritten_environment_counts_behind_the_check_since_the_act_only() {
        let before = clock::uptime();
        let redis = Service::redis();
        let behind = |since: Duration, candidates: &HashSet<ProcId>| -> Vec<i32> {
            let found = by("VAI_ACT=test-started-4", Some(since), candidates).unwrap();
            found.iter().map(|id| id.pid).collect()
        };
        let all = Processes::read().unwrap();
        let own = all.living.into_iter().find(|living| living.id.pid == redis.pid()).unwrap();
        let candidates = HashSet::from([own.id.clone()]);
        // It listens a moment before it sets its title.
        wait_until("the title of redis", || origin(redis.pid(), b"x") == Origin::Hidden);
        assert_eq!(behind(before, &candidates), [redis.pid()]);
        assert_eq!(behind(clock::uptime() + TICK, &candidates), [0; 0]);
        assert_eq!(behind(before, &HashSet::new()), [0; 0]);
    }
}
