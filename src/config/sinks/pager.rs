//! What keeps incidents of its own: PagerDuty, Opsgenie and Alertmanager.

use super::super::fields::Fields;
use super::super::node::Node;
use super::super::notifications::{Alertmanager, Auth, SinkKind};
use super::super::reader::Problem;
use super::values::{own_server, required_secret, secret, server, text};
use std::collections::BTreeMap;

pub(super) fn pagerduty(fields: &Fields<'_>, held: &mut Option<String>) -> Option<SinkKind> {
    let server = server(fields, "https://events.pagerduty.com", held);
    let routing_key =
        required_secret(fields, "routing_key", "the key of an Events API v2 integration", held);
    Some(SinkKind::PagerDuty { server: server?, routing_key: routing_key? })
}

pub(super) fn opsgenie(fields: &Fields<'_>, held: &mut Option<String>) -> Option<SinkKind> {
    let server = server(fields, "https://api.opsgenie.com", held);
    let api_key = required_secret(fields, "api_key", "the key of an API integration", held);
    Some(SinkKind::Opsgenie { server: server?, api_key: api_key? })
}

pub(super) fn alertmanager(fields: &Fields<'_>, held: &mut Option<String>) -> Option<SinkKind> {
    let server = own_server(fields, "http://alertmanager:9093", held);
    let labels = fields.get("labels").map(|node| labels_of(&node, held));
    let auth = auth(fields, held);
    Some(SinkKind::Alertmanager(Alertmanager {
        server: server?,
        auth,
        labels: labels.unwrap_or_default(),
    }))
}

/// `token`, or `username` and `password`.
fn auth(fields: &Fields<'_>, held: &mut Option<String>) -> Option<Auth> {
    let (token_node, password_node) = (fields.get("token"), fields.get("password"));
    // Both are read whatever follows, so that neither is shown.
    let token = token_node.as_ref().and_then(|node| secret(node, held));
    let password = password_node.as_ref().and_then(|node| secret(node, held));
    let username = fields.get("username");
    match (token_node, username, password_node) {
        (Some(node), Some(_), _) | (Some(node), _, Some(_)) => {
            node.report(
                Problem::error("`token` and `username` are two ways to log in")
                    .at_key()
                    .expected("one of them"),
            );
            None
        }
        (Some(_), None, None) => token.map(Auth::Token),
        (None, Some(username), Some(_)) => {
            let username = text(&username, held);
            Some(Auth::Password { username: username?, password: password? })
        }
        (None, Some(_), None) => {
            fields.required("password", "that of `username`");
            None
        }
        (None, None, Some(node)) => {
            node.report(
                Problem::error("a password of nobody").at_key().expected("`username` beside it"),
            );
            None
        }
        (None, None, None) => None,
    }
}

/// Labels of every alert, by the rules of Prometheus.
fn labels_of(node: &Node<'_>, held: &mut Option<String>) -> BTreeMap<String, String> {
    /// What an alert is told apart by.
    const OURS: [&str; 4] = ["alertname", "incident", "service", "severity"];
    let mut labels = BTreeMap::new();
    for (name, value) in node.members().unwrap_or_default() {
        let starts = |first: char| first.is_ascii_alphabetic() || first == '_';
        let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if !(name.starts_with(starts) && name.chars().all(fits)) {
            value.report(
                Problem::error(format!("\"{name}\" cannot be the name of a label"))
                    .at_key()
                    .expected("letters, digits and underscores, no digit first"),
            );
        } else if OURS.contains(&name) {
            value.report(
                Problem::error(format!("vai sets the label \"{name}\" itself"))
                    .at_key()
                    .expected("another name"),
            );
        }
        labels.extend(text(&value, held).map(|value| (name.to_owned(), value)));
    }
    labels
}
