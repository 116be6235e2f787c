//! The one way to the engine: every request passes the allow-list here.

use super::EngineError;
use super::allow::is_allowed;
use super::errors::forbidden;
use crate::clock;
use crate::config::is_mounted_alone;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use hyper::Uri;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::UnixStream;
use tower_service::Service;
use vai_core::model::Time;

/// Where the engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A unix socket.
    Unix(PathBuf),
    /// `host:port` of plain HTTP: a filtering socket proxy on a network that
    /// only it and `vai` are in.
    Tcp(String),
}

impl Address {
    /// The address in `$DOCKER_HOST`, else `/var/run/docker.sock`.
    ///
    /// # Errors
    /// [`EngineError::Gone`] where it is neither `unix://` nor `tcp://`.
    pub fn from_env() -> Result<Self, EngineError> {
        match std::env::var("DOCKER_HOST") {
            Ok(host) if !host.is_empty() => Self::parse(&host),
            _ => Ok(Self::Unix("/var/run/docker.sock".into())),
        }
    }

    /// Whether the socket is a mount of its own: then it stays the old file
    /// for ever when the engine makes a new one.
    #[must_use]
    pub fn is_mounted_file(&self) -> bool {
        let Self::Unix(path) = self else { return false };
        is_mounted_alone(path)
    }

    /// Reads `unix:///path` or `tcp://host:port`.
    ///
    /// # Errors
    /// [`EngineError::Gone`] for anything else.
    pub fn parse(text: &str) -> Result<Self, EngineError> {
        if let Some(path) = text.strip_prefix("unix://") {
            return Ok(Self::Unix(path.into()));
        }
        match text.strip_prefix("tcp://") {
            Some(authority) if !authority.is_empty() => {
                Ok(Self::Tcp(authority.trim_end_matches('/').to_owned()))
            }
            _ => Err(EngineError::Gone(format!(
                "DOCKER_HOST is `{text}`, expected unix:///path or tcp://host:port"
            ))),
        }
    }

    /// The host name of a socket proxy, which must not be touched either.
    #[must_use]
    pub fn proxy_host(&self) -> Option<&str> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp(authority) => authority.rsplit_once(':').map(|(host, _)| host),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(authority) => write!(f, "tcp://{authority}"),
        }
    }
}

/// A client of the engine at `address` that can make only allowed calls.
/// `headers` is the time within which an answer has to begin.
pub(super) fn connect(
    address: &Address,
    headers: Duration,
    refusals: &Arc<Refusals>,
) -> Result<Docker, EngineError> {
    let client = Client::builder(TokioExecutor::new());
    match address {
        Address::Unix(path) => {
            let connector =
                UnixConnector { path: path.as_path().into(), refusals: Arc::clone(refusals) };
            guarded(client.build(connector), "http://engine", headers)
        }
        Address::Tcp(authority) => {
            guarded(client.build(HttpConnector::new()), &format!("http://{authority}"), headers)
        }
    }
}

/// The body of a [`BollardRequest`], which bollard does not name in public.
type RequestBody = <BollardRequest as HasBody>::Body;

trait HasBody {
    type Body;
}

impl<B> HasBody for hyper::Request<B> {
    type Body = B;
}

fn guarded<C>(
    client: Client<C, RequestBody>,
    base: &str,
    headers: Duration,
) -> Result<Docker, EngineError>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let transport = move |request: BollardRequest| {
        let client = client.clone();
        async move {
            check(&request)?;
            Ok(client.request(request).await?)
        }
    };
    Docker::connect_with_custom_transport(
        transport,
        Some(base),
        headers.as_secs(),
        API_DEFAULT_VERSION,
    )
    .map_err(|error| EngineError::Gone(error.to_string()))
}

/// Refuses what is not on the list. Every call that is wanted is written down,
/// refused or not: method and path only, for the test of S2.
fn check(request: &BollardRequest) -> Result<(), bollard::errors::Error> {
    let (method, path) = (request.method(), request.uri().path());
    tracing::trace!(target: "vai::engine_calls", "{method} {path}");
    if is_allowed(method, path) { Ok(()) } else { Err(forbidden(format!("{method} {path}"))) }
}

/// Since when every connection has been refused.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Boot time in milliseconds; 0 is never.
    since: AtomicU64,
}

impl Refusals {
    fn record<T>(&self, result: &io::Result<T>) {
        let refused =
            matches!(result, Err(error) if error.kind() == io::ErrorKind::ConnectionRefused);
        if !refused {
            self.since.store(0, Ordering::Relaxed);
            return;
        }
        let now = clock::boot_time().as_millis();
        // The first refusal counts; a later one leaves it as it is.
        let _ = self.since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(super) fn lasting(&self) -> Option<Duration> {
        match self.since.load(Ordering::Relaxed) {
            0 => None,
            since => Some(clock::boot_time().since(Time::from_millis(since))),
        }
    }
}

#[derive(Clone)]
struct UnixConnector {
    path: Arc<Path>,
    refusals: Arc<Refusals>,
}

impl Service<Uri> for UnixConnector {
    type Response = TokioIo<UnixStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { path, refusals } = self.clone();
        Box::pin(async move {
            let connected = UnixStream::connect(&path).await;
            refusals.record(&connected);
            connected.map(TokioIo::new).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::errors::classify;
    use super::*;

    #[test]
    fn docker_host_is_a_unix_socket_or_a_proxy() {
        assert_eq!(
            Address::parse("unix:///run/docker.sock"),
            Ok(Address::Unix("/run/docker.sock".into()))
        );
        let proxy = Address::parse("tcp://socket-proxy:2375/").unwrap();
        assert_eq!(proxy, Address::Tcp("socket-proxy:2375".into()));
        assert_eq!(proxy.proxy_host(), Some("socket-proxy"));
        assert!(Address::parse("ssh://me@host").is_err());
        assert!(Address::parse("tcp://").is_err());
    }

    #[tokio::test]
    async fn a_call_that_is_not_on_the_list_reaches_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let refusals = Arc::default();
        let docker = connect(&Address::Unix(socket), Duration::from_secs(5), &refusals).unwrap();
        let killed = docker.kill_container("feed", None).await.unwrap_err();
        assert_eq!(classify(killed), EngineError::Forbidden("POST /containers/feed/kill".into()));
        let removed = docker.remove_container("feed", None).await.unwrap_err();
        assert!(matches!(classify(removed), EngineError::Forbidden(_)));
        let connected = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
        assert!(connected.is_err(), "nobody connected");
    }
}
