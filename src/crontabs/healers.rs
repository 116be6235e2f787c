//! Older scripts that restart the same services: two healers work against each
//! other.

use super::command::{Scheduled, all_words, is_common, normal, programs, stands_in};
use crate::probe::wire::CrontabLine;
use std::collections::BTreeSet;
use std::fmt;
use vai_core::model::{CheckKind, ProcessPattern, Service};

/// How such scripts are called.
const TITLES: [&str; 12] = [
    "autoheal",
    "auto-heal",
    "check-services",
    "check_services",
    "healthcheck",
    "health-check",
    "health_check",
    "keepalive",
    "service-monitor",
    "service_monitor",
    "services-check",
    "watchdog",
];

/// They restart what is named beside them.
const RESTARTERS: [&str; 8] =
    ["docker", "monit", "pm2", "rc-service", "service", "supervisorctl", "systemctl", "sv"];

/// They tell whether something runs.
const LOOKS: [&str; 3] = ["pgrep", "pidof", "ps"];

/// What may follow `||` and heals nothing.
const HARMLESS: [&str; 8] = [":", "echo", "exit", "false", "logger", "mail", "printf", "true"];

/// A line of a crontab that looks like a healer of services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondHealer {
    /// `<file>:<line>`.
    pub at: String,
    /// What makes it look so.
    pub why: String,
}

impl fmt::Display for SecondHealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, why } = self;
        write!(f, "{at} looks like a second healer, for it {why}; two of them work against each ")?;
        write!(f, "other, so switch that one off")
    }
}

/// The lines that look like a healer of `services`, which are those of the same
/// place. In doubt a line is none: a nightly restart heals nothing.
pub(super) fn find<'a>(
    services: impl Iterator<Item = &'a Service>,
    lines: &[CrontabLine],
) -> Vec<SecondHealer> {
    let services: Vec<Known<'_>> = services.map(Known::of).collect();
    let found = lines.iter().filter_map(|line| {
        let why = why(&Scheduled::of(line), &services)?;
        Some(SecondHealer { at: format!("{}:{}", line.file, line.number), why })
    });
    found.collect()
}

/// What a line would name if it healed this service.
struct Known<'a> {
    service: &'a str,
    names: BTreeSet<&'a str>,
    /// Without its redirections.
    restart: Option<String>,
}

impl<'a> Known<'a> {
    fn of(service: &'a Service) -> Self {
        let restart_cmd = service.restart_cmd.as_deref().unwrap_or_default();
        let mut names = BTreeSet::from([service.name.as_str()]);
        names.extend(programs(restart_cmd).into_iter().map(|program| program.name()));
        names.extend(service.checks.iter().filter_map(|check| match &check.kind {
            CheckKind::Process(process) => Some(match &process.pattern {
                ProcessPattern::CommandLine(pattern) | ProcessPattern::Executable(pattern) => {
                    pattern.as_str()
                }
            }),
            CheckKind::Http(_)
            | CheckKind::Tcp(_)
            | CheckKind::Custom(_)
            | CheckKind::Docker
            | CheckKind::Disk(_) => None,
        }));
        names.retain(|name| !is_common(name) && !RESTARTERS.contains(name));
        let restart = restart_cmd.split(['>', '<', '&', ';', '|']).next().map(normal);
        // The name of a program alone is also that of what looks for it.
        let tells = |it: &String| it.contains(' ') && all_words(it).any(|word| !is_common(word));
        Self { service: service.name.as_str(), names, restart: restart.filter(tells) }
    }

    fn is_named(&self, command: &str) -> bool {
        all_words(command).any(|word| {
            let word = word.strip_suffix(".service").unwrap_or(word);
            let word = word.strip_prefix("/etc/init.d/").unwrap_or(word);
            self.names.contains(word)
        })
    }
}

fn why(scheduled: &Scheduled, services: &[Known<'_>]) -> Option<String> {
    let Scheduled { command, is_often } = scheduled;
    let programs = programs(command);
    let titled = programs.iter().map(|program| program.name()).find(|name| {
        let name = name.to_ascii_lowercase();
        TITLES.iter().any(|title| name.contains(title))
    });
    if let Some(name) = titled {
        return Some(format!("runs {name}"));
    }
    let on_absence = acts_on_absence(command);
    if !on_absence && !is_often {
        return None;
    }
    let runs = |names: &[&str]| programs.iter().any(|program| names.contains(&program.name()));
    let starts = all_words(command).any(|word| word == "restart" || word == "start");
    let by_script = programs.iter().any(|program| program.path.starts_with("/etc/init.d/"));
    let restarts = starts && (runs(&RESTARTERS) || by_script);
    let looks = on_absence && runs(&LOOKS);
    services.iter().find_map(|known| {
        let service = known.service;
        if known.restart.as_deref().is_some_and(|restart| stands_in(restart, command)) {
            Some(format!("runs the restart_cmd of {service}"))
        } else if restarts && known.is_named(command) {
            Some(format!("restarts {service}"))
        } else if looks && known.is_named(command) {
            Some(format!("looks whether {service} runs and acts if not"))
        } else {
            None
        }
    })
}

fn acts_on_absence(command: &str) -> bool {
    let acts = |rest: &str| all_words(rest).next().is_some_and(|word| !HARMLESS.contains(&word));
    command.split("||").skip(1).any(acts) || all_words(command).any(|word| word == "then")
}
