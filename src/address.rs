//! Where vai may connect to: the one place that resolves the names of hosts.
//!
//! Link-local addresses, where clouds keep the services that hand out a
//! machine's credentials, are never contacted, whatever name stands for them.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::lookup_host;

/// EC2's metadata service over IPv6; the others are link-local.
const EC2_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// The prefix under which a NAT64 gateway reaches all of IPv4 (RFC 6052).
const NAT64: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// All addresses of a host are link-local.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host} is the link-local address {address}, which is never contacted")]
pub(crate) struct LinkLocal {
    /// The host as it was asked for.
    pub(crate) host: String,
    /// One of its addresses.
    pub(crate) address: IpAddr,
}

/// Whether `address` may be a cloud's metadata service: link-local, however it
/// is written, or EC2's.
#[must_use]
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local()
                || v6 == EC2_METADATA
                || embedded(v6).is_some_and(|v4| v4.is_link_local())
        }
    }
}

/// The IPv4 address that an IPv6 address leads to.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, high, low] = address.segments();
    let leads_to_ipv4 =
        [a, b, c, d, e, f] == NAT64 || matches!([a, b, c, d, e, f], [0, 0, 0, 0, 0, 0 | 0xffff]);
    leads_to_ipv4.then(|| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
}

/// The addresses of `host` that may be connected to, in the resolver's order.
/// Nothing is cached, since containers change addresses.
///
/// # Errors
/// The resolver's; [`LinkLocal`] inside one of [`ErrorKind::PermissionDenied`]
/// if no other address is left.
pub(crate) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
        Ok(address) => vec![(address, port).into()],
        #[allow(clippy::disallowed_methods, reason = "this is the one place")]
        Err(_) => lookup_host((bare, port)).await?.collect(),
    };
    let refused = found.iter().map(SocketAddr::ip).find(|&address| is_link_local(address));
    let allowed: Vec<_> = found.into_iter().filter(|each| !is_link_local(each.ip())).collect();
    match refused {
        Some(address) if allowed.is_empty() => {
            let refusal = LinkLocal { host: bare.to_owned(), address };
            Err(io::Error::new(ErrorKind::PermissionDenied, refusal))
        }
        _ => Ok(allowed),
    }
}

/// The refusal in an error of [`resolve`].
#[must_use]
pub(crate) fn refusal(error: &io::Error) -> Option<&LinkLocal> {
    error.get_ref()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_addresses_are_known_however_they_are_written() {
        for text in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
        ] {
            assert!(is_link_local(text.parse().unwrap()), "{text}");
        }
        for text in ["127.0.0.1", "::1", "::", "10.0.0.7", "169.253.0.1", "64:ff9b::1.1.1.1"] {
            assert!(!is_link_local(text.parse().unwrap()), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_that_stands_for_a_link_local_address_is_refused() {
        // Only the resolver reads a number as an address, as it reads a name.
        for host in ["2852039166", "169.254.43518", "169.254.169.254", "[fe80::1]"] {
            let error = resolve(host, 80).await.unwrap_err();
            assert!(is_link_local(refusal(&error).unwrap().address), "{host}: {error}");
        }
        let allowed = resolve("2130706433", 80).await.unwrap();
        assert_eq!(allowed, [SocketAddr::from(([127, 0, 0, 1], 80))]);
    }
}
