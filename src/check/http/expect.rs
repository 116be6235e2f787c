//! Whether a reply is what the registry expects.

use super::body::{self, Body, Undecodable};
use super::request::Reply;
use crate::check::words;
use crate::jsonpath::{BoundedPath, TooManySteps};
use serde::de::IgnoredAny;
use serde_json::Value;
use std::time::Duration;
use vai_core::model::json;
use vai_core::model::{Fault, FaultKind, HttpCheck, Outcome, StatusSet};

/// Judges a reply that took `took` in all.
pub(super) fn judge(check: &HttpCheck, reply: &Reply, took: Duration) -> Outcome {
    match expectations(check, reply) {
        Err(outcome) => outcome,
        Ok(()) => match check.max_response.filter(|&most| took > most) {
            None => Outcome::Pass,
            Some(most) => Outcome::Slow(format!(
                "{} answered in {}, more than {}",
                reply.asked,
                words::span(took),
                words::span(most)
            )),
        },
    }
}

fn expectations(check: &HttpCheck, reply: &Reply) -> Result<(), Outcome> {
    let body = body::decode(&reply.headers, &reply.body, reply.is_cut, reply.limit);
    if !check.expected_status.contains(reply.status.as_u16()) {
        let detail = format!(
            "answered {}, expected {}{}",
            reply.status,
            describe(&check.expected_status),
            body.as_ref().map(said).unwrap_or_default()
        );
        return Err(fault(FaultKind::Status, reply, &detail));
    }
    if !super::request::needs_body(check) {
        return Ok(());
    }
    let body = body.map_err(|undecodable| match undecodable {
        Undecodable::Unknown(how) => {
            unknown(reply, &format!("answered a body that is encoded {how}, which vai cannot read"))
        }
        Undecodable::Broken(encoding) => {
            let detail = format!("answered a body that is not valid {encoding}, as it says it is");
            fault(FaultKind::Body, reply, &detail)
        }
    })?;
    if let Some(expected) = &check.expected_body {
        substring(expected, &body, reply)?;
    }
    if check.expected_json.is_empty() {
        return Ok(());
    }
    let value = Json::of(&body, reply)?;
    for (path, expected) in &check.expected_json {
        node(path, expected, &value, reply)?;
    }
    Ok(())
}

fn substring(expected: &str, body: &Body<'_>, reply: &Reply) -> Result<(), Outcome> {
    if contains(&body.bytes, expected.as_bytes()) {
        return Ok(());
    }
    let expected = words::excerpt(expected.as_bytes());
    if body.is_cut {
        let limit = size(reply.limit);
        let detail = format!("does not contain \"{expected}\" in its first {limit}, {NO_MORE}");
        return Err(unknown(reply, &detail));
    }
    let detail = format!("does not contain \"{expected}\"{}", said(body));
    Err(fault(FaultKind::Body, reply, &detail))
}

/// Ends a sentence about a body that goes on beyond its bound.
const NO_MORE: &str = "and no more is read (max_body_bytes)";

/// A body that is JSON.
struct Json {
    /// As JSONPath sees it, which counts in floats.
    value: Value,
    /// With every digit, where floats would lose some.
    exact: Option<Value>,
}

impl Json {
    fn of(body: &Body<'_>, reply: &Reply) -> Result<Self, Outcome> {
        if body.is_cut {
            let detail = format!("answered more than {}, {NO_MORE}", size(reply.limit));
            return Err(unknown(reply, &detail));
        }
        // JSON is UTF-8 (RFC 8259, section 8.1).
        let not_json = || {
            let detail = format!("did not answer JSON{}", said(body));
            fault(FaultKind::Body, reply, &detail)
        };
        let text = std::str::from_utf8(&body.bytes).map_err(|_| not_json())?;
        // A byte order mark is no JSON, but nobody misunderstands it.
        let text = text.trim_start_matches('\u{feff}');
        match serde_json::from_str(text) {
            Ok(value) => {
                let exact = json::mark(text).and_then(|marked| serde_json::from_str(&marked).ok());
                Ok(Self { value, exact })
            }
            // Only what nobody could read is the service's mistake.
            Err(error) if serde_json::from_str::<IgnoredAny>(text).is_ok() => {
                Err(unknown(reply, &format!("answered JSON that vai cannot read: {error}")))
            }
            Err(_) => Err(not_json()),
        }
    }

    /// The nodes that `path` leads to, with every digit.
    fn nodes(&self, path: &BoundedPath) -> Result<Vec<&Value>, TooManySteps> {
        match &self.exact {
            None => path.query(&self.value),
            Some(exact) => {
                let places = path.places(&self.value)?;
                Ok(places.iter().filter_map(|place| exact.pointer(place)).collect())
            }
        }
    }
}

/// Every node that `path` finds has to be `expected`, and there has to be one.
fn node(path: &str, expected: &Value, body: &Json, reply: &Reply) -> Result<(), Outcome> {
    let unusable =
        |why: &dyn std::fmt::Display| Outcome::Unknown(format!("JSONPath {path}: {why}"));
    let parsed = BoundedPath::parse(path).map_err(|why| unusable(&why))?;
    let nodes = body.nodes(&parsed).map_err(|why| unusable(&why))?;
    let wrong = nodes.iter().find(|node| !json::is_same(node, expected));
    let found = match wrong {
        Some(node) => words::excerpt(json::text(node).as_bytes()),
        None if nodes.is_empty() => "missing".to_owned(),
        None => return Ok(()),
    };
    let detail = format!("answered {path} = {found}, expected {}", json::text(expected));
    Err(fault(FaultKind::Body, reply, &detail))
}

fn size(bytes: usize) -> String {
    words::size(u64::try_from(bytes).unwrap_or(u64::MAX))
}

fn contains(body: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || body.windows(wanted.len()).any(|window| window == wanted)
}

/// `200`, `2xx`, `200–399`, `200 or 204`.
fn describe(expected: &StatusSet) -> String {
    let ranges = expected.0.iter().map(|&(low, high)| {
        if low == high {
            low.to_string()
        } else if low % 100 == 0 && high == low + 99 {
            format!("{}xx", low / 100)
        } else {
            format!("{low}–{high}")
        }
    });
    ranges.collect::<Vec<_>>().join(" or ")
}

/// The beginning of the body where that tells a person something: an error
/// page in HTML does not.
fn said(body: &Body<'_>) -> String {
    match words::excerpt(&body.bytes) {
        said if said.is_empty() => String::new(),
        said if said.starts_with('<') => String::new(),
        said => format!("; it said: {said}"),
    }
}

fn fault(kind: FaultKind, reply: &Reply, detail: &str) -> Outcome {
    Outcome::Fail(Fault::new(kind, format!("{} {detail}", reply.asked)))
}

fn unknown(reply: &Reply, detail: &str) -> Outcome {
    Outcome::Unknown(format!("{} {detail}", reply.asked))
}
