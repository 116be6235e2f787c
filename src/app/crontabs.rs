//! When the crontabs of the containers are read.

use super::Reach;
use crate::clock;
use crate::config::Config;
use crate::crontabs::{EVERY, Reader};
use crate::store::Shown;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use vai_core::model::{ContainerView, Event, Instance, Place};

/// How soon a container that was started is noticed.
const LOOK: Duration = Duration::from_secs(2);

/// Reads them at the start, when a container was started or the registry
/// changed, and now and then, until `shutdown`.
pub(super) async fn follow(
    reach: Arc<Reach>,
    mut registries: watch::Receiver<Arc<Config>>,
    events: mpsc::Sender<Event>,
    shown: Shown,
    shutdown: CancellationToken,
) {
    let reader = Reader::new(Arc::clone(&reach) as _);
    let following = async {
        let mut last = None;
        loop {
            let config = Arc::clone(&registries.borrow_and_update());
            let running = running(&reach, &config);
            let now = clock::boot_time();
            let is_due = last.as_ref().is_none_or(|(at, of, before)| {
                now.since(*at) >= EVERY || !Arc::ptr_eq(of, &config) || *before != running
            });
            if is_due {
                let jobs: Vec<_> = config.jobs.values().cloned().collect();
                let services: Vec<_> = config.services.values().cloned().collect();
                let seen = reader.read(&jobs, &services).await;
                shown.set_crontabs(seen.warnings);
                // The loop is gone only when vai stops.
                let _ = events.send(Event::Crontabs(seen.jobs)).await;
                last = Some((now, config, running));
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                Ok(()) = registries.changed() => {}
            }
        }
    };
    // Stopped in the middle of a reading, nothing is lost.
    let _: Option<()> = shutdown.run_until_cancelled(following).await;
}

/// The containers of jobs and services that run, as far as they are known.
fn running(reach: &Reach, config: &Config) -> BTreeSet<Instance> {
    let of_jobs = config.jobs.values().map(|job| &job.place);
    let places = of_jobs.chain(config.services.values().map(|service| &service.place));
    let views = places.filter_map(|place| match place {
        Place::Local => None,
        Place::Container(key) => reach.directory.view(key),
    });
    views
        .filter_map(|view| match view {
            ContainerView::Present(presence) if presence.status.is_running() => {
                Some(presence.instance)
            }
            ContainerView::Present(_) | ContainerView::Missing | ContainerView::Ambiguous(_) => {
                None
            }
        })
        .collect()
}
