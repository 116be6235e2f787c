//! The last results of every check: in memory, stored when `vai` stops.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use vai_core::judge::{Change, Delta, Sample};
use vai_core::model::{Outcome, ServiceName, Wall};

/// So many results of each check are kept.
const RESULTS: usize = 200;

/// A result's words are cut to this many bytes.
const WORDS: usize = 80;

/// One result of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raw {
    /// When it counted.
    pub at: Wall,
    /// What it came to.
    pub kind: RawKind,
    /// How long it took, in milliseconds.
    pub took_ms: u32,
    /// Why, where it is no pass.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub why: Box<str>,
}

/// The kinds of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawKind {
    /// Every expectation was met.
    Pass,
    /// Met, but too slowly.
    Slow,
    /// The service is not as it should be.
    Fail,
    /// Docker's own check was in its start period.
    Starting,
    /// We could not look.
    Unknown,
}

impl Raw {
    fn of(sample: &Sample, at: Wall) -> Self {
        let (kind, why) = match &sample.outcome {
            Outcome::Pass => (RawKind::Pass, ""),
            Outcome::Slow(why) => (RawKind::Slow, why.as_str()),
            Outcome::Fail(fault) => (RawKind::Fail, fault.detail.as_str()),
            Outcome::Starting(why) => (RawKind::Starting, why.as_str()),
            Outcome::Unknown(why) => (RawKind::Unknown, why.as_str()),
        };
        let took_ms = u32::try_from(sample.took.as_millis()).unwrap_or(u32::MAX);
        Self { at, kind, took_ms, why: cut(why, WORDS).into() }
    }
}

/// The beginning of `text`, in whole characters.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Service and check → its results, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    checks: BTreeMap<ServiceName, BTreeMap<String, VecDeque<Raw>>>,
}

impl History {
    /// Takes in one step of the core.
    pub(super) fn apply(&mut self, delta: &Delta, at: Wall) {
        for change in &delta.changes {
            match change {
                Change::Sampled(sample) => {
                    let checks = self.checks.entry(sample.service.clone()).or_default();
                    if !checks.contains_key(&sample.check) {
                        checks.insert(sample.check.clone(), VecDeque::new());
                    }
                    if let Some(results) = checks.get_mut(&sample.check) {
                        push(results, Raw::of(sample, at));
                    }
                }
                Change::Removed(name) => _ = self.checks.remove(name),
                Change::Service(_)
                | Change::Transition(_)
                | Change::Incident(_)
                | Change::Silences(_)
                | Change::Job(_)
                | Change::JobRemoved(_)
                | Change::Run(_)
                | Change::Keep(_)
                | Change::Forget(_) => {}
            }
        }
    }

    /// Takes in what was stored of one check.
    pub(super) fn load(&mut self, service: ServiceName, check: String, results: VecDeque<Raw>) {
        self.checks.entry(service).or_default().insert(check, results);
    }

    /// The results of one check, oldest first.
    pub(super) fn of(&self, service: &ServiceName, check: &str) -> impl Iterator<Item = &Raw> {
        self.checks.get(service).and_then(|checks| checks.get(check)).into_iter().flatten()
    }

    /// Every check with its results.
    pub(super) fn all(&self) -> impl Iterator<Item = (&ServiceName, &str, &VecDeque<Raw>)> {
        self.checks.iter().flat_map(|(service, checks)| {
            checks.iter().map(move |(check, results)| (service, check.as_str(), results))
        })
    }
}

fn push(results: &mut VecDeque<Raw>, raw: Raw) {
    if results.len() == RESULTS {
        results.pop_front();
    }
    results.push_back(raw);
}
