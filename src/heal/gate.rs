use super::Healer;
use crate::docker::{Details, EngineError, ExecSpec};
use crate::probe::wire::{Answer, Op};
use std::time::Duration;
use vai_core::model::{
    Act, ActOutcome, ActRequest, ContainerKey, ContainerStatus, ContainerView, Instance, Place,
    Rung, Service,
};

/// The engine tells so long after the end of a container whether somebody asked
/// for it. What was decided before that end was decided about something else.
const CAUSE_SETTLES: Duration = Duration::from_millis(500);

const MARKER_DEADLINE: Duration = Duration::from_secs(3);

/// Where an act takes place, looked at a moment before it.
pub(super) enum Scene {
    /// Beside the orchestrator.
    Local,
    /// In this container, which is not our own.
    Container(Box<Details>),
}

impl Scene {
    /// Whether commands can run there now.
    pub(super) fn is_running(&self) -> bool {
        match self {
            Self::Local => true,
            Self::Container(details) => details.presence.status.is_running(),
        }
    }
}

/// Why nothing is done.
pub(super) struct Refusal {
    gate: String,
    by_hand: bool,
}

impl Refusal {
    fn new(gate: impl Into<String>) -> Self {
        Self { gate: gate.into(), by_hand: false }
    }
}

impl From<Refusal> for ActOutcome {
    fn from(Refusal { gate, by_hand }: Refusal) -> Self {
        Self::Refused { gate, by_hand }
    }
}

/// Looks again, right before acting, at everything that may have changed since
/// the act was decided.
pub(super) async fn pass(healer: &Healer, request: &ActRequest) -> Result<Scene, Refusal> {
    let service = &request.service;
    if let Some(held) = service.held.as_ref().filter(|_| runs_commands(request)) {
        return Err(Refusal::new(held.as_str()));
    }
    healer.registry.still_wanted(service).await.map_err(Refusal::new)?;
    let scene = match &service.place {
        Place::Local => Scene::Local,
        Place::Container(key) => {
            let details = container(healer, key).await?;
            if let Some(why) = other_instance(request.instance.as_ref(), &details) {
                return Err(Refusal::new(why));
            }
            Scene::Container(Box::new(details))
        }
    };
    if request.act != Act::Stop {
        stop_marker(healer, service, &scene).await?;
    }
    Ok(scene)
}

/// Refuses if the marker file of the older scripts says that somebody stopped
/// this service by hand. In a container that does not run there is nothing to
/// look at yet: whoever starts it looks again.
pub(super) async fn stop_marker(
    healer: &Healer,
    service: &Service,
    scene: &Scene,
) -> Result<(), Refusal> {
    if !scene.is_running() {
        return Ok(());
    }
    let path = format!("/var/run/manual-stop/{}.stopped", service.name);
    let there = match healer.ask(&service.place, Op::Exists(path.clone()), MARKER_DEADLINE).await {
        Ok(Answer::Exists(there)) => there,
        Ok(_) | Err(_) => exists_by_exec(healer, scene, &path).await,
    };
    if there {
        return Err(Refusal {
            gate: format!("it was stopped by hand ({path} exists)"),
            by_hand: true,
        });
    }
    Ok(())
}

/// The way to look where no agent may be placed. Where there is not even a
/// shell, there was none for the scripts that leave markers either.
async fn exists_by_exec(healer: &Healer, scene: &Scene, path: &str) -> bool {
    let Scene::Container(details) = scene else {
        return false;
    };
    let spec = ExecSpec::exists(path);
    let id = &details.presence.instance.id;
    healer.engine.exec(id, &spec, MARKER_DEADLINE).await.is_ok_and(|end| end.exit_code == Some(0))
}

fn runs_commands(request: &ActRequest) -> bool {
    match request.act {
        Act::Start | Act::Restart(Rung::Command | Rung::KillAndCommand) => true,
        Act::Restart(Rung::Container) => false,
        Act::Stop => request.service.stop_cmd.is_some(),
    }
}

async fn container(healer: &Healer, key: &ContainerKey) -> Result<Details, Refusal> {
    let seen = match healer.places.view(key) {
        None => {
            return Err(Refusal::new(format!("the container \"{key}\" was not looked at yet")));
        }
        Some(ContainerView::Missing) => {
            return Err(Refusal::new(format!("there is no container for \"{key}\" right now")));
        }
        Some(ContainerView::Ambiguous(names)) => {
            return Err(Refusal::new(format!(
                "\"{key}\" could be any of these containers: {}; name one in `containers`",
                names.join(", ")
            )));
        }
        Some(ContainerView::Present(presence)) => presence,
    };
    // The view may be a moment old; this is the truth.
    let details = match healer.engine.inspect(&seen.instance.id).await {
        Ok(details) => details,
        Err(EngineError::NotFound(_)) => {
            return Err(Refusal::new(format!("the container {} was removed", seen.name)));
        }
        Err(error) => return Err(Refusal::new(error.to_string())),
    };
    let name = &details.presence.name;
    if details.ended_for.is_some_and(|ago| ago < CAUSE_SETTLES) {
        return Err(Refusal::new(format!(
            "the container {name} has just ended, and why is not known yet"
        )));
    }
    if details.presence.is_self || seen.is_self {
        return Err(Refusal::new(format!(
            "the container {name} is vai's own, or its socket proxy"
        )));
    }
    match details.presence.status {
        ContainerStatus::Running | ContainerStatus::Created | ContainerStatus::Exited { .. } => {
            Ok(details)
        }
        ContainerStatus::Paused => Err(Refusal::new(format!("the container {name} is paused"))),
        ContainerStatus::Restarting => {
            Err(Refusal::new(format!("the engine is restarting the container {name} itself")))
        }
        ContainerStatus::Removing => {
            Err(Refusal::new(format!("the container {name} is being removed")))
        }
    }
}

fn other_instance(judged: Option<&Instance>, found: &Details) -> Option<String> {
    let judged = judged?;
    let Instance { id, started_at } = &found.presence.instance;
    let name = &found.presence.name;
    if judged.id != *id {
        Some(format!("the container {name} was recreated since the failure was seen"))
    } else if judged.started_at != *started_at {
        Some(format!(
            "the container {name} was restarted by somebody else since the failure was seen"
        ))
    } else {
        None
    }
}
