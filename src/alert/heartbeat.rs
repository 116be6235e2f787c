//! The dead man's switch: an address outside that is pinged while `vai` is
//! well, so that somebody misses the pings of a `vai` that is not.

use super::message;
use super::sinks::{self, ping};
use crate::clock;
use crate::config::{self, Config};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use vai_core::model::Time;
use vai_core::vitals::Heartbeat;

/// A server that has not answered by then is tried again at the next ping.
const PING_DEADLINE: Duration = Duration::from_secs(10);

/// Pings the heartbeat's address of the registry in force where `beat` says so,
/// until `shutdown`.
pub async fn heartbeat(
    mut registries: watch::Receiver<Arc<Config>>,
    beat: impl Fn(&mut Heartbeat, Time, Duration) -> bool + Send,
    shutdown: CancellationToken,
) {
    let Ok(http) = sinks::client() else { return };
    let epoch = clock::instant();
    let now = || Time::default() + clock::instant().saturating_duration_since(epoch);
    let mut pings = Heartbeat::new(now());
    let mut missed = false;
    loop {
        let config = Arc::clone(&registries.borrow_and_update());
        let wanted = config.notifications.heartbeat.as_ref();
        let usable = wanted.filter(|heartbeat| heartbeat.held.is_none());
        tokio::select! {
            () = shutdown.cancelled() => return,
            Ok(()) = registries.changed() => {}
            Some(heartbeat) = due(&pings, usable, epoch) => {
                if !beat(&mut pings, now(), heartbeat.interval) {
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

/// Waits until a ping is due; never ends where there is nothing to ping.
async fn due<'a>(
    pings: &Heartbeat,
    wanted: Option<&'a config::Heartbeat>,
    epoch: Instant,
) -> Option<&'a config::Heartbeat> {
    match wanted {
        Some(wanted) => {
            sleep_until(epoch + pings.due(wanted.interval).since(Time::default())).await
        }
        None => std::future::pending().await,
    }
    wanted
}
