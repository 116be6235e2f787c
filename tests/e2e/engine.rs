//! The engine goes away and comes back; a relay in front of it does both.

use crate::lab::{Image, Lab, Mail, MailCatcher, Relay, Vai, eventually, never};
use crate::services::redis;
use serde_json::json;
use std::time::Duration;
use vai::clock::boot_time;

/// After a return (behaviour.md, section 7).
const FOUND_WITHIN: Duration = Duration::from_secs(5);

#[test]
fn an_engine_that_is_gone_is_unknown_and_what_happened_meanwhile_is_found() {
    let lab = Lab::new();
    let relay = Relay::start();
    let services = lab.container("services", Image::Services).start();
    let registry = lab.registry(json!({ "redis": redis() }));
    let mut vai = Vai::on_host_with(&registry, relay.environment());
    vai.wait_for_state("redis", "healthy");

    relay.cut();

    vai.wait_for_line("WARN.*the container engine does not answer");
    vai.wait_for_state("redis", "unknown");
    services.docker("restart");
    never("a restart without an engine", Duration::from_secs(6), || {
        let living = services.living("redis-server");
        (!living.is_empty()).then_some(living)
    });

    relay.restore();

    let back = boot_time();
    vai.wait_for_line("connected to ");
    let took = boot_time().since(back);
    assert!(took < FOUND_WITHIN, "found after {took:?}");
    services.wait_for("redis-server");
    vai.wait_for_state("redis", "healthy");
    assert_eq!(services.living("redis-server").len(), 1);
    // That the container was restarted meanwhile is news, and no more than that.
    assert_eq!(vai.lines_with("→ down|healed|(WARN|ERROR) +alert:"), [""; 0]);
}

#[test]
fn a_hung_engine_is_unknown_its_agents_leave_and_nothing_is_restarted() {
    let lab = Lab::new();
    let (relay, mail) = (Relay::start(), MailCatcher::start());
    let services = lab.container("services", Image::Services).init(true).start();
    let mut registry = lab.registry(json!({ "redis": redis() }));
    registry["notifications"] = mail.notifications();
    let mut vai = Vai::on_host_with(&registry, relay.environment());
    vai.wait_for_state("redis", "healthy");
    let redis = services.living("redis-server");

    relay.hang();

    vai.wait_for_line("WARN.*the container engine does not answer");
    vai.wait_for_state("redis", "unknown");
    // The stream of the agent stays open all the while.
    eventually("the agent leaves", Duration::from_secs(45), || {
        services.agents().is_empty().then_some(())
    });
    relay.restore();

    let back = boot_time();
    vai.wait_for_line("connected to ");
    let took = boot_time().since(back);
    assert!(took < FOUND_WITHIN, "found after {took:?}");
    vai.wait_for_state("redis", "healthy");
    assert_eq!(services.living("redis-server"), redis);
    assert_eq!(vai.new_lines_with("→ down|restart"), [""; 0]);
    let others = |mail: &Mail| !mail.subject.contains("container engine");
    assert_eq!(mail.mails().into_iter().find(others), None, "what only the engine hid was told");
}
