//! A deploy: everything is taken down, and brought up again as something new.

use crate::lab::{Engine, Image, Lab, MailCatcher, Vai, eventually, never};
use crate::services::{redis, worker};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_deploy_of_two_minutes_is_sat_out_in_silence() {
    let lab = Lab::new();
    let mail = MailCatcher::start();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut dependent = worker();
    dependent["dependencies"] = json!(["redis"]);
    let mut registry = lab.registry(json!({ "redis": redis(), "worker": dependent }));
    registry["notifications"] = mail.notifications();
    let mut vai = Vai::on_host(&registry);
    vai.wait_for_state("worker", "healthy");
    vai.skip_lines();

    services.docker("stop");
    services.remove();

    never("a word of the deploy", Duration::from_secs(120), || mail.mails().pop());
    assert_eq!(vai.new_lines_with("→ down|restart"), [""; 0]);
    services.start_anew();

    services.wait_for("worker.sh");
    vai.wait_for_state("redis", "healthy");
    vai.wait_for_state("worker", "healthy");
    assert_eq!(vai.new_lines_with("redis.*starting it by restart_cmd").len(), 1);
    assert_eq!(vai.new_lines_with("worker.*starting it by restart_cmd").len(), 1);
    assert_eq!(vai.new_lines_with("restarting|healed"), [""; 0]);
    assert_eq!(mail.mails(), []);
}

#[test]
fn a_recreated_container_of_a_compose_service_is_nothing_to_tell() {
    let lab = Lab::new();
    let mail = MailCatcher::start();
    let engine = Engine::shared();
    let run = |short: &str, service: &str| {
        let project = "--label=com.docker.compose.project=recreated";
        let spec = lab.container(short, Image::Tiny).option(project);
        spec.option(format!("--label=com.docker.compose.service={service}")).start()
    };
    // Found by nothing but its compose service.
    let any = lab.container("db", Image::Tiny);
    let service = any.name().to_owned();
    let old = run("db-1", &service);
    let mut registry = lab.registry(json!({ "db": {
        "container": "db",
        "health_check": {
            "type": "docker",
            "interval_seconds": 2, "timeout_seconds": 1, "confirm_interval_seconds": 1,
        },
        "startup_delay_seconds": 1,
    } }));
    registry["containers"] = json!({});
    registry["notifications"] = mail.notifications();
    let mut vai = Vai::on_host(&registry);
    vai.wait_for_state("db", "healthy");
    vai.skip_lines();

    // What `docker-compose up --force-recreate` does, one after the other.
    old.docker("stop");
    let aside = format!("{}-aside", old.name());
    engine.docker(["rename", old.name(), &aside]);
    let new = run("db-1", &service);
    engine.docker(["rm", "--force", &aside]);

    vai.wait_for_line("db.*→ healthy");
    assert!(new.runs());
    never("a word of it", Duration::from_secs(10), || mail.mails().pop());
    assert_eq!(vai.new_lines_with("→ (unknown|down|missing)|replicas"), [""; 0]);

    let replica = run("db-2", &service);
    let reason = eventually("that there are two", Duration::from_secs(30), || {
        let view = vai.view("db");
        (view["state"] == "unknown").then(|| view["reason"].to_string())
    });
    assert!(reason.contains("2 containers go by this name, as replicas do"), "{reason}");
    replica.remove();
    vai.wait_for_state("db", "healthy");
}
