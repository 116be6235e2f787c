use super::{Place, Secret, wire};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// One health check of a service with everything that decides when it runs and
/// what its failures mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Unique within its service: the registry's `name`, else its type.
    pub name: String,
    /// What is looked at.
    pub kind: CheckKind,
    /// From start to start.
    pub interval: Duration,
    /// A look ends by then, plus 100 ms.
    pub timeout: Duration,
    /// Fails in a row that confirm a failure.
    pub failure_threshold: u32,
    /// Passes in a row that prove a recovery.
    pub success_threshold: u32,
    /// From look to look while a failure is confirmed or a recovery verified.
    pub confirm_interval: Duration,
    /// A failure must also last this long to be confirmed.
    pub fail_for: Duration,
    /// What a confirmed failure leads to.
    pub on_fail: OnFail,
}

/// What a confirmed failure of a check leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFail {
    /// The service is down and is restarted.
    Restart,
    /// The service is degraded: told, never restarted, nothing waits for it.
    Alert,
}

/// Where a check looks from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vantage {
    /// The orchestrator's own process and network.
    Here,
    /// Inside the service's own container.
    Inside,
    /// The container engine's own knowledge.
    Engine,
}

/// What a check looks at. The agent inside a container gets these as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CheckKind {
    /// An HTTP reply that meets every expectation.
    Http(HttpCheck),
    /// A connection that opens and, where asked, answers.
    Tcp(TcpCheck),
    /// Enough living processes.
    Process(ProcessCheck),
    /// A command that exits 0.
    Custom(CustomCheck),
    /// The container runs, and its own HEALTHCHECK is content.
    Docker,
    /// Enough free space.
    Disk(DiskCheck),
}

impl CheckKind {
    /// The registry's word for the type.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Tcp(_) => "tcp",
            Self::Process(_) => "process",
            Self::Custom(_) => "custom",
            Self::Docker => "docker",
            Self::Disk(_) => "disk",
        }
    }

    /// Where this check of a service at `place` looks from: `localhost` means
    /// the service's own container (registry.md, "Health checks").
    #[must_use]
    pub fn vantage(&self, place: &Place) -> Vantage {
        let inside = match place {
            Place::Local => Vantage::Here,
            Place::Container(_) => Vantage::Inside,
        };
        match self {
            Self::Http(http) if is_loopback(&http.host) => inside,
            Self::Tcp(tcp) if is_loopback(&tcp.host) => inside,
            Self::Http(_) | Self::Tcp(_) => Vantage::Here,
            Self::Process(_) | Self::Custom(_) | Self::Disk(_) => inside,
            Self::Docker => Vantage::Engine,
        }
    }
}

impl CheckKind {
    /// Whether it looks over a network that `vai` shares with its target, as
    /// opposed to inside the target's own container.
    #[must_use]
    pub fn is_over_network(&self) -> bool {
        match self {
            Self::Http(http) => !is_loopback(&http.host),
            Self::Tcp(tcp) => !is_loopback(&tcp.host),
            Self::Process(_) | Self::Custom(_) | Self::Docker | Self::Disk(_) => false,
        }
    }

    /// Whether its target lies outside the host: a name with a dot, or an
    /// address that no private network has. A name without one is a container.
    #[must_use]
    pub fn is_outside(&self) -> bool {
        match self {
            Self::Http(http) => is_outside(&http.host),
            Self::Tcp(tcp) => is_outside(&tcp.host),
            Self::Process(_) | Self::Custom(_) | Self::Docker | Self::Disk(_) => false,
        }
    }
}

fn is_outside(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => !(ip.is_private() || ip.is_loopback() || ip.is_link_local()),
        Ok(IpAddr::V6(ip)) => {
            !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
        Err(_) => host.contains('.') && host != "host.docker.internal",
    }
}

/// Whether a host as written in the registry means "the service's own
/// container": `localhost`, `127.0.0.1`, `::1`, with or without brackets.
fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host == "127.0.0.1" || host == "::1"
}

/// An `http` check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpCheck {
    /// `http` or `https` only; validated when the registry was read.
    #[serde(with = "wire")]
    pub endpoint: Secret,
    /// Scheme, host, port and path of the endpoint without user or query: what
    /// may be shown.
    pub shown: String,
    /// The host as it stands in the endpoint.
    pub host: String,
    /// `GET` unless the registry says otherwise.
    pub method: String,
    /// Extra request headers.
    #[serde(with = "wire::pairs")]
    pub headers: Vec<(String, Secret)>,
    /// The request body.
    #[serde(with = "wire::option")]
    pub body: Option<Secret>,
    /// Status codes that count as healthy.
    pub expected_status: StatusSet,
    /// A substring of the reply's body.
    pub expected_body: Option<String>,
    /// JSONPath → the value it must have, as [`super::json`] reads it.
    #[serde(with = "wire::json")]
    pub expected_json: Vec<(String, serde_json::Value)>,
    /// How much of the reply's body is read where it is looked at, in bytes,
    /// as received and as decoded.
    #[serde(default = "HttpCheck::default_max_body")]
    pub max_body: usize,
    /// A slower reply is degraded, not down.
    pub max_response: Option<Duration>,
    /// Redirects are answers unless this is set.
    pub follow_redirects: bool,
    /// Off: any certificate is taken.
    pub tls_verify: bool,
    /// PEM file of further trusted roots, read where the check runs.
    pub ca_file: Option<String>,
}

impl HttpCheck {
    /// How much of a body is read unless the registry says otherwise: 1 MiB.
    #[must_use]
    pub fn default_max_body() -> usize {
        1024 * 1024
    }
}

/// Inclusive ranges of HTTP status codes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StatusSet(pub Vec<(u16, u16)>);

impl StatusSet {
    /// Whether `code` is in one of the ranges.
    #[must_use]
    pub fn contains(&self, code: u16) -> bool {
        self.0.iter().any(|&(low, high)| (low..=high).contains(&code))
    }
}

/// A `tcp` check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpCheck {
    /// `localhost` unless the registry says otherwise.
    pub host: String,
    /// The port to connect to.
    pub port: u16,
    /// Bytes sent once connected.
    #[serde(with = "wire::option")]
    pub send: Option<Secret>,
    /// Substring of the first reply bytes.
    pub expect: Option<String>,
}

/// A `process` check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessCheck {
    /// Which processes count.
    pub pattern: ProcessPattern,
    /// At least so many living ones.
    pub min_count: u32,
    /// At most so many.
    pub max_count: Option<u32>,
}

/// Which processes a `process` check counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessPattern {
    /// `process_name`: a regular expression over the full command line.
    CommandLine(String),
    /// `process_exact`: the executable's name.
    Executable(String),
}

/// A `custom` check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomCheck {
    /// Run by `bash -c` where bash exists, else `sh -c`.
    pub command: String,
    /// The service's `user`; `None` is the container's own.
    pub user: Option<String>,
    /// The service's `working_dir`.
    pub working_dir: Option<String>,
    /// The service's `environment`.
    #[serde(with = "wire::pairs")]
    pub environment: Vec<(String, Secret)>,
}

/// A `disk` check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskCheck {
    /// A path on the file system that is measured.
    pub path: String,
    /// Percent of the blocks that must be available, 0–100.
    pub min_free_percent: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_the_host_is_told_by_its_address() {
        for host in ["example.com", "db.lan", "1.1.1.1", "[2606:4700::1111]"] {
            assert!(is_outside(host), "{host}");
        }
        let inside = ["localhost", "redis", "services-container", "10.0.0.7", "172.18.0.2"];
        let more = ["192.168.1.5", "127.0.0.1", "::1", "fd00::7", "host.docker.internal"];
        for host in inside.into_iter().chain(more) {
            assert!(!is_outside(host), "{host}");
        }
    }
}
