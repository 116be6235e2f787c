//! What is only found out about a registry while vai runs.

use crate::lab::{Image, Lab, Vai, never};
use crate::services::{redis, worker};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_container_that_does_not_exist_is_told_where_it_is_named_and_followed_once_it_does() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true);
    let only_redis = lab.registry(json!({ "redis": redis() }));
    let mut vai = Vai::on_host(&only_redis);

    vai.wait_for_line("WARN.*there is no container \".*-services\" right now");
    vai.wait_for_line(r"WARN.*system-config\.json:\d+:\d+");
    let both = json!({ "redis": redis(), "worker": worker() });
    vai.edit(&lab.registry(both));
    vai.wait_for_line("is in force: added worker");
    vai.wait_for_line("WARN.*there is no container");

    let services = services.start();
    services.wait_for("redis-server");
    vai.wait_for_state("redis", "healthy");
    services.remove();
    never("what is a deploy by now", Duration::from_secs(3), || {
        vai.new_lines_with("there is no container").pop()
    });
}

#[test]
fn a_registry_mounted_as_a_single_file_is_warned_of() {
    let lab = Lab::new();
    lab.container("services", Image::Services).init(true).start();
    let registry = lab.registry(json!({ "redis": redis() }));
    let mut alone = Vai::in_its_image_with_a_mounted_file(&lab, &registry);

    alone.wait_for_line("WARN.*mounted as a single file.*mount its folder instead");
    alone.wait_for_state("redis", "healthy");
    let status = alone.cli(&["status"]);
    let shown = String::from_utf8_lossy(&status.stdout);
    assert!(shown.contains("mounted as a single file"), "{shown}");
}
