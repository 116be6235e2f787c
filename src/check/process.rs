//! The `process` check: enough living processes.

use super::processes::{Living, Processes};
use super::{blocking, words};
use crate::clock::Deadline;
use regex::Regex;
use vai_core::model::{Fault, FaultKind, Outcome, ProcId, ProcessCheck, ProcessPattern};

/// Shells that run the text after `-c`.
const SHELLS: [&str; 8] = ["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "busybox"];

/// Inits that carry the command line of the process they look after.
const INITS: [&str; 5] = ["docker-init", "tini", "tini-static", "dumb-init", "catatonit"];

/// The outcome, with the processes that match.
pub(super) async fn look(check: &ProcessCheck, deadline: Deadline) -> (Outcome, Vec<ProcId>) {
    let scan = {
        let check = check.clone();
        move || matches(&check.pattern).map(|matches| judge(&check, matches))
    };
    match blocking::run("proc", deadline, scan).await {
        Some(Ok(judged)) => judged,
        Some(Err(why)) => (Outcome::Unknown(why), Vec::new()),
        None => {
            let within = words::span(deadline.span());
            let why = format!("the list of processes did not come within {within}");
            (Outcome::Unknown(why), Vec::new())
        }
    }
}

/// The living processes that match `pattern` right now; none if it cannot be
/// told.
pub(super) fn behind(pattern: &ProcessPattern) -> Vec<ProcId> {
    matches(pattern).map_or_else(|_| Vec::new(), |matches| matches.living)
}

/// Judges processes that were listed elsewhere, each with its state and its
/// command line as `ps` shows them.
pub(crate) fn judge_listed<'a>(
    check: &ProcessCheck,
    listed: impl Iterator<Item = (&'a str, &'a str)>,
) -> Outcome {
    let matcher = match Matcher::new(&check.pattern) {
        Ok(matcher) => matcher,
        Err(why) => return Outcome::Unknown(why),
    };
    let mut matches = Matches { living: Vec::new(), zombies: 0 };
    for (state, command_line) in listed {
        let process = Living {
            id: ProcId { pid: 0, start_ticks: 0, name: String::new() },
            parent: 0,
            args: command_line.split_whitespace().map(Into::into).collect(),
        };
        if is_wrapper(&process.args) {
            continue;
        }
        if state.starts_with(['Z', 'X']) {
            // `[redis-server] <defunct>`
            let name = command_line.split(['[', ']']).nth(1).unwrap_or_default();
            matches.zombies += usize::from(matcher.is_name(name));
        } else if matcher.is_match(&process) {
            matches.living.push(process.id);
        }
    }
    judge(check, matches).0
}

struct Matches {
    living: Vec<ProcId>,
    zombies: usize,
}

fn matches(pattern: &ProcessPattern) -> Result<Matches, String> {
    let matcher = Matcher::new(pattern)?;
    let processes =
        Processes::read().map_err(|error| format!("no /proc: {}", words::plain(&error)))?;
    let ours = processes.ourselves();
    let zombies = processes.zombies.iter();
    Ok(Matches {
        zombies: zombies.filter(|name| matcher.is_name(name)).count(),
        living: processes
            .living
            .iter()
            .filter(|each| !ours.contains(&each.id.pid) && !is_wrapper(&each.args))
            .filter(|each| matcher.is_match(each))
            .map(|each| each.id.clone())
            .collect(),
    })
}

fn judge(check: &ProcessCheck, matches: Matches) -> (Outcome, Vec<ProcId>) {
    let Matches { living, zombies } = matches;
    let count = u32::try_from(living.len()).unwrap_or(u32::MAX);
    let pattern = match &check.pattern {
        ProcessPattern::CommandLine(text) | ProcessPattern::Executable(text) => text,
    };
    let fault = if count < check.min_count {
        let found = match count {
            0 => format!("no living process matches \"{pattern}\""),
            _ => format!("{count} living of at least {} match \"{pattern}\"", check.min_count),
        };
        let dead = match zombies {
            0 => "",
            1 => " (1 zombie is left of it)",
            _ => " (zombies are left of it)",
        };
        Fault::new(FaultKind::ProcessAbsent, format!("{found}{dead}"))
    } else if let Some(most) = check.max_count.filter(|&most| count > most) {
        let detail = format!("{count} living match \"{pattern}\", at most {most} may");
        Fault::new(FaultKind::ProcessCount, detail)
    } else {
        return (Outcome::Pass, living);
    };
    (Outcome::Fail(fault), living)
}

enum Matcher {
    CommandLine(Regex),
    Executable(String),
}

impl Matcher {
    fn new(pattern: &ProcessPattern) -> Result<Self, String> {
        match pattern {
            ProcessPattern::CommandLine(regex) => Regex::new(regex)
                .map(Self::CommandLine)
                .map_err(|error| words::one_line(&error.to_string(), 200)),
            ProcessPattern::Executable(name) => Ok(Self::Executable(name.clone())),
        }
    }

    fn is_match(&self, process: &Living) -> bool {
        match self {
            Self::CommandLine(regex) => {
                !process.args.is_empty() && regex.is_match(&process.args.join(" "))
            }
            // The kernel's name is cut after 15 bytes and may be set by the
            // process; the first argument may be rewritten to show a status.
            Self::Executable(name) => {
                self.is_name(&process.id.name)
                    || process.args.first().is_some_and(|first| {
                        let path = first.split(' ').next().unwrap_or(first);
                        file_name(path) == name || file_name(first) == name
                    })
            }
        }
    }

    /// By the kernel's name alone, all that a zombie has left.
    fn is_name(&self, name: &str) -> bool {
        match self {
            Self::CommandLine(regex) => regex.is_match(name),
            Self::Executable(wanted) => name == wanted,
        }
    }
}

/// Whether a command line merely carries that of another process: a shell
/// with `-c`, possibly behind something that starts it, or an init.
fn is_wrapper(args: &[String]) -> bool {
    let is_init = args.first().is_some_and(|program| INITS.contains(&file_name(program)));
    let runs_text = |(at, arg): (usize, &String)| {
        SHELLS.contains(&file_name(arg).trim_start_matches('-')) && has_c(&args[at + 1..])
    };
    is_init || args.iter().enumerate().any(runs_text)
}

/// Whether the options of a shell contain `-c`, as in `-c`, `-lc` or
/// `-o pipefail -ec`.
fn has_c(args: &[String]) -> bool {
    let mut args = args.iter().map(String::as_str).peekable();
    // busybox names its shell as an argument.
    args.next_if(|arg| SHELLS.contains(arg));
    while let Some(option) = args.next() {
        match option {
            "--rcfile" | "--init-file" => drop(args.next()),
            "--" => return false,
            long if long.starts_with("--") => {}
            short if short.starts_with(['-', '+']) => {
                if short.starts_with('-') && short.contains('c') {
                    return true;
                }
                if short.ends_with(['o', 'O']) {
                    args.next();
                }
            }
            _ => return false,
        }
    }
    false
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests;
