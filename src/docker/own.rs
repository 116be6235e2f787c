//! Which container we are.

use super::Address;

/// The orchestrator's own container and socket proxy, as far as it can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// The container's id, or at least its first 12 digits. `None`: we run on
    /// the host itself.
    pub id: Option<String>,
    /// The name by which the socket proxy is reached, if there is one.
    pub proxy: Option<String>,
}

/// A full container id, in hexadecimal digits.
const ID_LENGTH: usize = 64;

/// What the engine uses as a container's host name unless told otherwise.
const SHORT_ID_LENGTH: usize = 12;

/// Files that the engine binds into every container out of its own folder.
const BOUND_FILES: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

impl Own {
    /// Finds out from our own mounts, else from our host name. `address` is
    /// how the engine is reached.
    #[must_use]
    pub fn find(address: &Address) -> Self {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let uname = rustix::system::uname();
        Self {
            id: id_from_mounts(&mounts)
                .or_else(|| id_from_hostname(uname.nodename().to_str().ok()?)),
            proxy: address.proxy_host().map(ToOwned::to_owned),
        }
    }

    /// Whether the container with this full `id` is ours.
    #[must_use]
    pub fn is(&self, id: &str) -> bool {
        self.id.as_deref().is_some_and(|own| id.starts_with(own))
    }
}

/// The id in `…/containers/<id>/hostname`, the source of one of the files that
/// the engine binds into a container.
fn id_from_mounts(mountinfo: &str) -> Option<String> {
    mountinfo.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        if !BOUND_FILES.contains(&point) {
            return None;
        }
        let (_, rest) = root.split_once("/containers/")?;
        let id = rest.split('/').next()?;
        is_hex(id, ID_LENGTH).then(|| id.to_owned())
    })
}

fn id_from_hostname(hostname: &str) -> Option<String> {
    is_hex(hostname, SHORT_ID_LENGTH).then(|| hostname.to_owned())
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> String {
        "0123456789ab".repeat(5) + "cdef"
    }

    #[test]
    fn the_bound_host_name_file_gives_the_whole_id() {
        let mounts = format!(
            "1530 1516 0:131 / /dev rw - tmpfs tmpfs rw\n\
             1538 1529 253:1 /var/lib/docker/containers/{}/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw\n",
            id()
        );
        assert_eq!(id_from_mounts(&mounts), Some(id()));
    }

    #[test]
    fn the_hosts_own_view_of_a_container_is_not_ours() {
        let mounts = format!(
            "400 25 0:49 / /var/lib/docker/containers/{}/mounts/shm rw - tmpfs shm rw\n",
            id()
        );
        assert_eq!(id_from_mounts(&mounts), None);
    }

    #[test]
    fn a_host_name_counts_only_if_the_engine_could_have_given_it() {
        assert_eq!(id_from_hostname("0123456789ab").as_deref(), Some("0123456789ab"));
        assert_eq!(id_from_hostname("vps-17"), None);
        assert_eq!(id_from_hostname("0123456789ab0"), None);
    }

    #[test]
    fn a_short_id_stands_for_the_whole() {
        let own = Own { id: Some("0123456789ab".into()), proxy: None };
        assert!(own.is(&id()));
        assert!(!own.is("ffff"));
        assert!(!Own::default().is(&id()));
    }
}
