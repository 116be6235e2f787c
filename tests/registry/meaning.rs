//! What a good registry means: defaults, resolved names, ladders and secrets.

use crate::{read, read_with};
use std::sync::Arc;
use std::time::Duration;
use vai::config::{
    At, Config, Content, Context, Level, Notifications, ProbeMode, SinkKind, SmtpTls, Snapshot,
    env_path, load_snapshot,
};
use vai_core::model::{
    CheckKind, EvidenceDetail, Notify, OnFail, Place, ProcessPattern, Rung, Service, ServiceKind,
    ServiceName, Severity, StatusSet, Supervised,
};

fn config(source: &str) -> Config {
    let loaded = read(source);
    let said = loaded.render("registry", false);
    loaded.config.unwrap_or_else(|| panic!("{said}"))
}

fn services(body: &str) -> Config {
    config(&format!("{{ \"services\": {{ {body} }} }}"))
}

fn service(config: &Config, name: &str) -> Arc<Service> {
    Arc::clone(&config.services[&ServiceName::from(name)])
}

fn example(name: &str) -> Config {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    config(&std::fs::read_to_string(folder.join(name)).unwrap())
}

const TCP: &str = r#""health_check": { "type": "tcp", "port": 80 }"#;

#[test]
fn what_something_else_restarts_is_left_to_it_and_its_processes_are_never_ended() {
    let supervised = r#""supervised": { "by": "supervisord", "seconds": 20 }"#;
    let base = format!(r#""container": "c", "restart_cmd": "x", {TCP}, {supervised}"#);
    let ladder = r#""recovery": { "ladder": ["kill_and_command", "container"] }"#;
    let config = services(&format!(r#""a": {{ {base} }}, "b": {{ {base}, {ladder} }}"#));
    let a = service(&config, "a");
    let patience = Duration::from_secs(20);
    assert_eq!(a.supervised, Some(Supervised { by: "supervisord".into(), patience }));
    assert_eq!(a.recovery.ladder, [Rung::Command]);
    assert_eq!(service(&config, "b").recovery.ladder, [Rung::Container]);
}

#[test]
fn a_silent_service_has_the_documented_defaults() {
    let config = services(&format!(r#""a": {{ "container": "c", "restart_cmd": "x", {TCP} }}"#));
    let a = service(&config, "a");
    assert!(a.enabled);
    assert_eq!(a.kind, ServiceKind::Watched);
    assert_eq!(a.notify, Notify::Default);
    assert_eq!(a.severity, Severity::Critical);
    assert_eq!(a.evidence, EvidenceDetail::Full);
    assert_eq!(a.startup_delay, Duration::from_secs(5));
    assert_eq!(a.start_timeout, None);
    let check = &a.checks[0];
    assert_eq!(check.name, "tcp");
    assert_eq!(check.interval, Duration::from_secs(60));
    assert_eq!(check.timeout, Duration::from_secs(5));
    assert_eq!((check.failure_threshold, check.success_threshold), (3, 2));
    assert_eq!(check.confirm_interval, Duration::from_secs(2));
    assert_eq!(check.fail_for, Duration::ZERO);
    assert_eq!(check.on_fail, OnFail::Restart);
    let recovery = &a.recovery;
    assert_eq!(recovery.ladder, [Rung::Command, Rung::KillAndCommand]);
    assert_eq!((recovery.max_attempts, recovery.max_restarts), (3, 5));
    assert_eq!(recovery.window, Duration::from_secs(600));
    assert_eq!(recovery.backoff_initial, Duration::from_secs(10));
    assert_eq!(recovery.backoff_max, Duration::from_secs(300));
    assert_eq!(recovery.retry_after_give_up, Duration::from_secs(300));
    assert_eq!(recovery.command_timeout, Duration::from_secs(30));
    assert_eq!(recovery.stop_timeout, None);
    assert_eq!(config.probe, ProbeMode::Auto);
    assert_eq!(config.limits.host_max_restarts, 5);
    assert_eq!(config.limits.parallel_actions, 4);
}

#[test]
fn defaults_fill_in_where_a_service_is_silent() {
    let config = config(&format!(
        r#"{{
            "defaults": {{ "interval_seconds": 30, "timeout_seconds": 3, "max_attempts": 7,
                           "expected_status": "2xx", "on_fail": "alert" }},
            "services": {{
                "a": {{ "container": "c", "restart_cmd": "x", {TCP} }},
                "b": {{ "container": "c", "restart_cmd": "x",
                       "health_check": {{ "type": "http", "endpoint": "http://localhost/",
                                         "interval_seconds": 10, "on_fail": "restart" }},
                       "recovery": {{ "max_attempts": 2 }} }}
            }}
        }}"#
    ));
    let (a, b) = (service(&config, "a"), service(&config, "b"));
    assert_eq!(a.checks[0].interval, Duration::from_secs(30));
    assert_eq!(a.checks[0].on_fail, OnFail::Alert);
    assert_eq!(a.recovery.max_attempts, 7);
    assert_eq!(b.checks[0].interval, Duration::from_secs(10));
    assert_eq!(b.checks[0].timeout, Duration::from_secs(3));
    assert_eq!(b.checks[0].on_fail, OnFail::Restart);
    assert_eq!(b.recovery.max_attempts, 2);
    let CheckKind::Http(http) = &b.checks[0].kind else { panic!("{:?}", b.checks[0].kind) };
    assert_eq!(http.expected_status, StatusSet(vec![(200, 299)]));
}

#[test]
fn a_short_interval_halves_the_timeout() {
    let config = services(
        r#""a": { "container": "c", "restart_cmd": "x",
            "health_check": { "type": "tcp", "port": 80, "interval_seconds": 1.5 } }"#,
    );
    let check = &service(&config, "a").checks[0];
    assert_eq!(check.timeout, Duration::from_millis(750));
    assert_eq!(check.confirm_interval, Duration::from_millis(1500));
}

#[test]
fn both_forms_of_a_file_mean_the_same() {
    let short = format!(r#"{{ "a": {{ "container": "c", "restart_cmd": "x", {TCP} }} }}"#);
    let full = format!(r#"{{ "services": {short} }}"#);
    assert_eq!(config(&short), config(&full));
}

#[test]
fn places_and_kinds() {
    let config = services(&format!(
        r#""none": {{ "restart_cmd": "x", {TCP} }},
           "vai": {{ "container": "vai", "restart_cmd": "x", {TCP} }},
           "local": {{ "container": "local", "restart_cmd": "x", {TCP} }},
           "host": {{ "container": "host", {TCP} }},
           "cron": {{ "type": "cron", "container": "c", {TCP} }},
           "words": {{ "container": "c", "description": "no check" }},
           "system": {{ "type": "system", "container": "c", "restart_cmd": "x", {TCP} }}"#
    ));
    for local in ["none", "vai", "local"] {
        assert_eq!(service(&config, local).place, Place::Local);
        assert_eq!(service(&config, local).kind, ServiceKind::Watched);
    }
    for left_alone in ["host", "cron", "words"] {
        assert_eq!(service(&config, left_alone).kind, ServiceKind::Documentation);
    }
    let system = service(&config, "system");
    assert_eq!(system.place, Place::Container("c".into()));
    assert_eq!(system.kind, ServiceKind::Watched);
}

#[test]
fn a_container_is_restarted_only_for_a_service_alone_in_it() {
    let config = config(&format!(
        r#"{{
            "containers": {{ "web": {{ "name": "web-1" }} }},
            "services": {{
                "alone": {{ "container": "relay", {TCP} }},
                "beside-a-disabled-one": {{ "container": "db", {TCP} }},
                "disabled": {{ "enabled": false, "container": "db", {TCP} }},
                "page": {{ "container": "web", {TCP} }},
                "same-by-name": {{ "container": "web-1", "restart_cmd": "x", {TCP} }},
                "asked-for": {{ "container": "web", {TCP}, "recovery": {{ "ladder": ["container"] }} }},
                "told": {{ "container": "x", "restart_cmd": "x", {TCP},
                          "recovery": {{ "action": "alert" }} }},
                "typo": {{ "container": "y", "restart_command": "x", {TCP} }},
                "foreign": {{ "container": "z", "ExecStart": "service z start", {TCP} }}
            }}
        }}"#
    ));
    let ladder = |name| service(&config, name).recovery.ladder.clone();
    let why = |name| service(&config, name).recovery.alert_only.clone();
    assert_eq!(ladder("alone"), [Rung::Container]);
    assert_eq!(ladder("beside-a-disabled-one"), [Rung::Container]);
    assert_eq!(ladder("page"), []);
    let shares =
        "a service without `restart_cmd` shares its container with same-by-name, asked-for";
    assert_eq!(why("page").as_deref(), Some(shares));
    assert_eq!(ladder("asked-for"), [Rung::Container]);
    assert_eq!(ladder("told"), []);
    assert_eq!(why("told").as_deref(), Some("`recovery.action` is \"alert\""));
    assert_eq!(ladder("typo"), [], "a misspelt key must not restart a container");
    assert_eq!(ladder("foreign"), [], "nor must the word of another tool");
    assert!(why("alone").is_none());
}

#[test]
fn a_bare_map_may_have_a_schema_and_other_documentation() {
    let redis = format!(r#""redis": {{ "container": "c", {TCP} }}"#);
    for source in [
        format!(r#"{{ "$schema": "https://example.com", {redis} }}"#),
        format!(r#"{{ "version": 2, "hosts": ["a"], {redis}, "x-old": {{ {TCP} }} }}"#),
        format!("\u{feff}{{ {redis} }}"),
    ] {
        let names: Vec<ServiceName> = config(&source).services.into_keys().collect();
        assert_eq!(names, ["redis".into()], "{source}");
    }
}

#[test]
fn the_full_example_says_what_it_seems_to_say() {
    let config = example("full.json");
    let api = service(&config, "web-api");
    let names: Vec<&str> = api.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["health", "agent", "space"]);
    let CheckKind::Http(http) = &api.checks[0].kind else { panic!("{:?}", api.checks[0].kind) };
    assert_eq!(http.headers[0].1.expose(), "Bearer tk_from_env_file");
    assert_eq!(http.expected_status, StatusSet(vec![(200, 200), (300, 399)]));
    assert_eq!(http.expected_json, [("$.status".to_owned(), "ok".into())]);
    assert_eq!(http.max_response, Some(Duration::from_millis(800)));
    assert_eq!(api.checks[1].fail_for, Duration::from_secs(300));
    assert_eq!(api.dependencies, ["postgres".into(), "redis".into()]);
    let channels = ["alerts", "critical-alerts"].map(str::to_owned);
    assert_eq!(api.notify, Notify::Channels(channels.to_vec()));
    assert_eq!(config.containers[&"relay".into()].probe, Some(ProbeMode::None));
    let SinkKind::Email { smtp, .. } = &config.notifications.plan.channels["alerts"][1].kind else {
        panic!("{:?}", config.notifications)
    };
    assert_eq!((smtp.port, smtp.tls), (587, SmtpTls::StartTls));
    assert_eq!(smtp.password.as_ref().unwrap().expose(), "from process");
}

#[test]
fn checks_without_names_are_numbered_by_type() {
    let config = services(
        r#""a": { "container": "c", "restart_cmd": "x", "health_checks": [
            { "type": "tcp", "port": 1 }, { "type": "command", "command": "true" },
            { "type": "tcp", "port": 2 }, { "type": "process", "process_exact": "nginx" } ] }"#,
    );
    let a = service(&config, "a");
    let names: Vec<&str> = a.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["tcp", "custom", "tcp-2", "process"]);
    let CheckKind::Process(process) = &a.checks[3].kind else { panic!("{:?}", a.checks[3].kind) };
    assert_eq!(process.pattern, ProcessPattern::Executable("nginx".to_owned()));
}

fn notifications(notifications: &str, notify: &str) -> (Notifications, Notify) {
    let config = config(&format!(
        r#"{{ "notifications": {notifications},
             "services": {{ "a": {{ "container": "c", "restart_cmd": "x", {TCP} {notify} }} }} }}"#
    ));
    (config.notifications.clone(), service(&config, "a").notify.clone())
}

#[test]
fn the_default_channel_is_default_else_alerts_else_all() {
    let hook = r#"[ { "type": "webhook", "url": "https://example.com/h" } ]"#;
    let two = format!(r#""alerts": {hook}, "b": {hook}"#);
    let default = |source: &str| notifications(source, "").0.plan.default;
    assert_eq!(default(&format!(r#"{{ "default": "b", "channels": {{ {two} }} }}"#)), ["b"]);
    assert_eq!(default(&format!(r#"{{ "channels": {{ {two} }} }}"#)), ["alerts"]);
    let others = format!(r#"{{ "channels": {{ "x": {hook}, "b": {hook} }} }}"#);
    assert_eq!(default(&others), ["x", "b"]);
    assert!(default("{}").is_empty());
}

#[test]
fn a_name_that_is_no_channel_is_a_topic_where_there_is_a_server() {
    let server =
        r#"{ "ntfy": { "server": "https://ntfy.example.com/", "token": "${NTFY_TOKEN}" } }"#;
    let (all, notify) = notifications(server, r#", "notify_on_fail": "vps-alerts""#);
    assert_eq!(notify, Notify::Channels(vec!["vps-alerts".to_owned()]));
    let SinkKind::Ntfy { server, topic, token } = &all.plan.channels["vps-alerts"][0].kind else {
        panic!("{all:?}")
    };
    assert_eq!((server.as_str(), topic.as_str()), ("https://ntfy.example.com", "vps-alerts"));
    assert_eq!(token.as_ref().unwrap().expose(), "tk_from_env_file");

    let (_, without_server) = notifications("{}", r#", "notify_on_fail": "vps-alerts""#);
    assert_eq!(without_server, Notify::Default);
    let (_, null) = notifications("{}", r#", "notify_on_fail": null"#);
    assert_eq!(null, Notify::Nobody);
}

#[test]
fn what_an_unset_name_is_needed_for_is_held_and_nothing_else() {
    let config = config(
        r#"{
            "notifications": { "channels": { "alerts": [
                { "type": "webhook", "url": "${UNSET_URL}" },
                { "type": "webhook", "url": "${PAGER_URL}" } ] } },
            "services": {
                "commands": { "container": "c", "restart_cmd": "x", "environment": { "A": "${UNSET}" },
                              "health_check": { "type": "tcp", "port": 80 } },
                "header": { "container": "c", "restart_cmd": "echo ${UNSET}", "health_check": {
                    "type": "http", "endpoint": "http://localhost/", "headers": { "X-A": "${UNSET}" } } },
                "fine": { "container": "c", "restart_cmd": "echo ${UNSET}",
                          "health_check": { "type": "tcp", "port": 80 } }
            }
        }"#,
    );
    let unset = Some("${UNSET} is not set");
    assert_eq!(service(&config, "commands").held.as_deref(), unset);
    let header = service(&config, "header");
    assert_eq!(header.held.as_deref(), unset);
    let CheckKind::Http(http) = &header.checks[0].kind else { panic!("{header:?}") };
    assert!(http.headers.is_empty(), "a header without its value is not sent");
    let fine = service(&config, "fine");
    assert_eq!(fine.held, None);
    assert_eq!(fine.restart_cmd.as_deref(), Some("echo ${UNSET}"));
    let sinks = &config.notifications.plan.channels["alerts"];
    assert_eq!(sinks[0].held.as_deref(), Some("${UNSET_URL} is not set"));
    assert_eq!(sinks[1].held, None);
}

#[test]
fn secrets_are_in_the_redactor_and_in_no_debug_output() {
    let config = config(
        r#"{
            "notifications": {
                "channels": { "alerts": [ { "type": "email", "to": "ops@example.com" } ] },
                "smtp": { "host": "mail", "from": "vai@example.com", "password": "literal-password" }
            },
            "services": { "a": { "container": "c", "restart_cmd": "x",
                "environment": { "DB": "postgres://u:${SMTP_PASSWORD}@db" },
                "health_check": { "type": "http", "endpoint": "http://me:in-the-url@localhost/",
                                  "headers": { "Authorization": "Bearer literal-token" } } } }
        }"#,
    );
    let secrets = ["literal-password", "from process", "in-the-url", "literal-token"];
    let shown = format!("{config:?}");
    for secret in secrets {
        assert_eq!(config.redactor.redact(&format!("<{secret}>")), "<***>");
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[test]
fn later_findings_point_into_the_file() {
    let loaded =
        read(&format!("{{ \"services\": {{\n \"a\": {{ \"container\": \"gone\",\n {TCP} }} }} }}"));
    let pointer = loaded.positions.service("a", "container");
    let message = "there is no container \"gone\"";
    let found = loaded.positions.diagnostic(Level::Warning, &pointer, At::Value, message);
    assert_eq!(found.position.as_ref().unwrap().line, 2);
    let said = loaded.render_all(&[found], "system-config.json", false);
    assert!(said.contains("system-config.json:2:22"), "{said}");
    assert!(said.contains("^^^^^^"), "{said}");
}

#[test]
fn findings_can_be_serialised() {
    let loaded = read(r#"{ "services": { "a": { "enabled": 1 } } }"#);
    let json = serde_json::to_value(&loaded.diagnostics[0]).unwrap();
    assert_eq!(json["level"], "error");
    assert_eq!(json["pointer"], "/services/a/enabled");
    assert_eq!((&json["line"], &json["column"]), (&1.into(), &35.into()));
    assert_eq!(json["expected"], "expected true or false");
}

#[test]
fn commands_of_documentation_need_no_shell() {
    let source = r#"{ "services": { "a": { "restart_cmd": "x" }, "b": { "enabled": false,
        "restart_cmd": "x", "health_check": { "type": "tcp", "port": 80 } } } }"#;
    assert!(read_with(source, false).config.is_some());
}

#[test]
fn an_env_file_is_told_when_it_cannot_be_read_or_everybody_can() {
    let load = |env_file, env_world_readable| {
        let snapshot = Snapshot {
            registry: Content::Text(r#"{ "env_file": "/srv/.env" }"#.to_owned()),
            env_path: "/srv/.env".into(),
            env_file,
            env_world_readable,
        };
        load_snapshot(&snapshot, [], &Context { local_shell: true })
    };
    let unreadable = load(Content::Unreadable("Permission denied".to_owned()), false);
    assert!(unreadable.config.is_none());
    let said = unreadable.render("f", false);
    assert!(said.contains("/srv/.env cannot be read: Permission denied"), "{said}");
    let open = load(Content::Text("A=1".to_owned()), true);
    assert!(open.config.is_some());
    let said = open.render("f", false);
    assert!(said.contains("chmod o-rwx /srv/.env"), "{said}");
    let odd = load(Content::Text("A=1\nB=\"two".to_owned()), false);
    assert!(odd.config.is_some());
    let said = odd.render("f", false);
    assert!(said.contains("line 2 of /srv/.env: the quote before the value of B"), "{said}");
    assert!(!said.contains("two"), "a value may be a secret: {said}");
    let absent = load(Content::Absent, false);
    let pointers: Vec<&str> =
        absent.diagnostics.iter().map(|found| found.pointer.as_str()).collect();
    assert_eq!(pointers, [""], "only that nothing is watched");
}

#[test]
fn the_env_file_is_beside_the_registry_unless_it_says_otherwise() {
    let registry = std::path::Path::new("/srv/vai/system-config.json");
    let path = |source| env_path(source, registry).display().to_string();
    assert_eq!(path("\u{feff}{ \"env_file\": \"/run/a.env\" }"), "/run/a.env");
    assert_eq!(path(r#"{ "env_file": "secrets.env" }"#), "/srv/vai/secrets.env");
    assert_eq!(path(r#"{ "env_file": "/run/.env" }"#), "/run/.env");
    assert_eq!(path("{"), "/home/devuser/ai-global/config/.env");
}
