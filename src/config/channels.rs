use super::fields::Fields;
use super::names::nearest;
use super::node::Node;
use super::notifications::{Heartbeat, Notifications, Sink, SinkKind};
use super::reader::{Problem, Reader};
use super::schedule::schedule;
use super::sinks::{Shared, is_topic, ntfy_server, secret_url, sink, smtp};
use crate::schedule::Crontab;
use std::collections::BTreeMap;
use std::time::Duration;
use vai_core::dispatch::Plan;
use vai_core::model::{Notify, Severity};

/// The daily digest comes at eight, unless the registry says otherwise.
const DIGEST_AT: &str = "0 8 * * *";

/// Between two pings, unless the registry says otherwise.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(60);

/// What becomes of messages where there is no channel at all.
const NOBODY: &str = "there is no default channel either: these messages are in the log only";

/// The channels while the names that services use are resolved.
pub(super) struct Channels {
    notifications: Notifications,
    shared: Shared,
    /// The channels that the registry defines, as opposed to topics.
    defined: Vec<String>,
}

impl Channels {
    /// Reads `notifications` in `file`.
    pub(super) fn read<'a>(reader: &'a Reader<'a>, file: &Fields<'a>) -> Self {
        let node = file.get("notifications");
        let fields = match node.as_ref().and_then(Node::fields) {
            Some(fields) => fields,
            None => Fields::new(reader, None, "/notifications".to_owned()),
        };
        let seconds = |key| fields.get(key).and_then(|node| node.seconds(0.0));
        let shared = shared(reader, &fields);
        let mut channels = BTreeMap::new();
        let mut defined = Vec::new();
        let members = fields.get("channels").and_then(|node| node.members());
        for (name, node) in members.unwrap_or_default() {
            let sinks = node.one_or_many();
            if sinks.is_empty() {
                node.report(
                    Problem::warning(format!("the channel \"{name}\" reaches nobody"))
                        .expected("at least one sink"),
                );
            }
            let sinks = sinks.iter().enumerate();
            let sinks = sinks.filter_map(|(index, node)| sink(name, index, node, &shared));
            channels.insert(name.to_owned(), sinks.collect());
            defined.push(name.to_owned());
        }
        let group_wait = seconds("group_wait_seconds").unwrap_or(Duration::from_secs(10));
        let group_interval = seconds("group_interval_seconds");
        let repeat = seconds("repeat_interval_seconds").unwrap_or(Duration::from_secs(14_400));
        let mut resolved = Self {
            notifications: Notifications {
                plan: Plan {
                    channels,
                    default: Vec::new(),
                    fallback: None,
                    group_wait,
                    group_interval: group_interval.unwrap_or(Duration::from_secs(300)),
                },
                repeat_interval: repeat,
                digest: digest(&fields),
                heartbeat: heartbeat(&fields),
            },
            shared,
            defined,
        };
        resolved.notifications.plan.default = resolved.default(&fields);
        resolved.notifications.plan.fallback = resolved.fallback(&fields);
        fields.close("`notifications`", &["description"]);
        resolved
    }

    /// Resolves the names in one `notify_on_fail`.
    pub(super) fn resolve(&mut self, notify: Notify, names: &[Node<'_>]) -> Notify {
        if !matches!(notify, Notify::Channels(_)) {
            return notify;
        }
        if names.is_empty() {
            return Notify::Nobody;
        }
        let mut found: Vec<String> = Vec::new();
        for node in names {
            let Some(name) = node.text() else { continue };
            let instead = self.default_in_words();
            if self.is_reachable(name, node, &instead)
                && !found.iter().any(|earlier| earlier == name)
            {
                found.push(name.to_owned());
            }
        }
        if found.is_empty() { Notify::Default } else { Notify::Channels(found) }
    }

    pub(super) fn finish(self) -> Notifications {
        self.notifications
    }

    /// Whether `name` is a channel; where there is an ntfy server, an undefined
    /// one becomes its topic. Else it is told what is done `instead`.
    fn is_reachable(&mut self, name: &str, node: &Node<'_>, instead: &str) -> bool {
        if self.defined.iter().any(|defined| defined == name) {
            return true;
        }
        let alike = nearest(name, self.defined.iter().map(String::as_str)).map(str::to_owned);
        let topic = self.shared.ntfy_server.clone().filter(|_| is_topic(name));
        let Some(server) = topic else {
            node.report(
                Problem::warning(format!("the channel \"{name}\" is not defined"))
                    .expected(instead)
                    .did_you_mean(alike.as_deref()),
            );
            return false;
        };
        if let Some(alike) = alike {
            node.report(
                Problem::warning(format!(
                    "\"{name}\" is no channel and is taken for a topic of {server}"
                ))
                .did_you_mean(Some(&alike)),
            );
        }
        let sink = Sink {
            name: format!("{name} ntfy"),
            kind: SinkKind::Ntfy {
                server,
                topic: name.to_owned(),
                token: self.shared.ntfy_token.clone(),
            },
            min_severity: Severity::Info,
            send_resolved: self.shared.send_resolved,
            held: self.shared.ntfy_held.clone(),
        };
        self.notifications.plan.channels.insert(name.to_owned(), vec![sink]);
        true
    }

    /// `default`, else `alerts`, else every channel.
    fn default(&mut self, fields: &Fields<'_>) -> Vec<String> {
        if let Some(node) = fields.get("default") {
            let mut names = Vec::new();
            for node in node.one_or_many() {
                let Some(name) = node.text() else { continue };
                if self.is_reachable(name, &node, &self.usual_in_words()) {
                    names.push(name.to_owned());
                }
            }
            if !names.is_empty() {
                return names;
            }
        }
        self.usual()
    }

    /// The default channel where the registry names none.
    fn usual(&self) -> Vec<String> {
        let alerts = self.defined.iter().find(|name| *name == "alerts");
        match alerts {
            Some(alerts) => vec![alerts.clone()],
            None => self.defined.clone(),
        }
    }

    fn usual_in_words(&self) -> String {
        match self.usual().as_slice() {
            [] => NOBODY.to_owned(),
            [only] => format!("\"{only}\" is used instead"),
            [..] => "every channel is used instead".to_owned(),
        }
    }

    fn default_in_words(&self) -> String {
        match self.notifications.plan.default.as_slice() {
            [] => NOBODY.to_owned(),
            [..] => "the default channel is used instead".to_owned(),
        }
    }

    fn fallback(&mut self, fields: &Fields<'_>) -> Option<String> {
        let node = fields.get("fallback")?;
        let name = node.text()?;
        let reachable = self.is_reachable(name, &node, "there is no fallback");
        reachable.then(|| name.to_owned())
    }
}

/// What sinks take from the sections beside `channels`.
fn shared<'a>(reader: &'a Reader<'a>, fields: &Fields<'a>) -> Shared {
    let mut ntfy_held = None;
    let mut server = None;
    let mut token = None;
    if let Some(ntfy) = fields.get("ntfy").and_then(|node| node.fields()) {
        let node = ntfy.get("server");
        server = node.and_then(|node| ntfy_server(&node, &mut ntfy_held));
        token = ntfy.get("token").and_then(|node| node.expand_secret("these topics are not used"));
        ntfy.close("`ntfy`", &["description"]);
    }
    let token = token.map(|token| {
        super::http::keep(&mut ntfy_held, token.missing);
        token.secret
    });
    let from_environment = || {
        let server = reader.environment.lookup("NTFY_SERVER").ok()?;
        let server = server.trim_end_matches('/');
        (!server.is_empty()).then(|| server.to_owned())
    };
    Shared {
        smtp: fields.get("smtp").and_then(|node| smtp(&node)),
        ntfy_server: server.or_else(from_environment),
        ntfy_token: token,
        ntfy_held,
        send_resolved: fields.get("send_resolved").and_then(|node| node.bool()).unwrap_or(true),
    }
}

/// Its time in crontab's form, or whether there is one at all.
fn digest(notifications: &Fields<'_>) -> Option<Crontab> {
    let usual = || DIGEST_AT.parse().ok();
    match notifications.get("digest") {
        None => usual(),
        Some(node) if node.string().is_some() => schedule(&node),
        Some(node) => node.bool().filter(|&wanted| wanted).and_then(|_| usual()),
    }
}

fn heartbeat(notifications: &Fields<'_>) -> Option<Heartbeat> {
    let fields = notifications.get("heartbeat").and_then(|node| node.fields())?;
    let mut held = None;
    let url = fields.required("url", "the address to ping");
    let url = url.and_then(|url| secret_url(&url, "the heartbeat is not sent", &mut held));
    let interval = fields.get("interval_seconds").and_then(|node| node.seconds(1.0));
    fields.close("`heartbeat`", &["description"]);
    Some(Heartbeat { url: url?, interval: interval.unwrap_or(HEARTBEAT_INTERVAL), held })
}
