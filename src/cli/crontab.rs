//! `vai cron`.

use super::{BAD_REGISTRY, plain_table, print};
use crate::clock;
use crate::schedule::{Change, Crontab, CrontabError, Upcoming};
use anyhow::Result;
use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::{self, Offset, TimeZone};
use std::io::Write as _;
use std::process::ExitCode;

/// So many runs are shown.
const RUNS: usize = 10;

/// Say what a schedule means, and when it comes true next.
///
/// The five fields may be given as one word in quotes or as five, the stars in
/// quotes, so that the shell leaves them alone.
#[derive(Clone, Debug, clap::Args)]
pub struct CronArgs {
    /// Five fields of crontab, or a macro: "30 3 * * 1-5", @daily.
    #[arg(required = true, value_name = "SCHEDULE")]
    schedule: Vec<String>,
    /// The time zone that it is read in; else the one of vai.
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// Runs after this: 2026-03-28, "2026-03-28 12:00", 2026-03-28T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
}

/// Explains a schedule. One that is none, and an unknown zone or time, are exit
/// code 2.
///
/// # Errors
/// When nothing can be printed.
pub fn run(args: &CronArgs) -> Result<ExitCode> {
    match explained(args, now()) {
        Ok(text) => {
            print(&text)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(wrong) => {
            write!(std::io::stderr(), "{wrong}")?;
            Ok(ExitCode::from(BAD_REGISTRY))
        }
    }
}

fn now() -> Timestamp {
    Timestamp::from_millisecond(clock::wall().as_millis()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// All that there is to say; or what is wrong with the question.
fn explained(args: &CronArgs, now: Timestamp) -> Result<String, String> {
    let text = args.schedule.join(" ");
    let crontab = text.parse::<Crontab>().map_err(|wrong| mistakes(&wrong, args.schedule.len()))?;
    let zone = match &args.tz {
        Some(name) => zone(name)?,
        None => TimeZone::system(),
    };
    let from = args.from.as_deref().map_or(Ok(now), |text| moment(text, &zone))?;
    let runs: Vec<Upcoming> = crontab.upcoming(from, &zone).take(RUNS).collect();
    let name = zone.iana_name().unwrap_or("the zone of this system");
    Ok(format!("{}\nin {name}\n{}", crontab.in_words(), table(&runs)))
}

/// Everything that is wrong with a schedule of so many words, and how to mend it.
fn mistakes(wrong: &[CrontabError], words: usize) -> String {
    let mut text = String::new();
    let mut helps: Vec<String> = Vec::new();
    for wrong in wrong {
        text += &format!("vai: {wrong}\n  {}\n", wrong.expected());
        helps.extend(wrong.help().filter(|help| !helps.contains(help)));
    }
    if words > 7 {
        helps = vec!["the shell puts file names where a bare * stands: quote it".to_owned()];
    }
    text + &helps.iter().map(|help| format!("  help: {help}\n")).collect::<String>()
}

fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        let wanted = name.to_ascii_lowercase().replace(' ', "_");
        let known = tz::db().available();
        let alike = known.map(|known| known.to_string()).find(|known| {
            let known = known.to_ascii_lowercase();
            known.ends_with(&format!("/{wanted}"))
        });
        let help = match alike {
            Some(alike) => format!("did you mean \"{alike}\"?"),
            None => "an IANA name, such as \"Europe/Berlin\" or \"UTC\"".to_owned(),
        };
        format!("vai: there is no time zone \"{name}\"\n  help: {help}\n")
    })
}

/// A moment as somebody types it; a time without an offset is on the clock of
/// `zone`.
fn moment(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let civil = text.parse::<DateTime>().ok();
    let zoned = civil.and_then(|civil| zone.to_ambiguous_timestamp(civil).compatible().ok());
    zoned.ok_or_else(|| {
        format!(
            "vai: \"{text}\" is no time\n  help: such as 2026-03-28, \"2026-03-28 12:00\" or \
             2026-03-28T12:00:00Z\n"
        )
    })
}

fn table(runs: &[Upcoming]) -> String {
    if runs.is_empty() {
        return String::new();
    }
    let mut table = plain_table(["DAY", "DATE", "TIME", "OFFSET", ""]);
    for run in runs {
        let part = |format: &str| run.at.strftime(format).to_string();
        let change = run.change.as_ref().map(|change| in_words(change, run.at.time()));
        table.add_row([
            part("%A"),
            part("%Y-%m-%d"),
            part("%H:%M"),
            ahead(run.offset),
            change.unwrap_or_default(),
        ]);
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    format!("\n{}", lines.collect::<String>())
}

/// `+01:00`.
fn ahead(offset: Offset) -> String {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

fn in_words(change: &Change, at: Time) -> String {
    let shown = |time: Time| time.strftime("%H:%M").to_string();
    match change {
        Change::Skipped { times, merged } => {
            let names: Vec<String> = times.iter().copied().map(shown).collect();
            let do_not = if names.len() == 1 { "does not" } else { "do not" };
            let for_what = if *merged { "also for" } else { "instead of" };
            format!("{for_what} {}, which {do_not} exist that day", names.join(", "))
        }
        Change::Once => format!("{} comes twice that day and counts once", shown(at)),
        Change::Again => format!("{} comes twice that day: the second", shown(at)),
    }
}

#[cfg(test)]
mod tests;
