use super::check::timing;
use super::environment::FileProblem;
use super::fields::Fields;
use super::foreign::Elsewhere;
use super::node::Node;
use super::reader::{Problem, Reader};
use super::recovery::{limits as recovery_limits, wish};
use super::{Limits, ProbeMode};
use std::time::Duration;
use vai_core::model::{ContainerKey, Place};

/// The fields of checks that `defaults` may hold besides the common ones.
const CHECK_DEFAULTS: [&str; 18] = [
    "method",
    "headers",
    "body",
    "expected_status",
    "expected_body",
    "expected_json",
    "max_body_bytes",
    "max_response_ms",
    "follow_redirects",
    "tls_verify",
    "ca_file",
    "host",
    "port",
    "send",
    "expect",
    "min_count",
    "max_count",
    "min_free_percent",
];

/// Fields of a service that look as if they could have a default or stand in a
/// part of it, and cannot.
pub(super) const SERVICE_FIELDS: [&str; 16] = [
    "container",
    "health_check",
    "health_checks",
    "recovery",
    "restart_cmd",
    "stop_cmd",
    "user",
    "working_dir",
    "environment",
    "log_path",
    "dependencies",
    "notify_on_fail",
    "severity",
    "startup_delay_seconds",
    "start_timeout_seconds",
    "evidence",
];

/// Reads a `probe`.
pub(super) fn probe_mode(node: &Node<'_>) -> Option<ProbeMode> {
    node.choice(&[("auto", ProbeMode::Auto), ("none", ProbeMode::None)])
}

/// Reads `limits` of `file`, a registry of `services` services.
pub(super) fn limits(file: &Fields<'_>, services: usize) -> Limits {
    let fields = file.get("limits").and_then(|node| node.fields());
    let get = |key| fields.as_ref().and_then(|fields| fields.get(key));
    let host_max_restarts = get("host_max_restarts").and_then(|node| node.integer(1..=100_000));
    let window = get("window_seconds").and_then(|node| node.seconds(1.0));
    let parallel = get("parallel_actions").and_then(|node| node.integer(1u16..=1000));
    if let Some(fields) = fields {
        fields.close("`limits`", &["description"]);
    }
    let tenth = u32::try_from(services / 10).unwrap_or(u32::MAX);
    Limits {
        host_max_restarts: host_max_restarts.unwrap_or(tenth.max(5)),
        window: window.unwrap_or(Duration::from_secs(600)),
        parallel_actions: usize::from(parallel.unwrap_or(4)),
    }
}

/// Validates `defaults`; what it says is read wherever a service is silent.
pub(super) fn defaults<'a>(file: &Fields<'a>) -> Option<Node<'a>> {
    let node = file.get("defaults")?;
    let fields = node.fields()?;
    timing(&fields);
    recovery_limits(&fields);
    // Which rungs fit depends on the service.
    let anywhere = Place::Container(ContainerKey::from(""));
    wish(&fields, &anywhere, true);
    for key in CHECK_DEFAULTS {
        fields.own(key);
    }
    let services = Elsewhere { fields: &SERVICE_FIELDS, home: None };
    fields.close_beside("`defaults`", &["description"], &[services]);
    Some(node)
}

/// Tells what is wrong with the env file.
pub(super) fn env_file(reader: &Reader<'_>, file: &Fields<'_>) {
    file.text("env_file");
    let path = reader.environment.path().display();
    for problem in reader.environment.problems() {
        let problem = match problem {
            FileProblem::Unreadable(why) => {
                Problem::error(format!("the env file {path} cannot be read: {why}"))
                    .help("let vai read it, or name another file in `env_file`")
            }
            FileProblem::WorldReadable => Problem::warning(format!(
                "everybody on this machine can read the secrets in {path}"
            ))
            .help(format!("chmod o-rwx {path}")),
            FileProblem::NotAnAssignment(line) => {
                Problem::warning(format!("line {line} of {path} is not NAME=value"))
                    .expected("that line is ignored")
            }
        };
        reader.report("/env_file", problem);
    }
}
