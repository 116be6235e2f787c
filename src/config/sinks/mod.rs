//! The sinks of a channel: what each kind of them is told by the registry.

mod chat;
mod mail;
mod pager;
mod push;
mod values;
mod webhook;

pub(super) use mail::smtp;
pub(super) use push::{is_topic, ntfy_server};
pub(super) use values::secret_url;

use super::fields::Fields;
use super::node::Node;
use super::notifications::{Sink, SinkKind, Smtp};
use super::reader::Problem;
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
    Slack,
    Discord,
    Telegram,
    Teams,
    PagerDuty,
    Opsgenie,
    Gotify,
    Pushover,
    Matrix,
    Mattermost,
    Alertmanager,
    Apprise,
}

const TYPES: [(&str, Type); 15] = [
    ("email", Type::Email),
    ("ntfy", Type::Ntfy),
    ("webhook", Type::Webhook),
    ("slack", Type::Slack),
    ("discord", Type::Discord),
    ("telegram", Type::Telegram),
    ("teams", Type::Teams),
    ("pagerduty", Type::PagerDuty),
    ("opsgenie", Type::Opsgenie),
    ("gotify", Type::Gotify),
    ("pushover", Type::Pushover),
    ("matrix", Type::Matrix),
    ("mattermost", Type::Mattermost),
    ("alertmanager", Type::Alertmanager),
    ("apprise", Type::Apprise),
];

/// What waits for an unset `${NAME}` in a sink.
const HELD: &str = "this sink is not used";

/// Reads one sink of `channel`; nothing for one that is wrong.
pub(super) fn sink(channel: &str, index: usize, node: &Node<'_>, shared: &Shared) -> Option<Sink> {
    let fields = node.fields()?;
    let kind = fields.required("type", "such as \"email\", \"ntfy\" or \"webhook\"");
    let (label, kind) = kind?.named_choice(&TYPES)?;
    let min_severity = fields.get("min_severity").and_then(|node| {
        node.choice(&[
            ("info", Severity::Info),
            ("warning", Severity::Warning),
            ("critical", Severity::Critical),
        ])
    });
    let send_resolved = fields.get("send_resolved").and_then(|node| node.bool());
    let mut held = None;
    let send_resolved = send_resolved.unwrap_or(shared.send_resolved);
    let keeps_incidents = matches!(kind, Type::PagerDuty | Type::Opsgenie | Type::Alertmanager);
    if keeps_incidents && !send_resolved {
        fields.report(
            Problem::warning(format!("{label} would never learn that an incident is over"))
                .at_key()
                .expected("\"send_resolved\": true"),
        );
    }
    // What is only good to know is no incident for them.
    let least = if keeps_incidents { Severity::Warning } else { Severity::Info };
    let over_http = !matches!(kind, Type::Email);
    let kind = read(kind, &fields, shared, &mut held);
    let ca_file = if over_http { fields.text("ca_file") } else { None };
    let kind = match (kind, ca_file) {
        (Some(kind), Some(ca_file)) => Some(SinkKind::Trusting { ca_file, sink: Box::new(kind) }),
        (kind, _) => kind,
    };
    fields.close(&format!("a sink of type {label}"), &["description"]);
    Some(Sink {
        name: format!("{channel}[{index}] {label}"),
        kind: kind?,
        min_severity: min_severity.unwrap_or(least),
        send_resolved,
        held,
    })
}

fn read(
    kind: Type,
    fields: &Fields<'_>,
    shared: &Shared,
    held: &mut Option<String>,
) -> Option<SinkKind> {
    match kind {
        Type::Email => mail::email(fields, shared, held),
        Type::Ntfy => push::ntfy(fields, shared, held),
        Type::Webhook => webhook::webhook(fields, held),
        Type::Slack => chat::slack(fields, held),
        Type::Discord => chat::discord(fields, held),
        Type::Telegram => chat::telegram(fields, held),
        Type::Teams => chat::teams(fields, held),
        Type::PagerDuty => pager::pagerduty(fields, held),
        Type::Opsgenie => pager::opsgenie(fields, held),
        Type::Gotify => push::gotify(fields, held),
        Type::Pushover => push::pushover(fields, held),
        Type::Matrix => chat::matrix(fields, held),
        Type::Mattermost => chat::mattermost(fields, held),
        Type::Alertmanager => pager::alertmanager(fields, held),
        Type::Apprise => push::apprise(fields, held),
    }
}
