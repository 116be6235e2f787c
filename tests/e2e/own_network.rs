//! vai in a container that loses its own network.

use crate::lab::{Image, Lab, Vai, never};
use crate::services::{over_the_network, redis};
use serde_json::json;
use std::time::Duration;

const BLAME: &str = "cache.*(suspect|→ down|→ healing)";

#[test]
fn cut_off_from_its_network_vai_goes_on_inside_and_leaves_alone_what_it_cannot_reach() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let registry = lab.registry(json!({ "redis": redis(), "cache": over_the_network() }));
    let mut vai = Vai::in_its_image(&lab, &registry);
    vai.wait_for_state("redis", "healthy");
    vai.wait_for_state("cache", "healthy");
    let cache = services.lines_of("/tmp/cache.pid");

    lab.disconnect("vai");

    vai.wait_for_state("cache", "unknown");
    let view = vai.view("cache").to_string();
    assert!(view.contains("vai's own network is gone: "), "{view}");
    // What the agent sees inside is as true as before, and is healed.
    vai.skip_lines();
    let pids = services.living("redis-server").into_iter().map(|pid| pid.to_string());
    let redis: Vec<String> = pids.filter(|pid| !cache.contains(pid)).collect();
    assert!(services.sh(&format!("kill -9 {}", redis.join(" "))).status.success());
    vai.wait_for_line("redis.*healed in");
    never("a word about what cannot be reached", Duration::from_secs(6), || {
        let said = vai.new_lines_with(BLAME);
        (!said.is_empty()).then_some(said)
    });
    vai.wait_for_state("cache", "unknown");

    lab.connect("vai");

    vai.wait_for_state("cache", "healthy");
    vai.wait_for_state("redis", "healthy");
    assert_eq!(services.lines_of("/tmp/cache.pid"), cache);
    assert_eq!(vai.lines_with(BLAME), [""; 0]);
}
