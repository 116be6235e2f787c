//! The notification sinks against real servers: aiosmtpd for mail, and
//! HTTP servers that stand in for ntfy and for whatever a webhook calls.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "these helpers are only for tests; the lint's own exception covers test functions only"
)]

mod common;
mod http;
mod log;
mod mail;
