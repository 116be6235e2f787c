//! What is looked at again right before a job is run: much may have changed
//! since that was decided.

use super::{ASK_WITHIN, Runner};
use crate::clock;
use crate::docker::{Details, EngineError, ExecSpec};
use crate::probe::client::ProbeError;
use crate::probe::wire::{Answer, Op};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex as Turn;
use tokio::time::{Instant, sleep};
use vai_core::model::{
    ContainerKey, ContainerStatus, ContainerView, HowEnded, Instance, Job, Place, RunRequest,
};

/// Where the older scripts leave the marker that pauses a job.
const PAUSE_FOLDERS: [&str; 2] =
    ["/home/devuser/ai-global/config/cron-pause", "/var/run/cron-pause"];

/// A container that was just removed may be there again in a moment.
const RECREATED_WITHIN: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

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
    not_paused(runner, job, &Scene::Local(runner.local.clone())).await?;
    let scene = enter(runner, &job.place).await?;
    if let Scene::Container(_) = scene {
        not_paused(runner, job, &scene).await?;
    }
    Ok(scene)
}

/// The place itself, if commands can be run there right now.
///
/// # Errors
/// Why not.
pub(super) async fn enter(runner: &Runner, place: &Place) -> Result<Scene, HowEnded> {
    match place {
        Place::Local => Ok(Scene::Local(runner.local.clone())),
        Place::Container(key) => container(runner, key).await.map(Scene::Container),
    }
}

/// Refuses if a marker says that somebody paused the job. Nobody being there to
/// look is no reason: running it will say so.
async fn not_paused(runner: &Runner, job: &Job, scene: &Scene) -> Result<(), HowEnded> {
    for folder in PAUSE_FOLDERS {
        let marker = format!("{folder}/{}.paused", job.name);
        let look = Op::Exists(marker.clone());
        let (place, beside) = match scene {
            Scene::Local(_) if job.place != Place::Local => (&Place::Local, " beside vai"),
            Scene::Local(_) | Scene::Container(_) => (&job.place, ""),
        };
        let there = match (runner.prober.ask(place, None, look, ASK_WITHIN).await, scene) {
            (Ok(answer), _) => answer == Answer::Exists(true),
            (Err(ProbeError::NoAgent(_)), Scene::Container(details)) => {
                let id = &details.presence.instance.id;
                let look = runner.engine.exec(id, &ExecSpec::exists(&marker), ASK_WITHIN).await;
                look.is_ok_and(|end| end.exit_code == Some(0))
            }
            (Err(_), _) => false,
        };
        if there {
            return Err(HowEnded::Refused(format!("paused by {marker}{beside}")));
        }
    }
    Ok(())
}

async fn container(runner: &Runner, key: &ContainerKey) -> Result<Arc<Details>, HowEnded> {
    let until = clock::boot_time() + RECREATED_WITHIN;
    loop {
        let not_begun = match runner.directory.view(key) {
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
    let details = match runner.inspections.inspect(runner, &instance.id).await {
        Ok(details) => details,
        Err(EngineError::NotFound(_)) => {
            let recreated = matches!(runner.directory.view(key), Some(ContainerView::Present(now))
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

type Inspected = Option<(Instant, Result<Arc<Details>, EngineError>)>;

/// The last inspection of each container. Hundreds of jobs are due at the same
/// moment: whoever asked before an inspection began is served by it.
#[derive(Default)]
pub(super) struct Inspections(Mutex<HashMap<String, Arc<Turn<Inspected>>>>);

impl Inspections {
    async fn inspect(&self, runner: &Runner, id: &str) -> Result<Arc<Details>, EngineError> {
        let asked = clock::instant();
        let turn = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody waits at the others: their containers may be long gone.
            all.retain(|other, turn| other == id || Arc::strong_count(turn) > 1);
            Arc::clone(all.entry(id.to_owned()).or_default())
        };
        let mut last = turn.lock().await;
        match &*last {
            Some((began, result)) if *began >= asked => result.clone(),
            _ => {
                let began = clock::instant();
                let result = runner.engine.inspect(id).await.map(Arc::new);
                *last = Some((began, result.clone()));
                result
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vai_core::model::Presence;

    fn seen(status: ContainerStatus, is_self: bool) -> Arc<Details> {
        Arc::new(Details {
            presence: Presence {
                instance: Instance { id: "feed".into(), started_at: "now".into() },
                name: "services".into(),
                status,
                health: None,
                up_for: Duration::ZERO,
                health_start: None,
                engine_restarts: true,
                network_of: None,
                network_gone: false,
                network_lost: false,
                start_error: None,
                is_self,
            },
            user: String::new(),
            addresses: Vec::new(),
            facts: Vec::new(),
            ended_for: None,
            stop_timeout: Duration::from_secs(10),
            compose_project: None,
        })
    }

    #[test]
    fn only_a_running_container_that_is_not_ours_is_entered() {
        let enter = |status, own, known_as_own| {
            enterable(seen(status, own), known_as_own).map(|_| ()).map_err(|how| format!("{how:?}"))
        };
        assert_eq!(enter(ContainerStatus::Running, false, false), Ok(()));
        let own = "Refused(\"the container services is vai's own, or its socket proxy\")";
        assert_eq!(enter(ContainerStatus::Running, true, false), Err(own.to_owned()));
        assert_eq!(enter(ContainerStatus::Running, false, true), Err(own.to_owned()));
        let not_begun = |state: &str| Err(format!("NotBegun(\"the container services {state}\")"));
        let exited = ContainerStatus::Exited { code: 137, oom: false };
        assert_eq!(enter(exited, false, false), not_begun("is stopped (exit code 137)"));
        assert_eq!(enter(ContainerStatus::Paused, false, false), not_begun("is paused"));
        let restarting = not_begun("is being restarted by the engine");
        assert_eq!(enter(ContainerStatus::Restarting, false, false), restarting);
    }
}
