//! Rooms and channels of people: Slack, Discord, Telegram, Teams, Matrix and
//! Mattermost.

use super::super::fields::Fields;
use super::super::node::Node;
use super::super::notifications::{SinkKind, Slack, Telegram};
use super::super::reader::Problem;
use super::HELD;
use super::values::{
    hook, own_server, required_secret, secret, secret_url, server, text, text_that,
};
use jsonc_parser::ast::Value;

pub(super) fn slack(fields: &Fields<'_>, held: &mut Option<String>) -> Option<SinkKind> {
    let (url_node, token_node) = (fields.get("url"), fields.get("token"));
    // Both are read whatever follows, so that neither is shown.
    let url = url_node.as_ref().and_then(|node| secret_url(node, HELD, held));
    let token = token_node.as_ref().and_then(|node| secret(node, held));
    let server = server(fields, "https://slack.com", held);
    let channel = match &token_node {
        Some(_) => fields.required("channel", "its name or id"),
        None => fields.get("channel"),
    };
    let slack = match (&url_node, &token_node) {
        (Some(_), None) => {
            if let Some(node) = channel {
                node.report(
                    Problem::warning("a webhook of Slack is bound to one channel")
                        .at_key()
                        .expected("`channel` is not used"),
                );
            }
            Slack::Webhook { url: url? }
        }
        (None, Some(_)) => {
            let channel = channel.and_then(|node| text(&node, held));
            Slack::Api { server: server?, token: token?, channel: channel? }
        }
        (Some(_), Some(node)) => {
            node.report(
                Problem::error("`url` and `token` are two ways into Slack")
                    .at_key()
                    .expected("one of them"),
            );
            return None;
        }
        (None, None) => {
            fields.report(
                Problem::error("`url` is missing")
                    .at_key()
                    .expected("needs \"url\": that of an incoming webhook")
                    .help("or a bot's \"token\" and a \"channel\""),
            );
            return None;
        }
    };
    Some(SinkKind::Slack(slack))
}

pub(super) fn discord(fields: &Fields<'_>, held: &mut Option<String>) -> Option<SinkKind> {
    Some(SinkKind::Discord { url: hook(fields, held)? })
}

pub(super) fn teams(fields: &Fields<'_>, held: &mut Option<String>) -> Option<SinkKind> {
    Some(SinkKind::Teams { url: hook(fields, held)? })
}

pub(super) fn telegram(fields: &Fields<'_>, held: &mut Option<String>) -> Option<SinkKind> {
    let server = server(fields, "https://api.telegram.org", held);
    let token = required_secret(fields, "token", "the token of your bot", held);
    let chat_id = fields.required("chat_id", "the number of a chat, or \"@channelname\"");
    let chat_id = chat_id.and_then(|node| chat_id_of(&node, held));
    let topic = fields.get("message_thread_id").and_then(|node| node.integer(1..=u64::MAX));
    Some(SinkKind::Telegram(Telegram {
        server: server?,
        token: token?,
        chat_id: chat_id?,
        message_thread_id: topic,
    }))
}

/// A number, with or without quotes, or `@channelname`.
fn chat_id_of(node: &Node<'_>, held: &mut Option<String>) -> Option<String> {
    const WRONG: (&str, &str) =
        ("not a chat of Telegram", "a number such as -1001234567890, or \"@channelname\"");
    let is_number = |id: &str| id.parse::<i64>().is_ok();
    if let Value::NumberLit(number) = node.value {
        if !is_number(number.value) {
            node.report(Problem::error(WRONG.0).expected(WRONG.1));
        }
        return Some(number.value.to_owned());
    }
    text_that(node, held, |id| {
        let is_name = id.strip_prefix('@').is_some_and(|name| !name.is_empty());
        if is_name || is_number(id) { Ok(()) } else { Err(WRONG) }
    })
}

pub(super) fn matrix(fields: &Fields<'_>, held: &mut Option<String>) -> Option<SinkKind> {
    let server = own_server(fields, "https://matrix.example.com", held);
    let token = required_secret(fields, "token", "an access token", held);
    let room = fields.required("room", "the id of a room, such as \"!id:example.com\"");
    let room = room.and_then(|node| {
        text_that(&node, held, |room| match room.starts_with('!') {
            true => Ok(()),
            false => Err((
                "not the id of a room",
                "such as \"!id:example.com\"; aliases (#…) cannot be sent to",
            )),
        })
    });
    Some(SinkKind::Matrix { server: server?, room: room?, token: token? })
}

pub(super) fn mattermost(fields: &Fields<'_>, held: &mut Option<String>) -> Option<SinkKind> {
    let url = hook(fields, held);
    let channel = fields.text("channel");
    Some(SinkKind::Mattermost { url: url?, channel })
}
