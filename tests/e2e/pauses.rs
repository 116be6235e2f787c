//! Containers that are frozen for a while.

use crate::lab::{Image, Lab, MailCatcher, Vai, never};
use crate::services::{over_the_network, redis, worker};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_paused_container_is_left_alone_and_fine_again_afterwards() {
    let lab = Lab::new();
    let mail = MailCatcher::start();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut registry = lab.registry(json!({ "redis": redis(), "worker": worker() }));
    registry["notifications"] = mail.notifications();
    let mut vai = Vai::on_host(&registry);
    vai.wait_for_state("redis", "healthy");
    vai.wait_for_state("worker", "healthy");
    let before = (services.living("redis-server"), services.living("worker.sh"));
    vai.skip_lines();

    services.docker("pause");

    vai.wait_for_line("redis.*(paused|unknown|held)");
    never("a message, a fault or an act", Duration::from_secs(8), || {
        let said = vai.new_lines_with("(suspect|→ down|healing|restart|started the container)");
        let told = mail.mails();
        (!said.is_empty() || !told.is_empty()).then_some((said, told))
    });

    services.docker("unpause");

    vai.wait_for_state("redis", "healthy");
    vai.wait_for_state("worker", "healthy");
    assert_eq!((services.living("redis-server"), services.living("worker.sh")), before);
    assert_eq!(vai.new_lines_with("(suspect|→ down|healing)"), [""; 0]);
    assert_eq!(mail.mails(), []);
}

/// Over the network a frozen container takes connections and never answers:
/// the one failure that no agent can miss.
#[test]
fn a_look_that_a_pause_fell_into_counts_for_nothing() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut slow = over_the_network();
    // Nearly always one is under way.
    slow["health_check"]["send"] = json!("DEBUG SLEEP 1.5\r\n");
    slow["health_check"]["expect"] = json!("OK");
    slow["health_check"]["timeout_seconds"] = json!(1.9);
    let mut vai = Vai::in_its_image(&lab, &lab.registry(json!({ "cache": slow })));
    vai.wait_for_state("cache", "healthy");
    let before = services.living("redis-server");

    for _ in 0..3 {
        vai.skip_lines();
        services.docker("pause");
        vai.wait_for_line("cache.*(paused|unknown|held)");
        services.docker("unpause");
        vai.wait_for_state("cache", "healthy");
    }

    assert_eq!(vai.lines_with("cache.*(suspect|→ down|healing)"), [""; 0]);
    assert_eq!(services.living("redis-server"), before);
}
