//! The ways into containers that are not as usual.

use crate::lab::{Container, Image, Lab, Vai, eventually, never};
use crate::services::redis;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn a_container_with_a_read_only_root_is_looked_at_from_outside() {
    let lab = Lab::new();
    let web = web(&lab, &["--read-only", "--tmpfs=/tmp", "--tmpfs=/var/lib/nginx"]);
    sees_and_heals_from_outside(&web, &lab.registry(web_services()));
}

#[test]
fn a_container_that_wants_no_agent_is_looked_at_from_outside() {
    let lab = Lab::new();
    let web = web(&lab, &[]);
    let mut registry = lab.registry(web_services());
    registry["containers"][web.name()]["probe"] = json!("none");
    sees_and_heals_from_outside(&web, &registry);
    assert!(!web.sh("test -e /.vai").status.success(), "something was placed");
}

fn sees_and_heals_from_outside(web: &Container, registry: &Value) {
    let mut vai = Vai::on_host(registry);
    for service in ["page", "port", "process"] {
        vai.wait_for_state(service, "healthy");
    }
    assert_eq!(web.agents(), []);

    let before = web.started_at();
    web.signal("nginx", "STOP");
    vai.wait_for_line(r"page.*restarted the container");
    assert_ne!(web.started_at(), before);
    for service in ["page", "port", "process"] {
        vai.wait_for_state(service, "healthy");
    }
    // Once for each of its two runs.
    let told = vai.lines_with("takes no agent, so it is looked at from outside");
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn what_answers_its_peers_otherwise_than_itself_is_not_restarted() {
    let lab = Lab::new();
    // A file is served after the access rules, as a `return` is not.
    let nginx = "mkdir /tmp/www; echo hello > /tmp/www/index.html; \
         echo 'events {} http { access_log off; server { listen 8080; root /tmp/www; \
         allow 127.0.0.1; deny all; } }' > /tmp/nginx.conf; \
         exec nginx -c /tmp/nginx.conf -g 'daemon off; pid /tmp/nginx.pid; error_log stderr;'";
    let read_only = |name: &str, command: &str| {
        let spec = lab.container(name, Image::Services).command(["sh", "-c", command]);
        spec.option("--read-only").option("--tmpfs=/tmp").option("--tmpfs=/var/lib/nginx").start()
    };
    // Redis answers its peers "-DENIED Redis is running in protected mode".
    let redis = read_only("redis", "cd /tmp; exec redis-server --save ''");
    let web = read_only("web", nginx);
    let check = |container: &str, check: Value| {
        let mut service = json!({
            "container": container,
            "health_check": check,
            "startup_delay_seconds": 1,
            "start_timeout_seconds": 3,
        });
        for (field, value) in
            [("interval_seconds", 2), ("timeout_seconds", 1), ("confirm_interval_seconds", 1)]
        {
            service["health_check"][field] = json!(value);
        }
        service
    };
    let ping = json!({ "type": "tcp", "port": 6379, "send": "PING\r\n", "expect": "PONG" });
    let page =
        json!({ "type": "http", "endpoint": "http://localhost:8080/", "expected_body": "hello" });
    let services = json!({ "cache": check("redis", ping), "page": check("web", page) });
    let before = [redis.started_at(), web.started_at()];

    let vai = Vai::on_host(&lab.registry(services));

    vai.wait_for_state("cache", "unknown");
    vai.wait_for_state("page", "unknown");
    let reason = |service: &str| vai.view(service)["reason"].as_str().map(str::to_owned);
    eventually("the reasons", Duration::from_secs(20), || {
        let (cache, page) = (reason("cache")?, reason("page")?);
        (cache.contains("seen from outside") && page.contains("seen from outside")).then_some(())
    });
    never("a restart of what is well", Duration::from_secs(10), || {
        ([redis.started_at(), web.started_at()] != before).then_some(())
    });
}

/// A container that nginx is the main process of.
fn web(lab: &Lab, options: &[&str]) -> Container {
    let config = "events {} http { access_log off; server { listen 8080; location / { return 200 hello; } } }";
    let start = format!(
        "echo '{config}' > /tmp/nginx.conf; \
         exec nginx -c /tmp/nginx.conf -g 'daemon off; pid /tmp/nginx.pid; error_log stderr;'"
    );
    let mut spec = lab.container("web", Image::Services).command(["sh", "-c", &start]);
    for option in options {
        spec = spec.option(*option);
    }
    spec.start()
}

/// One that heals, and two that only look.
fn web_services() -> Value {
    let service = |check: Value, action: &str, ladder: &Value| {
        let mut service = json!({
            "container": "web",
            "health_check": check,
            "startup_delay_seconds": 1,
            "recovery": { "action": action },
        });
        if !ladder.is_null() {
            service["recovery"]["ladder"] = ladder.clone();
        }
        for (field, value) in
            [("interval_seconds", 2), ("timeout_seconds", 1), ("confirm_interval_seconds", 1)]
        {
            service["health_check"][field] = json!(value);
        }
        service
    };
    let none = Value::Null;
    json!({
        "page": service(
            json!({ "type": "http", "endpoint": "http://localhost:8080/", "expected_body": "hello" }),
            "restart",
            &json!(["container"]),
        ),
        "port": service(json!({ "type": "tcp", "port": 8080 }), "alert", &none),
        "process": service(
            json!({ "type": "process", "process_name": "^nginx: worker" }), "alert", &none,
        ),
    })
}

#[test]
fn in_a_container_of_another_user_the_agent_is_that_user() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).option("--user=redis").start();
    let mut service = redis();
    service["restart_cmd"] =
        json!("redis-server --bind 127.0.0.1 --save '' --dir /tmp >> /tmp/redis.log 2>&1 &");
    let mut vai = Vai::on_host(&lab.registry(json!({ "redis": service })));
    vai.wait_for_state("redis", "healthy");

    services.kill9("redis-server");

    vai.wait_for_line(r"redis.*healed in \d+ s");
    let uid = services.sh("id --user");
    let uid = String::from_utf8_lossy(&uid.stdout).trim().to_owned();
    assert_ne!(uid, "0");
    // The one of root reads the crontabs, which nobody else may.
    let agents = services.agents();
    let uids: Vec<String> = agents.iter().map(|agent| agent.uid.to_string()).collect();
    assert_eq!(uids.iter().filter(|it| **it == uid).count(), 1, "{agents:?}");
    assert!(uids.iter().all(|it| *it == uid || *it == "0"), "{agents:?}");
}

#[test]
fn a_custom_check_runs_as_its_user() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let check = |user: Option<&str>, expected: &str| {
        let command = format!(r#"test "$(id --user --name)" = {expected} || {{ id; exit 1; }}"#);
        json!({
            "container": "services",
            "user": user,
            "health_check": {
                "type": "custom", "command": command,
                "interval_seconds": 2, "timeout_seconds": 1, "confirm_interval_seconds": 1,
            },
            "start_timeout_seconds": 3,
            "recovery": { "action": "alert" },
        })
    };
    let mut own = check(None, "root");
    own.as_object_mut().expect("an object").remove("user");
    let registry = lab.registry(json!({
        "own": own,
        "named": check(Some("redis"), "redis"),
        "wrong": check(Some("redis"), "root"),
    }));
    let vai = Vai::on_host(&registry);

    vai.wait_for_state("own", "healthy");
    vai.wait_for_state("named", "healthy");
    vai.wait_for_state("wrong", "down");
    let reason = vai.view("wrong")["reason"].to_string();
    assert!(reason.contains("(redis)"), "{reason}");
    assert_eq!(services.agents().len(), 2, "one for each user: {:?}", services.agents());
}

#[test]
fn an_agent_that_is_killed_is_placed_again_and_nothing_is_restarted() {
    let lab = Lab::new();
    let services = lab.container("services", Image::Services).init(true).start();
    let mut vai = Vai::on_host(&lab.registry(json!({ "redis": redis() })));
    vai.wait_for_state("redis", "healthy");
    let (redis, first) = (services.living("redis-server"), services.agents());
    assert_eq!(first.len(), 1, "{first:?}");
    vai.skip_lines();

    first[0].kill9();

    eventually("another agent", Duration::from_secs(10), || {
        let now = services.agents();
        (now.len() == 1 && now != first).then_some(())
    });
    vai.wait_for_state("redis", "healthy");
    never("another redis", Duration::from_secs(5), || {
        let now = services.living("redis-server");
        (now != redis).then_some(now)
    });
    assert_eq!(vai.new_lines_with("→ (down|suspect)|restart"), [""; 0]);
}
