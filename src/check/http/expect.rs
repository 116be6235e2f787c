//! Whether a reply is what the registry expects.

use super::request::Reply;
use crate::check::words;
use serde_json::Value;
use serde_json_path::JsonPath;
use std::time::Duration;
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
    if !check.expected_status.contains(reply.status.as_u16()) {
        let detail = format!(
            "answered {}, expected {}{}",
            reply.status,
            describe(&check.expected_status),
            said(reply)
        );
        return Err(fault(FaultKind::Status, reply, &detail));
    }
    if let Some(expected) = &check.expected_body
        && !contains(&reply.body, expected.as_bytes())
    {
        let expected = words::excerpt(expected.as_bytes());
        let detail = format!("does not contain \"{expected}\"{}", said(reply));
        return Err(fault(FaultKind::Body, reply, &detail));
    }
    if check.expected_json.is_empty() {
        return Ok(());
    }
    if reply.is_cut {
        let detail = "answered more than 64 KiB, too much to look for JSON in";
        return Err(fault(FaultKind::Body, reply, detail));
    }
    let body: Value = serde_json::from_slice(&reply.body).map_err(|_| {
        let detail = format!("did not answer JSON{}", said(reply));
        fault(FaultKind::Body, reply, &detail)
    })?;
    for (path, expected) in &check.expected_json {
        json(path, expected, &body, reply)?;
    }
    Ok(())
}

/// Every node that `path` finds has to be `expected`, and there has to be one.
fn json(path: &str, expected: &Value, body: &Value, reply: &Reply) -> Result<(), Outcome> {
    let parsed = JsonPath::parse(path)
        .map_err(|error| Outcome::Unknown(format!("JSONPath {path}: {error}")))?;
    let nodes = parsed.query(body).all();
    let wrong = nodes.iter().find(|node| !is_same(node, expected));
    let found = match wrong {
        Some(node) => words::excerpt(node.to_string().as_bytes()),
        None if nodes.is_empty() => "missing".to_owned(),
        None => return Ok(()),
    };
    let detail = format!("answered {path} = {found}, expected {expected}");
    Err(fault(FaultKind::Body, reply, &detail))
}

/// JSON has one kind of number: 1 and 1.0 are the same.
fn is_same(a: &Value, b: &Value) -> bool {
    a == b || matches!((a.as_f64(), b.as_f64()), (Some(a), Some(b)) if a == b)
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
fn said(reply: &Reply) -> String {
    match words::excerpt(&reply.body) {
        said if said.is_empty() => String::new(),
        said if said.starts_with('<') => String::new(),
        said => format!("; it said: {said}"),
    }
}

fn fault(kind: FaultKind, reply: &Reply, detail: &str) -> Outcome {
    Outcome::Fail(Fault::new(kind, format!("{} {detail}", reply.asked)))
}
