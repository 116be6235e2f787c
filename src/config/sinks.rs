use super::endpoint::Endpoint;
use super::fields::Fields;
use super::http::{headers, keep, names_a_secret};
use super::node::Node;
use super::notifications::{Sink, SinkKind, Smtp, SmtpTls};
use super::reader::Problem;
use jsonc_parser::ast::Value;
use lettre::message::Mailbox;
use vai_core::model::{Secret, Severity};

/// What sinks take from `notifications`.
pub(super) struct Shared {
    /// `smtp`, and `${NAME} is not set` if a value of it is missing.
    pub(super) smtp: Option<(Smtp, Option<String>)>,
    /// `ntfy.server`, else `$NTFY_SERVER`.
    pub(super) ntfy_server: Option<String>,
    /// `ntfy.token`.
    pub(super) ntfy_token: Option<Secret>,
    /// `${NAME} is not set`, if a value of `ntfy` is missing.
    pub(super) ntfy_held: Option<String>,
    /// `send_resolved`.
    pub(super) send_resolved: bool,
}

#[derive(Clone, Copy)]
enum Type {
    Email,
    Ntfy,
    Webhook,
    /// Known to the registry and not to this version.
    Later(&'static str),
}

const TYPES: [(&str, Type); 15] = [
    ("email", Type::Email),
    ("ntfy", Type::Ntfy),
    ("webhook", Type::Webhook),
    ("slack", Type::Later("slack")),
    ("discord", Type::Later("discord")),
    ("telegram", Type::Later("telegram")),
    ("teams", Type::Later("teams")),
    ("pagerduty", Type::Later("pagerduty")),
    ("opsgenie", Type::Later("opsgenie")),
    ("gotify", Type::Later("gotify")),
    ("pushover", Type::Later("pushover")),
    ("matrix", Type::Later("matrix")),
    ("mattermost", Type::Later("mattermost")),
    ("alertmanager", Type::Later("alertmanager")),
    ("apprise", Type::Later("apprise")),
];

/// What waits for an unset `${NAME}` in a sink.
const HELD: &str = "this sink is not used";

/// Reads one sink of `channel`; nothing for one that this version cannot send
/// to.
pub(super) fn sink(channel: &str, index: usize, node: &Node<'_>, shared: &Shared) -> Option<Sink> {
    let fields = node.fields()?;
    let kind = fields.required("type", "such as \"email\", \"ntfy\" or \"webhook\"");
    let kind = kind?.choice(&TYPES)?;
    let min_severity = fields.get("min_severity").and_then(|node| {
        node.choice(&[
            ("info", Severity::Info),
            ("warning", Severity::Warning),
            ("critical", Severity::Critical),
        ])
    });
    let send_resolved = fields.get("send_resolved").and_then(|node| node.bool());
    let mut held = None;
    let (label, kind) = match kind {
        Type::Email => ("email", email(&fields, shared, &mut held)),
        Type::Ntfy => ("ntfy", ntfy(&fields, shared, &mut held)),
        Type::Webhook => ("webhook", webhook(&fields, &mut held)),
        Type::Later(label) => {
            later(channel, label, node);
            return None;
        }
    };
    fields.close(&format!("a sink of type {label}"), &["description"]);
    Some(Sink {
        name: format!("{channel}[{index}] {label}"),
        kind: kind?,
        min_severity: min_severity.unwrap_or(Severity::Info),
        send_resolved: send_resolved.unwrap_or(shared.send_resolved),
        held,
    })
}

fn email(fields: &Fields<'_>, shared: &Shared, held: &mut Option<String>) -> Option<SinkKind> {
    let to = fields.required("to", "one address, or a list of them");
    let to = to.map(|node| {
        let addresses = node.one_or_many();
        if addresses.is_empty() {
            node.report(Problem::error("nobody gets this mail").expected("at least one address"));
        }
        let addresses = addresses.iter().filter_map(mail_address);
        addresses.collect::<Vec<_>>()
    });
    let Some((smtp, smtp_held)) = &shared.smtp else {
        fields.report(
            Problem::error("mail needs a server, and there is none in `notifications.smtp`")
                .at_key()
                .help("\"smtp\": { \"host\": \"smtp.example.com\", \"from\": \"vai@example.com\", … }"),
        );
        return None;
    };
    keep(held, smtp_held.clone());
    Some(SinkKind::Email { to: to?, smtp: smtp.clone() })
}

/// An address such as `ops@example.com` or `Ops <ops@example.com>`.
fn mail_address(node: &Node<'_>) -> Option<String> {
    let expanded = node.expand(HELD)?;
    let text = expanded.secret.expose();
    if expanded.missing.is_none() && text.parse::<Mailbox>().is_err() {
        node.report(Problem::error("not a mail address").expected("such as ops@example.com"));
        return None;
    }
    Some(text.to_owned())
}

fn ntfy(fields: &Fields<'_>, shared: &Shared, held: &mut Option<String>) -> Option<SinkKind> {
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
pub(super) fn ntfy_server(node: &Node<'_>, held: &mut Option<String>) -> Option<String> {
    let expanded = node.expand(HELD)?;
    let text = expanded.secret.expose().trim_end_matches('/');
    if expanded.missing.is_some() {
        keep(held, expanded.missing);
    } else if let Err((message, _)) = Endpoint::parse(text) {
        node.report(Problem::error(message).expected("such as https://ntfy.example.com"));
        return None;
    }
    Some(text.to_owned())
}

/// Whether ntfy takes `name` as a topic.
pub(super) fn is_topic(name: &str) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    (1..=64).contains(&name.len()) && name.chars().all(allowed)
}

fn webhook(fields: &Fields<'_>, held: &mut Option<String>) -> Option<SinkKind> {
    let url = fields.required("url", "where to POST to");
    let url = url.and_then(|node| secret_url(&node, HELD, held));
    let headers = fields.get("headers");
    let headers = headers.map(|node| headers_of(&node, held));
    Some(SinkKind::Webhook { url: url?, headers: headers.unwrap_or_default() })
}

fn headers_of(node: &Node<'_>, held: &mut Option<String>) -> Vec<(String, Secret)> {
    headers(node, HELD, held)
}

/// A URL that is itself a secret, as those of webhooks are.
pub(super) fn secret_url(
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

/// A sink that this version cannot send to; its secrets are hidden all the same.
fn later(channel: &str, label: &str, node: &Node<'_>) {
    for (key, value) in node.members().unwrap_or_default() {
        let secret = names_a_secret(key) || key.contains("url") || key.contains("webhook");
        if secret && matches!(value.value, Value::StringLit(_)) {
            value.expand_secret(HELD);
        }
    }
    node.reader
        .not_acted_on(format!("channel {channel}: nothing is sent to {label} by this version"));
}

/// Reads `notifications.smtp`.
pub(super) fn smtp(node: &Node<'_>) -> Option<(Smtp, Option<String>)> {
    const HELD: &str = "no mail is sent";
    let fields = node.fields()?;
    let mut held = None;
    let host = fields.required("host", "the name of the mail server");
    let host = host.and_then(|node| node.text()).map(str::to_owned);
    let tls = fields.get("tls").and_then(|node| {
        node.choice(&[
            ("starttls", SmtpTls::StartTls),
            ("tls", SmtpTls::Tls),
            ("none", SmtpTls::None),
        ])
    });
    let tls = tls.unwrap_or(SmtpTls::StartTls);
    let port = fields.get("port").and_then(|node| node.integer(1..=u16::MAX));
    let username = fields.get("username").and_then(|node| node.expand(HELD));
    let password = fields.get("password").and_then(|node| node.expand_secret(HELD));
    let from = fields.required("from", "the sender, such as vai@example.com");
    let from = from.and_then(|node| mail_address(&node));
    for missing in [&username, &password].into_iter().flatten() {
        keep(&mut held, missing.missing.clone());
    }
    let ca_file = fields.text("ca_file");
    fields.close("`smtp`", &[]);
    let smtp = Smtp {
        host: host?,
        port: port.unwrap_or(match tls {
            SmtpTls::StartTls => 587,
            SmtpTls::Tls => 465,
            SmtpTls::None => 25,
        }),
        tls,
        username: username.map(|name| name.secret.expose().to_owned()),
        password: password.map(|password| password.secret),
        from: from?,
        ca_file,
    };
    Some((smtp, held))
}
