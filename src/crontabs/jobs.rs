//! Which jobs the crontabs of their place name as well.

use super::command::{Program, Scheduled, all_words, is_common, normal, programs, stands_in};
use crate::probe::wire::{CrontabLine, Crontabs};
use vai_core::model::{Job, TwoSchedulers};

/// Of each of `jobs` the first line that names it, or that none does. Where
/// something was not readable, that none does cannot be said.
pub(super) fn named<'a>(
    jobs: impl Iterator<Item = &'a Job>,
    crontabs: &Crontabs,
) -> Vec<TwoSchedulers> {
    let lines: Vec<(&CrontabLine, Scheduled)> =
        crontabs.lines.iter().map(|line| (line, Scheduled::of(line))).collect();
    let each = jobs.filter_map(|job| {
        let found = lines.iter().find(|(line, scheduled)| names(line, scheduled, job));
        let found = found.map(|(line, _)| format!("{}:{}", line.file, line.number));
        let is_certain = found.is_some() || crontabs.unreadable.is_empty();
        is_certain.then(|| TwoSchedulers { job: job.name.clone(), found })
    });
    each.collect()
}

fn names(line: &CrontabLine, scheduled: &Scheduled, job: &Job) -> bool {
    let theirs = programs(&scheduled.command);
    names_command(scheduled, &theirs, &job.command)
        || names_job(line, scheduled, &theirs, job.name.as_str())
}

/// The whole command, unless it is one as anybody may have it, or the same
/// script.
fn names_command(scheduled: &Scheduled, theirs: &[Program<'_>], command: &str) -> bool {
    let command = normal(command);
    let tells = all_words(&command).any(|word| !is_common(word));
    (tells && stands_in(&command, &scheduled.command))
        || programs(&command).into_iter().any(|ours| theirs.iter().any(|it| is_same(ours, *it)))
}

/// One script is the same wherever it is called from by a relative path. With
/// another first operand it is another job: `run.sh daily`, `run.sh weekly`.
fn is_same(ours: Program<'_>, theirs: Program<'_>) -> bool {
    let are_absolute = ours.path.starts_with('/') && theirs.path.starts_with('/');
    let same_path =
        if are_absolute { ours.path == theirs.path } else { ours.name() == theirs.name() };
    let other_operand = match (ours.operand, theirs.operand) {
        (Some(ours), Some(theirs)) => ours != theirs,
        (Some(_) | None, _) => false,
    };
    ours.is_own_script() && theirs.is_own_script() && same_path && !other_operand
}

/// As a word, as a program with or without its extension, or as the name of a
/// package's crontab.
fn names_job(
    line: &CrontabLine,
    scheduled: &Scheduled,
    theirs: &[Program<'_>],
    name: &str,
) -> bool {
    let is_program = |it: &Program<'_>| {
        let program = it.name();
        program == name || program.split_once('.').is_some_and(|(stem, _)| stem == name)
    };
    !is_common(name)
        && (line.file.strip_prefix("/etc/cron.d/") == Some(name)
            || theirs.iter().any(is_program)
            || all_words(&scheduled.command).any(|word| word == name))
}
