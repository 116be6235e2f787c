//! Whether our own network is there: a look that goes over one that is gone
//! says nothing about its target.

use crate::docker::Directory;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::OnceLock;
use vai_core::model::{FaultKind, Outcome};

/// The orchestrator's own network, asked after a failure only.
pub(super) struct OwnNetwork {
    directory: Directory,
    /// Our address in each network of the engine when we first looked.
    at_start: OnceLock<Vec<(String, String)>>,
}

impl OwnNetwork {
    pub(super) fn new(directory: Directory) -> Self {
        Self { directory, at_start: OnceLock::new() }
    }

    /// Remembers the networks that we are on, the first time they are known.
    pub(super) fn remember(&self) {
        if self.at_start.get().is_none()
            && let Some(own) = self.directory.own()
        {
            let _ = self.at_start.set(own.addresses.clone());
        }
    }

    /// What a look over the network came to, [`Outcome::Unknown`] if it failed
    /// because our own network is gone.
    pub(super) fn doubt(&self, outcome: Outcome) -> Outcome {
        let Outcome::Fail(fault) = &outcome else { return outcome };
        // What cannot be seen is not doubted.
        let Some(here) = addresses() else { return outcome };
        let left = self.left(&here);
        let why = match (here.is_empty(), left.as_slice()) {
            (true, []) => "no interface but loopback has an address".to_owned(),
            (true, left) => format!("vai has left {}, its last one", left.join(" and ")),
            // In another one of ours it may have been reached, and failed.
            (false, left) if !left.is_empty() && never_arrived(fault.kind) => {
                format!("vai has left {}", left.join(" and "))
            }
            (false, _) => return outcome,
        };
        Outcome::Unknown(format!("vai's own network is gone: {why} ({fault})"))
    }

    /// The networks that we were on at the start and are not on any more.
    fn left(&self, here: &HashSet<IpAddr>) -> Vec<String> {
        let known = self.directory.own();
        let now: &[(String, String)] = known.as_ref().map_or(&[], |own| &own.addresses);
        left(self.at_start.get().map_or(&[], Vec::as_slice), now, here)
    }
}

/// Back in a network, we may have another address there: `now` knows it.
fn left(
    at_start: &[(String, String)],
    now: &[(String, String)],
    here: &HashSet<IpAddr>,
) -> Vec<String> {
    let is_here = |address: &str| address.parse().is_ok_and(|address| here.contains(&address));
    let is_on = |name: &str| {
        let mut known = at_start.iter().chain(now).filter(|(network, _)| network == name);
        known.any(|(_, address)| is_here(address))
    };
    at_start.iter().map(|(name, _)| name).filter(|name| !is_on(name)).cloned().collect()
}

/// Whether not even a connection was refused.
fn never_arrived(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::Dns | FaultKind::Connect | FaultKind::ConnectTimeout)
}

/// The addresses of this network namespace's interfaces that are up, loopback
/// and link-local ones aside; `None` if the kernel does not tell.
fn addresses() -> Option<HashSet<IpAddr>> {
    let interfaces = getifaddrs().ok()?;
    let usable = interfaces.filter(|interface| {
        interface.flags.contains(InterfaceFlags::IFF_UP)
            && !interface.flags.contains(InterfaceFlags::IFF_LOOPBACK)
    });
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        let v6 = address.as_sockaddr_in6().map(nix::sys::socket::SockaddrIn6::ip);
        v4.or_else(|| v6.filter(|v6| !v6.is_unicast_link_local()).map(IpAddr::V6))
    };
    Some(usable.filter_map(address).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(addresses: &[(&str, &str)]) -> Vec<(String, String)> {
        addresses.iter().map(|&(name, address)| (name.into(), address.into())).collect()
    }

    #[test]
    fn a_network_is_left_when_neither_address_is_ours_any_more() {
        let start = networks(&[("back", "172.30.0.2"), ("front", "172.31.0.2")]);
        let here = |addresses: &[&str]| addresses.iter().map(|it| it.parse().unwrap()).collect();
        let none: [&str; 0] = [];
        assert_eq!(left(&start, &start, &here(&["172.30.0.2", "172.31.0.2"])), none);
        assert_eq!(left(&start, &start, &here(&["172.30.0.2"])), ["front"]);
        assert_eq!(left(&start, &start, &here(&[])), ["back", "front"]);
        let again = networks(&[("back", "172.30.0.2"), ("front", "172.31.0.9")]);
        assert_eq!(left(&start, &again, &here(&["172.30.0.2", "172.31.0.9"])), none);
        // Joined later and left again: nobody counted on it.
        let more = networks(&[("other", "172.32.0.2")]);
        assert_eq!(left(&more, &start, &here(&["172.32.0.2"])), none);
    }

    #[test]
    fn this_machine_has_an_address() {
        let here = addresses().unwrap();
        assert!(here.iter().all(|address| !address.is_loopback()), "{here:?}");
    }
}
