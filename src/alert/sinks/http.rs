//! What the sinks that speak HTTP share.

use super::SendError;
use crate::{address, clock, tls};
use jiff::fmt::rfc2822;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use rustls::ClientConfig;
use serde_json::Value;
use std::error::Error;
use std::time::Duration;
use vai_core::model::{Secret, Wall};

/// Until the TCP and TLS handshakes are done.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Until the answer is there. Some services take their time before they accept,
/// and who gives up on them earlier sends everything several times.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// So much of an answer's body is read, in bytes.
const READ: usize = 64 * 1024;
/// So much of it is quoted, in bytes.
const QUOTED: usize = 300;

/// The client that all sinks share whose server's certificate the public roots
/// vouch for.
///
/// # Errors
/// The TLS library refuses its own roots or provider.
pub(in crate::alert) fn client() -> Result<Client, String> {
    let tls = tls::public().map_err(|error| error.to_string())?;
    client_with(tls).map_err(|error| error.to_string())
}

/// A client straight to the server, which has to show a certificate that `tls`
/// trusts.
pub(super) fn client_with(tls: ClientConfig) -> reqwest::Result<Client> {
    Client::builder()
        .user_agent(concat!("vai/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(Policy::none())
        .dns_resolver(Guarded)
        .connect_timeout(CONNECT_TIMEOUT)
        .tls_backend_preconfigured(tls)
        .build()
}

/// Names are resolved as everywhere in vai: to no link-local address.
struct Guarded;

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = address::resolve(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Why the host of `url` is not to be contacted, if it is an address: nothing
/// has to resolve one.
fn forbidden(url: &Url) -> Option<SendError> {
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse().ok().filter(|&address| address::is_link_local(address))?;
    let refusal = address::LinkLocal { host: host.to_owned(), address };
    Some(SendError::Rejected(refusal.to_string()))
}

/// How a service says what [`send`] cannot know.
pub(super) struct Manners {
    /// How long the body of a refusal asks to wait.
    pub(super) waits: fn(StatusCode, &Value) -> Option<Duration>,
    /// Whether a refusal may pass besides those that always may.
    pub(super) passes: fn(StatusCode, &str) -> bool,
}

impl Manners {
    /// Nothing that HTTP itself does not say.
    pub(super) const PLAIN: Self = Self { waits: |_, _| None, passes: |_, _| false };
}

/// Asks for `url`, for the sake of asking.
///
/// # Errors
/// No answer, or one that is none of success.
pub(in crate::alert) async fn ping(http: &Client, url: &Secret) -> Result<(), SendError> {
    send(http.get(url.expose())).await
}

/// Sends a request and judges the answer: 2xx is success, 408, 425, 429 and
/// 5xx pass, everything else is a rejection.
pub(super) async fn send(request: RequestBuilder) -> Result<(), SendError> {
    accepted(request, &Manners::PLAIN).await.map(drop)
}

/// Like [`send`], for a service with manners of its own; gives the answer.
pub(super) async fn accepted(
    request: RequestBuilder,
    manners: &Manners,
) -> Result<Response, SendError> {
    let (http, request) = request.timeout(ANSWER_TIMEOUT).build_split();
    let request = request.map_err(unsent)?;
    if let Some(refusal) = forbidden(request.url()) {
        return Err(refusal);
    }
    let response = http.execute(request).await.map_err(unsent)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let by_header = retry_after(response.headers(), clock::wall());
    let body = text(response).await;
    let json = serde_json::from_str(&body).unwrap_or_default();
    let after = by_header.max((manners.waits)(status, &json));
    let reason = match quoted(&body) {
        text if text.is_empty() => format!("answered {status}"),
        text => format!("answered {status}: {text}"),
    };
    let passing = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        )
        || (manners.passes)(status, &body);
    Err(if passing { SendError::Passing { reason, after } } else { SendError::Rejected(reason) })
}

/// The body of an answer from a service that says in JSON whether it succeeded.
pub(super) async fn json(response: Response) -> Result<Value, SendError> {
    let body = text(response).await;
    serde_json::from_str(&body)
        .map_err(|_| SendError::passing(format!("answered what is no JSON: {}", quoted(&body))))
}

/// The number at `pointer` of `json`, as a time in units of `unit`.
pub(super) fn duration_at(json: &Value, pointer: &str, unit: Duration) -> Option<Duration> {
    let count = json.pointer(pointer)?.as_f64()?;
    let seconds = count * unit.as_secs_f64();
    // What is too long for a `Duration` is a wait as well.
    let wait = Duration::try_from_secs_f64(seconds);
    wait.ok().or((seconds > 0.0).then_some(Duration::MAX))
}

/// A request that got no answer, in words without its URL, which may hold a
/// token: what is at the bottom of it, and not all that was built on that.
fn unsent(error: reqwest::Error) -> SendError {
    let (unusable, unreached) = (error.is_builder(), error.is_connect());
    if error.is_timeout() && !unreached {
        let seconds = ANSWER_TIMEOUT.as_secs();
        return SendError::unanswered(format!("no answer within {seconds} s"));
    }
    let error = error.without_url();
    let mut cause: &dyn Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let reason = if unreached { format!("cannot connect: {cause}") } else { cause.to_string() };
    if unusable { SendError::Rejected(reason) } else { SendError::unanswered(reason) }
}

/// How long `Retry-After` asks to wait, in seconds or as a date (RFC 9110,
/// section 10.2.3).
fn retry_after(headers: &HeaderMap, now: Wall) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let date = rfc2822::parse(value).ok()?.timestamp().as_millisecond();
    u64::try_from(date.saturating_sub(now.as_millis())).ok().map(Duration::from_millis)
}

/// The body of an answer, as far as it arrived and is of interest.
async fn text(mut response: Response) -> String {
    let mut body = Vec::new();
    while body.len() < READ
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(READ);
    String::from_utf8_lossy(&body).into_owned()
}

/// The beginning of `body`, on one line.
fn quoted(body: &str) -> String {
    let line = body.split_whitespace().collect::<Vec<_>>().join(" ");
    line[..line.floor_char_boundary(QUOTED)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Wall::from_millis(1_445_412_420_000);
        let asked = |value: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            retry_after(&headers, now)
        };
        let minute = Some(Duration::from_secs(60));
        assert_eq!(asked("60"), minute);
        assert_eq!(asked("Wed, 21 Oct 2015 07:28:00 GMT"), minute);
        assert_eq!(asked("Wed, 21 Oct 2015 07:00:00 GMT"), None);
        assert_eq!(asked("soon"), None);
        assert_eq!(asked("18446744073709551615"), Some(Duration::from_secs(u64::MAX)));
        assert_eq!(asked("99999999999999999999"), Some(Duration::MAX));
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[tokio::test]
    async fn a_link_local_address_is_not_sent_to() {
        let by_address = client().unwrap().post("http://169.254.169.254/latest");
        let error = send(by_address).await.unwrap_err();
        assert!(matches!(&error, SendError::Rejected(_)), "{error:?}");
        assert!(error.to_string().ends_with("which is never contacted"), "{error}");

        // Only the resolver reads this as 169.254.169.254, as it reads a name.
        let resolved = Guarded.resolve("2852039166".parse().unwrap()).await;
        let refusal = resolved.err().map(|error| error.to_string()).unwrap();
        assert!(refusal.ends_with("which is never contacted"), "{refusal}");
    }

    #[tokio::test]
    async fn an_error_does_not_name_the_url() {
        // A listener that is gone: nobody answers on its port.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .map(|address| address.port())
            .unwrap();
        let url = format!("http://127.0.0.1:{port}/hooks/s3cret-token");
        let error = send(client().unwrap().post(url)).await.unwrap_err();
        assert!(matches!(error, SendError::Unanswered { .. }), "{error:?}");
        assert!(error.to_string().contains("refused"), "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");

        let error = send(client().unwrap().post("s3cret-token")).await.unwrap_err();
        assert!(matches!(error, SendError::Rejected(_)), "{error:?}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}
