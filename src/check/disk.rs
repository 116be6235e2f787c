//! The `disk` check: enough free space on the file system of a path.

use super::{blocking, words};
use crate::clock::Deadline;
use rustix::fs::statvfs;
use std::io;
use vai_core::model::{DiskCheck, Fault, FaultKind, Outcome};

pub(super) async fn look(check: &DiskCheck, deadline: Deadline) -> Outcome {
    let path = check.path.clone();
    let lane = format!("disk {path}");
    match blocking::run(&lane, deadline, move || statvfs(path)).await {
        Some(Ok(stat)) => judge(check, stat.f_bavail, stat.f_blocks, stat.f_frsize),
        Some(Err(errno)) => Outcome::Unknown(format!(
            "could not look at {}: {}",
            check.path,
            words::plain(&io::Error::from(errno))
        )),
        None => Outcome::Fail(Fault::new(
            FaultKind::Timeout,
            format!(
                "no answer from the file system of {} within {}",
                check.path,
                words::span(deadline.span())
            ),
        )),
    }
}

/// `available` are the blocks that an ordinary user may still fill.
fn judge(check: &DiskCheck, available: u64, blocks: u64, block_size: u64) -> Outcome {
    if blocks == 0 {
        return Outcome::Unknown(format!("the file system of {} has no size", check.path));
    }
    let wanted = u128::from(check.min_free_percent);
    if u128::from(available) * 100 >= u128::from(blocks) * wanted {
        return Outcome::Pass;
    }
    let percent = u128::from(available) * 100 / u128::from(blocks);
    let detail = format!(
        "{percent} % free on the file system of {} ({} of {}), expected {wanted} %",
        check.path,
        words::size(available.saturating_mul(block_size)),
        words::size(blocks.saturating_mul(block_size)),
    );
    Outcome::Fail(Fault::new(FaultKind::DiskFull, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at_least(min_free_percent: u8) -> DiskCheck {
        DiskCheck { path: "/".to_owned(), min_free_percent }
    }

    #[test]
    fn exactly_the_asked_for_percentage_is_enough() {
        assert_eq!(judge(&at_least(10), 10, 100, 4096), Outcome::Pass);
        let Outcome::Fail(fault) = judge(&at_least(10), 99, 1000, 1 << 20) else {
            panic!("99 of 1000 blocks are less than 10 %");
        };
        assert_eq!(fault.kind, FaultKind::DiskFull);
        assert_eq!(
            fault.detail,
            "9 % free on the file system of / (99 MiB of 1000 MiB), expected 10 %"
        );
    }

    #[tokio::test]
    async fn a_real_file_system_has_more_than_nothing_free() {
        let deadline = Deadline::after(Duration::from_secs(5));
        assert_eq!(look(&at_least(0), deadline).await, Outcome::Pass);
    }

    #[tokio::test]
    async fn a_missing_path_is_unknown() {
        let check = DiskCheck { path: "/no/such/folder".to_owned(), min_free_percent: 1 };
        let outcome = look(&check, Deadline::after(Duration::from_secs(5))).await;
        assert!(
            matches!(&outcome, Outcome::Unknown(why) if why.contains("/no/such/folder")),
            "{outcome:?}"
        );
    }
}
