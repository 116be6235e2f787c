use crate::address::is_link_local;
use std::net::IpAddr;
use url::{Host, Url};

/// A URL that vai may be told to ask.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// The URL.
    pub(super) url: Url,
    /// Its host; IPv6 in brackets.
    pub(super) host: String,
}

impl Endpoint {
    /// Reads `text` as the URL of a health check or a webhook.
    ///
    /// # Errors
    /// What is wrong with it and what is allowed (security.md: only `http` and
    /// `https`, no metadata services). Neither holds any part of `text`.
    pub(super) fn parse(text: &str) -> Result<Self, (String, &'static str)> {
        const EXAMPLE: &str = "a URL such as http://localhost:8080/health";
        let url = Url::parse(text).map_err(|error| (format!("not a URL: {error}"), EXAMPLE))?;
        if !matches!(url.scheme(), "http" | "https") {
            let message = "only http and https may be asked".to_owned();
            return Err((message, EXAMPLE));
        }
        let Some(host) = url.host_str().map(str::to_owned) else {
            return Err(("this URL has no host".to_owned(), EXAMPLE));
        };
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) | None => None,
        };
        if address.is_some_and(is_link_local) {
            return Err((METADATA.to_owned(), NO_METADATA));
        }
        Ok(Self { url, host })
    }

    /// Scheme, host, port and path: what may be shown.
    pub(super) fn shown(&self) -> String {
        let port = self.url.port().map_or_else(String::new, |port| format!(":{port}"));
        let (scheme, path) = (self.url.scheme(), self.url.path());
        format!("{scheme}://{}{port}{path}", self.host)
    }
}

/// The finding about a link-local address.
pub(super) const METADATA: &str =
    "link-local addresses, where clouds keep their metadata services, are never asked";

/// What is expected instead of such an address.
pub(super) const NO_METADATA: &str = "an address outside 169.254.0.0/16 and fe80::/10";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_has_no_user_and_no_query() {
        let endpoint = Endpoint::parse("http://me:pw@localhost:8080/health?key=1#x").unwrap();
        assert_eq!(endpoint.shown(), "http://localhost:8080/health");
        assert_eq!(endpoint.host, "localhost");
        let endpoint = Endpoint::parse("https://[::1]/").unwrap();
        assert_eq!(endpoint.shown(), "https://[::1]/");
    }

    #[test]
    fn metadata_services_are_refused_however_they_are_written() {
        for text in [
            "http://169.254.169.254/latest/meta-data",
            "http://0xa9fea9fe/",
            "http://2852039166/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
        ] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn other_schemes_are_refused() {
        for text in ["file:///etc/passwd", "ftp://host/", "localhost:8080", "/health"] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }
}
