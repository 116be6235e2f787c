//! No job runs under two schedulers: what the crontabs of the containers say of
//! the jobs and services of the registry.

mod command;
mod healers;
mod jobs;

#[cfg(test)]
mod tests;

pub use healers::SecondHealer;

use crate::probe::wire::Crontabs;
use async_trait::async_trait;
use futures_util::stream::{self, StreamExt};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tracing::{info, warn};
use vai_core::model::{Duty, Job, Place, Service, ServiceKind, TwoSchedulers};

/// How often they are read again: nothing tells of an edit inside a container.
pub const EVERY: Duration = Duration::from_secs(60);

/// Places that are read at once.
const AT_ONCE: usize = 4;

/// Where crontabs can be read.
#[async_trait]
pub trait Places: Send + Sync {
    /// The crontabs at `place`.
    ///
    /// # Errors
    /// Why they cannot be read now, in words.
    async fn crontabs(&self, place: &Place) -> Result<Crontabs, String>;
}

/// What one reading came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Of each job whether a crontab of its place names it. One of which
    /// nothing can be said, because its crontabs are not readable, is missing.
    pub jobs: Vec<TwoSchedulers>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// Reads the crontabs of the places of the registry.
pub struct Reader {
    places: Arc<dyn Places>,
    /// What the log has said already.
    told: Mutex<BTreeSet<String>>,
}

impl Reader {
    /// Nothing is read yet.
    pub fn new(places: Arc<dyn Places>) -> Self {
        Self { places, told: Mutex::default() }
    }

    /// Reads them all once, those beside vai as well, and logs what is new of
    /// what the operator should know. Jobs that are only listed are somebody
    /// else's anyway, and what is not watched may have another healer.
    pub async fn read(&self, jobs: &[Arc<Job>], services: &[Arc<Service>]) -> Seen {
        let is_ours = |job: &&Arc<Job>| job.duty != Duty::Documentation;
        let jobs: Vec<&Arc<Job>> = jobs.iter().filter(is_ours).collect();
        let is_watched = |it: &&Arc<Service>| it.enabled && it.kind == ServiceKind::Watched;
        let services: Vec<&Arc<Service>> = services.iter().filter(is_watched).collect();
        let of_jobs = jobs.iter().map(|job| &job.place);
        let of_services = services.iter().map(|service| &service.place);
        let places: BTreeSet<Place> =
            of_jobs.chain(of_services).chain([&Place::Local]).cloned().collect();
        let reading = places.into_iter().map(|place| {
            let from = Arc::clone(&self.places);
            async move { (from.crontabs(&place).await, place) }
        });
        let read: Vec<(Result<Crontabs, String>, Place)> =
            stream::iter(reading).buffered(AT_ONCE).collect().await;

        let mut seen = Seen::default();
        for (crontabs, place) in read {
            // Why a place cannot be reached at all is told by its services.
            let Ok(crontabs) = crontabs else { continue };
            let here = jobs.iter().filter(|job| job.place == place).map(|job| &***job);
            seen.jobs.extend(jobs::named(here, &crontabs));
            // From there one reaches into all of them.
            let reached = |it: &&&Arc<Service>| place == Place::Local || it.place == place;
            let here = services.iter().filter(reached).map(|it| &***it);
            let healers = healers::find(here, &crontabs.lines);
            seen.warnings.extend(healers.iter().map(|it| of_place(&place, it)));
            let unreadable = crontabs.unreadable.iter();
            seen.warnings.extend(unreadable.map(|what| of_place(&place, &cannot_read(what))));
        }
        self.tell(&seen.warnings);
        seen
    }

    fn tell(&self, warnings: &[String]) {
        let now: BTreeSet<String> = warnings.iter().cloned().collect();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for new in now.difference(&told) {
            warn!("{new}");
        }
        for gone in told.difference(&now) {
            info!("not any more: {gone}");
        }
        *told = now;
    }
}

fn cannot_read(what: &str) -> String {
    format!("a crontab cannot be read, so a job may run under two schedulers: {what}")
}

/// `container services: …`.
fn of_place(place: &Place, what: &dyn fmt::Display) -> String {
    match place {
        Place::Local => format!("beside vai: {what}"),
        Place::Container(key) => format!("container {key}: {what}"),
    }
}
