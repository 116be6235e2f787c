use crate::common::{alerter, arrived, notice, notifications, wait_for};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::subscriber::DefaultGuard;
use vai::config::SinkKind;
use vai_core::model::NoticeKind::{Opened, Resolved};
use vai_core::model::{MessageId, Redactor, Secret};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

/// What was logged by this thread since it was made.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Tests run on a runtime of one thread, so this sees the sinks' tasks too.
    fn capture() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_says_what_was_told_and_where_it_went() {
    let server = MockServer::start().await;
    let hook = |path: &str| SinkKind::Webhook {
        url: Secret::from(format!("{}/{path}", server.uri()).as_str()),
        headers: Vec::new(),
    };
    Mock::given(wiremock::matchers::path("/gone"))
        .respond_with(ResponseTemplate::new(404))
        .mount(&server)
        .await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let (log, _guard) = Log::capture();
    let alerter = alerter(&[hook("good"), hook("gone")]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    arrived(&alerter, 0).await;
    wait_for(&alerter, 1, |status| status.last_error.is_some()).await;
    let mut lines = log.lines();
    lines.sort();
    let down = "DOWN redis (services): connection refused, 2 restarts failed";
    assert_eq!(
        lines,
        [
            format!("ERROR alert: {down} (to alerts[0], alerts[1])"),
            format!("ERROR not sent to alerts[1], rejected: answered 404 Not Found: {down}"),
            format!("INFO sent to alerts[0]: {down}"),
            format!(
                "WARN alerts[1] did not take it, and no fallback channel has anybody else: {down}"
            ),
        ]
    );
}

#[tokio::test]
async fn what_could_not_be_delivered_before_the_stop_is_in_the_log() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(503)).mount(&server).await;
    let (log, _guard) = Log::capture();
    let sink = SinkKind::Webhook { url: Secret::from(server.uri().as_str()), headers: Vec::new() };
    let alerter = alerter(&[sink]).await;
    alerter.deliver(MessageId(1), notice("redis", Opened));
    wait_for(&alerter, 0, |status| status.last_error.is_some()).await;
    alerter.stop(Duration::from_millis(100)).await;
    let down = "DOWN redis (services): connection refused, 2 restarts failed";
    let why = "answered 503 Service Unavailable";
    assert_eq!(
        log.lines().last().unwrap(),
        &format!(
            "WARN stopped before it was sent to alerts[0] ({why}), kept for the next start: {down}"
        )
    );
}

#[tokio::test]
async fn without_a_channel_every_start_says_so_and_a_held_sink_is_named_once() {
    let (log, _guard) = Log::capture();
    let alerter = alerter(&[]).await;
    alerter.deliver(MessageId(1), notice("redis", Resolved));
    let mut config = notifications(&[SinkKind::Ntfy {
        server: "http://127.0.0.1:1".to_owned(),
        topic: "vps".to_owned(),
        token: None,
    }]);
    config.plan.channels.values_mut().flatten().for_each(|sink| {
        sink.held = Some("${NTFY_TOKEN} is not set".to_owned());
    });
    for _ in 0..2 {
        alerter.reconfigure(&config, Redactor::default()).await;
    }
    assert_eq!(
        log.lines(),
        [
            "WARN no notification channel is configured: messages go to this log only",
            "INFO alert: RESOLVED redis (services): was down 11:01–11:09, healed by \
             restart_cmd, 2 attempts (to this log only)",
            "WARN alerts[0] is not used: ${NTFY_TOKEN} is not set",
            "WARN no notification channel can be used: messages go to this log only",
        ]
    );
}
