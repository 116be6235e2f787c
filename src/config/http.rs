use super::endpoint::Endpoint;
use super::fields::Fields;
use super::node::Node;
use super::reader::Problem;
use crate::jsonpath::BoundedPath;
use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use jsonc_parser::ast::Value;
use std::time::Duration;
use vai_core::model::{HttpCheck, Secret, StatusSet};

/// What waits for an unset `${NAME}` in a check.
pub(super) const NO_ACTS: &str = "nothing is restarted for this service";

/// The most that `max_body_bytes` may be: it is held in memory, decoded too.
const MOST_BODY: u64 = 64 * 1024 * 1024;

/// Reads the fields of an `http` check. The first unset `${NAME}` goes into
/// `missing`; one in the endpoint leaves nothing to ask.
pub(super) fn http(
    fields: &Fields<'_>,
    timeout: Duration,
    missing: &mut Option<String>,
) -> Option<HttpCheck> {
    let endpoint = fields
        .required("endpoint", "a URL such as http://localhost:8080/health")
        .and_then(|node| endpoint(&node, missing));
    let method = fields.get("method").and_then(|node| method(&node));
    let headers = fields.get("headers").map(|node| headers(&node, NO_ACTS, missing));
    let body = fields.get("body").and_then(|node| {
        let body = node.expand(NO_ACTS)?;
        keep(missing, body.missing);
        Some(body.secret)
    });
    let status = fields.get("expected_status").and_then(|node| statuses(&node));
    let expected_json = fields.get("expected_json").map(|node| json_paths(&node));
    let flag = |key| fields.get(key).and_then(|node| node.bool());
    let max_response = fields.get("max_response_ms").and_then(|node| {
        let max = Duration::from_millis(node.integer(1..=86_400_000)?);
        if max >= timeout {
            node.report(
                Problem::warning("a reply this slow has already timed out")
                    .expected(format!("less than the timeout of {} ms", timeout.as_millis())),
            );
        }
        Some(max)
    });
    let max_body = fields.get("max_body_bytes").and_then(|node| node.integer(1..=MOST_BODY));
    let expected_body = fields.get("expected_body").and_then(|node| node.string());
    let (follow_redirects, tls_verify) = (flag("follow_redirects"), flag("tls_verify"));
    let ca_file = fields.text("ca_file");
    let endpoint = endpoint?;
    Some(HttpCheck {
        shown: endpoint.shown(),
        host: endpoint.host,
        endpoint: Secret::from(endpoint.url.as_str()),
        method: method.unwrap_or_else(|| Method::GET.to_string()),
        headers: headers.unwrap_or_default(),
        body,
        expected_status: status.unwrap_or_else(|| StatusSet(vec![(200, 399)])),
        expected_body: expected_body.map(str::to_owned),
        expected_json: expected_json.unwrap_or_default(),
        max_body: max_body
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or_else(HttpCheck::default_max_body),
        max_response,
        follow_redirects: follow_redirects.unwrap_or(false),
        tls_verify: tls_verify.unwrap_or(true),
        ca_file,
    })
}

/// Keeps the first reason.
pub(super) fn keep(first: &mut Option<String>, reason: Option<String>) {
    if first.is_none() {
        *first = reason;
    }
}

fn endpoint(node: &Node<'_>, missing: &mut Option<String>) -> Option<Endpoint> {
    let expanded = node.expand("this check cannot run")?;
    if expanded.missing.is_some() {
        keep(missing, expanded.missing);
        return None;
    }
    match Endpoint::parse(expanded.secret.expose()) {
        Ok(endpoint) => {
            if let Some(password) = endpoint.url.password() {
                node.hide(password);
            }
            Some(endpoint)
        }
        Err((message, expected)) => {
            node.report(Problem::error(message).expected(expected));
            None
        }
    }
}

fn method(node: &Node<'_>) -> Option<String> {
    let text = node.text()?.to_ascii_uppercase();
    if Method::from_bytes(text.as_bytes()).is_err() {
        node.report(Problem::error("not an HTTP method").expected("such as GET, HEAD or POST"));
        return None;
    }
    Some(text)
}

/// Reads a map of headers. One with an unset `${NAME}` is left out, and the
/// first such name goes into `missing`.
pub(super) fn headers(
    node: &Node<'_>,
    holds: &str,
    missing: &mut Option<String>,
) -> Vec<(String, Secret)> {
    let mut headers = Vec::new();
    for (name, value) in node.members().unwrap_or_default() {
        if HeaderName::try_from(name).is_err() {
            value.report(
                Problem::error(format!("\"{name}\" cannot be the name of a header"))
                    .at_key()
                    .expected("letters, digits and dashes"),
            );
        }
        let expanded =
            if names_a_secret(name) { value.expand_secret(holds) } else { value.expand(holds) };
        let Some(expanded) = expanded else { continue };
        if HeaderValue::from_str(expanded.secret.expose()).is_err() {
            value.report(
                Problem::error("this cannot be the value of a header")
                    .expected("printable characters on one line"),
            );
        }
        match expanded.missing {
            None => headers.push((name.to_owned(), expanded.secret)),
            unset => keep(missing, unset),
        }
    }
    headers
}

/// Whether what goes by this name should not be shown.
pub(super) fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let words = [
        "password",
        "passwd",
        "secret",
        "token",
        "api_key",
        "apikey",
        "authorization",
        "cookie",
        "credential",
        "private",
    ];
    words.iter().any(|word| name.contains(word))
}

fn statuses(node: &Node<'_>) -> Option<StatusSet> {
    let ranges: Option<Vec<(u16, u16)>> = node.one_or_many().iter().map(status_range).collect();
    let ranges = ranges?;
    if ranges.is_empty() {
        node.report(Problem::error("no status would do").expected("at least one"));
        return None;
    }
    Some(StatusSet(ranges))
}

/// `200` or `"2xx"`.
fn status_range(node: &Node<'_>) -> Option<(u16, u16)> {
    if let Value::NumberLit(_) = node.value {
        return node.integer(100..=599).map(|code: u16| (code, code));
    }
    let text = node.string()?;
    let class = text.strip_suffix("xx").and_then(|class| class.parse::<u16>().ok());
    let Some(class) = class.filter(|class| (1..=5).contains(class)) else {
        node.report(
            Problem::error(format!("\"{text}\" is no set of statuses"))
                .expected("a number such as 200, a class such as \"2xx\", or a list of them"),
        );
        return None;
    };
    Some((class * 100, class * 100 + 99))
}

fn json_paths(node: &Node<'_>) -> Vec<(String, serde_json::Value)> {
    let mut paths = Vec::new();
    for (path, value) in node.members().unwrap_or_default() {
        if let Err(why) = BoundedPath::parse(path) {
            value.report(
                Problem::error(format!("not a JSONPath: {why}"))
                    .at_key()
                    .expected("such as \"$.status\" or \"$.checks[0].ok\""),
            );
        }
        paths.extend(value.json().map(|value| (path.to_owned(), value)));
    }
    paths
}
