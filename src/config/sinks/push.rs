//! What reaches phones: ntfy, Gotify, Pushover and whatever Apprise knows.

use super::super::fields::Fields;
use super::super::http::keep;
use super::super::node::Node;
use super::super::notifications::{Apprise, AppriseTargets, Emergency, Pushover, SinkKind};
use super::super::reader::Problem;
use super::values::{base_url, own_server, required_secret, secret, server, text_that};
use super::{HELD, Shared};
use std::time::Duration;

pub(super) fn ntfy(
    fields: &Fields<'_>,
    shared: &Shared,
    held: &mut Option<String>,
) -> Option<SinkKind> {
    let server = match fields.get("server") {
        Some(node) => ntfy_server(&node, held),
        None => {
            keep(held, shared.ntfy_held.clone());
            if shared.ntfy_server.is_none() {
                fields.report(
                    Problem::error("ntfy needs a server")
                        .at_key()
                        .expected("needs \"server\": \"https://ntfy.example.com\"")
                        .help("or set `notifications.ntfy.server`, or $NTFY_SERVER"),
                );
            }
            shared.ntfy_server.clone()
        }
    };
    let topic = fields.required("topic", "the topic to publish to");
    let topic = topic.and_then(|node| {
        let topic = node.text()?;
        if !is_topic(topic) {
            node.report(
                Problem::error("not a topic of ntfy")
                    .expected("up to 64 letters, digits, dashes and underscores"),
            );
        }
        Some(topic.to_owned())
    });
    let token = match fields.get("token") {
        Some(node) => node.expand_secret(HELD).map(|token| {
            keep(held, token.missing);
            token.secret
        }),
        None => shared.ntfy_token.clone(),
    };
    Some(SinkKind::Ntfy { server: server?, topic: topic?, token })
}

/// The base URL of an ntfy server, without a slash at its end.
pub(in crate::config) fn ntfy_server(node: &Node<'_>, held: &mut Option<String>) -> Option<String> {
    base_url(node, "https://ntfy.example.com", held)
}

/// Whether ntfy takes `name` as a topic.
pub(in crate::config) fn is_topic(name: &str) -> bool {
    is_key(name, 64)
}

/// Whether `name` has up to `longest` letters, digits, dashes and underscores.
fn is_key(name: &str, longest: usize) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    (1..=longest).contains(&name.len()) && name.chars().all(allowed)
}

pub(super) fn gotify(fields: &Fields<'_>, held: &mut Option<String>) -> Option<SinkKind> {
    let server = own_server(fields, "https://gotify.example.com", held);
    let token = required_secret(fields, "token", "the token of an application", held);
    Some(SinkKind::Gotify { server: server?, token: token? })
}

pub(super) fn pushover(fields: &Fields<'_>, held: &mut Option<String>) -> Option<SinkKind> {
    /// What Pushover takes for `retry` and `expire`, in seconds.
    const SECONDS: (u64, u64) = (30, 10_800);
    let server = server(fields, "https://api.pushover.net", held);
    let token = required_secret(fields, "token", "the token of your application", held);
    let user = required_secret(fields, "user", "the key of a user or group", held);
    let device = fields.text("device");
    let emergency = fields.get("emergency").and_then(|node| node.bool()).unwrap_or(false);
    let seconds = |key, usual| {
        let seconds = fields.get(key).and_then(|node| node.integer(SECONDS.0..=SECONDS.1));
        Duration::from_secs(seconds.unwrap_or(usual))
    };
    let how =
        Emergency { retry: seconds("retry_seconds", 60), expire: seconds("expire_seconds", 3600) };
    Some(SinkKind::Pushover(Pushover {
        server: server?,
        token: token?,
        user: user?,
        device,
        emergency: emergency.then_some(how),
    }))
}

pub(super) fn apprise(fields: &Fields<'_>, held: &mut Option<String>) -> Option<SinkKind> {
    let server = own_server(fields, "http://apprise:8000", held);
    let key = fields.get("key").and_then(|node| {
        let key = text_that(&node, held, |key| match is_key(key, 128) {
            true => Ok(()),
            false => {
                Err(("not a key of Apprise", "up to 128 letters, digits, dashes and underscores"))
            }
        })?;
        Some(AppriseTargets::Key(key))
    });
    let urls = fields.get("urls");
    let urls = urls.map(|node| (node.one_or_many(), node));
    let urls = urls.map(|(items, node)| {
        if items.is_empty() {
            node.report(Problem::error("nobody is told").expected("at least one Apprise URL"));
        }
        if key.is_some() {
            node.report(
                Problem::error("`key` and `urls` both say whom to tell").expected("one of them"),
            );
        }
        AppriseTargets::Urls(items.iter().filter_map(|node| secret(node, held)).collect())
    });
    let tag = fields.text("tag");
    let to = key.or(urls).unwrap_or(AppriseTargets::Server);
    Some(SinkKind::Apprise(Apprise { server: server?, to, tag }))
}
