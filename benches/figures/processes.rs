//! What processes use, from `/proc`.

use crate::lab::Container;
use procfs::process::{Process, Stat, all_processes};
use std::process::Command;
use std::time::Duration;

/// The engine as far as it serves one container: `dockerd`, `containerd` and
/// the container's shim.
pub(crate) struct EngineProcesses {
    daemons: Vec<i32>,
    shim: i32,
}

impl EngineProcesses {
    /// Those behind the container whose main process is `pid`.
    ///
    /// # Panics
    /// If the engine does not run on this machine.
    pub(crate) fn behind(pid: i32) -> Self {
        let daemons: Vec<i32> = all_processes()
            .expect("/proc can be read")
            .flatten()
            .filter_map(|process| process.stat().ok())
            .filter(|stat| ["dockerd", "containerd"].contains(&stat.comm.as_str()))
            .map(|stat| stat.pid)
            .collect();
        assert!(!daemons.is_empty(), "the engine's processes are on this machine");
        Self { daemons, shim: stat(pid).ppid }
    }

    /// What they used so far, with all that the shim ran and collected: the
    /// low-level runtime, and the commands themselves.
    pub(crate) fn cpu(&self) -> Duration {
        let daemons: Duration = self.daemons.iter().map(|&pid| cpu(pid)).sum();
        let shim = stat(self.shim);
        let collected = u64::try_from(shim.cutime + shim.cstime).unwrap_or(0);
        daemons + used(&shim) + ticks(collected)
    }
}

/// The main process of a container, as this machine counts.
pub(crate) fn main_process(container: &Container) -> i32 {
    let output = Command::new("docker")
        .args(["inspect", "--format", "{{.State.Pid}}", container.name()])
        .output()
        .expect("the docker command is installed");
    let pid = String::from_utf8_lossy(&output.stdout).trim().parse();
    pid.unwrap_or_else(|_| panic!("no main process: {output:?}"))
}

/// Processor time that a process used so far.
pub(crate) fn cpu(pid: i32) -> Duration {
    used(&stat(pid))
}

/// Resident memory in MiB.
pub(crate) fn resident_mib(pid: i32) -> f64 {
    let status = process(pid).status().expect("a living process has a status");
    let kib = status.vmrss.and_then(|kib| u32::try_from(kib).ok()).unwrap_or(0);
    f64::from(kib) / 1024.0
}

/// The agent inside the container whose main process is `pid`.
pub(crate) fn agent_beside(pid: i32) -> i32 {
    let namespace = |process: &Process| std::fs::read_link(format!("/proc/{}/ns/pid", process.pid));
    let wanted = namespace(&process(pid)).expect("namespaces can be read");
    let mut agents = all_processes().expect("/proc can be read").flatten().filter(|process| {
        namespace(process).is_ok_and(|found| found == wanted)
            && process.cmdline().is_ok_and(|words| words.last().is_some_and(|it| it == "agent"))
    });
    agents.next().expect("an agent runs beside it").pid
}

fn process(pid: i32) -> Process {
    Process::new(pid).expect("the process lives")
}

fn stat(pid: i32) -> Stat {
    process(pid).stat().expect("a living process has a stat")
}

fn used(stat: &Stat) -> Duration {
    ticks(stat.utime + stat.stime)
}

fn ticks(count: u64) -> Duration {
    Duration::from_secs(count) / u32::try_from(procfs::ticks_per_second()).unwrap_or(100)
}
