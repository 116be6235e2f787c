//! Crontab's expressions: what they mean for the days and minutes of a calendar.

use super::field::{DAY, Field, HOUR, MINUTE, MONTH, WEEKDAY};
use super::mistake::{CrontabError, MACROS};
use jiff::civil::{Date, DateTime};
use std::str::FromStr;

/// What each of [`MACROS`] stands for.
const MEANINGS: [&str; 7] =
    ["0 * * * *", "0 0 * * *", "0 0 * * *", "0 0 * * 0", "0 0 1 * *", "0 0 1 1 *", "0 0 1 1 *"];

/// A crontab expression: five fields, or a macro, with crontab's meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crontab {
    /// Ascending, as all of these.
    pub(super) minutes: Vec<u16>,
    pub(super) hours: Vec<u16>,
    pub(super) days: Vec<u16>,
    pub(super) months: Vec<u16>,
    /// Days after Sunday.
    pub(super) weekdays: Vec<u16>,
    /// Minutes since midnight: each of `minutes` in each of `hours`.
    times: Vec<u16>,
    /// Bit n: day n of the month.
    day_set: u32,
    /// Bit n: month n.
    month_set: u32,
    /// Bit n: n days after Sunday.
    weekday_set: u32,
    /// Both day fields are restricted: either one is enough.
    pub(super) either_day: bool,
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
            field.values(text).unwrap_or_else(|mistake| {
                wrong.push(CrontabError::Field { text: text.to_owned(), field, mistake });
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
            day_set: bits(&days),
            month_set: bits(&months),
            weekday_set: bits(&weekdays),
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
            at_fixed_times: !minute.starts_with('*') && !hour.starts_with('*'),
            minutes,
            hours,
            days,
            months,
            weekdays,
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
            self.month_set >> month & 1 == 1 && self.day_set.trailing_zeros() <= length
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

    /// Whether it comes true when the clock shows `at`.
    pub(super) fn allows(&self, at: DateTime) -> bool {
        self.is_on(at.date()) && self.times.contains(&minute_of(at))
    }

    fn is_on(&self, date: Date) -> bool {
        let has = |set: u32, value: i8| u32::try_from(value).is_ok_and(|bit| set >> bit & 1 == 1);
        let day = has(self.day_set, date.day());
        let weekday = has(self.weekday_set, date.weekday().to_sunday_zero_offset());
        has(self.month_set, date.month())
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
            "*/100 */30 */40 2-NOV,*/12 1-sat",
            "00 03 01 01 01",
            " @Daily ",
        ] {
            assert!(is_schedule(text), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("61 * * * *", r#""61" is not a valid minute: 61 is over 59"#),
            ("* 24 * * *", r#""24" is not a valid hour: 24 is over 23"#),
            ("* * 0 * *", r#""0" is not a valid day of month: 0 is under 1"#),
            ("* * 32 * *", r#""32" is not a valid day of month: 32 is over 31"#),
            ("* * * 0-3 *", r#""0-3" is not a valid month: 0 is under 1"#),
            ("* * * * 8", r#""8" is not a valid day of week: 8 is over 7"#),
            ("999999999999999999999 * * * *", "999999999999999999999 is over 59"),
            ("* * * foo *", r#""foo" is not a valid month: "foo" is no month"#),
            ("* * * * 1,fox", r#""1,fox" is not a valid day of week: "fox" is no day"#),
            ("a * * * *", r#""a" is no number"#),
            ("-5 * * * *", "there is nothing where a value should be"),
            ("+5 * * * *", r#""+5" is no number"#),
            ("1~5 * * * *", r#""1~5" is no number"#),
            ("*-5 * * * *", r#""*" is no number"#),
            ("1-2-3 * * * *", r#""2-3" is no number"#),
            ("1, * * * *", "there is nothing where a value should be"),
            ("* * * * ,1", "there is nothing where a value should be"),
            ("*/ * * * *", "there is nothing where a value should be"),
            ("*/0 * * * *", "a step of 0 never gets anywhere"),
            ("*/x * * * *", r#""x" is no number"#),
            ("0/15 * * * *", "a step needs a range before it, and 0 is none"),
            ("* 22-2 * * *", r#""22-2" is not a valid hour: the range 22-2 runs backwards"#),
            ("* * ? * *", r#""?" belongs to Quartz"#),
            ("* * L * *", r#""L" belongs to Quartz"#),
            ("* * 15W * *", r#""15W" belongs to Quartz"#),
            ("* * LW * *", r#""LW" belongs to Quartz"#),
            ("* * * * 5L", r#""5L" belongs to Quartz"#),
            ("* * * * fri#2", r#""fri#2" belongs to Quartz"#),
            ("@reboot", r#""@reboot" is no schedule"#),
            ("* * * *", "a schedule has five fields, this one has 4"),
            ("0 0 3 * * *", "a schedule has five fields, this one has 6"),
            ("", "a schedule has five fields, this one has 0"),
        ] {
            let wrong = text.parse::<Crontab>().unwrap_err();
            let [wrong] = &wrong[..] else { panic!("{text}: {wrong:?}") };
            assert!(wrong.to_string().contains(expected), "{text}: {wrong}");
        }
    }

    #[test]
    fn what_was_meant_is_suggested() {
        for (text, expected) in [
            ("* 22-2 * * *", "22-23,0-2"),
            ("* * * 11-2 *", "11-12,1-2"),
            ("* * * * fri-0", "5-7"),
            ("* * * * 6-1", "6-7,1"),
            ("5/10 * * * *", "5-59/10"),
            ("* * * * monday", "mon"),
            ("* * * Sept *", "sep"),
        ] {
            let wrong = text.parse::<Crontab>().unwrap_err();
            let meant = format!("did you mean \"{expected}\"?");
            assert_eq!(wrong[0].help(), Some(meant), "{text}");
            let mended = text.split(' ').map(|field| if field == "*" { field } else { expected });
            assert!(is_schedule(&mended.collect::<Vec<_>>().join(" ")), "{text}");
        }
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let wrong = "61 3 * * 9".parse::<Crontab>().unwrap_err();
        let names: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        assert_eq!(
            names,
            [
                "\"61\" is not a valid minute: 61 is over 59",
                "\"9\" is not a valid day of week: 9 is over 7"
            ]
        );
    }

    #[test]
    fn sunday_is_0_and_7() {
        assert_eq!("0 0 * * 0".parse::<Crontab>(), "0 0 * * 7".parse());
        assert_eq!(WEEKDAY.values("5-7").unwrap(), [0, 5, 6]);
        assert_eq!(WEEKDAY.values("*/3").unwrap(), [0, 3, 6]);
    }

    #[test]
    fn a_range_of_names_may_run_over_the_end() {
        for (names, numbers) in [
            ("0 0 * * mon-sun", "0 0 * * 1-7"),
            ("0 0 * * fri-sun", "0 0 * * 5-7"),
            ("0 0 * * SAT-mon", "0 0 * * 6,0,1"),
            ("0 0 * * 5-Sun", "0 0 * * 5-7"),
            ("0 0 * * fri-tue/2", "0 0 * * 5,0,2"),
            ("0 0 * * sun-sat", "0 0 * * 0-6"),
            ("0 0 * nov-mar *", "0 0 * 11,12,1,2,3 *"),
            ("0 0 * oct-apr/3 *", "0 0 * 10,1,4 *"),
            ("0 0 * dec-jan,jun fri-sun,wed", "0 0 * 12,1,6 5,6,0,3"),
        ] {
            assert_eq!(names.parse::<Crontab>(), numbers.parse(), "{names}");
            assert!(is_schedule(names), "{names}");
        }
    }

    #[test]
    fn macros_are_what_crontab_says() {
        assert_eq!("@weekly".parse::<Crontab>(), "0 0 * * sun".parse());
        assert_eq!("@annually".parse::<Crontab>(), "0 0 1 jan *".parse());
        assert_eq!("@hourly".parse::<Crontab>(), "0 * * * *".parse());
    }
}
