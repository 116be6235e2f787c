//! What is wrong with a job, for the one incident about it.

use super::JobMachine;
use super::end::told;
use super::memory::{OpenRun, Stage};
use crate::judge::Core;
use crate::judge::incident::{Root, Trouble};
use crate::model::{Evidence, JobName, Now, Run, RunEnd, Severity, StateLabel, Wall};
use crate::words;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Skipped so many times in a row is told.
const SKIPS: u32 = 3;
/// Lines of output that are evidence.
const LINES: usize = 20;

/// Everything that is wrong with one job.
pub(super) type Troubles = BTreeMap<Kind, JobTrouble>;

/// What can be wrong with a job, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Its last run failed or took too long.
    Failed,
    /// A run does not end, not even by force.
    Overdue,
    /// It should have run, and nobody was there to run it.
    Missed,
    /// It was skipped again and again.
    Skipped,
    /// It takes much longer than usual.
    Slow,
    /// It will not be run until somebody mends that.
    Held,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct JobTrouble {
    since: Now,
    /// In words that follow the job's name and a colon.
    reason: String,
    /// How often in a row.
    count: u32,
    /// What was tried, oldest first.
    history: Vec<String>,
    evidence: Evidence,
    next: String,
}

impl Kind {
    /// How the job stands, in the words of services: messages have their own.
    fn state(self) -> StateLabel {
        match self {
            Self::Failed => StateLabel::Down,
            Self::Overdue => StateLabel::Healing,
            Self::Missed => StateLabel::Unknown,
            Self::Skipped => StateLabel::Blocked,
            Self::Slow => StateLabel::Degraded,
            Self::Held => StateLabel::Held,
        }
    }
}

impl JobMachine {
    /// What is wrong with it, if anything is.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        let (kind, worst) = self.kept.troubles.first_key_value()?;
        let all = self.kept.troubles.values();
        let since = all.clone().map(|it| it.since).min_by_key(|since| since.mono)?;
        let reasons: Vec<&str> = all.map(|it| it.reason.as_str()).collect();
        Some(Trouble {
            root: Root::Job(self.job.name.clone()),
            since,
            severity: Severity::Warning,
            state: kind.state(),
            place: self.container().map_or_else(String::new, ToString::to_string),
            reason: reasons.join("; "),
            next: worst.next.clone(),
            notify: self.job.notify.clone(),
            history: worst.history.clone(),
            evidence: worst.evidence.clone(),
        })
    }

    pub(super) fn succeeded(&mut self, now: Now, run: &Run) {
        let slow = self.kept.slow_after().filter(|&span| run.took > span);
        let usually = self.kept.usually();
        self.kept.succeeded_in(run.took);
        self.kept.skipped = 0;
        for kind in [Kind::Failed, Kind::Overdue, Kind::Missed, Kind::Skipped] {
            self.kept.troubles.remove(&kind);
        }
        match (slow, usually) {
            (Some(_), Some(usually)) => {
                let (took, usually) = (words::duration(run.took), words::duration(usually));
                self.raise(now, Kind::Slow, format!("it took {took}, usually {usually}"));
            }
            _ => _ = self.kept.troubles.remove(&Kind::Slow),
        }
    }

    pub(super) fn failed(&mut self, now: Now, run: &Run, open: &OpenRun, end: Option<&RunEnd>) {
        self.kept.skipped = 0;
        self.kept.troubles.remove(&Kind::Overdue);
        self.kept.troubles.remove(&Kind::Slow);
        let before = self.kept.troubles.get(&Kind::Failed).map_or(0, |it| it.count);
        let mut reason = end.map_or_else(|| run.reason.clone(), told);
        if open.failures.len() > 1 {
            reason.push_str(&format!(", {} tries", open.failures.len()));
        }
        if before > 0 {
            reason.push_str(&format!(", {} runs in a row", before + 1));
        }
        self.raise(now, Kind::Failed, reason);
        let tries = open.failures.len();
        let history = open.failures.iter().enumerate().map(|(index, failure)| match tries {
            1 => format!("ran its command: {failure}"),
            _ => format!("try {} of {tries}: {failure}", index + 1),
        });
        let evidence = Evidence {
            facts: end.map_or_else(Vec::new, |end| vec![format!("wrote {}", bytes(end.bytes))]),
            log_source: self.job.log_path.clone().unwrap_or_else(|| "its output".to_owned()),
            log: last_lines(&run.tail),
        };
        if let Some(trouble) = self.kept.troubles.get_mut(&Kind::Failed) {
            trouble.history = history.collect();
            trouble.evidence = evidence;
        }
    }

    pub(super) fn was_missed(&mut self, now: Now, run: &Run) {
        let missed = run.scheduled.map_or(1, |it| it.count);
        let before = self.kept.troubles.get(&Kind::Missed).map_or(0, |it| it.count);
        let all = before.saturating_add(missed);
        let reason = match all {
            1 => format!("a run was missed: {}", run.reason),
            all => format!("{all} runs were missed: {}", run.reason),
        };
        self.raise(now, Kind::Missed, reason);
        if let Some(trouble) = self.kept.troubles.get_mut(&Kind::Missed) {
            trouble.count = all;
        }
    }

    pub(super) fn was_skipped(&mut self, now: Now, why: &str) {
        self.kept.skipped = self.kept.skipped.saturating_add(1);
        if self.kept.skipped >= SKIPS {
            let reason = format!("skipped {} times in a row: {why}", self.kept.skipped);
            self.raise(now, Kind::Skipped, reason);
        }
    }

    /// Looks at the runs under way: one that does not end, one that takes much
    /// longer than usual.
    pub(super) fn watch_running(&mut self, now: Now) {
        let running: Vec<Now> =
            self.kept.open.iter().filter_map(|run| Some(run.under_way()?.since)).collect();
        for since in running {
            let lasts = words::duration(now.mono.since(since.mono));
            if self.overdue_at(since) <= now.mono {
                if !self.kept.troubles.contains_key(&Kind::Overdue) {
                    let may = words::duration(self.job.timeout);
                    let reason = format!("it does not end: begun {lasts} ago, it may take {may}");
                    self.raise(now, Kind::Overdue, reason);
                }
            } else if self.slow_at(since).is_some_and(|at| at <= now.mono)
                && !self.kept.troubles.contains_key(&Kind::Slow)
                && let Some(usually) = self.kept.usually()
            {
                let usually = words::duration(usually);
                let reason = format!("it runs for {lasts} already, usually it takes {usually}");
                self.raise(now, Kind::Slow, reason);
            }
        }
    }

    fn raise(&mut self, now: Now, kind: Kind, reason: String) {
        let next = match kind {
            Kind::Held if self.job.held.is_some() => "vai does not run it until it is set".into(),
            Kind::Held => "vai does not run it until one of the two is gone".into(),
            Kind::Slow | Kind::Overdue if self.is_running() => {
                let may = words::duration(self.job.timeout);
                format!("vai goes on waiting for it; it may take {may}")
            }
            _ => due_again(self.next, now),
        };
        let trouble = self.kept.troubles.entry(kind).or_insert_with(|| JobTrouble {
            since: now,
            reason: String::new(),
            count: 0,
            history: Vec::new(),
            evidence: Evidence::default(),
            next: String::new(),
        });
        trouble.count = trouble.count.saturating_add(1);
        trouble.reason = reason;
        trouble.next = next;
    }

    fn is_running(&self) -> bool {
        self.kept.open.iter().any(|run| matches!(run.stage, Stage::Running(_)))
    }
}

impl Core {
    /// Whether a job is held, looked at anew.
    pub(super) fn hold(&mut self, now: Now, name: &JobName) {
        let Some(machine) = self.jobs.get_mut(name) else { return };
        let held = machine.held().filter(|_| machine.is_scheduled());
        match held {
            Some(held) => {
                let known = machine.kept.troubles.get(&Kind::Held);
                if known.is_none_or(|known| known.reason != held) {
                    machine.raise(now, Kind::Held, held);
                }
            }
            None => {
                let was_held = machine.kept.troubles.remove(&Kind::Held).is_some();
                if was_held && machine.kept.troubles.is_empty() {
                    self.incidents.settled(&job_root(name), "nothing holds it any more");
                }
            }
        }
    }

    /// Nothing is wrong with a job any more.
    pub(super) fn job_settled(&mut self, name: &JobName, how: &str) {
        if let Some(machine) = self.jobs.get_mut(name) {
            machine.kept.troubles.clear();
        }
        self.incidents.settled(&job_root(name), how);
    }
}

fn job_root(name: &JobName) -> Root {
    Root::Job(name.clone())
}

/// `due again in 23 h 59 min`.
fn due_again(next: Option<Wall>, now: Now) -> String {
    match next {
        Some(next) => {
            let minutes = next.since(now.wall).as_secs().div_ceil(60);
            format!("it is due again in {}", words::duration(Duration::from_secs(minutes * 60)))
        }
        None => "it is not due again".to_owned(),
    }
}

fn last_lines(output: &str) -> Vec<String> {
    let lines: Vec<&str> = output.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].iter().map(|line| (*line).to_owned()).collect()
}

/// `512 bytes`, `3.4 KiB`.
fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit behind the point")]
    let of = |unit: u64| count as f64 / unit as f64;
    match count {
        0 => "nothing".to_owned(),
        1..1024 => format!("{count} bytes"),
        1024..1_048_576 => format!("{:.1} KiB", of(1024)),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", of(1_048_576)),
        _ => format!("{:.1} GiB", of(1_073_741_824)),
    }
}
