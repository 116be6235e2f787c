use super::check::{COMMON_FIELDS, Surroundings, check};
use super::fields::Fields;
use super::foreground::foreground;
use super::foreign::Elsewhere;
use super::http::{keep, names_a_secret};
use super::node::Node;
use super::reader::Problem;
use super::recovery::{RECOVERY_FIELDS, Wish, recovery};
use super::shell::{LeftOpen, left_open};
use super::supervised::supervised;
use jsonc_parser::ast::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use vai_core::model::{
    Check, CheckKind, ContainerKey, EvidenceDetail, Notify, Place, Secret, Service, ServiceKind,
    ServiceName, Severity,
};

/// Keys of a service, a job or a container that describe it to people.
pub(super) const DOCUMENTATION: [&str; 8] =
    ["description", "usage", "ports", "volumes", "config_file", "script_path", "purpose", "image"];

/// What somebody may write beside the fields of a service that belongs deeper.
const NOT_A_SERVICE: [Elsewhere; 2] = [
    Elsewhere { fields: &COMMON_FIELDS, home: Some("\"health_check\"") },
    Elsewhere { fields: &RECOVERY_FIELDS, home: Some("\"recovery\"") },
];

/// A service as far as it can be read without knowing the others.
pub(super) struct Draft<'a> {
    /// Its dependencies, ladder and channels are still to be resolved.
    pub(super) service: Service,
    /// The service's own node.
    pub(super) node: Node<'a>,
    /// What `recovery` asks for.
    pub(super) wish: Wish,
    /// The entries of `dependencies`.
    pub(super) dependencies: Vec<Node<'a>>,
    /// The entries of `notify_on_fail`.
    pub(super) channels: Vec<Node<'a>>,
}

impl Draft<'_> {
    /// Whether vai checks it.
    pub(super) fn is_watched(&self) -> bool {
        self.service.enabled && self.service.kind == ServiceKind::Watched
    }
}

/// Reads one entry of `services`.
pub(super) fn service<'a>(
    name: &str,
    node: &Node<'a>,
    defaults: Option<&Node<'a>>,
) -> Option<Draft<'a>> {
    let fields = node.fields()?;
    let enabled = fields.get("enabled").and_then(|node| node.bool()).unwrap_or(true);
    let (place, on_host) = place(&fields);
    let is_cron = service_type(&fields) == Some(true);
    let user = fields.text("user");
    let working_dir = fields.get("working_dir").and_then(|node| path(&node));
    let mut held = None;
    let environment = match fields.get("environment") {
        Some(node) => environment(&node, &mut held),
        None => Vec::new(),
    };
    let restart_cmd = fields.get("restart_cmd").and_then(|node| command(&node));
    let stop_cmd = fields.text("stop_cmd");
    let around = Surroundings {
        defaults,
        local: place == Place::Local,
        user: user.clone(),
        working_dir: working_dir.clone(),
        environment: environment.clone(),
    };
    let checks = checks(&fields, &around, &mut held);
    let (recovery, wish) = recovery(&fields, defaults, &place, restart_cmd.is_some());
    let (notify, channels) = notify(&fields);
    let dependencies = dependencies(&fields);
    let seconds = |key| fields.get(key).and_then(|node| node.seconds(0.0));
    let severity = fields.get("severity").and_then(|node| {
        node.choice(&[("critical", Severity::Critical), ("warning", Severity::Warning)])
    });
    let evidence = fields.get("evidence").and_then(|node| evidence(&node));
    let watched = !on_host && !is_cron && !checks.is_empty();
    let service = Service {
        name: ServiceName::from(name),
        enabled,
        kind: if watched { ServiceKind::Watched } else { ServiceKind::Documentation },
        place,
        checks,
        restart_cmd,
        stop_cmd,
        user,
        working_dir,
        environment,
        held,
        log_path: fields.get("log_path").and_then(|node| path(&node)),
        notify,
        severity: severity.unwrap_or(Severity::Critical),
        dependencies: Vec::new(),
        startup_delay: seconds("startup_delay_seconds").unwrap_or(Duration::from_secs(5)),
        start_timeout: seconds("start_timeout_seconds"),
        supervised: supervised(&fields),
        recovery,
        evidence: evidence.unwrap_or(EvidenceDetail::Full),
    };
    if watched && enabled {
        needs_shell(&fields, &service);
    }
    fields.close_beside("a service", &DOCUMENTATION, &NOT_A_SERVICE);
    Some(Draft { service, node: node.clone(), wish, dependencies, channels })
}

/// A path in the container. A relative one is taken, since it may have worked so
/// far.
pub(super) fn path(node: &Node<'_>) -> Option<String> {
    let path = node.text()?;
    if !path.starts_with('/') {
        node.report(
            Problem::warning("this path is relative")
                .expected("a path from /")
                .help("a relative one depends on the working folder of whoever looks for it"),
        );
    }
    Some(path.to_owned())
}

/// Where it runs, and whether that is the host, which vai leaves alone.
fn place(fields: &Fields<'_>) -> (Place, bool) {
    match fields.text("container").as_deref() {
        None | Some("vai" | "local") => (Place::Local, false),
        Some("host") => (Place::Local, true),
        Some(name) => (Place::Container(ContainerKey::from(name)), false),
    }
}

/// Whether the `type` is `cron`.
fn service_type(fields: &Fields<'_>) -> Option<bool> {
    let node = fields.get("type")?;
    node.choice(&[("daemon", false), ("system", false), ("cron", true)])
}

fn evidence(node: &Node<'_>) -> Option<EvidenceDetail> {
    node.choice(&[
        ("full", EvidenceDetail::Full),
        ("short", EvidenceDetail::Short),
        ("none", EvidenceDetail::None),
    ])
}

/// Reads a map of environment variables; the first unset `${NAME}` goes into
/// `held`.
pub(super) fn environment(node: &Node<'_>, held: &mut Option<String>) -> Vec<(String, Secret)> {
    let mut environment = Vec::new();
    for (name, value) in node.members().unwrap_or_default() {
        if name.is_empty() || name.contains(['=', '\0']) {
            value.report(
                Problem::error(format!("\"{name}\" cannot be the name of a variable"))
                    .at_key()
                    .expected("letters, digits and underscores"),
            );
        }
        let secret = match value.value {
            Value::NumberLit(number) => Secret::from(number.value),
            Value::BooleanLit(bool) => Secret::from(if bool.value { "true" } else { "false" }),
            _ => {
                let holds = "its commands are not run";
                let expanded = if names_a_secret(name) {
                    value.expand_secret(holds)
                } else {
                    value.expand(holds)
                };
                let Some(expanded) = expanded else { continue };
                keep(held, expanded.missing);
                expanded.secret
            }
        };
        environment.push((name.to_owned(), secret));
    }
    environment
}

/// The `restart_cmd` of a service. One that leaves its stream open is told, as is
/// one that waits for the service to end.
fn command(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    if let Some(open) = left_open(text) {
        let (what, how) = match open {
            LeftOpen::Both => ("its output", ">> /path/to.log 2>&1 &"),
            LeftOpen::Output => ("its standard output", ">> /path/to.log &"),
            LeftOpen::Errors => ("its standard error", "2>&1 &"),
        };
        node.report(
            Problem::warning(format!(
                "this goes to the background without redirecting {what}, \
                 so the container engine keeps waiting for it"
            ))
            .help(format!("end it with: {how}")),
        );
    }
    if let Some(daemon) = foreground(text) {
        let flag = daemon.flag.map(|flag| format!("write `{flag}`, or "));
        node.report(
            Problem::warning(format!(
                "{} stays in the foreground, so this command does not end while the service lives",
                daemon.name
            ))
            .expected("it is waited for at every restart, until its time is over")
            .help(format!("{}end it with: >> /path/to.log 2>&1 &", flag.unwrap_or_default())),
        );
    }
    Some(text.to_owned())
}

fn checks(
    fields: &Fields<'_>,
    around: &Surroundings<'_, '_>,
    held: &mut Option<String>,
) -> Vec<Check> {
    let (one, many) = (fields.get("health_check"), fields.get("health_checks"));
    if let (Some(_), Some(many)) = (&one, &many) {
        many.report(
            Problem::error("`health_check` and `health_checks` exclude each other")
                .at_key()
                .help("put all checks into the list `health_checks`"),
        );
    }
    let nodes = one.iter().chain(&many).flat_map(Node::one_or_many);
    let mut checks: Vec<Check> = Vec::new();
    let mut names = BTreeSet::new();
    for node in nodes {
        let Some(read) = check(&node, around) else {
            continue;
        };
        keep(held, read.missing);
        let Some(mut check) = read.check else {
            continue;
        };
        if !read.named {
            check.name = free_name(&check.name, &names);
        } else if names.contains(&check.name) {
            node.report(
                Problem::error(format!("two checks of this service are named \"{}\"", check.name))
                    .at_key()
                    .expected("give each check a `name` of its own"),
            );
        }
        names.insert(check.name.clone());
        checks.push(check);
    }
    checks
}

/// `http`, `http-2`, `http-3`, …
fn free_name(label: &str, taken: &BTreeSet<String>) -> String {
    let mut name = label.to_owned();
    let mut number = 1;
    while taken.contains(&name) {
        number += 1;
        name = format!("{label}-{number}");
    }
    name
}

/// Reads `notify_on_fail`; the names are resolved when all channels are known.
pub(super) fn notify<'a>(fields: &Fields<'a>) -> (Notify, Vec<Node<'a>>) {
    match fields.own_or_null("notify_on_fail") {
        None => (Notify::Default, Vec::new()),
        Some(node) if node.is_null() => (Notify::Nobody, Vec::new()),
        Some(node) => (Notify::Channels(Vec::new()), node.one_or_many()),
    }
}

fn dependencies<'a>(fields: &Fields<'a>) -> Vec<Node<'a>> {
    let list = fields.get("dependencies").and_then(|node| node.items());
    list.unwrap_or_default()
}

/// Commands of a local service need a shell beside vai.
fn needs_shell(fields: &Fields<'_>, service: &Service) {
    if service.place != Place::Local {
        return;
    }
    let is_custom = |check: &Check| matches!(check.kind, CheckKind::Custom(_));
    let runs = service.restart_cmd.is_some()
        || service.stop_cmd.is_some()
        || service.checks.iter().any(is_custom);
    if runs && !fields.reader().context.local_shell {
        fields.report(
            Problem::error(
                "this service has commands and no container, and there is no shell here",
            )
            .at_key()
            .expected("needs \"container\": the one that it runs in")
            .help("or run vai where there is a shell, such as in an ubuntu image"),
        );
    }
}
