//! What the commands of the services wrote down when they ran.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// An act may take so long from its admission, which the ceiling counts, to
/// its command.
const ADMITTED_BEFORE: Duration = Duration::from_secs(10);

/// One run of a `restart_cmd`.
pub(super) struct Command {
    service: String,
    /// Which act ran it.
    act: String,
    /// On the boot clock of the vai that ran it.
    at: Duration,
}

/// The shell's words that write a run of `service` down: whose act it is, and
/// when. Inside a container the boot clock is this machine's; `$AHEAD` says by
/// how much vai's was ahead of it.
pub(super) fn written_down(service: &str) -> String {
    format!("read up idle < /proc/uptime; echo {service} $VAI_ACT $AHEAD $up >> /acts/log")
}

/// All runs so far, oldest first.
pub(super) fn read(folder: &Path) -> Vec<Command> {
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    log.lines().map(|line| parse(line).unwrap_or_else(|| panic!("{line:?}"))).collect()
}

fn parse(line: &str) -> Option<Command> {
    let [service, act, ahead, up] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
    let ahead: f64 = ahead.strip_prefix("ahead-")?.parse().ok()?;
    let up: f64 = up.parse().ok()?;
    let at = Duration::from_secs_f64(ahead + up);
    Some(Command { service: service.to_owned(), act: act.to_owned(), at })
}

/// No act ran its command twice.
pub(super) fn none_is_done_twice(commands: &[Command]) {
    let mut done = BTreeSet::new();
    for Command { service, act, .. } in commands {
        assert!(done.insert(act), "the act {act} on {service} was done twice");
    }
}

/// No service was restarted more often than `max` times in any `window`. The
/// most that were in one, by service.
pub(super) fn none_is_over_its_ceiling(
    commands: &[Command],
    max: usize,
    window: Duration,
) -> BTreeMap<&str, usize> {
    let mut by_service: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for command in commands {
        by_service.entry(&command.service).or_default().push(command.at);
    }
    let fullest = by_service.into_iter().map(|(service, mut times)| {
        times.sort();
        let within = |from: &Duration| {
            let end = *from + window - ADMITTED_BEFORE;
            times.iter().filter(|at| (*from..end).contains(at)).count()
        };
        let most = times.iter().map(within).max().unwrap_or(0);
        assert!(most <= max, "{service} was restarted {most} times in {window:?}: {times:?}");
        (service, most)
    });
    fullest.collect()
}

/// How often the command of `service` ran.
pub(super) fn count(commands: &[Command], service: &str) -> usize {
    commands.iter().filter(|command| command.service == service).count()
}
