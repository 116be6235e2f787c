//! Crontab's expressions. Each field is read by the `cron` crate, whose own
//! dialect differs: seconds first, Sunday is 1, both day fields have to match.

use cron::{Schedule, TimeUnitSpec};
use jiff::civil::{Date, DateTime};
use std::str::FromStr;

/// The macros of crontab that name a time.
pub const MACROS: [&str; 7] =
    ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];

/// What each of [`MACROS`] stands for.
const MEANINGS: [&str; 7] =
    ["0 * * * *", "0 0 * * *", "0 0 * * *", "0 0 * * 0", "0 0 1 * *", "0 0 1 1 *", "0 0 1 1 *"];

const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// One of crontab's five fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name, for people.
    pub name: &'static str,
    /// What may stand in it, for people.
    pub allowed: &'static str,
}

const MINUTE: Field = Field { name: "minute", allowed: "0–59" };
const HOUR: Field = Field { name: "hour", allowed: "0–23" };
const DAY: Field = Field { name: "day of month", allowed: "1–31" };
const MONTH: Field = Field { name: "month", allowed: "1–12 or jan–dec" };
const WEEKDAY: Field =
    Field { name: "day of week", allowed: "0–7 (0 and 7 are Sunday) or sun–sat" };

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrontabError {
    /// There are not five fields but so many.
    #[error("a schedule has five fields, this one has {0}")]
    Count(usize),
    /// A field that is not what it should be.
    #[error("\"{text}\" is not a valid {}", field.name)]
    Field {
        /// What stands there.
        text: String,
        /// Where.
        field: Field,
    },
    /// Something with an `@` that is none of [`MACROS`].
    #[error("\"{0}\" is no schedule")]
    Macro(String),
}

/// A crontab expression: five fields, or a macro, with crontab's meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crontab {
    /// Minutes since midnight, ascending.
    times: Vec<u16>,
    /// Bit n: day n of the month.
    days: u32,
    /// Bit n: month n.
    months: u32,
    /// Bit n: n days after Sunday.
    weekdays: u32,
    /// Both day fields are restricted: either one is enough.
    either_day: bool,
    /// Neither minute nor hour is a `*`: a job at a time of the day, which a
    /// change of the clocks neither skips nor repeats (as Debian's cron).
    pub(super) at_fixed_times: bool,
}

impl FromStr for Crontab {
    type Err = Vec<CrontabError>;

    /// # Errors
    /// Everything that is wrong with it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.starts_with('@') {
            let named = MACROS.iter().position(|name| text.eq_ignore_ascii_case(name));
            let index = named.ok_or_else(|| vec![CrontabError::Macro(text.to_owned())])?;
            return MEANINGS[index].parse();
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(vec![CrontabError::Count(fields.len())]);
        };
        let mut wrong = Vec::new();
        let mut read = |text: &str, field: Field| {
            values(text, field).unwrap_or_else(|| {
                wrong.push(CrontabError::Field { text: text.to_owned(), field });
                Vec::new()
            })
        };
        let (minutes, hours) = (read(minute, MINUTE), read(hour, HOUR));
        let (days, months) = (read(day, DAY), read(month, MONTH));
        let weekdays = read(weekday, WEEKDAY);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let in_hour = |hour: u16| minutes.iter().map(move |minute| hour * 60 + minute);
        Ok(Self {
            times: hours.iter().flat_map(|&hour| in_hour(hour)).collect(),
            days: bits(&days),
            months: bits(&months),
            weekdays: bits(&weekdays),
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
            at_fixed_times: !minute.starts_with('*') && !hour.starts_with('*'),
        })
    }
}

/// The days of each month, January first, of a leap year.
const LENGTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Crontab {
    /// Whether any of its months has any of its days; 30 February never comes.
    #[must_use]
    pub fn comes_true(&self) -> bool {
        let has_day = |(month, length): (u32, u32)| {
            self.months >> month & 1 == 1 && self.days.trailing_zeros() <= length
        };
        self.either_day || (1..).zip(LENGTHS).any(has_day)
    }

    /// The first time on the clock after `after`, up to the day of `limit`.
    pub(super) fn civil_after(&self, after: DateTime, limit: Date) -> Option<DateTime> {
        let mut first = self.times.partition_point(|&time| time <= minute_of(after));
        let mut date = after.date();
        while date <= limit {
            if self.is_on(date)
                && let Some(&time) = self.times.get(first)
            {
                return at(date, time);
            }
            first = 0;
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// The last time on the clock that is not after `until`, down to the day of
    /// `limit`.
    pub(super) fn civil_until(&self, until: DateTime, limit: Date) -> Option<DateTime> {
        let mut left = self.times.partition_point(|&time| time <= minute_of(until));
        let mut date = until.date();
        while date >= limit {
            if self.is_on(date)
                && let Some(&time) = self.times[..left].last()
            {
                return at(date, time);
            }
            left = self.times.len();
            date = date.yesterday().ok()?;
        }
        None
    }

    /// How many times on the clock there are after `after`, up to `until`.
    pub(super) fn civil_count(&self, after: DateTime, until: DateTime) -> u32 {
        let up_to = |at: DateTime| self.times.partition_point(|&time| time <= minute_of(at));
        let mut count = 0;
        let mut date = after.date();
        while date <= until.date() {
            if self.is_on(date) {
                let from = if date == after.date() { up_to(after) } else { 0 };
                let to = if date == until.date() { up_to(until) } else { self.times.len() };
                count += to.saturating_sub(from);
            }
            let Ok(tomorrow) = date.tomorrow() else { break };
            date = tomorrow;
        }
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    fn is_on(&self, date: Date) -> bool {
        let has = |set: u32, value: i8| u32::try_from(value).is_ok_and(|bit| set >> bit & 1 == 1);
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        has(self.months, date.month())
            && if self.either_day { day || weekday } else { day && weekday }
    }
}

fn at(date: Date, minute: u16) -> Option<DateTime> {
    let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
    Some(date.at(hour, minute, 0, 0))
}

fn minute_of(time: DateTime) -> u16 {
    let part = |part: i8| u16::try_from(part).unwrap_or(0);
    part(time.hour()) * 60 + part(time.minute())
}

fn bits(values: &[u16]) -> u32 {
    values.iter().fold(0, |set, value| set | 1 << value)
}

/// The values that a field allows, ascending; days of the week from 0.
fn values(text: &str, field: Field) -> Option<Vec<u16>> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "*,-/".contains(letter);
    if !text.chars().all(allowed) {
        return None;
    }
    let read = |expression: String| Schedule::from_str(&expression).ok();
    let values: Vec<u32> = match field {
        MINUTE => read(format!("0 {text} * * * *"))?.minutes().iter().collect(),
        HOUR => read(format!("0 * {text} * * *"))?.hours().iter().collect(),
        DAY => read(format!("0 * * {text} * *"))?.days_of_month().iter().collect(),
        MONTH => read(format!("0 * * * {text} *"))?.months().iter().collect(),
        _ => {
            let schedule = read(format!("0 * * * * {}", days_of_week(text)?))?;
            schedule.days_of_week().iter().map(|day| day - 1).collect()
        }
    };
    values.into_iter().map(|value| u16::try_from(value).ok()).collect()
}

/// A day-of-week field of crontab as a list of the `cron` crate's names.
fn days_of_week(field: &str) -> Option<String> {
    let mut days = Vec::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|&step| step > 0)?),
            None => (part, 1),
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (day(first)?, day(last)?),
            None if range == "*" => (0, 6),
            None => (day(range)?, day(range)?),
        };
        if first > last {
            return None;
        }
        days.extend((first..=last).step_by(step).map(|day| DAYS[day % 7]));
    }
    Some(days.join(","))
}

/// The number of a day, 0 to 7.
fn day(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let named = DAYS.iter().position(|&name| name == lower);
    named.or_else(|| text.parse().ok().filter(|&day| day <= 7))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_schedule(text: &str) -> bool {
        text.parse::<Crontab>().is_ok()
    }

    #[test]
    fn crontab_is_understood() {
        for text in [
            "*/5 0-23/2 1,15 jan-mar,DEC *",
            "0 0 * * 0",
            "0 0 * * 7",
            "0 0 * * 5-7",
            "0 0 * * sun-tue",
            "0 0 * * mon-FRI/2",
            "0 0 * * */2",
            "59 23 31 12 6",
            " @Daily ",
        ] {
            assert!(is_schedule(text), "{text}");
        }
    }

    #[test]
    fn what_crontab_refuses_is_refused() {
        for text in [
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 13 *",
            "* * * foo *",
            "* * * * 8",
            "* * * * fri-mon",
            "*/0 * * * *",
            "? * * * *",
            "* * L * *",
            "1, * * * *",
            "* * * * 1,",
            "a * * * *",
            "@reboot",
            "* * * *",
        ] {
            assert!(!is_schedule(text), "{text}");
        }
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let wrong = "61 3 * * 9".parse::<Crontab>().unwrap_err();
        let names: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["\"61\" is not a valid minute", "\"9\" is not a valid day of week"]);
    }

    #[test]
    fn sunday_is_0_and_7() {
        assert_eq!("0 0 * * 0".parse::<Crontab>(), "0 0 * * 7".parse());
        assert_eq!(values("5-7", WEEKDAY).unwrap(), [0, 5, 6]);
        assert_eq!(values("*/3", WEEKDAY).unwrap(), [0, 3, 6]);
    }

    #[test]
    fn macros_are_what_crontab_says() {
        assert_eq!("@weekly".parse::<Crontab>(), "0 0 * * sun".parse());
        assert_eq!("@annually".parse::<Crontab>(), "0 0 1 jan *".parse());
        assert_eq!("@hourly".parse::<Crontab>(), "0 * * * *".parse());
    }
}
