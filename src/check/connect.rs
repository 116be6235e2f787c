//! Connections as `http` and `tcp` checks make them: what they are tried with
//! and what their failures are called.

use super::words;
use crate::address::{self, LinkLocal};
use crate::clock::Deadline;
use rustix::io::Errno;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::TcpStream;
use vai_core::model::{Fault, FaultKind, Outcome};

/// Why there is no address to connect to.
pub(super) enum Unresolved {
    /// vai contacts none of those that there are.
    LinkLocal(LinkLocal),
    /// Whatever else it was.
    Other(Outcome),
}

impl From<Unresolved> for Outcome {
    fn from(unresolved: Unresolved) -> Self {
        match unresolved {
            Unresolved::LinkLocal(refusal) => Self::Unknown(refusal.to_string()),
            Unresolved::Other(outcome) => outcome,
        }
    }
}

/// The addresses behind `host`, in the order in which they are tried.
///
/// `localhost` is the two loopback addresses whatever any resolver says: an
/// image may have none.
pub(super) async fn resolve(
    host: &str,
    port: u16,
    deadline: Deadline,
) -> Result<Vec<SocketAddr>, Unresolved> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare.eq_ignore_ascii_case("localhost") {
        return Ok(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]);
    }
    let dns = |detail| Outcome::Fail(Fault::new(FaultKind::Dns, detail));
    let outcome = match deadline.bound(address::resolve(bare, port)).await {
        None => dns(format!("no address for {bare} within {}", words::span(deadline.span()))),
        Some(Ok(addresses)) if addresses.is_empty() => dns(format!("{bare} has no address")),
        Some(Ok(addresses)) => return Ok(addresses),
        Some(Err(error)) => match address::refusal(&error) {
            Some(refusal) => return Err(Unresolved::LinkLocal(refusal.clone())),
            None if is_our_own(&error) => could_not_look(&error),
            None => {
                let words = words::plain(&error);
                let words = words.trim_start_matches("failed to lookup address information: ");
                dns(format!("{bare} does not resolve: {words}"))
            }
        },
    };
    Err(Unresolved::Other(outcome))
}

/// Connects to the first of `addresses` that takes the connection. `host` is
/// how the registry calls them.
pub(super) async fn connect(
    host: &str,
    addresses: &[SocketAddr],
    deadline: Deadline,
) -> Result<TcpStream, Outcome> {
    let mut telling = None;
    for (left, &address) in (1..=addresses.len()).rev().zip(addresses) {
        let share = deadline.share(u32::try_from(left).unwrap_or(u32::MAX));
        let failure = match share.bound(TcpStream::connect(address)).await {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => failed(&error, host, address),
            None => Outcome::Fail(Fault::new(
                FaultKind::ConnectTimeout,
                format!(
                    "no connection to {} within {}",
                    shown(host, address),
                    words::span(deadline.span())
                ),
            )),
        };
        // A refusal proves that nobody listens only if every address refuses.
        let proof = matches!(&failure, Outcome::Fail(fault) if fault.kind == FaultKind::Refused);
        if telling.is_none() || (!proof && !is_unusable(&failure, address)) {
            telling = Some(failure);
        }
    }
    Err(telling.unwrap_or_else(|| Outcome::Unknown(format!("no address to reach {host} at"))))
}

/// What a failure on an open or opening connection comes to.
pub(super) fn failed(error: &io::Error, host: &str, address: SocketAddr) -> Outcome {
    let at = shown(host, address);
    let no_ipv6 = address.is_ipv6() && error.kind() == ErrorKind::AddrNotAvailable;
    let (kind, detail) = match error.kind() {
        ErrorKind::ConnectionRefused => (FaultKind::Refused, format!("connection refused on {at}")),
        ErrorKind::TimedOut => (FaultKind::ConnectTimeout, format!("no connection to {at}")),
        _ if is_our_own(error) && !no_ipv6 => return could_not_look(error),
        _ => (FaultKind::Connect, format!("no connection to {at}: {}", words::plain(error))),
    };
    Outcome::Fail(Fault::new(kind, detail))
}

/// Where it was tried, for people: with the name if it has one.
fn shown(host: &str, address: SocketAddr) -> String {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok() {
        address.to_string()
    } else {
        format!("{bare}:{} ({})", address.port(), address.ip())
    }
}

/// Whether the second loopback address only failed because there is no IPv6.
fn is_unusable(failure: &Outcome, address: SocketAddr) -> bool {
    address.ip() == Ipv6Addr::LOCALHOST
        && matches!(failure, Outcome::Fail(fault) if fault.kind == FaultKind::Connect)
}

/// Whether an error says something about this process or its host rather than
/// about the target: no descriptors, memory or ports left, or forbidden here.
pub(super) fn is_our_own(error: &io::Error) -> bool {
    const OURS: [Errno; 9] = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOMEM,
        Errno::NOBUFS,
        Errno::ADDRNOTAVAIL,
        Errno::ACCESS,
        Errno::PERM,
        Errno::AGAIN,
        Errno::AFNOSUPPORT,
    ];
    Errno::from_io_error(error).is_some_and(|errno| OURS.contains(&errno))
}

/// [`Outcome::Unknown`] in the words of an error that is ours.
pub(super) fn could_not_look(error: &io::Error) -> Outcome {
    Outcome::Unknown(format!("could not look: {}", words::plain(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::net::TcpListener;

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(5))
    }

    #[tokio::test]
    async fn localhost_is_both_loopback_addresses_without_a_resolver() {
        let addresses = resolve("LocalHost", 80, soon()).await.ok().unwrap();
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["127.0.0.1:80", "[::1]:80"]);
    }

    #[tokio::test]
    async fn a_listener_on_the_second_loopback_address_is_found() {
        let Ok(listener) = TcpListener::bind("[::1]:0").await else {
            return; // no IPv6 on this machine
        };
        let port = listener.local_addr().unwrap().port();
        let addresses = resolve("localhost", port, soon()).await.ok().unwrap();
        let stream = connect("localhost", &addresses, soon()).await.unwrap();
        assert!(stream.peer_addr().unwrap().is_ipv6());
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_a_dns_fault() {
        let outcome = resolve("no-such-host.invalid", 80, soon()).await.err().map(Outcome::from);
        let Some(Outcome::Fail(fault)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(fault.kind, FaultKind::Dns);
        assert!(fault.detail.contains("no-such-host.invalid"), "{fault}");
    }

    #[test]
    fn running_out_of_descriptors_is_no_failure_of_the_target() {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let error = Errno::MFILE.into();
        let outcome = failed(&error, "localhost", address);
        assert_eq!(outcome, Outcome::Unknown("could not look: Too many open files".to_owned()));
        let error = Errno::NETUNREACH.into();
        let outcome = failed(&error, "10.0.0.1", address);
        assert!(
            matches!(&outcome, Outcome::Fail(fault) if fault.kind == FaultKind::Connect),
            "{outcome:?}"
        );
    }
}
