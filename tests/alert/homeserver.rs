//! A Matrix homeserver that can be had: Synapse.

use crate::common::{alerter, arrived, notice, wait_for};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use vai::config::SinkKind;
use vai_core::model::MessageId;
use vai_core::model::NoticeKind::{Opened, Resolved};
use vai_core::model::Secret;

/// A running Synapse with one user and one room.
struct Homeserver {
    base: String,
    token: String,
    room: String,
    http: Client,
    _child: Child,
    _state: TempDir,
}

/// The program, once for what `more` asks for.
fn synapse(state: &TempDir, more: &[&str]) -> Command {
    let python = std::env::var_os("VAI_E2E_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(python);
    command
        .args(["-m", "synapse.app.homeserver", "-c"])
        .arg(state.path().join("homeserver.yaml"))
        .args(more)
        .current_dir(state.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

async fn json_of(request: RequestBuilder) -> Option<Value> {
    let answer = request.send().await.ok()?;
    answer.error_for_status().ok()?.json().await.ok()
}

impl Homeserver {
    async fn start() -> Self {
        let state = TempDir::new().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let config = json!({
            "server_name": "localhost",
            "report_stats": false,
            "pid_file": state.path().join("pid"),
            "media_store_path": state.path().join("media"),
            "signing_key_path": state.path().join("signing.key"),
            "trusted_key_servers": [],
            "listeners": [{
                "port": port,
                "bind_addresses": ["127.0.0.1"],
                "type": "http",
                "tls": false,
                "resources": [{ "names": ["client"] }],
            }],
            "database": {
                "name": "sqlite3",
                "args": { "database": state.path().join("homeserver.db") },
            },
            "enable_registration": true,
            "enable_registration_without_verification": true,
            // A second message within five seconds is one too many.
            "rc_message": { "per_second": 0.2, "burst_count": 1 },
        });
        std::fs::write(state.path().join("homeserver.yaml"), config.to_string()).unwrap();
        let keys = synapse(&state, &["--generate-keys"]).status().await.expect("python3 is needed");
        assert!(keys.success(), "synapse is needed; tests/run makes a Python that has it");
        let child = synapse(&state, &[]).spawn().unwrap();
        _ = rustls::crypto::ring::default_provider().install_default();
        let (http, base) = (Client::new(), format!("http://127.0.0.1:{port}"));
        let api = format!("{base}/_matrix/client/v3");
        let user =
            json!({ "auth": { "type": "m.login.dummy" }, "username": "vai", "password": "p" });
        let register = async {
            loop {
                let request = http.post(format!("{api}/register")).json(&user);
                if let Some(answer) = json_of(request).await {
                    return answer["access_token"].as_str().unwrap().to_owned();
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let token = tokio::time::timeout(Duration::from_secs(60), register);
        let token = token.await.expect("a homeserver within 60 s");
        let create = http.post(format!("{api}/createRoom")).bearer_auth(&token).json(&json!({}));
        let room = json_of(create).await.unwrap()["room_id"].as_str().unwrap().to_owned();
        Self { base, token, room, http, _child: child, _state: state }
    }

    fn sink(&self, token: &str) -> SinkKind {
        SinkKind::Matrix {
            server: self.base.clone(),
            room: self.room.clone(),
            token: Secret::from(token),
        }
    }

    /// What was said in the room, oldest first.
    async fn said(&self) -> Vec<Value> {
        let url = format!("{}/_matrix/client/v3/rooms/{}/messages", self.base, self.room);
        let request = self.http.get(format!("{url}?dir=b&limit=100")).bearer_auth(&self.token);
        let answer = json_of(request).await.unwrap();
        let events = answer["chunk"].as_array().unwrap().iter().rev();
        events.filter(|event| event["type"] == "m.room.message").cloned().collect()
    }
}

#[tokio::test]
async fn a_matrix_room_is_told_in_order_and_as_fast_as_its_homeserver_allows() {
    let homeserver = Homeserver::start().await;
    let alerter =
        alerter(&[homeserver.sink(&homeserver.token), homeserver.sink("syt_wrong")]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    arrived(&alerter, 0).await;
    alerter.deliver(MessageId(1), notice("redis", Resolved));
    let busy = wait_for(&alerter, 0, |status| status.last_error.is_some()).await;
    assert!(busy.last_error.unwrap().contains("M_LIMIT_EXCEEDED"));
    assert_eq!(arrived(&alerter, 0).await.last_error, None);

    let said = homeserver.said().await;
    let bodies: Vec<&str> =
        said.iter().map(|event| event["content"]["body"].as_str().unwrap()).collect();
    let [down, up] = bodies[..] else { panic!("{bodies:?}") };
    assert!(down.starts_with("🔴 DOWN redis (services)"), "{down}");
    assert!(up.starts_with("🟢 RESOLVED redis (services)"), "{up}");
    let html = said[0]["content"]["formatted_body"].as_str().unwrap();
    assert!(html.contains("größer als erlaubt"), "{html}");
    let transaction = said[0]["unsigned"]["transaction_id"].as_str().unwrap();
    assert!(transaction.starts_with("vai-"), "{transaction}");

    let error = wait_for(&alerter, 1, |status| status.last_error.is_some()).await.last_error;
    let error = error.unwrap();
    assert!(error.starts_with("rejected: ") && error.contains("M_UNKNOWN_TOKEN"), "{error}");
    assert!(!error.contains("syt_wrong"), "{error}");
    alerter.stop(Duration::from_secs(5)).await;
}
