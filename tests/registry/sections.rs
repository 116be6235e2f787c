//! What the sections beside the services mean: anchors and maintenance windows.

use crate::read;
use jiff::tz::TimeZone;
use std::time::Duration;
use vai::config::Config;
use vai_core::model::{CheckKind, Place, Vantage};

fn config(sections: &str) -> Config {
    let docker = r#"{ "container": "c", "health_check": { "type": "docker" } }"#;
    let loaded = read(&format!(
        r#"{{ "services": {{ "redis": {docker}, "nginx": {docker} }}, {sections} }}"#
    ));
    let said = loaded.render("registry", false);
    loaded.config.unwrap_or_else(|| panic!("{said}"))
}

/// What is asked of each anchor, from vai's own network.
fn asked(anchors: &str) -> Vec<String> {
    let config = config(&format!(r#""anchors": {anchors}"#));
    let ask = |kind: &CheckKind| {
        assert_eq!(kind.vantage(&Place::Local), Vantage::Here);
        match kind {
            CheckKind::Tcp(tcp) => format!("{}:{}", tcp.host, tcp.port),
            CheckKind::Http(http) => {
                assert!(http.expected_status.contains(503), "any reply will do");
                format!("{} {}", http.method, http.endpoint.expose())
            }
            other => panic!("{other:?}"),
        }
    };
    config.anchors.iter().map(|check| ask(&check.kind)).collect()
}

#[test]
fn an_anchor_is_a_url_or_a_host_with_or_without_a_port() {
    assert_eq!(asked(r#"["1.1.1.1:53", "9.9.9.9"]"#), ["1.1.1.1:53", "9.9.9.9:443"]);
    assert_eq!(
        asked(r#"["example.com", "example.com:80"]"#),
        ["example.com:443", "example.com:80"]
    );
    assert_eq!(
        asked(r#"["2606:4700::1111", "[2606:4700::1111]:53"]"#),
        ["[2606:4700::1111]:443", "[2606:4700::1111]:53"]
    );
    assert_eq!(
        asked(r#"["https://me:pw@example.com/a?b"]"#),
        ["HEAD https://me:pw@example.com/a?b"]
    );
    let named = config(r#""anchors": ["https://me:pw@example.com/a?b"]"#);
    assert_eq!(named.anchors[0].name, "https://example.com/a");
}

#[test]
fn a_window_says_when_for_how_long_for_whom_and_why() {
    let config = config(
        r#""maintenance": [
            { "schedule": "0 4 * * sun", "duration_seconds": 3600, "timezone": "Europe/Berlin",
              "services": ["*"], "reason": "weekly updates" },
            { "schedule": "@daily", "duration_seconds": 1.5, "services": "redis" },
            { "schedule": "@daily", "duration_seconds": 60 },
            { "schedule": "@daily", "duration_seconds": 60, "services": ["redsi"] } ]"#,
    );
    let [weekly, redis, all, nobody] = &config.maintenance[..] else {
        panic!("{:?}", config.maintenance)
    };
    assert_eq!(weekly.schedule, "0 4 * * 0".parse().unwrap());
    assert_eq!(weekly.duration, Duration::from_secs(3600));
    assert_eq!(weekly.zone, Some(TimeZone::get("Europe/Berlin").unwrap()));
    assert_eq!(weekly.services, ["nginx".into(), "redis".into()]);
    assert_eq!(weekly.reason, "weekly updates");
    assert_eq!((redis.duration, &redis.zone), (Duration::from_millis(1500), &None));
    assert_eq!(redis.services, ["redis".into()]);
    assert_eq!(all.services, weekly.services);
    assert_eq!(nobody.services, []);
}
