//! What stands between us and an engine that answers.

use super::super::{Address, Bollard, Directory};
use super::end::refusal;
use super::*;
use std::sync::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::task::AbortOnDropHandle;

const PAGE: &str = "<html><body><h1>403 Forbidden</h1>\n</body></html>";

/// How the stream of events is answered.
#[derive(Clone, Copy)]
enum Events {
    Refused,
    EndedAtOnce,
    /// Cut off when [`Proxy::cut`] says so.
    Open,
}

/// An engine without containers behind a proxy.
struct Proxy {
    calls: Arc<Mutex<Vec<String>>>,
    cut: Arc<tokio::sync::Notify>,
    told: mpsc::Receiver<Event>,
    _tasks: [AbortOnDropHandle<()>; 2],
    _folder: tempfile::TempDir,
}

impl Proxy {
    fn start(events: Events) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (calls, cut) = (Arc::<Mutex<Vec<String>>>::default(), Arc::default());
        let served = (Arc::clone(&calls), Arc::clone(&cut));
        let serving = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (calls, cut) = served.clone();
                tokio::spawn(async move { serve(stream, events, &calls, &cut).await });
            }
        };
        let engine = Bollard::new(&Address::Unix(socket), Own::default()).unwrap();
        let (sender, told) = mpsc::channel(1000);
        let (directory, follower) = Directory::new(Arc::new(engine), Own::default(), sender);
        let following = async move {
            follower.run(CancellationToken::new()).await;
            drop(directory);
        };
        let tasks = [tokio::spawn(serving), tokio::spawn(following)];
        let _tasks = tasks.map(AbortOnDropHandle::new);
        Self { calls, cut, told, _tasks, _folder: folder }
    }

    fn called(&self, path: &str) -> usize {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| call.contains(path)).count()
    }

    async fn wait_for_calls(&self, path: &str, count: usize) {
        let waiting = async {
            while self.called(path) < count {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(20), waiting).await.expect(path);
    }

    /// What was told so far: nothing, or why the engine is gone.
    fn told(&mut self) -> Vec<Option<String>> {
        let told = std::iter::from_fn(|| self.told.try_recv().ok());
        let about_engine = told.map(|event| match event {
            Event::EngineBack => None,
            Event::EngineGone(why) => Some(why),
            other => panic!("{other:?}"),
        });
        about_engine.collect()
    }
}

/// Answers one request after another on a connection.
async fn serve(
    mut stream: UnixStream,
    events: Events,
    calls: &Mutex<Vec<String>>,
    cut: &tokio::sync::Notify,
) {
    let mut lines = BufReader::new(&mut stream);
    loop {
        let mut request = String::new();
        if lines.read_line(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
        let mut header = String::from("x");
        while header.trim() != "" {
            header.clear();
            if lines.read_line(&mut header).await.unwrap_or(0) == 0 {
                return;
            }
        }
        calls.lock().unwrap().push(request.clone());
        let stream = lines.get_mut();
        if request.contains("/events") && !matches!(events, Events::Refused) {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            if matches!(events, Events::Open) {
                cut.notified().await;
            } else {
                let _ = stream.write_all(b"0\r\n\r\n").await;
            }
            return;
        }
        let (status, body) = if request.contains("/events") {
            ("403 Forbidden", PAGE)
        } else if request.contains("/containers/json") {
            ("200 OK", "[]")
        } else {
            ("200 OK", "OK")
        };
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

#[tokio::test]
async fn refused_events_are_told_once_as_what_they_are() {
    let mut proxy = Proxy::start(Events::Refused);
    proxy.wait_for_calls("/events", 3).await;
    let told = proxy.told();
    let why = "refuses GET /events with 403, as a filtering proxy in front of it does";
    assert_eq!(told, [Some(why.to_owned())]);
}

#[tokio::test]
async fn a_stream_that_ends_at_once_is_told_once_too() {
    let mut proxy = Proxy::start(Events::EndedAtOnce);
    proxy.wait_for_calls("/events", 3).await;
    let told = proxy.told();
    let why = "refuses GET /events: the stream ends at once";
    assert_eq!(told, [Some(why.to_owned())]);
}

#[tokio::test]
async fn a_stream_that_a_proxy_cuts_off_is_replaced_without_a_word() {
    let mut proxy = Proxy::start(Events::Open);
    for streams in 1..=3 {
        proxy.wait_for_calls("/events", streams).await;
        // It was open for a while, and what it missed is looked at.
        proxy.wait_for_calls("/containers/json", streams).await;
        proxy.cut.notify_waiters();
    }
    assert_eq!(proxy.told(), [None], "it is there, and nothing else");
}

#[test]
fn who_refused_what_is_said_in_one_line() {
    let of = |status, message: &str| refusal(EVENTS, status, message);
    assert_eq!(of(403, PAGE), of(403, ""));
    assert_eq!(of(500, "plugin is down\nstack"), "refuses GET /events with 500: plugin is down");
    assert_eq!(
        vai_core::words::engine_gone(&of(503, "")),
        "the container engine refuses GET /events with 503"
    );
}
