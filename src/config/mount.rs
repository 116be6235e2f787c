use procfs::process::Process;
use std::fs;
use std::path::Path;

/// Whether the file at `path` is a mount of its own: then it stays the old one
/// for ever when another is renamed over it outside.
#[must_use]
pub fn is_mounted_alone(path: &Path) -> bool {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mounts = Process::myself().and_then(|process| process.mountinfo());
    mounts.is_ok_and(|mounts| mounts.0.iter().any(|mount| mount.mount_point == path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_mounted_itself_is_mounted_alone() {
        assert!(is_mounted_alone(Path::new("/proc")));
        assert!(!is_mounted_alone(Path::new("/proc/self/mountinfo")));
        assert!(!is_mounted_alone(Path::new("/no/such/file")));
    }
}
