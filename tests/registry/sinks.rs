//! What each kind of sink is taken to mean.

use crate::read;
use regex::Regex;
use std::collections::BTreeSet;
use std::time::Duration;
use vai::config::{
    Alertmanager, Apprise, AppriseTargets, Auth, Emergency, Pushover, Sink, SinkKind, Slack,
    Telegram,
};
use vai_core::model::{Secret, Severity};

fn sink(fields: &str) -> Sink {
    let source = format!(
        r#"{{ "notifications": {{ "channels": {{ "alerts": {{ "min_severity": "warning", {fields} }} }} }},
             "services": {{ "a": {{ "container": "c", "health_check": {{ "type": "docker" }} }} }} }}"#
    );
    let loaded = read(&source);
    let said = loaded.render("registry", false);
    assert!(loaded.diagnostics.is_empty(), "{said}");
    let config = loaded.config.unwrap();
    let sink = config.notifications.plan.channels["alerts"][0].clone();
    assert_eq!((sink.min_severity, sink.send_resolved), (Severity::Warning, true));
    assert_eq!(sink.held, None);
    sink
}

fn kind(fields: &str) -> SinkKind {
    sink(fields).kind
}

fn token() -> Secret {
    Secret::from("tk_from_env_file")
}

fn url() -> Secret {
    Secret::from("https://pager.example.com/h/abc")
}

#[test]
fn a_sink_is_known_by_its_channel_its_place_and_its_type() {
    let sink = sink(r#""type": "discord", "url": "${PAGER_URL}""#);
    assert_eq!(sink.name, "alerts[0] discord");
    assert_eq!(sink.kind, SinkKind::Discord { url: url() });
}

#[test]
fn slack_is_a_webhook_or_a_bot() {
    assert_eq!(
        kind(r#""type": "slack", "url": "${PAGER_URL}""#),
        SinkKind::Slack(Slack::Webhook { url: url() })
    );
    assert_eq!(
        kind(r##""type": "slack", "token": "${NTFY_TOKEN}", "channel": "#ops""##),
        SinkKind::Slack(Slack::Api {
            server: "https://slack.com".to_owned(),
            token: token(),
            channel: "#ops".to_owned(),
        })
    );
}

#[test]
fn a_chat_of_telegram_is_a_number_in_or_without_quotes_or_a_name() {
    let telegram = |chat: &str| {
        let fields =
            format!(r#""type": "telegram", "token": "${{NTFY_TOKEN}}", "chat_id": {chat}"#);
        match kind(&fields) {
            SinkKind::Telegram(telegram) => telegram,
            other => panic!("{other:?}"),
        }
    };
    let expected = Telegram {
        server: "https://api.telegram.org".to_owned(),
        token: token(),
        chat_id: "-1001234567890".to_owned(),
        message_thread_id: None,
    };
    assert_eq!(telegram("-1001234567890"), expected);
    assert_eq!(telegram(r#""-1001234567890""#), expected);
    assert_eq!(telegram(r#""@vps_alerts""#).chat_id, "@vps_alerts");
    assert_eq!(telegram(r#"1, "message_thread_id": 42"#).message_thread_id, Some(42));
}

#[test]
fn a_service_for_everybody_has_a_usual_server_and_may_have_another() {
    let server = |fields: &str| match kind(fields) {
        SinkKind::PagerDuty { server, routing_key } => {
            assert_eq!(routing_key, token());
            server
        }
        SinkKind::Opsgenie { server, api_key } => {
            assert_eq!(api_key, token());
            server
        }
        other => panic!("{other:?}"),
    };
    let pagerduty = r#""type": "pagerduty", "routing_key": "${NTFY_TOKEN}""#;
    let eu = r#""server": "https://events.eu.pagerduty.com/""#;
    assert_eq!(server(pagerduty), "https://events.pagerduty.com");
    assert_eq!(server(&format!("{pagerduty}, {eu}")), "https://events.eu.pagerduty.com");
    let opsgenie = r#""type": "opsgenie", "api_key": "${NTFY_TOKEN}""#;
    let jira = r#""server": "https://api.atlassian.com/jsm/ops/integration""#;
    assert_eq!(server(opsgenie), "https://api.opsgenie.com");
    assert_eq!(
        server(&format!("{opsgenie}, {jira}")),
        "https://api.atlassian.com/jsm/ops/integration"
    );
}

#[test]
fn pushover_insists_only_where_it_is_asked_to() {
    let emergency = |more: &str| {
        let fields = format!(
            r#""type": "pushover", "token": "${{NTFY_TOKEN}}", "user": "u-key", "device": "phone" {more}"#
        );
        let SinkKind::Pushover(Pushover { server, token: by, user, device, emergency }) =
            kind(&fields)
        else {
            panic!("{fields}")
        };
        assert_eq!((server.as_str(), by), ("https://api.pushover.net", token()));
        assert_eq!((user.expose(), device.as_deref()), ("u-key", Some("phone")));
        emergency.map(|Emergency { retry, expire }| (retry, expire))
    };
    let seconds = Duration::from_secs;
    assert_eq!(emergency(""), None);
    assert_eq!(emergency(r#", "emergency": true"#), Some((seconds(60), seconds(3600))));
    let both = r#", "emergency": true, "retry_seconds": 30, "expire_seconds": 10800"#;
    assert_eq!(emergency(both), Some((seconds(30), seconds(10_800))));
}

#[test]
fn a_sink_over_http_may_have_a_ca_file() {
    let sink = Box::new(SinkKind::Discord { url: url() });
    assert_eq!(
        kind(r#""type": "discord", "url": "${PAGER_URL}", "ca_file": "/etc/ca.pem""#),
        SinkKind::Trusting { ca_file: "/etc/ca.pem".to_owned(), sink }
    );
}

#[test]
fn servers_of_ones_own_lose_their_last_slash() {
    assert_eq!(
        kind(r#""type": "gotify", "server": "https://g.example.com/", "token": "${NTFY_TOKEN}""#),
        SinkKind::Gotify { server: "https://g.example.com".to_owned(), token: token() }
    );
    assert_eq!(
        kind(
            r#""type": "matrix", "server": "https://m.example.com/", "token": "${NTFY_TOKEN}",
               "room": "!ops:example.com""#
        ),
        SinkKind::Matrix {
            server: "https://m.example.com".to_owned(),
            room: "!ops:example.com".to_owned(),
            token: token(),
        }
    );
}

#[test]
fn webhooks_of_teams_and_mattermost_are_their_urls() {
    assert_eq!(kind(r#""type": "teams", "url": "${PAGER_URL}""#), SinkKind::Teams { url: url() });
    assert_eq!(
        kind(r#""type": "mattermost", "url": "${PAGER_URL}", "channel": "ops""#),
        SinkKind::Mattermost { url: url(), channel: Some("ops".to_owned()) }
    );
}

#[test]
fn alertmanager_is_logged_into_by_token_or_password_or_not_at_all() {
    let auth = |more: &str| match kind(&format!(
        r#""type": "alertmanager", "server": "http://am:9093", "labels": {{ "team": "ops" }} {more}"#
    )) {
        SinkKind::Alertmanager(Alertmanager { server, labels, auth }) => {
            assert_eq!(server, "http://am:9093");
            assert_eq!(labels, [("team".to_owned(), "ops".to_owned())].into());
            auth
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(auth(""), None);
    assert_eq!(auth(r#", "token": "${NTFY_TOKEN}""#), Some(Auth::Token(token())));
    assert_eq!(
        auth(r#", "username": "vai", "password": "${NTFY_TOKEN}""#),
        Some(Auth::Password { username: "vai".to_owned(), password: token() })
    );
}

#[test]
fn apprise_tells_a_key_or_urls_or_whom_its_server_says() {
    let to = |more: &str| match kind(&format!(
        r#""type": "apprise", "server": "http://apprise:8000", "tag": "phones" {more}"#
    )) {
        SinkKind::Apprise(Apprise { to, tag, .. }) => {
            assert_eq!(tag.as_deref(), Some("phones"));
            to
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(to(""), AppriseTargets::Server);
    assert_eq!(to(r#", "key": "ops""#), AppriseTargets::Key("ops".to_owned()));
    let urls = AppriseTargets::Urls(vec![Secret::from("tgram://x"), url()]);
    assert_eq!(to(r#", "urls": ["tgram://x", "${PAGER_URL}"]"#), urls);
}

/// The examples of sinks in `config/`, with a value for each `${NAME}`.
fn documented_examples() -> Vec<String> {
    let name = Regex::new(r"\$\{[A-Z_]+\}").unwrap();
    let block = Regex::new(r#"(?s)```json\n(\{ "type".*?)\n```"#).unwrap();
    let mut found = Vec::new();
    for file in ["notifications.md", "webhook.md"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(file);
        let text = std::fs::read_to_string(path).unwrap();
        let blocks = block.captures_iter(&text).map(|block| block[1].to_owned());
        found.extend(blocks.map(|it| name.replace_all(&it, "https://x.example.com/y").into()));
    }
    found
}

#[test]
fn the_documented_example_of_every_kind_is_taken_in_silence() {
    let mut types = BTreeSet::new();
    for example in documented_examples() {
        let loaded = read(&format!(
            r#"{{ "notifications": {{ "smtp": {{ "host": "mail", "from": "vai@example.com" }},
                                      "channels": {{ "alerts": {example} }} }},
                 "services": {{ "a": {{ "container": "c", "health_check": {{ "type": "docker" }} }} }} }}"#
        ));
        let said = loaded.render("example", false);
        assert!(loaded.diagnostics.is_empty(), "{said}");
        let sink = &loaded.config.unwrap().notifications.plan.channels["alerts"][0];
        types.insert(sink.name.rsplit(' ').next().unwrap().to_owned());
    }
    assert_eq!(types.len(), 15, "{types:?}");
}
