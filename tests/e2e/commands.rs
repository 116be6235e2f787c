//! How the commands of services are run.

use crate::lab::{Image, Lab, Vai, eventually};
use crate::services::{redis, worker};
use serde_json::json;
use std::fs;
use std::time::Duration;
use tempfile::NamedTempFile;

#[test]
fn a_command_that_keeps_its_output_open_holds_up_nothing_else() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut talkative = worker();
    talkative["restart_cmd"] = json!("/usr/local/bin/worker.sh &");
    let vai = Vai::on_host(&lab.registry(json!({ "redis": redis(), "worker": talkative })));
    services.wait_for("worker.sh");
    vai.wait_for_state("worker", "healthy");
    vai.wait_for_state("redis", "healthy");

    // Both at once: the one whose output stays open must not delay the other.
    services.kill9("worker.sh");
    services.kill9("redis-server");

    for service in ["redis", "worker"] {
        let pattern = format!(r"{service}.*healed in \d+ s");
        let healed = eventually(&pattern, Duration::from_secs(30), || {
            vai.lines_with(&pattern).into_iter().next()
        });
        let (_, rest) = healed.split_once("healed in ").expect("it was waited for");
        let seconds = rest.split(' ').next().and_then(|text| text.parse().ok());
        assert!(seconds.is_some_and(|seconds: u32| seconds <= 10), "{healed}");
    }
}

#[test]
fn user_folder_and_environment_of_commands_are_honoured() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let secrets = NamedTempFile::new().expect("a file for the secrets");
    fs::write(secrets.path(), "PASSPHRASE=correct-horse\n").expect("it can be written");
    let mut registry = lab.registry(json!({ "ledger": {
        "container": "services",
        "user": "redis",
        "working_dir": "/var/lib/redis",
        "environment": { "GREETING": "two  words", "PASSPHRASE": "${PASSPHRASE}" },
        "health_check": {
            "type": "custom",
            "command": "test \"$(id -un) $GREETING\" = 'redis two  words' && cat ledger",
            "interval_seconds": 2, "timeout_seconds": 1, "confirm_interval_seconds": 1,
        },
        "restart_cmd": "echo \"$(id -un) $PWD $GREETING $PASSPHRASE\" > ledger",
        "stop_cmd": "rm ledger",
        "startup_delay_seconds": 1,
    }}));
    registry["env_file"] = json!(secrets.path());
    let mut vai = Vai::on_host(&registry);

    vai.wait_for_state("ledger", "healthy");
    assert_eq!(
        services.lines_of("/var/lib/redis/ledger"),
        ["redis /var/lib/redis two  words correct-horse"]
    );

    assert!(vai.cli(&["stop", "ledger"]).status.success());
    vai.wait_for_state("ledger", "stopped_by_hand");
    vai.wait_for_line("ledger.*ran stop_cmd: exit 0");
    assert!(services.lines_of("/var/lib/redis/ledger").is_empty());
    assert_eq!(vai.lines_with("correct-horse"), [""; 0], "a secret in the log");
}
