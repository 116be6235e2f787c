//! Which run of the tests a thing belongs to, and what dead runs left behind.

use super::Engine;
use procfs::process::Process;
use std::sync::Once;

/// On every container and network that a test makes: the run that it is of.
pub(crate) const LABEL: &str = "vai.e2e";

/// This run, told apart from a later one whose process has the same number.
pub(crate) fn id() -> String {
    let me = Process::myself().and_then(|process| process.stat());
    let me = me.expect("a process can read its own stat");
    format!("{}.{}", me.pid, me.starttime)
}

pub(super) fn lives(run: &str) -> bool {
    let Some((pid, started)) = run.split_once('.') else {
        return false;
    };
    let Ok(pid) = pid.parse() else { return false };
    Process::new(pid)
        .and_then(|process| process.stat())
        .is_ok_and(|stat| stat.starttime.to_string() == started)
}

/// Removes what the tests of dead runs left behind. Living ones, of this
/// checkout or another, are not touched.
pub(crate) fn sweep(engine: &Engine) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let filter = format!("label={LABEL}");
        let format = format!("{{{{.ID}}}} {{{{.Label \"{LABEL}\"}}}}");
        for (list, remove) in [
            (&["ps", "--all"][..], &["rm", "--force", "--volumes"][..]),
            (&["network", "ls"][..], &["network", "rm"][..]),
        ] {
            let query = ["--filter", &filter, "--format", &format];
            for line in engine.docker(list.iter().chain(&query)).lines() {
                let (id, run) = line.split_once(' ').unwrap_or((line, ""));
                if !lives(run) {
                    let gone: Vec<String> =
                        remove.iter().chain(&[id]).map(ToString::to_string).collect();
                    // Another run may sweep the same thing at this moment.
                    engine.try_docker(&gone);
                }
            }
        }
    });
}
