use super::template::Template;
use crate::schedule::Crontab;
use std::collections::BTreeMap;
use std::time::Duration;
use vai_core::dispatch::{self, Destination, Plan};
use vai_core::model::Secret;

/// Who is told, by what, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Notifications {
    /// The channels and their sinks: every one that the registry defines, and
    /// one for each undefined name that is an ntfy topic of older files. The
    /// default is `default`, else `alerts`, else every channel; without any,
    /// messages are in the log only.
    pub plan: Plan<SinkKind>,
    /// Between reminders of a critical incident.
    pub repeat_interval: Duration,
    /// When it is told what was healed without a message; none: never.
    pub digest: Option<Crontab>,
    /// Pinged while all is well with `vai` itself.
    pub heartbeat: Option<Heartbeat>,
}

/// One way to reach people.
pub type Sink = dispatch::Sink<SinkKind>;

/// A dead man's switch: somebody outside who misses the pings of a `vai` that
/// is gone.
#[derive(Clone, Debug, PartialEq)]
pub struct Heartbeat {
    /// The address to ping, by GET.
    pub url: Secret,
    /// Between two pings.
    pub interval: Duration,
    /// Why it cannot be pinged (`${PING_URL} is not set`), if so.
    pub held: Option<String>,
}

/// The kinds of sink.
#[derive(Clone, Debug, PartialEq)]
pub enum SinkKind {
    /// Mail by SMTP.
    Email {
        /// Recipients, at least one.
        to: Vec<String>,
        /// The server.
        smtp: Smtp,
    },
    /// A topic of an ntfy server.
    Ntfy {
        /// Base URL.
        server: String,
        /// The topic.
        topic: String,
        /// Access token.
        token: Option<Secret>,
    },
    /// A POST of documented JSON.
    Webhook {
        /// Where to.
        url: Secret,
        /// Extra headers.
        headers: Vec<(String, Secret)>,
    },
    /// A webhook whose body the registry writes.
    Templated(Templated),
    /// Slack.
    Slack(Slack),
    /// A webhook of a Discord channel.
    Discord {
        /// Where to; holds a token.
        url: Secret,
    },
    /// A chat of a Telegram bot.
    Telegram(Telegram),
    /// A workflow of Microsoft Teams that posts a card.
    Teams {
        /// Where to; holds a signature.
        url: Secret,
    },
    /// PagerDuty, by its Events API v2.
    PagerDuty {
        /// Base URL.
        server: String,
        /// The integration key.
        routing_key: Secret,
    },
    /// Opsgenie, and what speaks its alert API.
    Opsgenie {
        /// Base URL, without `/v2/alerts`.
        server: String,
        /// The key of an API integration.
        api_key: Secret,
    },
    /// An application of a Gotify server.
    Gotify {
        /// Base URL.
        server: String,
        /// The application's token.
        token: Secret,
    },
    /// Pushover.
    Pushover(Pushover),
    /// A room of a Matrix homeserver.
    Matrix {
        /// Base URL of the homeserver.
        server: String,
        /// The room's id, `!…`.
        room: String,
        /// Access token.
        token: Secret,
    },
    /// An incoming webhook of Mattermost.
    Mattermost {
        /// Where to; holds a token.
        url: Secret,
        /// Another channel than the webhook's own.
        channel: Option<String>,
    },
    /// One Prometheus Alertmanager.
    Alertmanager(Alertmanager),
    /// An Apprise API server.
    Apprise(Apprise),
    /// One of the others that speaks HTTP with a server whose certificate the
    /// public roots do not vouch for.
    Trusting {
        /// PEM file of further trusted roots.
        ca_file: String,
        /// That sink.
        sink: Box<SinkKind>,
    },
}

impl Destination for SinkKind {
    fn recipients(&self) -> Vec<String> {
        match self {
            Self::Email { to, .. } => to.clone(),
            Self::Trusting { sink, .. } => sink.recipients(),
            _ => Vec::new(),
        }
    }
}

/// A request that the registry words itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Templated {
    /// Where to.
    pub url: Secret,
    /// `POST`, `PUT` or `PATCH`.
    pub method: &'static str,
    /// Extra headers.
    pub headers: Vec<(String, Secret)>,
    /// What is sent.
    pub body: Template,
}

/// The two ways into Slack.
#[derive(Clone, Debug, PartialEq)]
pub enum Slack {
    /// An incoming webhook, bound to one channel.
    Webhook {
        /// Where to; is itself the secret.
        url: Secret,
    },
    /// `chat.postMessage` of the Web API.
    Api {
        /// Base URL.
        server: String,
        /// A bot's token.
        token: Secret,
        /// Its name or id.
        channel: String,
    },
}

/// A chat of a Telegram bot.
#[derive(Clone, Debug, PartialEq)]
pub struct Telegram {
    /// Base URL of the Bot API.
    pub server: String,
    /// The bot's token.
    pub token: Secret,
    /// A number, or `@channelname`.
    pub chat_id: String,
    /// The topic of a forum.
    pub message_thread_id: Option<u64>,
}

/// A user or group of Pushover.
#[derive(Clone, Debug, PartialEq)]
pub struct Pushover {
    /// Base URL of the API.
    pub server: String,
    /// The application's token.
    pub token: Secret,
    /// The key of the user or group.
    pub user: Secret,
    /// One device of theirs instead of all.
    pub device: Option<String>,
    /// How what is critical insists, if it does.
    pub emergency: Option<Emergency>,
}

/// Pushover repeats a message of emergency priority until somebody
/// acknowledges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emergency {
    /// Between two repetitions, at least 30 s.
    pub retry: Duration,
    /// When it stops, at most 3 h.
    pub expire: Duration,
}

/// One Prometheus Alertmanager.
#[derive(Clone, Debug, PartialEq)]
pub struct Alertmanager {
    /// Base URL, without `/api/v2`.
    pub server: String,
    /// How vai is known to it.
    pub auth: Option<Auth>,
    /// Labels of every alert besides vai's own.
    pub labels: BTreeMap<String, String>,
}

/// What an `Authorization` header is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Auth {
    /// `Bearer`.
    Token(Secret),
    /// `Basic`.
    Password {
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
}

/// An Apprise API server and whom it tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Apprise {
    /// Base URL.
    pub server: String,
    /// Whom.
    pub to: AppriseTargets,
    /// Only those with this tag.
    pub tag: Option<String>,
}

/// Whom an Apprise API server tells.
#[derive(Clone, Debug, PartialEq)]
pub enum AppriseTargets {
    /// What is stored there under this key.
    Key(String),
    /// These Apprise URLs.
    Urls(Vec<Secret>),
    /// What the server is set up with (`APPRISE_STATELESS_URLS`).
    Server,
}

/// An SMTP server and how to speak to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Smtp {
    /// Its name.
    pub host: String,
    /// Its port; 587, 465 or 25 by `tls` unless the registry says otherwise.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// User name, if it wants one.
    pub username: Option<String>,
    /// Password, if it wants one.
    pub password: Option<Secret>,
    /// The sender.
    pub from: String,
    /// PEM file of further trusted roots.
    pub ca_file: Option<String>,
    /// The name that it is told as ours; that of this machine if there is none.
    pub helo_name: Option<String>,
}

/// How an SMTP connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// Upgraded after the greeting; required, never skipped.
    StartTls,
    /// From the first byte.
    Tls,
    /// Not at all.
    None,
}
