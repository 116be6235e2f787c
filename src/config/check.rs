use super::endpoint::{METADATA, NO_METADATA};
use super::fields::Fields;
use super::foreign::Elsewhere;
use super::http::{NO_ACTS, http, keep};
use super::node::Node;
use super::reader::Problem;
use super::recovery::RECOVERY_FIELDS;
use super::sections::SERVICE_FIELDS;
use crate::address::is_link_local;
use std::net::IpAddr;
use std::time::Duration;
use vai_core::model::{
    Check, CheckKind, CustomCheck, DiskCheck, OnFail, ProcessCheck, ProcessPattern, Secret,
    TcpCheck,
};

/// What a check takes from the service around it.
pub(super) struct Surroundings<'s, 'a> {
    /// The registry's `defaults`.
    pub(super) defaults: Option<&'s Node<'a>>,
    /// The service has no container of its own.
    pub(super) local: bool,
    /// The service's `user`.
    pub(super) user: Option<String>,
    /// The service's `working_dir`.
    pub(super) working_dir: Option<String>,
    /// The service's `environment`.
    pub(super) environment: Vec<(String, Secret)>,
}

/// A check as it was read.
pub(super) struct ReadCheck {
    /// Absent where it cannot run: it has errors or its endpoint has an unset
    /// `${NAME}`.
    pub(super) check: Option<Check>,
    /// Whether its name was given rather than made from its type.
    pub(super) named: bool,
    /// `${NAME} is not set`, if a value is missing.
    pub(super) missing: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Http,
    Tcp,
    Process,
    Custom,
    Docker,
    Disk,
}

const TYPES: [(&str, Type); 7] = [
    ("http", Type::Http),
    ("tcp", Type::Tcp),
    ("process", Type::Process),
    ("custom", Type::Custom),
    ("command", Type::Custom),
    ("docker", Type::Docker),
    ("disk", Type::Disk),
];

/// The fields of single types; in a check of another type they mean nothing.
const TYPE_FIELDS: [&str; 23] = [
    "endpoint",
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
    "process_name",
    "process_exact",
    "min_count",
    "max_count",
    "command",
    "path",
    "min_free_percent",
];

/// The fields that checks of all types share, besides `type` and `name`.
pub(super) const COMMON_FIELDS: [&str; 7] = [
    "interval_seconds",
    "timeout_seconds",
    "failure_threshold",
    "success_threshold",
    "confirm_interval_seconds",
    "fail_for_seconds",
    "on_fail",
];

/// What somebody may write into a check that is of something else.
const NOT_A_CHECK: [Elsewhere; 3] = [
    Elsewhere { fields: &TYPE_FIELDS, home: None },
    Elsewhere { fields: &SERVICE_FIELDS, home: Some("the service") },
    Elsewhere { fields: &RECOVERY_FIELDS, home: Some("\"recovery\" of the service") },
];

/// Reads one health check.
pub(super) fn check(node: &Node<'_>, around: &Surroundings<'_, '_>) -> Option<ReadCheck> {
    let fields = node.fields()?.with_defaults(around.defaults);
    let name = fields.own("name").and_then(|name| name.text()).map(str::to_owned);
    let kind = fields.own("type");
    let kind = match kind {
        Some(kind) => kind.choice(&TYPES),
        None => missing_type(&fields),
    };
    let timing = timing(&fields);
    let Some(kind) = kind else {
        // Without a type nobody can tell which of its fields are misspelt.
        return None;
    };
    let mut missing = None;
    let body = match kind {
        Type::Http => http(&fields, timing.timeout, &mut missing).map(CheckKind::Http),
        Type::Tcp => tcp(&fields, &mut missing).map(CheckKind::Tcp),
        Type::Process => process(&fields).map(CheckKind::Process),
        Type::Custom => custom(&fields, around).map(CheckKind::Custom),
        Type::Docker => docker(&fields, around),
        Type::Disk => disk(&fields).map(CheckKind::Disk),
    };
    let label = TYPES.iter().find(|&&(_, known)| known == kind);
    let label = label.map_or("", |&(label, _)| label);
    fields.close_beside(&format!("a health check of type {label}"), &[], &NOT_A_CHECK);
    Some(ReadCheck {
        named: name.is_some(),
        missing,
        check: body.map(|kind| Check {
            name: name.unwrap_or_else(|| kind.label().to_owned()),
            kind,
            interval: timing.interval,
            timeout: timing.timeout,
            failure_threshold: timing.failure_threshold,
            success_threshold: timing.success_threshold,
            confirm_interval: timing.confirm_interval,
            fail_for: timing.fail_for,
            on_fail: timing.on_fail,
        }),
    })
}

fn missing_type(fields: &Fields<'_>) -> Option<Type> {
    let guess = [
        ("endpoint", "http"),
        ("port", "tcp"),
        ("process_name", "process"),
        ("process_exact", "process"),
        ("command", "custom"),
        ("path", "disk"),
    ];
    let guess = guess.iter().find(|(field, _)| fields.own(field).is_some());
    let expected = guess.map_or_else(
        || {
            "needs \"type\": \"http\", \"tcp\", \"process\", \"custom\", \"docker\" or \"disk\""
                .to_owned()
        },
        |(_, name)| format!("needs \"type\": \"{name}\""),
    );
    fields.report(Problem::error("this health check has no `type`").at_key().expected(expected));
    None
}

/// The fields that checks of all types share.
pub(super) struct Timing {
    interval: Duration,
    timeout: Duration,
    failure_threshold: u32,
    success_threshold: u32,
    confirm_interval: Duration,
    fail_for: Duration,
    on_fail: OnFail,
}

/// Reads the fields that checks of all types share (registry.md, "Health
/// checks").
pub(super) fn timing(fields: &Fields<'_>) -> Timing {
    /// Shorter ones would be a busy loop.
    const SHORTEST: f64 = 0.1;
    let seconds = |key, least| fields.get(key).and_then(|node| node.seconds(least));
    let count = |key| fields.get(key).and_then(|node| node.integer(1..=1000));
    let interval = seconds("interval_seconds", SHORTEST).unwrap_or(Duration::from_secs(60));
    let given = fields.get("timeout_seconds");
    let timeout = given
        .as_ref()
        .and_then(|node| node.seconds(0.001))
        .unwrap_or_else(|| Duration::from_secs(5).min(interval / 2));
    if let Some(node) = given.filter(|_| timeout >= interval) {
        node.report(
            Problem::error("a check has to end before the next one starts")
                .expected(format!("less than the interval of {} s", interval.as_secs_f64()))
                .help("lower `timeout_seconds` or raise `interval_seconds`"),
        );
    }
    let on_fail = fields
        .get("on_fail")
        .and_then(|node| node.choice(&[("restart", OnFail::Restart), ("alert", OnFail::Alert)]));
    Timing {
        interval,
        timeout,
        failure_threshold: count("failure_threshold").unwrap_or(3),
        success_threshold: count("success_threshold").unwrap_or(2),
        confirm_interval: seconds("confirm_interval_seconds", SHORTEST)
            .unwrap_or_else(|| Duration::from_secs(2).min(interval)),
        fail_for: seconds("fail_for_seconds", 0.0).unwrap_or_default(),
        on_fail: on_fail.unwrap_or(OnFail::Restart),
    }
}

fn tcp(fields: &Fields<'_>, missing: &mut Option<String>) -> Option<TcpCheck> {
    let port = fields.required("port", "a number from 1 to 65535");
    let host = match fields.get("host") {
        Some(node) => host(&node),
        None => Some("localhost".to_owned()),
    };
    let send = fields.get("send").and_then(|node| {
        let send = node.expand(NO_ACTS)?;
        keep(missing, send.missing);
        Some(send.secret)
    });
    let expect = fields.get("expect").and_then(|node| node.string().map(str::to_owned));
    Some(TcpCheck { host: host?, port: port?.integer(1..=u16::MAX)?, send, expect })
}

/// A host without scheme and port.
fn host(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>().ok();
    if address.is_some_and(is_link_local) {
        node.report(Problem::error(METADATA).expected(NO_METADATA));
        return None;
    }
    let is_name = !text.contains(['/', ':', ' ', '@']);
    if !is_name && address.is_none() {
        node.report(
            Problem::error("this is not a host name")
                .expected("a name or an address, without scheme and port")
                .help("the port goes into `port`"),
        );
        return None;
    }
    Some(text.to_owned())
}

fn process(fields: &Fields<'_>) -> Option<ProcessCheck> {
    let (name, exact) = (fields.get("process_name"), fields.get("process_exact"));
    let min_count = fields.get("min_count").and_then(|node| node.integer(0..=10_000));
    let max_count = fields.get("max_count");
    let min_count = min_count.unwrap_or(1);
    let max = max_count.as_ref().and_then(|node| node.integer(0..=10_000));
    if let (Some(node), Some(max)) = (&max_count, max)
        && max < min_count
    {
        node.report(
            Problem::error("`max_count` is less than `min_count`")
                .expected(format!("at least {min_count}")),
        );
    }
    let pattern = match (name, exact) {
        (Some(_), Some(exact)) => {
            exact.report(
                Problem::error("`process_name` and `process_exact` exclude each other")
                    .at_key()
                    .help("keep one of the two"),
            );
            None
        }
        (Some(name), None) => regular_expression(&name).map(ProcessPattern::CommandLine),
        (None, Some(exact)) => exact.text().map(|text| ProcessPattern::Executable(text.to_owned())),
        (None, None) => {
            fields.required("process_name", "a regular expression over the command line");
            None
        }
    };
    Some(ProcessCheck { pattern: pattern?, min_count, max_count: max })
}

fn regular_expression(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    if let Err(error) = regex::Regex::new(text) {
        let words = error.to_string();
        let reason = words.lines().last().unwrap_or(&words);
        let reason = reason.trim_start_matches("error: ");
        node.report(
            Problem::error(format!("not a regular expression: {reason}"))
                .expected("a regular expression, as for pgrep -f")
                .help("a backslash before a special character makes it an ordinary one; in JSON it is written \\\\"),
        );
        return None;
    }
    Some(text.to_owned())
}

fn custom(fields: &Fields<'_>, around: &Surroundings<'_, '_>) -> Option<CustomCheck> {
    let command = fields.required("command", "a shell command that exits 0 when all is well")?;
    Some(CustomCheck {
        command: command.text()?.to_owned(),
        user: around.user.clone(),
        working_dir: around.working_dir.clone(),
        environment: around.environment.clone(),
    })
}

fn docker(fields: &Fields<'_>, around: &Surroundings<'_, '_>) -> Option<CheckKind> {
    if around.local {
        fields.report(
            Problem::error("a docker check looks at a container, and this service names none")
                .at_key()
                .help("give the service a \"container\""),
        );
        return None;
    }
    Some(CheckKind::Docker)
}

fn disk(fields: &Fields<'_>) -> Option<DiskCheck> {
    let path = fields.required("path", "a path on the file system to measure");
    let percent = fields.get("min_free_percent");
    let min_free_percent = percent.and_then(|node| node.integer(0..=100)).unwrap_or(10);
    Some(DiskCheck { path: path?.absolute_path()?.to_owned(), min_free_percent })
}
