//! Every call to the engine is on the allow-list (security.md, S2). What holds
//! the whole suite to it is the end of each [`Vai`].

use crate::lab::{Image, Lab, Vai, calls};
use crate::services::redis;
use hyper::Method;
use serde_json::json;

#[test]
fn the_calls_of_a_healing_are_seen_and_allowed() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    vai.wait_for_state("redis", "healthy");
    services.kill9("redis-server");
    vai.wait_for_line(r"redis.*healed in \d+ s");

    let lines = vai.lines_with("");
    let made: Vec<(Method, &str)> = lines.iter().filter_map(|line| calls::call(line)).collect();
    for (method, ending) in [
        (Method::GET, "/events"),
        (Method::GET, "/containers/json"),
        (Method::PUT, "/archive"),
        (Method::POST, "/exec"),
        (Method::POST, "/start"),
    ] {
        let seen = made.iter().any(|(used, path)| *used == method && path.ends_with(ending));
        assert!(seen, "{method} …{ending} is not among {made:?}");
    }
    assert_eq!(calls::forbidden(&lines), [""; 0]);
}

#[test]
fn a_call_that_is_not_on_the_list_would_be_caught() {
    let lines = [
        "2026-11-02T10:11:12Z  INFO redis (services): healthy → suspect: refused",
        "2026-11-02T10:11:12Z TRACE GET /v1.41/containers/json",
        "2026-11-02T10:11:12Z TRACE POST /v1.41/containers/c0ffee/kill",
        "2026-11-02T10:11:12Z TRACE DELETE /containers/c0ffee",
    ]
    .map(str::to_owned);
    assert_eq!(calls::forbidden(&lines), [&lines[2], &lines[3]]);
}
