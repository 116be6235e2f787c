//! The commands that need no daemon or speak with one, and their exit codes.

use crate::lab::{Image, Lab, Vai, vai_once};
use crate::services::{hopeless, redis};
use serde_json::{Value, json};
use std::process::Output;

#[test]
fn check_exits_0_when_all_are_healthy_1_when_not_and_2_for_a_bad_registry() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut registry = lab.registry(json!({ "licensed": hopeless(), "redis": redis() }));

    let neither = vai_once(&registry, &["check"]);
    assert_eq!(neither.status.code(), Some(1), "{neither:?}");
    assert!(row(&neither, "redis").contains("refused"), "{neither:?}");
    assert!(row(&neither, "licensed").contains("no licence found"), "{neither:?}");
    assert_eq!(services.living("redis-server"), [0; 0], "it acted");

    let started = services.sh("touch /tmp/mended; redis-server --daemonize yes >/dev/null");
    assert!(started.status.success(), "{started:?}");
    services.wait_for("redis-server");
    let both = vai_once(&registry, &["check", "--json"]);
    assert_eq!(both.status.code(), Some(0), "{both:?}");
    let results: Value = serde_json::from_slice(&both.stdout).expect("check prints JSON");
    assert_eq!(results[0]["service"], "licensed");
    assert_eq!(results[1]["result"], "pass");

    services.kill9("redis-server");
    let other = vai_once(&registry, &["check", "licensed"]);
    assert_eq!(other.status.code(), Some(0), "{other:?}");
    let unknown = vai_once(&registry, &["check", "reddis"]);
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");

    registry["services"]["redis"]["restrat_cmd"] = json!("true");
    let bad = vai_once(&registry, &["check"]);
    assert_eq!(bad.status.code(), Some(2), "{bad:?}");
    assert_eq!(services.agents(), [], "an agent was left over");
}

#[test]
fn validate_says_what_is_wrong_for_people_and_for_machines() {
    let good = json!({ "services": { "redis": redis() } });
    let valid = vai_once(&good, &["validate"]);
    assert_eq!(valid.status.code(), Some(0), "{valid:?}");

    let mut bad = good.clone();
    bad["services"]["redis"]["restrat_cmd"] = json!("true");
    let words = vai_once(&bad, &["validate"]);
    assert_eq!(words.status.code(), Some(2), "{words:?}");
    let parsed = vai_once(&bad, &["validate", "--json"]);
    assert_eq!(parsed.status.code(), Some(2), "{parsed:?}");
    let findings: Value = serde_json::from_slice(&parsed.stdout).expect("validate prints JSON");
    let errors: Vec<&Value> = findings["diagnostics"]
        .as_array()
        .expect("a list of findings")
        .iter()
        .filter(|finding| finding["level"] == "error")
        .collect();
    assert_eq!(errors.len(), 1, "{findings:#}");
    assert_eq!(errors[0]["pointer"], "/services/redis/restrat_cmd");
    assert!(errors[0]["line"].as_u64().is_some_and(|line| line > 1), "{findings:#}");
}

#[test]
fn status_and_health_ask_the_daemon_and_fail_without_one() {
    let lab = Lab::new();
    lab.container("services", Image::Services).init(true).start();
    let mut vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    vai.wait_for_state("redis", "healthy");
    assert_eq!(vai.cli(&["health"]).status.code(), Some(0));
    assert_eq!(vai.cli(&["status"]).status.code(), Some(0));
    assert_eq!(vai.cli(&["status", "reddis"]).status.code(), Some(1));

    assert!(vai.terminate().success());

    for command in ["health", "status"] {
        let asked = vai.cli(&[command]);
        assert_eq!(asked.status.code(), Some(1), "{asked:?}");
        let said = String::from_utf8_lossy(&asked.stderr);
        assert!(said.contains("no vai daemon is running"), "{asked:?}");
    }
}

/// The line about `service`.
fn row(output: &Output, service: &str) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.starts_with(service));
    line.map(ToOwned::to_owned).unwrap_or_default()
}
