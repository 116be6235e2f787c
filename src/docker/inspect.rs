//! The engine's answer about one container, reduced to what `vai` uses. The
//! environment and everything else in it ends here.

use super::tail::Tail;
use super::{Details, Own};
use crate::when;
use bollard::models::{
    ContainerConfig, ContainerInspectResponse, ContainerState, ContainerStateStatusEnum,
    HealthConfig, HealthStatusEnum, HostConfig, NetworkSettings, RestartPolicyNameEnum,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::time::Duration;
use vai_core::model::{ContainerStatus, Health, Instance, Presence, Wall};

/// What the engine uses where a HEALTHCHECK or a container is silent.
const HEALTH_INTERVAL: Duration = Duration::from_secs(30);
const HEALTH_RETRIES: u32 = 3;
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// How many of the last results of a HEALTHCHECK are kept as facts.
const HEALTH_RESULTS: usize = 3;

const COMPOSE_PROJECT: &str = "com.docker.compose.project";
const COMPOSE_SERVICE: &str = "com.docker.compose.service";
const COMPOSE_ONE_OFF: &str = "com.docker.compose.oneoff";

/// The compose project and service in a container's labels. What `compose run`
/// made is not the service.
pub(super) fn compose_of(labels: &HashMap<String, String>) -> Option<(String, String)> {
    let one_off =
        labels.get(COMPOSE_ONE_OFF).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    match (labels.get(COMPOSE_PROJECT), labels.get(COMPOSE_SERVICE)) {
        (Some(project), Some(service)) if !one_off => Some((project.clone(), service.clone())),
        _ => None,
    }
}

/// Reduces `answer`, as it was at `now`.
pub(super) fn details(answer: ContainerInspectResponse, own: &Own, now: Wall) -> Details {
    let ContainerInspectResponse {
        id,
        name,
        state,
        restart_count,
        host_config,
        config,
        network_settings,
        ..
    } = answer;
    let id = id.unwrap_or_default();
    let name = name.unwrap_or_default().trim_start_matches('/').to_owned();
    let state = state.unwrap_or_default();
    let host = host_config.unwrap_or_default();
    let ContainerConfig { user, healthcheck, stop_timeout, labels, .. } =
        config.unwrap_or_default();
    let compose = compose_of(&labels.unwrap_or_default());
    let restarts = restart_count.unwrap_or(0);
    let status = status(&state);
    let is_proxy = own.proxy.as_deref().is_some_and(|proxy| {
        name == proxy || compose.as_ref().is_some_and(|(_, service)| service == proxy)
    });
    let started_at = state.started_at.clone().unwrap_or_default();
    let health = health(&state);
    Details {
        facts: facts(&state, restarts, &when::zone()),
        presence: Presence {
            up_for: up_for(&status, &started_at, now),
            engine_restarts: engine_restarts(&host, &status, restarts),
            network_of: host
                .network_mode
                .as_deref()
                .and_then(|mode| mode.strip_prefix("container:"))
                .map(ToOwned::to_owned),
            network_gone: false,
            network_lost: false,
            start_error: start_error(&state, &status),
            health_start: health.as_ref().map(|_| health_start(&healthcheck.unwrap_or_default())),
            is_self: is_proxy || own.is(&id),
            instance: Instance { id, started_at },
            name,
            status,
            health,
        },
        ended_for: ended_for(&state, now),
        user: user.unwrap_or_default(),
        addresses: addresses(network_settings),
        stop_timeout: stop_timeout
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(STOP_TIMEOUT, Duration::from_secs),
        compose_project: compose.map(|(project, _)| project),
    }
}

fn status(state: &ContainerState) -> ContainerStatus {
    use ContainerStateStatusEnum as Said;
    match state.status.unwrap_or(Said::EMPTY) {
        Said::RUNNING | Said::STOPPING => ContainerStatus::Running,
        Said::PAUSED => ContainerStatus::Paused,
        Said::RESTARTING => ContainerStatus::Restarting,
        Said::CREATED => ContainerStatus::Created,
        Said::REMOVING | Said::DEAD => ContainerStatus::Removing,
        Said::EXITED | Said::EMPTY => ContainerStatus::Exited {
            code: state.exit_code.unwrap_or(0),
            oom: state.oom_killed.unwrap_or(false),
        },
    }
}

/// None where the engine's clock is ahead of ours: then it cannot be told.
fn ended_for(state: &ContainerState, now: Wall) -> Option<Duration> {
    if !matches!(status(state), ContainerStatus::Exited { .. }) {
        return None;
    }
    let ended = state.finished_at.as_deref()?.parse::<Timestamp>().ok()?;
    let millis = now.as_millis().checked_sub(ended.as_millisecond())?;
    u64::try_from(millis).ok().map(Duration::from_millis)
}

/// The engine keeps the words of a start that came to nothing until the next
/// one.
fn start_error(state: &ContainerState, status: &ContainerStatus) -> Option<String> {
    let is_down = matches!(status, ContainerStatus::Created | ContainerStatus::Exited { .. });
    let words = state.error.as_deref().map(str::trim).filter(|words| !words.is_empty());
    words.filter(|_| is_down).map(ToOwned::to_owned)
}

fn health(state: &ContainerState) -> Option<Health> {
    let health = state.health.as_ref()?;
    match health.status? {
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
        HealthStatusEnum::STARTING => Some(Health::Starting),
        HealthStatusEnum::HEALTHY => Some(Health::Healthy),
        HealthStatusEnum::UNHEALTHY => {
            let output = health
                .log
                .as_deref()
                .and_then(<[_]>::last)
                .and_then(|result| result.output.as_deref());
            Some(Health::Unhealthy(kept(output.unwrap_or_default())))
        }
    }
}

fn kept(output: &str) -> String {
    let mut tail = Tail::default();
    tail.push(output.as_bytes());
    tail.into_text().trim().to_owned()
}

fn health_start(check: &HealthConfig) -> Duration {
    let nanos = |value: Option<i64>| {
        value
            .and_then(|nanos| u64::try_from(nanos).ok())
            .filter(|&nanos| nanos > 0)
            .map(Duration::from_nanos)
    };
    let retries = check
        .retries
        .and_then(|retries| u32::try_from(retries).ok())
        .filter(|&retries| retries > 0)
        .unwrap_or(HEALTH_RETRIES);
    nanos(check.start_period).unwrap_or_default()
        + nanos(check.interval).unwrap_or(HEALTH_INTERVAL) * retries
}

fn up_for(status: &ContainerStatus, started_at: &str, now: Wall) -> Duration {
    match (status, started_at.parse::<Timestamp>()) {
        (ContainerStatus::Running | ContainerStatus::Paused, Ok(started)) => {
            let millis = now.as_millis().saturating_sub(started.as_millisecond());
            Duration::from_millis(u64::try_from(millis).unwrap_or(0))
        }
        _ => Duration::ZERO,
    }
}

/// Whether the policy brings the container back: for one that has exited, from
/// that exit; otherwise, from a failure to come.
fn engine_restarts(host: &HostConfig, status: &ContainerStatus, restarts: i64) -> bool {
    let Some(policy) = &host.restart_policy else {
        return false;
    };
    match policy.name.unwrap_or(RestartPolicyNameEnum::NO) {
        RestartPolicyNameEnum::EMPTY | RestartPolicyNameEnum::NO => false,
        RestartPolicyNameEnum::ALWAYS | RestartPolicyNameEnum::UNLESS_STOPPED => true,
        RestartPolicyNameEnum::ON_FAILURE => {
            let most = policy.maximum_retry_count.unwrap_or(0);
            let failed = !matches!(status, ContainerStatus::Exited { code: 0, .. });
            failed && (most == 0 || restarts < most)
        }
    }
}

fn addresses(settings: Option<NetworkSettings>) -> Vec<(String, String)> {
    let mut addresses: Vec<_> = settings
        .and_then(|settings| settings.networks)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(network, endpoint)| {
            let address = endpoint.ip_address.filter(|address| !address.is_empty())?;
            Some((network, address))
        })
        .collect();
    addresses.sort();
    addresses
}

fn facts(state: &ContainerState, restarts: i64, zone: &TimeZone) -> Vec<String> {
    let mut facts = vec![match status(state) {
        ContainerStatus::Running => {
            format!("container running since {}", moment(state.started_at.as_deref(), zone))
        }
        ContainerStatus::Paused => "container paused".to_owned(),
        ContainerStatus::Restarting => format!(
            "container being restarted by the engine, last exit code {}",
            state.exit_code.unwrap_or(0)
        ),
        ContainerStatus::Created => "container created, never started".to_owned(),
        ContainerStatus::Exited { code, .. } => {
            let at = moment(state.finished_at.as_deref(), zone);
            format!("container exited with code {code} at {at}")
        }
        ContainerStatus::Removing => "container being removed".to_owned(),
    }];
    if state.oom_killed == Some(true) {
        facts.push("killed by the kernel for memory (OOM)".to_owned());
    }
    if let Some(error) = state.error.as_deref().filter(|error| !error.is_empty()) {
        facts.push(format!("engine: {error}"));
    }
    if restarts > 0 {
        facts.push(format!("restarted {restarts} times by the engine's policy"));
    }
    let results =
        state.health.as_ref().and_then(|health| health.log.as_deref()).unwrap_or_default();
    for result in &results[results.len().saturating_sub(HEALTH_RESULTS)..] {
        let output = kept(result.output.as_deref().unwrap_or_default());
        facts.push(format!(
            "HEALTHCHECK exited {}: {}",
            result.exit_code.unwrap_or(-1),
            output.lines().next().unwrap_or("no output")
        ));
    }
    facts
}

/// As messages tell it.
fn moment(said: Option<&str>, zone: &TimeZone) -> String {
    let at = said.and_then(|said| said.parse::<Timestamp>().ok());
    let at = at.map(|at| Wall::from_millis(at.as_millisecond()));
    at.map_or_else(|| "an unknown time".to_owned(), |at| when::time_and_day(at, zone))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: Wall = Wall::from_millis(1_760_000_010_000);

    fn read(answer: Value) -> Details {
        let own = Own { id: Some("0123456789ab".into()), proxy: Some("socket-proxy".into()) };
        details(serde_json::from_value(answer).unwrap(), &own, NOW)
    }

    fn exited(policy: Value, code: i64, restarts: i64) -> bool {
        let details = read(json!({
            "RestartCount": restarts,
            "State": { "Status": "exited", "ExitCode": code },
            "HostConfig": { "RestartPolicy": policy },
        }));
        details.presence.engine_restarts
    }

    #[test]
    fn times_are_told_as_in_messages() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let at = moment(Some("2026-11-21T08:14:02.5Z"), &berlin);
        assert_eq!(at, "09:14:02 on 2026-11-21 (Europe/Berlin)");
        assert_eq!(moment(None, &berlin), "an unknown time");
    }

    #[test]
    fn a_running_container_is_read_without_its_environment() {
        let details = read(json!({
            "Id": "feed", "Name": "/services-container",
            "State": { "Status": "running", "StartedAt": "2025-10-09T08:53:20.5Z" },
            "Config": {
                "User": "app", "Env": ["TOKEN=hunter2"],
                "Labels": { COMPOSE_PROJECT: "stack", COMPOSE_SERVICE: "services" },
            },
            "HostConfig": { "NetworkMode": "container:beef" },
            "NetworkSettings": { "Networks": {
                "vai-network": { "IPAddress": "172.30.0.2" }, "none": { "IPAddress": "" },
            } },
        }));
        assert!(!format!("{details:?}").contains("hunter2"));
        let since = moment(Some("2025-10-09T08:53:20.5Z"), &when::zone());
        assert_eq!(details.facts, [format!("container running since {since}")]);
        assert_eq!(details.presence.name, "services-container");
        assert_eq!(details.presence.up_for, Duration::from_millis(9500));
        assert_eq!(details.presence.status, ContainerStatus::Running);
        assert_eq!(details.user, "app");
        assert_eq!(details.presence.network_of.as_deref(), Some("beef"));
        assert_eq!(details.addresses, [("vai-network".into(), "172.30.0.2".into())]);
        assert_eq!(details.compose_project.as_deref(), Some("stack"));
        assert_eq!(details.stop_timeout, Duration::from_secs(10));
        assert!(!details.presence.is_self);
    }

    #[test]
    fn the_health_check_gives_its_last_words_and_its_start_time() {
        let details = read(json!({
            "State": { "Status": "running", "Health": {
                "Status": "unhealthy",
                "Log": [{ "ExitCode": 0, "Output": "fine" }, { "ExitCode": 1, "Output": "agent gone\n" }],
            } },
            "Config": { "Healthcheck": {
                "Interval": 5_000_000_000_i64, "Retries": 2, "StartPeriod": 7_000_000_000_i64,
            } },
        }));
        assert_eq!(details.presence.health, Some(Health::Unhealthy("agent gone".into())));
        assert_eq!(details.presence.health_start, Some(Duration::from_secs(17)));
        assert!(details.facts.contains(&"HEALTHCHECK exited 1: agent gone".to_owned()));
    }

    #[test]
    fn without_figures_a_health_check_has_the_engines_own() {
        let details = read(json!({
            "State": { "Status": "running", "Health": { "Status": "starting" } },
        }));
        assert_eq!(details.presence.health, Some(Health::Starting));
        assert_eq!(details.presence.health_start, Some(Duration::from_secs(90)));
    }

    #[test]
    fn a_start_that_came_to_nothing_keeps_the_engines_words() {
        let state = |status: &str| {
            read(json!({ "State": {
                "Status": status, "ExitCode": 128, "Error": "port is already allocated\n",
            } }))
        };
        let words = |status| state(status).presence.start_error;
        assert_eq!(words("exited").as_deref(), Some("port is already allocated"));
        assert_eq!(words("created").as_deref(), Some("port is already allocated"));
        assert_eq!(words("running"), None);
    }

    #[test]
    fn how_long_ago_it_ended_is_known_unless_the_engines_clock_is_ahead() {
        let ended = |status: &str, at: &str| {
            read(json!({ "State": { "Status": status, "FinishedAt": at } })).ended_for
        };
        let before = "2025-10-09T08:53:29.750Z";
        assert_eq!(ended("exited", before), Some(Duration::from_millis(250)));
        assert_eq!(ended("exited", "2025-10-09T08:53:31Z"), None);
        assert_eq!(ended("running", before), None);
    }

    #[test]
    fn the_restart_policy_decides_by_the_exit() {
        assert!(exited(json!({ "Name": "always" }), 0, 0));
        assert!(exited(json!({ "Name": "unless-stopped" }), 137, 0));
        assert!(!exited(json!({ "Name": "no" }), 1, 0));
        assert!(!exited(json!({ "Name": "on-failure" }), 0, 0));
        assert!(exited(json!({ "Name": "on-failure" }), 1, 9));
        let three = || json!({ "Name": "on-failure", "MaximumRetryCount": 3 });
        assert!(exited(three(), 1, 2));
        assert!(!exited(three(), 1, 3));
    }

    #[test]
    fn our_own_container_and_our_socket_proxy_are_self() {
        let own = json!({ "Id": "0123456789abcdef" });
        let proxy = json!({ "Id": "feed", "Name": "/stack_socket-proxy_1", "Config": {
            "Labels": { COMPOSE_PROJECT: "stack", COMPOSE_SERVICE: "socket-proxy" },
        } });
        assert!(read(own).presence.is_self);
        assert!(read(proxy).presence.is_self);
    }

    #[test]
    fn a_one_off_container_is_not_its_service() {
        let mut labels = HashMap::from([
            (COMPOSE_PROJECT.to_owned(), "stack".to_owned()),
            (COMPOSE_SERVICE.to_owned(), "db".to_owned()),
        ]);
        assert_eq!(compose_of(&labels), Some(("stack".into(), "db".into())));
        labels.insert(COMPOSE_ONE_OFF.to_owned(), "True".to_owned());
        assert_eq!(compose_of(&labels), None);
    }
}
