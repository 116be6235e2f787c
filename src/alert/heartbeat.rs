//! The dead man's switch: an address outside that is pinged while `vai` is
//! well, so that somebody misses the pings of a `vai` that is not.

use super::message;
use super::sinks::{self, ping};
use crate::clock;
use crate::config::{Config, Heartbeat};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// A `vai` that starts again and again has to be missed, too.
const SETTLED_AFTER: Duration = Duration::from_secs(60);
/// A server that has not answered by then is tried again at the next ping.
const PING_DEADLINE: Duration = Duration::from_secs(10);

/// Pings the heartbeat's address of the registry in force while `is_well`,
/// until `shutdown`.
pub async fn heartbeat(
    mut registries: watch::Receiver<Arc<Config>>,
    is_well: impl Fn() -> bool + Send,
    shutdown: CancellationToken,
) {
    let Ok(http) = sinks::client() else { return };
    let mut due = clock::instant() + SETTLED_AFTER;
    let mut missed = false;
    loop {
        let config = Arc::clone(&registries.borrow_and_update());
        let wanted = config.notifications.heartbeat.as_ref();
        let usable = wanted.filter(|heartbeat| heartbeat.held.is_none());
        tokio::select! {
            () = shutdown.cancelled() => return,
            Ok(()) = registries.changed() => {}
            Some(heartbeat) = at(due, usable) => {
                due = clock::instant() + heartbeat.interval;
                // It is missed, which is what it is for.
                if !is_well() {
                    continue;
                }
                let sent = timeout(PING_DEADLINE, ping(&http, &heartbeat.url)).await;
                let refused = match sent {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(message::line(&error.to_string(), &config.redactor)),
                    Err(_) => Some(format!("no answer within {} s", PING_DEADLINE.as_secs())),
                };
                match &refused {
                    Some(why) if !missed => warn!("the heartbeat's address does not answer: {why}"),
                    None if missed => info!("the heartbeat's address answers again"),
                    Some(_) | None => {}
                }
                missed = refused.is_some();
            }
        }
    }
}

/// Waits until `due`; never ends where there is nothing to ping.
async fn at(due: Instant, heartbeat: Option<&Heartbeat>) -> Option<&Heartbeat> {
    match heartbeat {
        Some(_) => sleep_until(due).await,
        None => std::future::pending().await,
    }
    heartbeat
}
