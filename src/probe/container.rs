//! What the engine's knowledge of a container means for a look.

use vai_core::model::{
    ContainerStatus, ContainerView, Fault, FaultKind, Health, Instance, Outcome, Presence,
};

/// The container behind a view, if a look can be taken inside it; otherwise
/// what the look comes to. `wanted` is how the registry calls the container,
/// `expected` the run of it that the look is meant for.
pub(super) fn enterable<'a>(
    view: &'a ContainerView,
    wanted: &str,
    expected: Option<&Instance>,
) -> Result<&'a Presence, Outcome> {
    let presence = present(view, wanted)?;
    if let Some(outcome) = not_running(presence) {
        return Err(outcome);
    }
    if expected.is_some_and(|expected| *expected != presence.instance) {
        let why = format!("container {} was restarted meanwhile", presence.name);
        return Err(Outcome::Unknown(why));
    }
    Ok(presence)
}

/// The container behind a view, if it is exactly one.
pub(super) fn present<'a>(view: &'a ContainerView, wanted: &str) -> Result<&'a Presence, Outcome> {
    match view {
        ContainerView::Missing => Err(missing(wanted)),
        ContainerView::Ambiguous(names) => Err(Outcome::Unknown(format!(
            "`{wanted}` means more than one container: {}",
            names.join(", ")
        ))),
        ContainerView::Present(presence) => Ok(presence),
    }
}

pub(super) fn missing(wanted: &str) -> Outcome {
    Outcome::Fail(Fault::new(FaultKind::ContainerMissing, format!("no container named {wanted}")))
}

/// A `docker` check: the container runs and its own HEALTHCHECK, if any, is
/// content.
pub(super) fn judge(presence: &Presence) -> Outcome {
    if let Some(outcome) = not_running(presence) {
        return outcome;
    }
    match &presence.health {
        None | Some(Health::Healthy) => Outcome::Pass,
        Some(Health::Starting) => Outcome::Starting(format!(
            "the HEALTHCHECK of container {} is in its start period",
            presence.name
        )),
        Some(Health::Unhealthy(output)) => {
            let said = output.lines().next().unwrap_or("it said nothing");
            Outcome::Fail(Fault::new(
                FaultKind::Unhealthy,
                format!("container {} is unhealthy: {said}", presence.name),
            ))
        }
    }
}

/// What a look comes to for a container that does not run; `None` if it does.
fn not_running(presence: &Presence) -> Option<Outcome> {
    let what = match &presence.status {
        ContainerStatus::Running => return None,
        ContainerStatus::Paused => {
            let why = format!("container {} is paused", presence.name);
            return Some(Outcome::Unknown(why));
        }
        ContainerStatus::Restarting => "is restarting".to_owned(),
        ContainerStatus::Created => "was created and never started".to_owned(),
        ContainerStatus::Exited { code, oom: false } => format!("exited with code {code}"),
        ContainerStatus::Exited { code, oom: true } => {
            format!("exited with code {code}, killed for memory")
        }
        ContainerStatus::Removing => "is being removed".to_owned(),
    };
    Some(Outcome::Fail(Fault::new(
        FaultKind::ContainerStopped,
        format!("container {} {what}", presence.name),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn presence(status: ContainerStatus, health: Option<Health>) -> Presence {
        Presence {
            instance: Instance { id: "feed".into(), started_at: "now".into() },
            name: "services-container".into(),
            status,
            health,
            up_for: Duration::ZERO,
            health_start: None,
            engine_restarts: true,
            network_of: None,
            network_gone: false,
            network_lost: false,
            start_error: None,
            is_self: false,
        }
    }

    /// Kind and words of the outcome, in one line.
    fn said(outcome: &Outcome) -> String {
        match outcome {
            Outcome::Pass => "pass".to_owned(),
            Outcome::Slow(why) => format!("slow: {why}"),
            Outcome::Fail(fault) => format!("{}: {fault}", fault.kind.label()),
            Outcome::Starting(why) => format!("starting: {why}"),
            Outcome::Unknown(why) => format!("unknown: {why}"),
        }
    }

    #[test]
    fn a_docker_check_says_what_the_container_does() {
        let exited = |code, oom| ContainerStatus::Exited { code, oom };
        let running = || ContainerStatus::Running;
        for (status, health, expected) in [
            (running(), None, "pass"),
            (running(), Some(Health::Healthy), "pass"),
            (
                running(),
                Some(Health::Starting),
                "starting: the HEALTHCHECK of container services-container is in its start period",
            ),
            (
                running(),
                Some(Health::Unhealthy("no agent\nmore".into())),
                "unhealthy: container services-container is unhealthy: no agent",
            ),
            (
                exited(137, false),
                Some(Health::Healthy),
                "container_stopped: container services-container exited with code 137",
            ),
            (
                exited(137, true),
                None,
                "container_stopped: container services-container exited with code 137, killed for memory",
            ),
            (
                ContainerStatus::Restarting,
                None,
                "container_stopped: container services-container is restarting",
            ),
            (ContainerStatus::Paused, None, "unknown: container services-container is paused"),
        ] {
            assert_eq!(said(&judge(&presence(status, health))), expected);
        }
    }

    #[test]
    fn only_the_expected_run_of_a_running_container_is_entered() {
        let running = ContainerView::Present(presence(ContainerStatus::Running, None));
        let other = Instance { id: "feed".into(), started_at: "later".into() };
        let enter = |view: &ContainerView, expected: Option<&Instance>| {
            enterable(view, "services", expected)
                .map_or_else(|outcome| said(&outcome), |_| "in".into())
        };
        assert_eq!(enter(&running, None), "in");
        assert_eq!(
            enter(&running, Some(&other)),
            "unknown: container services-container was restarted meanwhile"
        );
        assert_eq!(
            enter(&ContainerView::Missing, None),
            "container_missing: no container named services"
        );
        assert_eq!(
            enter(&ContainerView::Ambiguous(vec!["a".into(), "b".into()]), None),
            "unknown: `services` means more than one container: a, b"
        );
    }
}
