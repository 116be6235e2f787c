//! What an operator wants counts, however it is said.

use crate::lab::{Container, Image, Lab, MailCatcher, Vai, eventually, never};
use crate::services::redis;
use serde_json::json;
use std::time::Duration;

#[test]
fn a_paused_service_is_watched_and_not_restarted() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    vai.wait_for_state("redis", "healthy");

    tell(&vai, &["pause", "redis"]);
    services.kill9("redis-server");
    vai.wait_for_line("redis.*not attempted: paused by an operator");
    stays_dead(&services);
    vai.wait_for_state("redis", "paused");

    tell(&vai, &["resume", "redis"]);
    vai.wait_for_line(r"redis.*healed in \d+ s");
}

#[test]
fn a_service_stopped_by_an_operator_stays_so_until_it_is_started() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    vai.wait_for_state("redis", "healthy");

    // Without a stop_cmd its processes are ended.
    tell(&vai, &["stop", "redis"]);
    eventually("the end of redis", Duration::from_secs(15), || {
        services.living("redis-server").is_empty().then_some(())
    });
    vai.wait_for_state("redis", "stopped_by_hand");
    stays_dead(&services);

    tell(&vai, &["start", "redis"]);
    services.wait_for("redis-server");
    vai.wait_for_state("redis", "healthy");
    assert_eq!(vai.lines_with("(alert|incident)"), [""; 0], "it was wanted so");
}

#[test]
fn an_unknown_service_is_refused_with_the_reason() {
    let lab = Lab::new();
    lab.container("services", Image::Services).init(true).start();
    let vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    vai.wait_for_state("redis", "healthy");

    let refused = vai.cli(&["stop", "reddis"]);

    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("there is no service \"reddis\" in the registry; did you mean \"redis\"?"),
        "{said}"
    );
}

#[test]
fn the_marker_of_the_older_scripts_is_honoured() {
    const MARKER: &str = "/var/run/manual-stop/redis.stopped";
    let lab = Lab::new();
    let mail = MailCatcher::start();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut registry = lab.registry(json!({ "redis": redis() }));
    registry["notifications"] = mail.notifications();
    let mut vai = Vai::on_host(&registry);
    vai.wait_for_state("redis", "healthy");

    let marked = services.sh(&format!("mkdir -p /var/run/manual-stop && touch {MARKER}"));
    assert!(marked.status.success(), "{marked:?}");
    services.kill9("redis-server");

    vai.wait_for_line(&format!("redis.*not attempted: .*{MARKER} exists"));
    vai.wait_for_state("redis", "stopped_by_hand");
    // Longer than the time after which it is asked for again.
    never("a start of what is marked, or a mail", Duration::from_secs(12), || {
        let (living, mails) = (services.living("redis-server"), mail.mails());
        (!living.is_empty() || !mails.is_empty()).then_some((living, mails))
    });
    assert_eq!(vai.lines_with("redis.*not attempted").len(), 1, "told once");

    assert!(services.sh(&format!("rm {MARKER}")).status.success());
    vai.wait_for_line(r"redis.*healed in \d+ s");
}

fn tell(vai: &Vai, order: &[&str]) {
    let told = vai.cli(order);
    assert!(told.status.success(), "{told:?}");
}

fn stays_dead(services: &Container) {
    never("a living redis", Duration::from_secs(5), || {
        let living = services.living("redis-server");
        (!living.is_empty()).then_some(living)
    });
}
