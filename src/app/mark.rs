use std::path::Path;
use tracing::warn;

const FILE: &str = "mark";

/// What tells this state folder from every other one, in the marks of the
/// processes that acts start. Kept in the folder, so that a restarted vai knows
/// what it had started; where that cannot be, it holds for this run only.
pub(super) fn of_folder(folder: &Path) -> String {
    let path = folder.join(FILE);
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if is_mark(kept.trim()) {
        return kept.trim().to_owned();
    }
    let random = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
    let mark: String = random.chars().filter(char::is_ascii_hexdigit).take(LENGTH).collect();
    if let Err(error) = std::fs::write(&path, &mark) {
        warn!(
            "{} cannot be written: {error}; after a restart vai does not know what it had started",
            path.display()
        );
    }
    mark
}

const LENGTH: usize = 16;

fn is_mark(text: &str) -> bool {
    text.len() == LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_mark_and_each_has_its_own() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mark = of_folder(one.path());
        assert!(is_mark(&mark), "{mark}");
        assert_eq!(of_folder(one.path()), mark);
        assert_ne!(of_folder(other.path()), mark);
        std::fs::write(one.path().join(FILE), "half").unwrap();
        assert!(is_mark(&of_folder(one.path())));
    }

    #[test]
    fn a_folder_that_takes_nothing_has_a_mark_all_the_same() {
        assert!(is_mark(&of_folder(Path::new("/proc/no-such-folder"))));
    }
}
