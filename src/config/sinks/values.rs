//! Values that several kinds of sink have.

use super::super::endpoint::Endpoint;
use super::super::fields::Fields;
use super::super::http::keep;
use super::super::node::Node;
use super::super::reader::Problem;
use super::HELD;
use vai_core::model::Secret;

/// A URL that is itself a secret, as those of webhooks are.
pub(in crate::config) fn secret_url(
    node: &Node<'_>,
    holds: &str,
    held: &mut Option<String>,
) -> Option<Secret> {
    let expanded = node.expand_secret(holds)?;
    if expanded.missing.is_some() {
        keep(held, expanded.missing);
    } else if let Err((message, _)) = Endpoint::parse(expanded.secret.expose()) {
        node.report(Problem::error(message).expected("such as https://hooks.example.com/…"));
        return None;
    }
    Some(expanded.secret)
}

/// The `url` that is POSTed to.
pub(super) fn hook(fields: &Fields<'_>, held: &mut Option<String>) -> Option<Secret> {
    let url = fields.required("url", "where to POST to");
    url.and_then(|node| secret_url(&node, HELD, held))
}

/// A base URL, without a slash at its end.
pub(super) fn base_url(
    node: &Node<'_>,
    example: &str,
    held: &mut Option<String>,
) -> Option<String> {
    let expanded = node.expand(HELD)?;
    let text = expanded.secret.expose().trim_end_matches('/');
    if expanded.missing.is_some() {
        keep(held, expanded.missing);
    } else if let Err((message, _)) = Endpoint::parse(text) {
        node.report(Problem::error(message).expected(format!("such as {example}")));
        return None;
    }
    Some(text.to_owned())
}

/// The `server` of a service that everybody has one of their own of.
pub(super) fn own_server(
    fields: &Fields<'_>,
    example: &str,
    held: &mut Option<String>,
) -> Option<String> {
    let node = fields.required("server", &format!("its base URL, such as {example}"));
    node.and_then(|node| base_url(&node, example, held))
}

/// The `server` of a service that has one for everybody, `usual`.
pub(super) fn server(
    fields: &Fields<'_>,
    usual: &str,
    held: &mut Option<String>,
) -> Option<String> {
    match fields.get("server") {
        Some(node) => base_url(&node, usual, held),
        None => Some(usual.to_owned()),
    }
}

/// A secret that has to be there.
pub(super) fn required_secret(
    fields: &Fields<'_>,
    key: &'static str,
    expected: &str,
    held: &mut Option<String>,
) -> Option<Secret> {
    let node = fields.required(key, expected);
    node.and_then(|node| secret(&node, held))
}

/// A secret.
pub(super) fn secret(node: &Node<'_>, held: &mut Option<String>) -> Option<Secret> {
    node.text()?;
    let expanded = node.expand_secret(HELD)?;
    keep(held, expanded.missing);
    Some(expanded.secret)
}

/// A text that may hold a `${NAME}` and is no secret.
pub(super) fn text(node: &Node<'_>, held: &mut Option<String>) -> Option<String> {
    text_that(node, held, |_| Ok(()))
}

/// Like [`text`]; `check` says what is wrong with it once it is known, and what
/// is expected.
pub(super) fn text_that(
    node: &Node<'_>,
    held: &mut Option<String>,
    check: impl Fn(&str) -> Result<(), (&'static str, &'static str)>,
) -> Option<String> {
    node.text()?;
    let expanded = node.expand(HELD)?;
    let text = expanded.secret.expose();
    if expanded.missing.is_some() {
        keep(held, expanded.missing);
    } else if let Err((message, expected)) = check(text) {
        node.report(Problem::error(message).expected(expected));
        return None;
    }
    Some(text.to_owned())
}
