//! What the commands of services write is not lost, whenever they write it.

use crate::lab::{Image, Lab, Vai};
use serde_json::{Value, json};

/// A service whose command cannot write to its log.
fn api(log: &str) -> Value {
    json!({
        "container": "services",
        "health_check": {
            "type": "tcp", "port": 8080,
            "interval_seconds": 2, "timeout_seconds": 1, "confirm_interval_seconds": 1,
        },
        "restart_cmd": format!("sleep 600 >> {log} 2>&1 &"),
        "log_path": log,
        "startup_delay_seconds": 1,
        "start_timeout_seconds": 3,
        "recovery": { "max_attempts": 1 },
    })
}

/// The lines of the log up to the verdict, and what status shows then.
fn told(vai: &mut Vai, words: &str) -> String {
    vai.wait_for_line(r"api.*ran restart_cmd: exit 0");
    vai.wait_for_line(&format!(r"api.*its check still says: .*; restart_cmd wrote: .*{words}"));
    vai.wait_for_line(
        r"api.*started, but bash \(pid \d+\) exited 1, and nothing else that it left",
    );
    String::from_utf8_lossy(&vai.cli(&["status", "api"]).stdout).into_owned()
}

#[test]
fn the_shell_of_a_background_command_that_finds_no_log_folder_is_heard() {
    let lab = Lab::new();
    let _services = lab.container("services", Image::Services).start();
    let mut vai = Vai::on_host(&lab.registry(json!({ "api": api("/no/such/dir/api.log") })));
    let shown = told(&mut vai, "/no/such/dir/api.log: No such file or directory");
    let evidence = "/no/such/dir/api.log: the folder /no does not exist";
    assert!(shown.contains(evidence), "{shown}");
}

#[test]
fn a_log_of_another_user_is_named_with_its_owner() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).start();
    let made = services.sh("touch /var/log/api.log && chmod 600 /var/log/api.log");
    assert!(made.status.success(), "{made:?}");
    let mut api = api("/var/log/api.log");
    api["user"] = json!("redis");
    let mut vai = Vai::on_host(&lab.registry(json!({ "api": api })));
    let shown = told(&mut vai, "/var/log/api.log: Permission denied");
    let evidence = "/var/log/api.log: it is not writable for user redis (owner 0, mode 0600)";
    assert!(shown.contains(evidence), "{shown}");
}

#[test]
fn what_a_background_command_writes_after_the_foreground_has_exited_is_heard() {
    let lab = Lab::new();
    let _services = lab.container("services", Image::Services).start();
    let mut late = api("/tmp/api.log");
    late["start_timeout_seconds"] = json!(20);
    late["restart_cmd"] = json!("(sleep 0.5; echo 'cannot bind: address in use' >&2; sleep 600) &");
    let mut vai = Vai::on_host(&lab.registry(json!({ "api": late })));
    vai.wait_for_line(r"api.*ran restart_cmd: exit 0");
    vai.wait_for_line(
        r"api.*its check still says: .*; restart_cmd wrote: cannot bind: address in use",
    );
}
