//! The engine calls that vai wants, as its log tells them (security.md, S2).

use hyper::Method;
use vai::docker::is_allowed;

/// The `VAI_LOG` that makes vai tell them.
pub(super) const VAI_LOG: &str = "info,vai::engine_calls=trace";

/// Method and path of the call that a line of the log tells of.
pub(crate) fn call(line: &str) -> Option<(Method, &str)> {
    let (_, call) = line.split_once(" TRACE ")?;
    let (method, path) = call.split_once(' ')?;
    Some((method.parse().ok()?, path))
}

/// The lines that tell of a call that is not on the allow-list.
pub(crate) fn forbidden(lines: &[String]) -> Vec<&String> {
    let is_forbidden =
        |line: &&String| call(line).is_some_and(|(method, path)| !is_allowed(&method, path));
    lines.iter().filter(is_forbidden).collect()
}
