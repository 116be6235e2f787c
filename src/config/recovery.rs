use super::check::COMMON_FIELDS;
use super::fields::Fields;
use super::foreign::Elsewhere;
use super::node::Node;
use super::positions::child;
use super::reader::Problem;
use super::sections::SERVICE_FIELDS;
use super::service::Draft;
use super::supervised::without_signals;
use super::{Config, ContainerEntry};
use jsonc_parser::ast::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use vai_core::model::{ContainerKey, OnFail, Place, Recovery, Rung, Service};

/// The fields of `recovery`.
pub(super) const RECOVERY_FIELDS: [&str; 10] = [
    "ladder",
    "max_attempts",
    "max_restarts",
    "window_seconds",
    "backoff_initial_seconds",
    "backoff_max_seconds",
    "retry_after_give_up_seconds",
    "command_timeout_seconds",
    "stop_timeout_seconds",
    "action",
];

const NOT_RECOVERY: [Elsewhere; 2] = [
    Elsewhere { fields: &SERVICE_FIELDS, home: Some("the service") },
    Elsewhere { fields: &COMMON_FIELDS, home: Some("\"health_check\"") },
];

/// What a service's `recovery` asks for.
pub(super) enum Wish {
    /// `"action": "alert"`.
    Alert,
    /// These rungs.
    Ladder(Vec<Rung>),
    /// Nothing: whatever fits.
    Silent,
    /// Nothing, but this key may have been meant for `restart_cmd`.
    Doubtful(String),
}

/// Reads `recovery` of the service in `service`; its ladder is resolved when
/// all services are known.
pub(super) fn recovery(
    service: &Fields<'_>,
    defaults: Option<&Node<'_>>,
    place: &Place,
    has_command: bool,
) -> (Recovery, Wish) {
    let own = service.get("recovery");
    let object = match own.as_ref().map(|node| (node, node.value)) {
        Some((_, Value::Object(object))) => Some(object),
        Some((node, _)) => {
            // Reports that this is no object.
            node.fields();
            None
        }
        None => None,
    };
    let meant = service.alike("restart_cmd").filter(|_| !has_command);
    let pointer = child(service.pointer(), "recovery");
    let fields = service.nested(object, pointer).with_defaults(defaults);
    let recovery = limits(&fields);
    let wish = match (wish(&fields, place, has_command), meant) {
        (Wish::Silent, Some(key)) => Wish::Doubtful(key.to_owned()),
        (wish, _) => wish,
    };
    fields.close_beside("`recovery`", &[], &NOT_RECOVERY);
    (recovery, wish)
}

/// Reads the numbers of a `recovery` (registry.md, "A service").
pub(super) fn limits(fields: &Fields<'_>) -> Recovery {
    let count = |key| fields.get(key).and_then(|node| node.integer(1..=1000));
    let seconds = |key, least| fields.get(key).and_then(|node| node.seconds(least));
    let initial = seconds("backoff_initial_seconds", 0.0).unwrap_or(Duration::from_secs(10));
    let max_node = fields.get("backoff_max_seconds");
    let max = max_node.as_ref().and_then(|node| node.seconds(0.0));
    if let (Some(node), Some(max)) = (&max_node, max)
        && max < initial
    {
        node.report(
            Problem::error("the largest delay is less than the first one").expected(format!(
                "at least `backoff_initial_seconds`, {} s",
                initial.as_secs_f64()
            )),
        );
    }
    Recovery {
        ladder: Vec::new(),
        alert_only: None,
        start_container: false,
        max_attempts: count("max_attempts").unwrap_or(3),
        max_restarts: count("max_restarts").unwrap_or(5),
        window: seconds("window_seconds", 1.0).unwrap_or(Duration::from_secs(600)),
        backoff_initial: initial,
        backoff_max: max.unwrap_or_else(|| Duration::from_secs(300).max(initial)),
        retry_after_give_up: seconds("retry_after_give_up_seconds", 1.0)
            .unwrap_or(Duration::from_secs(300)),
        command_timeout: seconds("command_timeout_seconds", 0.1).unwrap_or(Duration::from_secs(30)),
        stop_timeout: seconds("stop_timeout_seconds", 0.0),
    }
}

/// Reads `action` and `ladder`.
pub(super) fn wish(fields: &Fields<'_>, place: &Place, has_command: bool) -> Wish {
    let action = fields.get("action");
    let alert = action.and_then(|node| node.choice(&[("restart", false), ("alert", true)]));
    let ladder = fields.get("ladder").map(|node| {
        let rungs = node.one_or_many();
        if rungs.is_empty() {
            node.report(
                Problem::error("this ladder has no rung")
                    .expected("at least one of \"command\", \"kill_and_command\", \"container\"")
                    .help("to be alerted only, write \"action\": \"alert\""),
            );
        }
        let rungs = rungs.iter().filter_map(|rung| rung_of(rung, place, has_command));
        rungs.collect::<Vec<_>>()
    });
    match (alert, ladder) {
        (Some(true), _) => Wish::Alert,
        (_, Some(ladder)) => Wish::Ladder(ladder),
        (_, None) => Wish::Silent,
    }
}

fn rung_of(node: &Node<'_>, place: &Place, has_command: bool) -> Option<Rung> {
    let rung = node.choice(&[
        ("command", Rung::Command),
        ("kill_and_command", Rung::KillAndCommand),
        ("container", Rung::Container),
    ])?;
    match rung {
        Rung::Command | Rung::KillAndCommand if !has_command => {
            node.report(
                Problem::error("this rung runs `restart_cmd`, and the service has none")
                    .help("give the service a \"restart_cmd\", or leave this rung out"),
            );
            None
        }
        Rung::Container if *place == Place::Local => {
            node.report(
                Problem::error("vai never restarts its own container")
                    .help("give the service a \"container\", or leave this rung out"),
            );
            None
        }
        rung => Some(rung),
    }
}

/// Decides how each service is healed, now that it is known which ones share a
/// container: without a `restart_cmd` the container is restarted, but never one
/// that others live in.
pub(super) fn resolve_ladders(
    drafts: &mut [Draft<'_>],
    containers: &BTreeMap<ContainerKey, ContainerEntry>,
) {
    let watched: Vec<(String, String)> = drafts
        .iter()
        .filter(|draft| draft.is_watched())
        .filter_map(|draft| match &draft.service.place {
            Place::Container(key) => {
                Some((draft.service.name.to_string(), engine_name(key, containers)))
            }
            Place::Local => None,
        })
        .collect();
    for draft in drafts {
        draft.service.recovery.start_container = !matches!(draft.wish, Wish::Alert);
        let ladder = match &draft.wish {
            Wish::Alert => Err("`recovery.action` is \"alert\"".to_owned()),
            Wish::Ladder(rungs) => Ok(without_signals(draft, rungs.clone())),
            Wish::Silent if draft.service.restart_cmd.is_some() => {
                Ok(match draft.service.supervised {
                    Some(_) => vec![Rung::Command],
                    None => vec![Rung::Command, Rung::KillAndCommand],
                })
            }
            // A misspelt `restart_cmd` must not restart a whole container.
            Wish::Doubtful(key) => Err(format!("`{key}` is no field, `restart_cmd` may be meant")),
            Wish::Silent => alone(draft, &watched, containers).inspect_err(|why| {
                if draft.is_watched() && restarts(draft) {
                    draft.node.report(
                        Problem::warning(format!("{why}: this service is alerted only"))
                            .at_key()
                            .help(
                                "give it a \"restart_cmd\", or write \
                                 \"recovery\": { \"action\": \"alert\" } if this is meant",
                            ),
                    );
                }
            }),
        };
        match ladder {
            Ok(ladder) => draft.service.recovery.ladder = ladder,
            Err(why) => draft.service.recovery.alert_only = Some(why),
        }
    }
}

/// The rung of a service without `restart_cmd`, or why it has none.
fn alone(
    draft: &Draft<'_>,
    watched: &[(String, String)],
    containers: &BTreeMap<ContainerKey, ContainerEntry>,
) -> Result<Vec<Rung>, String> {
    let Place::Container(key) = &draft.service.place else {
        return Err("a local service without `restart_cmd` cannot be restarted".to_owned());
    };
    let container = engine_name(key, containers);
    let others: Vec<&str> = watched
        .iter()
        .filter(|(name, other)| {
            name != draft.service.name.as_str() && same_container(other, &container)
        })
        .map(|(name, _)| name.as_str())
        .collect();
    if others.is_empty() {
        return Ok(vec![Rung::Container]);
    }
    let others = others.join(", ");
    Err(format!("a service without `restart_cmd` shares its container with {others}"))
}

fn restarts(draft: &Draft<'_>) -> bool {
    let mut checks = draft.service.checks.iter();
    checks.any(|check| check.on_fail == OnFail::Restart)
}

fn engine_name(key: &ContainerKey, containers: &BTreeMap<ContainerKey, ContainerEntry>) -> String {
    let entry = containers.get(key).and_then(|entry| entry.name.clone());
    entry.unwrap_or_else(|| key.to_string())
}

impl Config {
    /// Whether another enabled service may live in the container of `service`;
    /// a local one shares its place with `vai` itself.
    #[must_use]
    pub fn shares_container(&self, service: &Service) -> bool {
        let Place::Container(key) = &service.place else { return true };
        let own = engine_name(key, &self.containers);
        self.services.values().filter(|other| other.enabled && other.name != service.name).any(
            |other| match &other.place {
                Place::Local => false,
                Place::Container(key) => same_container(&engine_name(key, &self.containers), &own),
            },
        )
    }
}

/// Whether two names may mean one container. In doubt they do: the price of a
/// wrong yes is a message, that of a wrong no is somebody else's restart.
fn same_container(a: &str, b: &str) -> bool {
    let is_short_for = |short: &str, long: &str| long.strip_suffix("-container") == Some(short);
    a == b || is_short_for(a, b) || is_short_for(b, a)
}
