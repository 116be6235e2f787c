//! The whole list of engine calls that `vai` may make (security.md, S2).

use hyper::Method;

/// One allowed call: `*` stands for exactly one name or id.
struct Call {
    method: Method,
    path: &'static str,
}

const fn call(method: Method, path: &'static str) -> Call {
    Call { method, path }
}

const ALLOWED: &[Call] = &[
    call(Method::GET, "/_ping"),
    call(Method::HEAD, "/_ping"),
    call(Method::GET, "/version"),
    call(Method::GET, "/info"),
    call(Method::GET, "/events"),
    call(Method::GET, "/containers/json"),
    call(Method::GET, "/containers/*/json"),
    call(Method::GET, "/containers/*/top"),
    call(Method::GET, "/containers/*/logs"),
    call(Method::POST, "/containers/*/start"),
    call(Method::POST, "/containers/*/stop"),
    call(Method::POST, "/containers/*/restart"),
    call(Method::POST, "/containers/*/exec"),
    call(Method::POST, "/exec/*/start"),
    call(Method::GET, "/exec/*/json"),
    call(Method::PUT, "/containers/*/archive"),
];

/// Whether `method` on `path` is on the list. `path` is without its query and
/// may start with an API version.
#[must_use]
pub fn is_allowed(method: &Method, path: &str) -> bool {
    let path = without_version(path);
    ALLOWED.iter().any(|call| call.method == *method && matches(call.path, path))
}

/// `/v1.41/info` → `/info`.
fn without_version(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("/v1.") else {
        return path;
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    match rest.get(digits..) {
        Some(rest) if digits > 0 && rest.starts_with('/') => rest,
        _ => path,
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let fits = pattern.split('/').all(|expected| {
        segments.next().is_some_and(|segment| match expected {
            "*" => is_name(segment),
            fixed => segment == fixed,
        })
    });
    fits && segments.next().is_none()
}

/// The engine's own alphabet of names and ids. No escape and no `..` is in it,
/// so the engine cannot read the path in another way than we do.
fn is_name(segment: &str) -> bool {
    segment.starts_with(|c: char| c.is_ascii_alphanumeric())
        && segment.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vai_needs_is_allowed_with_and_without_a_version() {
        for (method, path) in [
            (Method::GET, "/_ping"),
            (Method::HEAD, "/v1.41/_ping"),
            (Method::GET, "/v1.41/containers/json"),
            (Method::GET, "/containers/services-container/json"),
            (Method::POST, "/containers/0a1b2c/exec"),
            (Method::PUT, "/v1.53/containers/0a1b2c/archive"),
        ] {
            assert!(is_allowed(&method, path), "{method} {path}");
        }
    }

    #[test]
    fn nothing_else_is() {
        for (method, path) in [
            (Method::POST, "/containers/create"),
            (Method::POST, "/containers/x/kill"),
            (Method::POST, "/containers/x/update"),
            (Method::POST, "/containers/x/attach"),
            (Method::GET, "/containers/x/archive"),
            (Method::DELETE, "/containers/x"),
            (Method::POST, "/build"),
            (Method::GET, "/images/json"),
            (Method::POST, "/v1.41/volumes/create"),
            (Method::GET, "/v1.41/v1.41/info"),
            (Method::GET, "/v1./info"),
            (Method::GET, "/containers/../json"),
            (Method::GET, "/containers/a%2fb/json"),
            (Method::GET, "/containers//json"),
            (Method::GET, "/containers/x/json/"),
            (Method::GET, "//_ping"),
            (Method::POST, "/containers/json"),
        ] {
            assert!(!is_allowed(&method, path), "{method} {path}");
        }
    }
}
