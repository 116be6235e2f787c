//! The notification sinks against real servers: aiosmtpd for mail, Prometheus
//! Alertmanager, a Matrix homeserver, the Apprise library, and HTTP servers that
//! stand in for every service that cannot be had here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "these helpers are only for tests; the lint's own exception covers test functions only"
)]

mod chat;
mod common;
mod homeserver;
mod http;
mod log;
mod mail;
mod pager;
mod push;
mod real;
mod templates;
mod tls;
