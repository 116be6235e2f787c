//! The five fields of crontab: what may stand in each, and what it means. Sets
//! of values are read by the `cron` crate, in whose dialect Sunday is 1 and a
//! range has names or numbers, but not both.

use super::mistake::Mistake;
use cron::{Schedule, TimeUnitSpec};
use std::str::FromStr;

/// One of crontab's five fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name, for people.
    pub name: &'static str,
    /// What may stand in it, for people.
    pub allowed: &'static str,
    /// What one of its values is called.
    pub(super) value: &'static str,
    pub(super) first: u16,
    pub(super) last: u16,
    /// The names of the values from `first` on.
    pub(super) names: &'static [&'static str],
    /// An expression of the `cron` crate with only this field restricted is a
    /// text before it and one after it.
    around: (&'static str, &'static str),
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

pub(super) const MINUTE: Field = Field {
    name: "minute",
    allowed: "0–59",
    value: "number",
    first: 0,
    last: 59,
    names: &[],
    around: ("0 ", " * * * *"),
};
pub(super) const HOUR: Field = Field {
    name: "hour",
    allowed: "0–23",
    value: "number",
    first: 0,
    last: 23,
    names: &[],
    around: ("0 * ", " * * *"),
};
pub(super) const DAY: Field = Field {
    name: "day of month",
    allowed: "1–31",
    value: "number",
    first: 1,
    last: 31,
    names: &[],
    around: ("0 * * ", " * *"),
};
pub(super) const MONTH: Field = Field {
    name: "month",
    allowed: "1–12 or jan–dec",
    value: "month",
    first: 1,
    last: 12,
    names: &MONTHS,
    around: ("0 * * * ", " *"),
};
pub(super) const WEEKDAY: Field = Field {
    name: "day of week",
    allowed: "0–7 (0 and 7 are Sunday) or sun–sat",
    value: "day",
    first: 0,
    last: 7,
    names: &DAYS,
    around: ("0 * * * * ", ""),
};

/// One item of a list: every `step`th value from `first` to `last`, which is
/// over the end of the field where a range begins anew.
struct Item {
    first: u16,
    last: u16,
    step: u16,
}

impl Field {
    /// The values that `text` allows, ascending; days of the week from 0 to 6.
    pub(super) fn values(&self, text: &str) -> Result<Vec<u16>, Mistake> {
        let items = text.split(',').map(|item| Ok(self.translated(&self.item(item)?)));
        let items = items.collect::<Result<Vec<String>, Mistake>>()?;
        let (before, after) = self.around;
        let schedule = Schedule::from_str(&format!("{before}{}{after}", items.join(",")));
        let schedule = schedule.map_err(|why| Mistake::Unreadable(why.to_string()))?;
        let values: Vec<u32> = match self.name {
            name if name == MINUTE.name => schedule.minutes().iter().collect(),
            name if name == HOUR.name => schedule.hours().iter().collect(),
            name if name == DAY.name => schedule.days_of_month().iter().collect(),
            name if name == MONTH.name => schedule.months().iter().collect(),
            _ => schedule.days_of_week().iter().map(|day| day - 1).collect(),
        };
        Ok(values.into_iter().filter_map(|value| u16::try_from(value).ok()).collect())
    }

    /// An item in the dialect of the `cron` crate.
    fn translated(&self, item: &Item) -> String {
        let Item { first, last, step } = *item;
        let values = (first..=last).step_by(usize::from(step));
        if self.name == WEEKDAY.name {
            let names = values.map(|day| DAYS[usize::from(day % 7)]);
            return names.collect::<Vec<_>>().join(",");
        }
        if last > self.last {
            let values = values.map(|value| match value > self.last {
                true => value - self.length(),
                false => value,
            });
            return values.map(|value| value.to_string()).collect::<Vec<_>>().join(",");
        }
        // It takes no step that leads out of the range.
        if step > last - first { first.to_string() } else { format!("{first}-{last}/{step}") }
    }

    fn item(&self, text: &str) -> Result<Item, Mistake> {
        if text.is_empty() {
            return Err(Mistake::Empty);
        }
        if self.is_quartz(text) {
            return Err(Mistake::Quartz(text.to_owned()));
        }
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(step_of(step)?)),
            None => (text, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.first, self.last),
            Some((first, last)) => self.range(first, last)?,
            None if step.is_some() => {
                self.value(range)?;
                return Err(Mistake::StepWithoutRange {
                    from: range.to_owned(),
                    to: self.last,
                    step: step.unwrap_or(1),
                });
            }
            None => (self.value(range)?, self.value(range)?),
        };
        Ok(Item { first, last, step: step.unwrap_or(1) })
    }

    fn range(&self, first: &str, last: &str) -> Result<(u16, u16), Mistake> {
        let (from, to) = (self.value(first)?, self.value(last)?);
        if from > to && self.is_name(last) {
            // `fri-sun` and `nov-mar` mean one thing only.
            return Ok((from, to + self.length()));
        }
        if from > to {
            return Err(Mistake::Reversed {
                range: format!("{first}-{last}"),
                instead: self.over_the_end(from, to),
            });
        }
        Ok((from, to))
    }

    /// After so many values the field begins anew; a week has seven days, although
    /// Sunday has two numbers.
    fn length(&self) -> u16 {
        match self.name == WEEKDAY.name {
            true => 7,
            false => self.last - self.first + 1,
        }
    }

    fn is_name(&self, text: &str) -> bool {
        self.names.iter().any(|name| text.eq_ignore_ascii_case(name))
    }

    /// What somebody meant who wrote a range over the end of the field.
    fn over_the_end(&self, from: u16, to: u16) -> String {
        let part = |from: u16, to: u16| match from == to {
            true => from.to_string(),
            false => format!("{from}-{to}"),
        };
        // The week ends with a Sunday that is also its beginning.
        let first = if self.name == WEEKDAY.name { 1 } else { self.first };
        let end = part(from, self.last);
        if to < first { end } else { format!("{end},{}", part(first, to)) }
    }

    /// The value of a number or a name.
    fn value(&self, text: &str) -> Result<u16, Mistake> {
        let named = self.names.iter().position(|name| text.eq_ignore_ascii_case(name));
        if let Some(index) = named.and_then(|index| u16::try_from(index).ok()) {
            return Ok(self.first + index);
        }
        if text.is_empty() {
            return Err(Mistake::Empty);
        }
        let Some(number) = number(text) else {
            return Err(Mistake::Unknown {
                text: text.to_owned(),
                value: self.value,
                meant: self.beginning_of(text),
            });
        };
        if number > u64::from(self.last) {
            return Err(Mistake::TooLarge { text: text.to_owned(), most: self.last });
        }
        let value = u16::try_from(number).unwrap_or(self.last);
        if value < self.first {
            return Err(Mistake::TooSmall { text: text.to_owned(), least: self.first });
        }
        Ok(value)
    }

    /// The name that `text` begins with: `mon` of `monday`.
    fn beginning_of(&self, text: &str) -> Option<&'static str> {
        let lower = text.to_ascii_lowercase();
        self.names.iter().copied().find(|name| lower.starts_with(name))
    }

    /// Whether `text` is of Quartz, whose expressions look much the same.
    fn is_quartz(&self, text: &str) -> bool {
        let is_day = self.name == DAY.name || self.name == WEEKDAY.name;
        let last = |letter: char| {
            let before = text.strip_suffix(letter);
            before.is_some_and(|before| before.is_empty() || self.value(before).is_ok())
        };
        text == "?" || text.contains('#') || is_day && (text == "LW" || last('L') || last('W'))
    }
}

/// The step of a range.
fn step_of(text: &str) -> Result<u16, Mistake> {
    match number(text) {
        Some(0) => Err(Mistake::NoStep),
        Some(step) => Ok(u16::try_from(step).unwrap_or(u16::MAX)),
        None if text.is_empty() => Err(Mistake::Empty),
        None => Err(Mistake::Unknown { text: text.to_owned(), value: "number", meant: None }),
    }
}

/// Digits alone; a huge number is only huge.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}
