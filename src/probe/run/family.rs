//! All that came from a supervisor, however it detached itself: nothing leaves
//! the family of a child subreaper but by its end.

use crate::check::processes::{Processes, living};
use crate::probe::pidfd;
use rustix::process::Signal;
use std::fs;
use std::io;
use std::process;
use vai_core::model::ProcId;

/// Every living process that came from this one.
pub(super) fn members() -> Vec<ProcId> {
    let own = own();
    let mut found = Vec::new();
    let mut next = vec![own];
    while let Some(pid) = next.pop() {
        // The process may have ended meanwhile, and with it what is to be read.
        let children = children_of(pid).unwrap_or_default();
        found.extend(children.iter().filter_map(|&child| living(child)));
        next.extend(children);
    }
    if found.is_empty() && children_of(own).is_err() {
        // A kernel that does not list children; it lists everything.
        let all = Processes::read().unwrap_or_default();
        found.extend(all.descendants(own).into_iter().map(|member| member.id.clone()));
    }
    found
}

/// Sends `signal` to exactly this process.
pub(super) fn signal(member: &ProcId, signal: Signal) {
    if let Ok(held) = pidfd::hold(member) {
        // Who may not be ended is named when the time is over.
        let _ = pidfd::send(&held, signal);
    }
}

/// Its children, dead ones too.
pub(in crate::probe) fn children() -> Vec<i32> {
    children_of(own()).unwrap_or_default()
}

fn own() -> i32 {
    i32::try_from(process::id()).unwrap_or(0)
}

/// The children of a process, dead ones too.
pub(in crate::probe) fn children_of(pid: i32) -> io::Result<Vec<i32>> {
    let mut children = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let listed = fs::read_to_string(task?.path().join("children"))?;
        children.extend(listed.split_whitespace().filter_map(|child| child.parse::<i32>().ok()));
    }
    Ok(children)
}
