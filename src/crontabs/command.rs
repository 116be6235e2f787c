//! What a shell command runs, as far as it can be told without a shell.

use crate::probe::wire::CrontabLine;

/// Files of these lines name the user who runs them.
const WITH_USER: [&str; 2] = ["/etc/crontab", "/etc/cron.d/"];

/// They run what comes after them.
const WRAPPERS: [&str; 23] = [
    "!", "chronic", "command", "do", "elif", "else", "env", "eval", "exec", "flock", "if",
    "ionice", "nice", "nohup", "setsid", "stdbuf", "sudo", "then", "time", "timeout", "until",
    "while", "{",
];

/// Their first operand is a script.
const INTERPRETERS: [&str; 11] =
    ["ash", "bash", "dash", "ksh", "node", "perl", "php", "python", "ruby", "sh", "zsh"];

/// Options of `sudo` that are followed by a word of their own.
const SUDO_OPTIONS: [&str; 3] = ["-U", "-g", "-u"];

/// Names that say nothing about which job this is.
const COMMON: [&str; 47] = [
    ".",
    ":",
    "[",
    "awk",
    "cat",
    "cd",
    "chmod",
    "chown",
    "cp",
    "curl",
    "date",
    "docker",
    "echo",
    "exit",
    "export",
    "false",
    "find",
    "grep",
    "gzip",
    "head",
    "kill",
    "logger",
    "ls",
    "mail",
    "mkdir",
    "mv",
    "pgrep",
    "pidof",
    "pkill",
    "printf",
    "ps",
    "rm",
    "root",
    "rsync",
    "run-parts",
    "sed",
    "set",
    "sleep",
    "source",
    "sync",
    "tail",
    "tar",
    "test",
    "touch",
    "true",
    "wget",
    "xargs",
];

/// Folders of what belongs to the system.
const SYSTEM_FOLDERS: [&str; 4] = ["/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/"];

/// A line of a crontab, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scheduled {
    /// What is run.
    pub(super) command: String,
    /// More often than hourly.
    pub(super) is_often: bool,
}

impl Scheduled {
    pub(super) fn of(line: &CrontabLine) -> Self {
        let mut rest = line.text.trim_start_matches('-');
        let mut word = || {
            let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            rest = after.trim_start();
            word
        };
        let first = word();
        let mut is_often = false;
        if !first.starts_with('@') {
            let hour = word();
            is_often = hour.starts_with('*')
                && (first.contains(['*', '/']) || first.matches(',').count() >= 2);
            for _ in 0..3 {
                word();
            }
        }
        if WITH_USER.iter().any(|of| line.file.starts_with(of)) {
            word();
        }
        // Unescaped, it would end the command and begin its input.
        Self { command: normal(&rest.replace("\\%", "%")), is_often }
    }
}

/// With single spaces, so that two of them can be compared.
pub(super) fn normal(command: &str) -> String {
    command.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A program that a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Program<'a> {
    /// As it is written.
    pub(super) path: &'a str,
    /// The first word after it that is no option.
    pub(super) operand: Option<&'a str>,
}

impl<'a> Program<'a> {
    pub(super) fn name(self) -> &'a str {
        base(self.path)
    }

    /// Whether its path alone tells which job this is: a script of somebody's
    /// own, and no tool of the system.
    pub(super) fn is_own_script(self) -> bool {
        self.path.contains('/')
            && !SYSTEM_FOLDERS.iter().any(|folder| self.path.starts_with(folder))
            && !COMMON.contains(&self.name())
    }
}

/// The programs that `command` runs, one for each simple command in it.
pub(super) fn programs(command: &str) -> Vec<Program<'_>> {
    command.split(SEPARATORS).filter_map(|simple| program(&words(simple))).collect()
}

/// All words of `command`, without quotes.
pub(super) fn all_words(command: &str) -> impl Iterator<Item = &str> {
    command.split(SEPARATORS).flat_map(words)
}

const SEPARATORS: [char; 8] = [';', '|', '&', '(', ')', '`', '\n', '$'];

/// The words of a simple command, without its redirections.
fn words(simple: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut all = simple.split(|c: char| c.is_whitespace() || c == '"' || c == '\'');
    while let Some(word) = all.next() {
        let redirects = word.trim_start_matches(|c: char| c.is_ascii_digit());
        if redirects.starts_with(['>', '<']) {
            if redirects.ends_with(['>', '<']) {
                all.next();
            }
        } else if !word.is_empty() {
            words.push(word);
        }
    }
    words
}

fn program<'a>(words: &[&'a str]) -> Option<Program<'a>> {
    let (first, rest) = words.split_first()?;
    let name = base(first);
    if first.starts_with('-') || is_assignment(first) || is_number(first) {
        return program(rest);
    }
    if name == "sudo" && rest.first().is_some_and(|option| SUDO_OPTIONS.contains(option)) {
        return program(rest.get(2..)?);
    }
    if name == "flock" {
        // Its first operand is the file that it locks.
        let file = rest.iter().position(|word| !word.starts_with('-') && !is_number(word))?;
        return program(&rest[file + 1..]);
    }
    let interpreter = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if WRAPPERS.contains(&name) || (INTERPRETERS.contains(&interpreter) && !rest.is_empty()) {
        return program(rest);
    }
    Some(Program { path: first, operand: rest.iter().find(|it| !it.starts_with('-')).copied() })
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// `10`, `60s`.
fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
        && word
            .trim_end_matches(['s', 'm', 'h', 'd'])
            .chars()
            .all(|c| c.is_ascii_digit() || c == '.')
}

/// Whether a word is too common, or too short, to tell anything.
pub(super) fn is_common(word: &str) -> bool {
    let name = base(word);
    word.len() < 3
        || word.starts_with('-')
        || is_number(word)
        || [&COMMON[..], &WRAPPERS, &INTERPRETERS].concat().contains(&name)
}

/// Whether `command` stands in `inside` as whole words.
pub(super) fn stands_in(command: &str, inside: &str) -> bool {
    let is_edge =
        |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || "\"';&|(){}`".contains(c));
    inside.match_indices(command).any(|(at, _)| {
        is_edge(inside[..at].chars().next_back())
            && is_edge(inside[at + command.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart_by_where_it_stands() {
        let scheduled = |file: &str, text: &str| {
            let line = CrontabLine { file: file.to_owned(), number: 1, text: text.to_owned() };
            let Scheduled { command, is_often } = Scheduled::of(&line);
            (command, is_often)
        };
        let spool = "/var/spool/cron/crontabs/root";
        for (file, text, command, often) in [
            (
                "/etc/crontab",
                "17 *\t* * *\troot    cd /  &&  run-parts x",
                "cd / && run-parts x",
                false,
            ),
            ("/etc/cron.d/x", "@daily www-data /opt/x", "/opt/x", false),
            (spool, "*/5 * * * * /opt/x", "/opt/x", true),
            (spool, "-0,15,30,45 * * * * /opt/x --at \\%F", "/opt/x --at %F", true),
            (spool, "* 3 * * * /opt/x", "/opt/x", false),
            (spool, "@reboot /opt/x", "/opt/x", false),
            (spool, "* * *", "", true),
        ] {
            assert_eq!(scheduled(file, text), (command.to_owned(), often), "{text}");
        }
    }

    #[test]
    fn the_programs_of_a_command_are_found_behind_what_wraps_them() {
        for (command, expected) in [
            ("/opt/backup.sh", &["/opt/backup.sh"][..]),
            ("/opt/backup.sh >> /var/log/b.log 2>&1", &["/opt/backup.sh"]),
            ("cd /opt && ./backup.sh --full /data", &["cd /opt", "./backup.sh /data"]),
            ("bash -lc '/opt/backup.sh full'", &["/opt/backup.sh full"]),
            ("A=1 B=2 nice -n 10 ionice -c3 timeout 60 python3.11 -u /opt/b.py", &["/opt/b.py"]),
            ("flock -n /run/b.lock /opt/b.sh", &["/opt/b.sh"]),
            ("sudo -u postgres pg_dump vault", &["pg_dump vault"]),
            ("[ -x /opt/b.sh ] && /opt/b.sh || true", &["[ /opt/b.sh", "/opt/b.sh", "true"]),
            ("if ! pgrep -x nginx > /dev/null; then nginx; fi", &["pgrep nginx", "nginx", "fi"]),
            ("sh", &["sh"]),
            ("", &[]),
        ] {
            let found = programs(command);
            let said = found.iter().map(|it| match it.operand {
                Some(operand) => format!("{} {operand}", it.path),
                None => it.path.to_owned(),
            });
            assert_eq!(said.collect::<Vec<_>>(), expected, "{command}");
        }
    }
}
