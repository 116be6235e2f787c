use std::fmt::Debug;
use std::thread;
use std::time::Duration;
use vai::clock::boot_time;

const PAUSE: Duration = Duration::from_millis(50);

/// Asks `probe` again and again until it says something or `limit` is over.
pub(crate) fn until<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = boot_time() + limit;
    loop {
        let found = probe();
        if found.is_some() || boot_time() >= deadline {
            return found;
        }
        thread::sleep(PAUSE);
    }
}

/// What `probe` says at last.
///
/// # Panics
///
/// If it says nothing within `limit`; `what` names what was waited for.
pub(crate) fn eventually<T>(what: &str, limit: Duration, probe: impl FnMut() -> Option<T>) -> T {
    until(limit, probe).unwrap_or_else(|| panic!("not within {limit:?}: {what}"))
}

/// Looks for all of `span` for what must not happen.
///
/// # Panics
///
/// As soon as `probe` says something.
pub(crate) fn never<T: Debug>(what: &str, span: Duration, probe: impl FnMut() -> Option<T>) {
    if let Some(found) = until(span, probe) {
        panic!("{what}: {found:?}");
    }
}
