//! Processes from before an act that are still there after it, so that the
//! next rung may follow at once.

use super::{Acting, list};
use crate::check::processes::{age, started};
use std::time::Duration;
use vai_core::model::{Act, ActOutcome, ProcId, Rung};

/// How exactly the start of a process is known.
const TICK: Duration = Duration::from_millis(10);

/// Words of a command that may ask the old process to end, which then may be
/// about to.
const MAY_END: [&str; 10] = [
    "kill",
    "pkill",
    "killall",
    "fuser",
    "restart",
    "stop",
    "quit",
    "shutdown",
    "force-reload",
    "skill",
];

impl Acting<'_> {
    /// Which of the processes seen before a restart still hold its port or
    /// match its pattern.
    pub(super) async fn survivors(&self) -> Vec<ProcId> {
        let restarted_inside =
            matches!(self.request.act, Act::Restart(Rung::Command | Rung::KillAndCommand));
        if !restarted_inside || self.request.processes.is_empty() {
            return Vec::new();
        }
        let mut left = self.behind().await.unwrap_or_default();
        left.retain(|now| was_there(&self.request.processes, now));
        left
    }

    /// How long the youngest of `survivors` has run, where the command ended and
    /// nothing asked them to do so.
    pub(super) fn age_of(&self, survivors: &[ProcId]) -> Option<Duration> {
        let service = &self.request.service;
        let command = self.command.as_deref()?;
        let asked = self.request.act != Act::Restart(Rung::Command)
            || service.stop_cmd.is_some()
            || may_end(command);
        survivors.iter().map(age).min().filter(|_| !asked)
    }
}

/// Who they are, for the verdict.
pub(super) fn still_there(survivors: &[ProcId]) -> Option<String> {
    match survivors {
        [] => None,
        [_] => Some(format!("{} is still there", list(survivors))),
        [_, ..] => Some(format!("{} are still there", list(survivors))),
    }
}

/// Whether it is still the processes from before that are behind the service,
/// and none that the command started.
pub(super) async fn are_alone(acting: &Acting<'_>) -> Result<(), ActOutcome> {
    let refused = |gate: String| Err(ActOutcome::Refused { gate, by_hand: false });
    let request = acting.request;
    let Some(behind) = acting.behind().await else {
        return refused("who is behind its check cannot be seen".to_owned());
    };
    let began = request.supersedes.and_then(|before| acting.healer.marks.began(before));
    let Some(began) = began else {
        return refused("it is not known when the command before began".to_owned());
    };
    let is_new = |process: &&ProcId| started(process) + TICK > began;
    let new: Vec<ProcId> = behind.iter().filter(is_new).cloned().collect();
    if !new.is_empty() {
        return refused(format!("{} came up after the command", list(&new)));
    }
    if behind.iter().any(|now| was_there(&request.processes, now)) {
        return Ok(());
    }
    refused("nothing of what hung is left".to_owned())
}

/// Whether `process` is one of those from `before`.
fn was_there(before: &[ProcId], process: &ProcId) -> bool {
    before.iter().any(|old| old.pid == process.pid && old.start_ticks == process.start_ticks)
}

fn may_end(command: &str) -> bool {
    let separates = |c: char| !(c.is_alphanumeric() || c == '-' || c == '_');
    command.split(separates).any(|word| MAY_END.contains(&word.trim_start_matches('-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_may_end_the_old_process_is_told_from_one_that_only_starts_or_reloads() {
        for command in [
            "pkill -f minio; minio server /data &",
            "service nginx restart",
            "nginx -s quit && nginx",
            "/etc/init.d/redis force-reload",
            "kill $(cat /run/x.pid)",
        ] {
            assert!(may_end(command), "{command}");
        }
        for command in
            ["minio server /data >> /var/log/minio.log 2>&1 &", "nginx -s reload", "./killer-app &"]
        {
            assert!(!may_end(command), "{command}");
        }
    }
}
