use super::endpoint::{Endpoint, METADATA, NO_METADATA};
use super::fields::Fields;
use super::node::Node;
use super::reader::Problem;
use crate::address::is_link_local;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use vai_core::model::{Check, CheckKind, HttpCheck, OnFail, Secret, StatusSet, TcpCheck};

const EXPECTED: &str = "such as \"1.1.1.1:53\" or \"https://example.com\"";

/// An anchor answers by then, or does not.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Reads `anchors` of `file`.
pub(super) fn anchors(file: &Fields<'_>) -> Vec<Check> {
    let nodes = file.get("anchors").and_then(|node| node.items());
    nodes.unwrap_or_default().iter().filter_map(anchor).collect()
}

/// A URL, or a host with or without a port.
fn anchor(node: &Node<'_>) -> Option<Check> {
    let text = node.text()?;
    let read = if text.contains("://") { http(text) } else { tcp(text) };
    match read {
        Ok(check) => Some(check),
        Err((message, expected)) => {
            node.report(Problem::error(message).expected(expected));
            None
        }
    }
}

/// Any reply shows that the network is there, whatever its status and whoever
/// signed its certificate.
fn http(text: &str) -> Result<Check, (String, &'static str)> {
    let endpoint = Endpoint::parse(text).map_err(expected)?;
    let shown = endpoint.shown();
    let kind = CheckKind::Http(HttpCheck {
        shown: shown.clone(),
        host: endpoint.host,
        endpoint: Secret::from(endpoint.url.as_str()),
        method: "HEAD".to_owned(),
        headers: Vec::new(),
        body: None,
        expected_status: StatusSet(vec![(100, 599)]),
        expected_body: None,
        expected_json: Vec::new(),
        max_body: HttpCheck::default_max_body(),
        max_response: None,
        follow_redirects: false,
        tls_verify: false,
        ca_file: None,
    });
    Ok(check(shown, kind))
}

/// A host without a port is asked at 443, which nearly everything outside
/// answers.
fn tcp(text: &str) -> Result<Check, (String, &'static str)> {
    if text.contains(['/', '?', '#', '@']) {
        return Err(("this is neither a host nor a URL".to_owned(), EXPECTED));
    }
    let address = text.parse::<IpAddr>();
    if address.is_ok_and(is_link_local) {
        return Err((METADATA.to_owned(), NO_METADATA));
    }
    let host = if text.parse::<Ipv6Addr>().is_ok() { format!("[{text}]") } else { text.to_owned() };
    let endpoint = Endpoint::parse(&format!("https://{host}/")).map_err(expected)?;
    let port = endpoint.url.port_or_known_default().filter(|&port| port > 0);
    let port = port.ok_or_else(|| ("there is no port 0".to_owned(), EXPECTED))?;
    let name = format!("{}:{port}", endpoint.host);
    let kind = TcpCheck { host: endpoint.host, port, send: None, expect: None };
    Ok(check(name, CheckKind::Tcp(kind)))
}

/// What is expected of an anchor, unless it is a metadata service.
fn expected((message, expected): (String, &'static str)) -> (String, &'static str) {
    (message, if expected == NO_METADATA { NO_METADATA } else { EXPECTED })
}

/// It is asked when the judge wants to know: of the timing only the timeout
/// counts.
fn check(name: String, kind: CheckKind) -> Check {
    Check {
        name,
        kind,
        interval: Duration::from_secs(60),
        timeout: TIMEOUT,
        failure_threshold: 1,
        success_threshold: 1,
        confirm_interval: Duration::from_secs(2),
        fail_for: Duration::ZERO,
        on_fail: OnFail::Alert,
    }
}
