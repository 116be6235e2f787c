//! That `schedule` means what crontab says, through every change of the clocks.
//!
//! Expressions are generated together with what they mean, and compared with two
//! implementations that share nothing with ours: the crate `croner` for the
//! calendar, and the loop of Debian's cron, minute by minute, for the clocks.
//! `VAI_CRONTAB_ROUNDS=100` compares a hundred times as much, and
//! `VAI_CRONTAB_SEED=7` something else; `--nocapture` shows how much.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at its first surprise")]
#![allow(clippy::print_stdout, reason = "how much was compared is for people")]

mod awkward;
mod calendar;
mod clocks;
mod debian;
mod expressions;

/// How much is compared, as a multiple of what every run of the tests does.
fn rounds() -> usize {
    number("VAI_CRONTAB_ROUNDS").map_or(1, |rounds| rounds.try_into().unwrap())
}

fn seed() -> u64 {
    number("VAI_CRONTAB_SEED").unwrap_or(1)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}
