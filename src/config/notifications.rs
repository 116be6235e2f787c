use std::collections::BTreeMap;
use std::time::Duration;
use vai_core::model::{Secret, Severity};

/// Who is told, by what, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Notifications {
    /// Channel name → its sinks. Holds every channel that the registry defines
    /// and one for each undefined name that is an ntfy topic of older files.
    pub channels: BTreeMap<String, Vec<Sink>>,
    /// The channels of messages without one of their own: `default`, else
    /// `alerts`, else every channel. Empty: messages are in the log only.
    pub default: Vec<String>,
    /// Gets what a sink rejects.
    pub fallback: Option<String>,
    /// How long the opening of an incident waits for others to join it.
    pub group_wait: Duration,
    /// Least time between two messages about what joined an incident.
    pub group_interval: Duration,
    /// Between reminders of a critical incident.
    pub repeat_interval: Duration,
}

/// One way to reach people.
#[derive(Clone, Debug, PartialEq)]
pub struct Sink {
    /// For logs: `alerts[0] ntfy`.
    pub name: String,
    /// What it is.
    pub kind: SinkKind,
    /// Incidents below it are not sent here.
    pub min_severity: Severity,
    /// Whether the end of an incident is told here.
    pub send_resolved: bool,
    /// Why it cannot be used (`${NTFY_TOKEN} is not set`), if so.
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
