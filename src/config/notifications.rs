use crate::schedule::Crontab;
use std::time::Duration;
use vai_core::dispatch::{self, Plan};
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
