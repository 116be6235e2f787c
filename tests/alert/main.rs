//! The notification sinks against real servers: aiosmtpd for mail, and
//! HTTP servers that stand in for ntfy and for whatever a webhook calls.

mod common;
mod http;
mod mail;
