//! One request over a connection of its own.

use super::tls;
use crate::check::{connect, words};
use crate::clock::Deadline;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::task::AbortOnDropHandle;
use url::Url;
use vai_core::model::{Fault, FaultKind, HttpCheck, Outcome};

/// How much of a body is read that nothing is expected of, in bytes: for the
/// words of a failing service.
const UNNEEDED_BODY: usize = 64 * 1024;

/// Far more than servers and proxies in front of them send.
const MAX_HEADERS: usize = 1000;

/// How long the head of an answer may be, in bytes.
const MAX_HEAD: usize = 512 * 1024;

/// What one request is sent to: the endpoint, or where it redirected to.
pub(super) struct Target {
    pub(super) url: Url,
    /// Without user and query.
    pub(super) shown: String,
    pub(super) method: Method,
    /// Whether the check's headers and user go with it.
    pub(super) credentials: bool,
    /// Whether the check's body goes with it.
    pub(super) body: bool,
    /// Whether the registry itself names it.
    pub(super) is_endpoint: bool,
}

impl Target {
    pub(super) fn endpoint(check: &HttpCheck) -> Result<Self, Outcome> {
        let unusable = |what: &str| Outcome::Unknown(format!("{}: {what}", check.shown));
        let url = Url::parse(check.endpoint.expose()).map_err(|_| unusable("not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(unusable("not an http or https URL"));
        }
        let method = Method::from_bytes(check.method.as_bytes())
            .map_err(|_| unusable("not an HTTP method"))?;
        Ok(Self {
            url,
            shown: check.shown.clone(),
            method,
            credentials: true,
            body: true,
            is_endpoint: true,
        })
    }

    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub(super) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(80)
    }

    fn asked(&self) -> String {
        format!("{} {}", self.method, self.shown)
    }
}

/// A URL without what may be secret in it.
pub(super) fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{}://{host}:{port}{}", url.scheme(), url.path()),
        None => format!("{}://{host}{}", url.scheme(), url.path()),
    }
}

/// What came back.
pub(super) struct Reply {
    /// `GET http://localhost:8080/health`.
    pub(super) asked: String,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// As it was received, encoded if the headers say so.
    pub(super) body: Vec<u8>,
    /// The body goes on after what was read of it.
    pub(super) is_cut: bool,
    /// How much of it may be looked at, in bytes.
    pub(super) limit: usize,
}

/// Sends the check's request to `target` at one of `addresses`.
pub(super) async fn send(
    check: &HttpCheck,
    target: &Target,
    addresses: &[SocketAddr],
    deadline: Deadline,
) -> Result<Reply, Outcome> {
    let request = build(check, target)?;
    let limit = if needs_body(check) { check.max_body } else { UNNEEDED_BODY };
    let stream = connect::connect(target.host(), addresses, deadline).await?;
    if target.url.scheme() == "https" {
        let stream = tls::wrap(check, target.host(), stream, deadline).await?;
        exchange(stream, request, target, limit, deadline).await
    } else {
        exchange(stream, request, target, limit, deadline).await
    }
}

/// Whether something is expected of the body.
pub(super) fn needs_body(check: &HttpCheck) -> bool {
    check.expected_body.is_some() || !check.expected_json.is_empty()
}

fn build(check: &HttpCheck, target: &Target) -> Result<Request<Full<Bytes>>, Outcome> {
    let unusable = |what: &str| Outcome::Unknown(format!("{}: {what}", target.shown));
    let url = &target.url;
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let body = check.body.as_ref().filter(|_| target.body);
    let body =
        body.map_or_else(Bytes::new, |body| Bytes::copy_from_slice(body.expose().as_bytes()));
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = target.method.clone();
    *request.uri_mut() = path.parse().map_err(|_| unusable("not a valid path"))?;

    let host = match url.port() {
        Some(port) => format!("{}:{port}", target.host()),
        None => target.host().to_owned(),
    };
    let host = HeaderValue::from_str(&host).map_err(|_| unusable("not a valid host"))?;
    let agent = HeaderValue::from_static(concat!("vai/", env!("CARGO_PKG_VERSION")));
    let headers = request.headers_mut();
    headers.insert(HOST, host);
    headers.insert(USER_AGENT, agent);
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    if target.credentials {
        if let Some(basic) = basic_auth(url) {
            headers.insert(AUTHORIZATION, basic);
        }
        for (name, value) in &check.headers {
            let sent =
                HeaderName::try_from(name).ok().zip(HeaderValue::from_str(value.expose()).ok());
            let Some((header, value)) = sent else {
                return Err(unusable(&format!("header {name} cannot be sent")));
            };
            headers.insert(header, value);
        }
    }
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(request)
}

/// The user of a URL, as curl sends it.
fn basic_auth(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(pair))).ok()
}

async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    target: &Target,
    limit: usize,
    deadline: Deadline,
) -> Result<Reply, Outcome>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let asked = target.asked();
    let late = |state: &str| {
        let within = words::span(deadline.span());
        let detail = format!("{asked}: no answer within {within} ({state})");
        Outcome::Fail(Fault::new(FaultKind::Timeout, detail))
    };
    let opening = http1::Builder::new()
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream));
    let (sender, connection) = opening.await.map_err(|error| broken(&asked, &error))?;
    // What goes wrong on the connection also ends the exchange.
    let connection = AbortOnDropHandle::new(tokio::spawn(async move {
        let _ = connection.await;
    }));
    let answered = deadline.bound(head(sender, request)).await;
    let response =
        answered.ok_or_else(|| late("connected"))?.map_err(|error| broken(&asked, &error))?;
    let (head, mut body) = response.into_parts();
    let mut kept = Vec::new();
    let is_cut = deadline
        .bound(read(&mut body, &mut kept, limit))
        .await
        .ok_or_else(|| late(&format!("its answer began with {}, then stopped", head.status)))?
        .map_err(|error| broken(&asked, &error))?;
    drop(connection);
    Ok(Reply { asked, status: head.status, headers: head.headers, body: kept, is_cut, limit })
}

async fn head(
    mut sender: SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> hyper::Result<Response<Incoming>> {
    sender.send_request(request).await
}

/// Reads `body` to its end or to `limit`; whether it goes on.
async fn read(body: &mut Incoming, kept: &mut Vec<u8>, limit: usize) -> hyper::Result<bool> {
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        let room = limit - kept.len();
        kept.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return Ok(true);
        }
        if kept.len() == limit {
            return Ok(!body.is_end_stream());
        }
    }
    Ok(false)
}

/// What an exchange that broke off comes to.
fn broken(asked: &str, error: &hyper::Error) -> Outcome {
    if error.is_parse_too_large() {
        return Outcome::Unknown(format!(
            "{asked}: the answer has more than {MAX_HEADERS} headers or {} of them, which is as \
             far as they are read",
            words::size(u64::try_from(MAX_HEAD).unwrap_or(u64::MAX))
        ));
    }
    let io = std::iter::successors(error.source(), |&error| error.source())
        .find_map(|error| error.downcast_ref::<io::Error>());
    let (kind, what) = match io {
        Some(io) if connect::is_our_own(io) => return connect::could_not_look(io),
        Some(io) if io.kind() == io::ErrorKind::UnexpectedEof => {
            (FaultKind::Protocol, "the answer was cut short".to_owned())
        }
        Some(io) if io.raw_os_error().is_some() => {
            (FaultKind::Connect, format!("the connection broke: {}", words::plain(io)))
        }
        Some(io) => (FaultKind::Protocol, format!("the answer is not valid HTTP: {io}")),
        None if error.is_incomplete_message() => (
            FaultKind::Protocol,
            "the connection was closed before the answer was complete".to_owned(),
        ),
        None => (FaultKind::Protocol, format!("the answer is not valid HTTP: {error}")),
    };
    Outcome::Fail(Fault::new(kind, format!("{asked}: {what}")))
}
