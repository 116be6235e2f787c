//! Somebody outside hears from vai while it is well, and no more once it is not.

use crate::lab::{HttpCatcher, Image, Lab, Relay, Vai, eventually, never};
use serde_json::json;
use std::time::Duration;

#[test]
fn the_heartbeat_is_pinged_while_vai_is_well_and_stops_when_the_engine_is_gone() {
    let lab = Lab::new();
    let relay = Relay::start();
    lab.container("services", Image::Plain).command(["sleep", "infinity"]).start();
    let pinged = HttpCatcher::start("200 OK", "");
    let mut registry = lab.registry(json!({
        "idle": {
            "container": "services",
            "health_check": { "type": "docker", "interval_seconds": 2 },
            "recovery": { "action": "alert" },
        },
    }));
    registry["notifications"] =
        json!({ "heartbeat": { "url": pinged.url("/ping/it-is-me"), "interval_seconds": 1 } });
    let mut vai = Vai::on_host_with(&registry, relay.environment());
    vai.wait_for_state("idle", "healthy");
    assert_eq!(pinged.requests(), [""; 0], "who starts again and again is missed, too");

    // A minute of settling, which is vai's own.
    let pings = eventually("three pings", Duration::from_secs(80), || {
        Some(pinged.requests()).filter(|requests| requests.len() >= 3)
    });
    assert!(pings[0].starts_with("GET /ping/it-is-me HTTP/1.1\r\n"), "{pings:?}");
    assert!(vai.cli(&["health"]).status.success());

    relay.cut();
    vai.wait_for_line("WARN.*the container engine does not answer");
    let health = vai.cli(&["health"]);
    assert!(!health.status.success(), "{health:?}");
    // One may have been under way.
    let before = pinged.requests().len();
    never("a ping without an engine", Duration::from_secs(6), || {
        let now = pinged.requests().len();
        (now > before + 1).then_some(now)
    });

    relay.restore();
    let before = pinged.requests().len();
    eventually("a ping once the engine is back", Duration::from_secs(30), || {
        (pinged.requests().len() > before).then_some(())
    });
}
