//! Services that can be had: the Alertmanager of Debian, and the library of
//! Apprise behind a server of a page.

use crate::common::{alerter, answering, arrived, body_of, notice, wait_for};
use reqwest::Client;
use serde_json::Value;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use vai::alert::SinkStatus;
use vai::config::{Alertmanager, Apprise, AppriseTargets, SinkKind};
use vai_core::model::MessageId;
use vai_core::model::NoticeKind::{Escalated, Opened, Resolved};
use vai_core::model::{Secret, Severity};
use wiremock::ResponseTemplate;

/// A running Alertmanager.
struct Running {
    base: String,
    http: Client,
    _child: Child,
    _state: TempDir,
}

impl Running {
    async fn start() -> Self {
        let state = TempDir::new().unwrap();
        let config = state.path().join("alertmanager.yml");
        std::fs::write(&config, "route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n")
            .unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", state.path().display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus-alertmanager is needed; tests/run installs it");
        _ = rustls::crypto::ring::default_provider().install_default();
        let base = format!("http://127.0.0.1:{port}");
        let running = Self { base, http: Client::new(), _child: child, _state: state };
        running.until(|alerts| alerts.is_empty()).await;
        running
    }

    /// The alerts that have not ended, once they are as wanted; fails after
    /// 20 s.
    async fn until(&self, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let look = async {
            loop {
                if let Some(alerts) = self.alerts().await
                    && wanted(&alerts)
                {
                    return alerts;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), look).await.expect("within 20 s")
    }

    async fn alerts(&self) -> Option<Vec<Value>> {
        let answer = self.http.get(format!("{}/api/v2/alerts", self.base)).send().await.ok()?;
        answer.json().await.ok()
    }
}

#[tokio::test]
async fn an_incident_is_one_alert_at_alertmanager_until_it_ends() {
    let running = Running::start().await;
    let sink = SinkKind::Alertmanager(Alertmanager {
        server: running.base.clone(),
        auth: None,
        labels: [("team".to_owned(), "ops".to_owned())].into(),
    });
    let alerter = alerter(&[sink]).await;
    let mut warning = notice("redis", Opened);
    warning.incident.severity = Severity::Warning;
    alerter.deliver(MessageId(1), warning);
    arrived(&alerter, 0).await;
    let alerts = running.until(|alerts| !alerts.is_empty()).await;
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["labels"]["service"], "redis");
    assert_eq!(alerts[0]["labels"]["team"], "ops");
    assert_eq!(alerts[0]["labels"]["severity"], "warning");
    assert_eq!(alerts[0]["startsAt"], "2026-11-23T11:01:05.000Z");
    assert_eq!(alerts[0]["status"]["state"], "active");

    alerter.deliver(MessageId(1), notice("redis", Escalated));
    let is_critical = |alert: &Value| alert["labels"]["severity"] == "critical";
    let worse = running.until(|alerts| alerts.iter().any(is_critical)).await;
    assert_eq!(worse.len(), 1, "the warning has ended: {worse:?}");

    alerter.deliver(MessageId(1), notice("redis", Resolved));
    running.until(|alerts| alerts.is_empty()).await;
    let status = wait_for(&alerter, 0, |status| status.pending == 0).await;
    assert_eq!(status.last_error, None);
}

#[tokio::test]
async fn alertmanager_shows_what_was_over_before_it_was_told() {
    let running = Running::start().await;
    let sink = SinkKind::Alertmanager(Alertmanager {
        server: running.base.clone(),
        auth: None,
        labels: [].into(),
    });
    let alerter = alerter(&[sink]).await;
    let mut missed = notice("redis", Opened);
    missed.incident.phase = notice("redis", Resolved).incident.phase;
    alerter.deliver(MessageId(1), missed);
    arrived(&alerter, 0).await;
    let alerts = running.until(|alerts| !alerts.is_empty()).await;
    assert_eq!(alerts[0]["status"]["state"], "active");
}

/// A running server of the Apprise library, where `url` is stored as `ops`.
async fn apprise(url: &str) -> (String, Child) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/alert/apprise_server.py");
    let mut child =
        Command::new(std::env::var_os("VAI_E2E_PYTHON").unwrap_or_else(|| "python3".into()))
            .arg(script)
            .arg(format!("ops={url}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("python3 is needed");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.next_line().await.unwrap();
    let port = port.expect("apprise is needed; tests/run makes a Python that has it");
    (format!("http://127.0.0.1:{port}"), child)
}

fn through(server: &str, to: AppriseTargets) -> SinkKind {
    SinkKind::Apprise(Apprise { server: server.to_owned(), to, tag: None })
}

fn urls(urls: &[&str]) -> AppriseTargets {
    AppriseTargets::Urls(urls.iter().map(|url| Secret::from(*url)).collect())
}

#[tokio::test]
async fn apprise_passes_an_opening_and_an_end_on() {
    let target = answering(ResponseTemplate::new(200)).await;
    let url = target.uri().replace("http://", "json://");
    let (server, _child) = apprise(&format!("{url}/by-key")).await;
    let by_key = through(&server, AppriseTargets::Key("ops".to_owned()));
    let by_url = through(&server, urls(&[&format!("{url}/by-url")]));
    let alerter = alerter(&[by_key, by_url]).await;
    for kind in [Opened, Resolved] {
        alerter.deliver(MessageId(1), notice("redis", kind));
        for index in [0, 1] {
            arrived(&alerter, index).await;
        }
    }
    alerter.stop(Duration::from_secs(10)).await;
    let requests = target.received_requests().await.unwrap();
    for path in ["/by-key", "/by-url"] {
        let to_here = requests.iter().filter(|request| request.url.path() == path);
        let got: Vec<Value> = to_here.map(body_of).collect();
        let types: Vec<&Value> = got.iter().map(|got| &got["type"]).collect();
        assert_eq!(types, ["failure", "success"], "{path}");
        assert!(got[0]["title"].as_str().unwrap().starts_with("DOWN redis"), "{got:?}");
        assert!(got[0]["message"].as_str().unwrap().contains("größer als erlaubt"), "{got:?}");
    }
}

#[tokio::test]
async fn what_apprise_told_to_some_is_not_told_to_them_again() {
    let target = answering(ResponseTemplate::new(200)).await;
    let url = target.uri().replace("http://", "json://");
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let gone = format!("json://{gone}");
    let (server, _child) = apprise(&url).await;
    let alerter = alerter(&[
        through(&server, urls(&[&gone])),
        through(&server, urls(&[&url, &gone])),
        through(&server, AppriseTargets::Key("nobody".to_owned())),
    ])
    .await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    let tried = |status: &SinkStatus| status.last_error.is_some();
    let none = wait_for(&alerter, 0, tried).await;
    assert_eq!(none.pending, 1, "it may be back: {none:?}");
    let some = wait_for(&alerter, 1, tried).await;
    assert_eq!(some.pending, 0, "{some:?}");
    assert_eq!(target.received_requests().await.unwrap().len(), 1);
    let unknown = wait_for(&alerter, 2, tried).await;
    assert!(unknown.last_error.unwrap().contains("nobody to tell"));
}
