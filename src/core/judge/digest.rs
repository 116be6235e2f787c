//! What was healed without telling anybody, told once a day (behaviour.md,
//! section 4, "Notifiable").

use super::*;
use crate::model::Subject;
use crate::words;
use incident::Quiet;
use serde::{Deserialize, Serialize};

/// How often something was healed without a message since the last digest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Healed {
    count: u32,
    /// From the confirmed failure to the proof that it is well.
    longest: Duration,
}

impl Core {
    pub(super) fn count_healed(&mut self, quiet: Vec<Quiet>) {
        for Quiet { root, lasted } in quiet {
            let healed = self.host.healed.entry(root).or_default();
            healed.count = healed.count.saturating_add(1);
            healed.longest = healed.longest.max(lasted);
        }
    }

    /// Tells what was healed since it was last told; nothing if nothing was.
    /// While no message at all is wanted, it waits for the next digest.
    pub(super) fn tell_digest(&mut self, now: Now, out: &mut Out) {
        if self.is_silent(now) {
            return;
        }
        let mut healed: Vec<(String, Healed)> =
            std::mem::take(&mut self.host.healed).into_iter().collect();
        if healed.is_empty() {
            return;
        }
        healed.sort_by_key(|(_, healed)| std::cmp::Reverse(healed.count));
        let all: u32 = healed.iter().map(|(_, healed)| healed.count).sum();
        let names: Vec<&str> = healed.iter().map(|(name, _)| name.as_str()).collect();
        let mut reason = match all {
            1 => format!("1 failure was healed without a message: {}", names.join(", ")),
            all => format!("{all} failures were healed without a message: {}", names.join(", ")),
        };
        for (name, Healed { count, longest }) in &healed {
            let longest = words::duration(*longest);
            reason.push_str(&match count {
                1 => format!("\n{name}: once, after {longest}"),
                count => format!("\n{name}: {count} times, after {longest} at most"),
            });
        }
        let notice = self.good_news(Subject::Vai, "daily digest", now, now, reason);
        self.tell(notice, out);
    }
}
