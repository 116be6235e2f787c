//! What is looked at again right before a job is run: much may have changed
//! since that was decided.

use super::{ASK_WITHIN, Runner};
use crate::clock;
use crate::docker::{Details, EngineError};
use crate::probe::wire::{Answer, Op};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex as Gate;
use tokio::time::sleep;
use vai_core::model::{
    ContainerKey, ContainerStatus, ContainerView, HowEnded, Instance, Job, Place, RunRequest, Time,
};

/// Where the older scripts leave the marker that pauses a job.
const PAUSE_FOLDERS: [&str; 2] =
    ["/home/devuser/ai-global/config/cron-pause", "/var/run/cron-pause"];

/// A container that was just removed may be there again in a moment.
const RECREATED_WITHIN: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// For so long an inspection serves all the jobs of a container: hundreds are
/// due at the same moment.
const FRESH: Duration = Duration::from_millis(250);

/// Where a job is about to run.
pub(super) enum Scene {
    /// Beside `vai`.
    Local(Instance),
    /// In this container.
    Container(Arc<Details>),
}

impl Scene {
    pub(super) fn instance(&self) -> &Instance {
        match self {
            Self::Local(instance) => instance,
            Self::Container(details) => &details.presence.instance,
        }
    }
}

/// Where the job of `request` can be run right now.
///
/// # Errors
/// Why it is not begun.
pub(super) async fn pass(runner: &Runner, request: &RunRequest) -> Result<Scene, HowEnded> {
    let job = &request.job;
    if let Some(held) = &job.held {
        return Err(HowEnded::Refused(held.clone()));
    }
    runner.registry.still_wanted(job).await.map_err(HowEnded::Refused)?;
    not_paused(runner, job, &Place::Local).await?;
    match &job.place {
        Place::Local => Ok(Scene::Local(runner.local.clone())),
        Place::Container(key) => {
            let details = container(runner, key).await?;
            not_paused(runner, job, &job.place).await?;
            Ok(Scene::Container(details))
        }
    }
}

/// Refuses if a marker at `place` says that somebody paused the job. Nobody
/// being there to look is no reason: running it will say so.
async fn not_paused(runner: &Runner, job: &Job, place: &Place) -> Result<(), HowEnded> {
    for folder in PAUSE_FOLDERS {
        let marker = format!("{folder}/{}.paused", job.name);
        let look = Op::Exists(marker.clone());
        if let Ok(Answer::Exists(true)) = runner.places.ask(place, None, look, ASK_WITHIN).await {
            let beside = if *place == job.place { "" } else { " beside vai" };
            return Err(HowEnded::Refused(format!("paused by {marker}{beside}")));
        }
    }
    Ok(())
}

async fn container(runner: &Runner, key: &ContainerKey) -> Result<Arc<Details>, HowEnded> {
    let until = clock::boot_time() + RECREATED_WITHIN;
    loop {
        let not_begun = match runner.places.view(key) {
            None => format!("the container \"{key}\" was not looked at yet"),
            Some(ContainerView::Missing) => format!("there is no container \"{key}\" right now"),
            Some(ContainerView::Ambiguous(names)) => {
                return Err(HowEnded::NotBegun(format!(
                    "\"{key}\" could be any of these containers: {}; name one in `containers`",
                    names.join(", ")
                )));
            }
            Some(ContainerView::Present(seen)) => {
                // The view may be a moment old; this is the truth.
                match runner.inspections.inspect(runner, &seen.instance.id).await {
                    Ok(details) => return enterable(details, seen.is_self),
                    Err(EngineError::NotFound(_)) => {
                        format!("the container {} was removed", seen.name)
                    }
                    Err(error) => return Err(HowEnded::NotBegun(error.to_string())),
                }
            }
        };
        if clock::boot_time() >= until {
            return Err(HowEnded::NotBegun(not_begun));
        }
        sleep(LOOK_AGAIN).await;
    }
}

fn enterable(details: Arc<Details>, is_self: bool) -> Result<Arc<Details>, HowEnded> {
    let name = &details.presence.name;
    if details.presence.is_self || is_self {
        let why = format!("the container {name} is vai's own, or its socket proxy");
        return Err(HowEnded::Refused(why));
    }
    let state = match details.presence.status {
        ContainerStatus::Running => return Ok(details),
        ContainerStatus::Paused => "is paused".to_owned(),
        ContainerStatus::Restarting => "is being restarted by the engine".to_owned(),
        ContainerStatus::Removing => "is being removed".to_owned(),
        ContainerStatus::Created => "was never started".to_owned(),
        ContainerStatus::Exited { code, .. } => format!("is stopped (exit code {code})"),
    };
    Err(HowEnded::NotBegun(format!("the container {name} {state}")))
}

/// What ended a run that was begun in `instance`, if its place is not what it
/// was; `None` if it is, or if nobody can tell right now.
pub(super) async fn fate(runner: &Runner, place: &Place, instance: &Instance) -> Option<String> {
    let key = match place {
        Place::Local if *instance == runner.local => return None,
        Place::Local => {
            return Some("the place of vai itself was restarted while it ran".to_owned());
        }
        Place::Container(key) => key,
    };
    let details = match runner.engine.inspect(&instance.id).await {
        Ok(details) => details,
        Err(EngineError::NotFound(_)) => {
            let recreated = matches!(runner.places.view(key), Some(ContainerView::Present(now))
                if now.instance.id != instance.id);
            let what = if recreated { "recreated" } else { "removed" };
            return Some(format!("the container \"{key}\" was {what} while it ran"));
        }
        Err(_) => return None,
    };
    let name = &details.presence.name;
    if details.presence.instance.started_at != instance.started_at {
        return Some(format!("the container {name} was restarted while it ran"));
    }
    match details.presence.status {
        ContainerStatus::Running | ContainerStatus::Paused => None,
        ContainerStatus::Restarting
        | ContainerStatus::Created
        | ContainerStatus::Exited { .. }
        | ContainerStatus::Removing => Some(format!("the container {name} stopped while it ran")),
    }
}

type Inspected = Option<(Time, Result<Arc<Details>, EngineError>)>;

/// The last inspection of each container.
#[derive(Default)]
pub(super) struct Inspections(Mutex<HashMap<String, Arc<Gate<Inspected>>>>);

impl Inspections {
    async fn inspect(&self, runner: &Runner, id: &str) -> Result<Arc<Details>, EngineError> {
        let gate = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody waits at the others: their containers may be long gone.
            all.retain(|other, gate| other == id || Arc::strong_count(gate) > 1);
            Arc::clone(all.entry(id.to_owned()).or_default())
        };
        let mut last = gate.lock().await;
        let now = clock::boot_time();
        match &*last {
            Some((at, result)) if now.since(*at) < FRESH => result.clone(),
            _ => {
                let result = runner.engine.inspect(id).await.map(Arc::new);
                *last = Some((now, result.clone()));
                result
            }
        }
    }
}
