//! What an expression says, in the words of a person.

use super::Crontab;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// From Sunday to the next one, which ends the weeks that begin on a Monday.
const DAYS: [&str; 8] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// More times of the day than these are told by their rhythm.
const FEW_TIMES: usize = 6;

/// More hours or days than these are told by their rhythm, where they have one.
const FEW_VALUES: usize = 8;

impl Crontab {
    /// What it says: `at 03:30, Monday to Friday`.
    #[must_use]
    pub fn in_words(&self) -> String {
        if !self.comes_true() {
            return "never: none of its months has such a day".to_owned();
        }
        self.times_in_words() + &self.days_in_words()
    }

    fn is_hourly(&self) -> bool {
        self.hours.len() == 24
    }

    /// Whether it is told as something that goes on, not as times of the day.
    fn goes_on(&self) -> bool {
        self.is_hourly() || self.times_in_words().starts_with("every")
    }

    fn times_in_words(&self) -> String {
        let (minutes, hours) = (&self.minutes[..], &self.hours[..]);
        let (first, last) = ends(minutes);
        // Two values are no rhythm yet, unless it goes on in the next hour.
        let is_rhythm = |step: &u16| minutes.len() > 2 || first == 0 && last + step == 60;
        match (minutes, rhythm(minutes).filter(is_rhythm)) {
            (&[minute], _) => self.once_in_each_hour(minute),
            _ if minutes.len() * hours.len() <= 3 => format!("at {}", self.every_time()),
            (_, Some(step)) => self.minute_after_minute(step),
            _ if minutes.len() * hours.len() <= FEW_TIMES => format!("at {}", self.every_time()),
            _ => format!(
                "at {} minutes past {}",
                list(minutes, |it| it.to_string()),
                self.these_hours()
            ),
        }
    }

    /// `at 03:30`, `every 2 hours`, `every hour from 09:00 to 17:00`.
    fn once_in_each_hour(&self, minute: u16) -> String {
        let hours = &self.hours[..];
        let (first, last) = ends(hours);
        let rhythm = rhythm(hours).filter(|_| hours.len() > 3);
        let every =
            |step| if step == 1 { "every hour".to_owned() } else { format!("every {step} hours") };
        match rhythm {
            Some(1) if self.is_hourly() => match minute {
                0 => every(1),
                1 => "at 1 minute past every hour".to_owned(),
                _ => format!("at {minute} minutes past every hour"),
            },
            // All through the day.
            Some(step) if minute == 0 && first == 0 && last + step == 24 => every(step),
            Some(step) => {
                format!("{} from {} to {}", every(step), time(first, minute), time(last, minute))
            }
            None => format!("at {}", self.every_time()),
        }
    }

    /// Minutes that are `step` apart: `every 15 minutes from 08:00 to 18:45`.
    fn minute_after_minute(&self, step: u16) -> String {
        let every =
            if step == 1 { "every minute".to_owned() } else { format!("every {step} minutes") };
        let (first, last) = ends(&self.minutes);
        let (from, to) = ends(&self.hours);
        let all_through_the_hour = first == 0 && last + step == 60;
        let is_one_stretch = all_through_the_hour && usize::from(to - from) + 1 == self.hours.len();
        if all_through_the_hour && self.is_hourly() {
            every
        } else if is_one_stretch || from == to {
            format!("{every} from {} to {}", time(from, first), time(to, last))
        } else if all_through_the_hour {
            format!("{every} in {}", self.these_hours())
        } else {
            format!("{every} from :{first:02} to :{last:02} of {}", self.these_hours())
        }
    }

    fn every_time(&self) -> String {
        let of_hour = |&hour: &u16| self.minutes.iter().map(move |&minute| time(hour, minute));
        joined(&self.hours.iter().flat_map(of_hour).collect::<Vec<_>>())
    }

    fn these_hours(&self) -> String {
        let hours = &self.hours[..];
        let (from, to) = ends(hours);
        match rhythm(hours) {
            Some(1) if self.is_hourly() => "every hour".to_owned(),
            Some(1) if hours.len() > 2 => format!("the hours {from:02} to {to:02}"),
            Some(step) if hours.len() > FEW_VALUES => {
                format!("every {} hour from {from:02} to {to:02}", ordinal(step))
            }
            _ if hours.len() == 1 => format!("the hour {from:02}"),
            _ => format!("the hours {}", list(hours, |hour| format!("{hour:02}"))),
        }
    }

    /// Behind the times: ` on Sundays`, `, Monday to Friday`, ` every day`.
    fn days_in_words(&self) -> String {
        let (any_day, any_weekday) = (self.days.len() == 31, self.weekdays.len() == 7);
        let months = self.months_in_words();
        let in_months = months.as_ref().map(|months| format!(" {months}")).unwrap_or_default();
        match (any_day, any_weekday) {
            (true, true) if self.goes_on() => in_months,
            (true, true) => format!(" every day{in_months}"),
            (true, false) => self.weekdays_in_words() + &in_months,
            (false, true) => format!(" {} {}", self.month_days(), of_months(months)),
            (false, false) if self.either_day => match months {
                None => format!(" {} of every month and {}", self.month_days(), self.on_weekdays()),
                Some(months) => {
                    format!(" {} and {}, {months}", self.month_days(), self.on_weekdays())
                }
            },
            (false, false) => {
                let days = format!("{} {}", self.month_days(), of_months(months));
                format!(" {days}, but only {}", self.on_weekdays())
            }
        }
    }

    /// `in January and July`; nothing for all of them.
    fn months_in_words(&self) -> Option<String> {
        let months = &self.months[..];
        let name = |month: u16| MONTHS[usize::from(month - 1)].to_owned();
        let (first, last) = ends(months);
        match rhythm(months) {
            _ if months.len() == 12 => None,
            Some(1) if months.len() > 2 => Some(format!("from {} to {}", name(first), name(last))),
            _ => Some(format!("in {}", list(months, name))),
        }
    }

    /// `on the 1st and 15th`.
    fn month_days(&self) -> String {
        let days = &self.days[..];
        let (first, last) = ends(days);
        match rhythm(days) {
            Some(1) if days.len() > 2 => {
                format!("from the {} to the {}", ordinal(first), ordinal(last))
            }
            Some(2) if first == 1 && last == 31 => "on odd days".to_owned(),
            Some(2) if first == 2 && last == 30 => "on even days".to_owned(),
            Some(step) if days.len() > FEW_VALUES => {
                format!("on every {} day from the {}", ordinal(step), ordinal(first))
            }
            _ => format!("on the {}", list(days, ordinal)),
        }
    }

    fn weekdays_in_words(&self) -> String {
        let days = self.on_weekdays();
        match days.strip_prefix("from ") {
            Some(range) => format!(", {range}"),
            None => format!(" {days}"),
        }
    }

    /// `from Monday to Friday`, `on Sundays`.
    fn on_weekdays(&self) -> String {
        let name = |day: u16| DAYS[usize::from(day)];
        let mut from_monday: Vec<u16> =
            self.weekdays.iter().map(|&day| if day == 0 { 7 } else { day }).collect();
        from_monday.sort_unstable();
        let in_a_row = [&from_monday, &self.weekdays];
        let range = in_a_row.into_iter().find(|days| days.len() > 2 && rhythm(days) == Some(1));
        match range {
            Some(days) => {
                let (first, last) = ends(days);
                format!("from {} to {}", name(first), name(last))
            }
            None => format!("on {}", list(&from_monday, |day| format!("{}s", name(day)))),
        }
    }
}

/// `of every month`, `of January and July`.
fn of_months(months: Option<String>) -> String {
    match months {
        None => "of every month".to_owned(),
        Some(months) => match months.strip_prefix("in ") {
            Some(names) => format!("of {names}"),
            None => format!("of every month {months}"),
        },
    }
}

/// The first and the last.
fn ends(values: &[u16]) -> (u16, u16) {
    (values.first().copied().unwrap_or(0), values.last().copied().unwrap_or(0))
}

/// By how much each value is larger than the one before it, if that is always
/// the same.
fn rhythm(values: &[u16]) -> Option<u16> {
    let mut steps = values.windows(2).map(|pair| pair[1] - pair[0]);
    let first = steps.next()?;
    steps.all(|step| step == first).then_some(first)
}

fn time(hour: u16, minute: u16) -> String {
    format!("{hour:02}:{minute:02}")
}

fn ordinal(number: u16) -> String {
    let ending = match (number / 10, number % 10) {
        (1, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

fn list(values: &[u16], name: impl Fn(u16) -> String) -> String {
    joined(&values.iter().map(|&value| name(value)).collect::<Vec<_>>())
}

fn joined(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_like_a_person_wrote_it() {
        for (text, expected) in [
            ("* * * * *", "every minute"),
            ("*/5 * * * *", "every 5 minutes"),
            ("0,30 * * * *", "every 30 minutes"),
            ("@hourly", "every hour"),
            ("1 * * * *", "at 1 minute past every hour"),
            ("17 * * * *", "at 17 minutes past every hour"),
            ("5,20,40 * * * *", "at 5, 20 and 40 minutes past every hour"),
            ("5,20 * * * *", "at 5 and 20 minutes past every hour"),
            ("5,20 3,4 * * *", "at 03:05, 03:20, 04:05 and 04:20 every day"),
            ("5,20 1-8 * * *", "at 5 and 20 minutes past the hours 01 to 08 every day"),
            ("5-59/15 * * * *", "every 15 minutes from :05 to :50 of every hour"),
            ("*/7 * * * *", "every 7 minutes from :00 to :56 of every hour"),
            ("0-10 * * * *", "every minute from :00 to :10 of every hour"),
            ("* 3 * * *", "every minute from 03:00 to 03:59"),
            ("*/15 8-18 * * *", "every 15 minutes from 08:00 to 18:45"),
            ("*/15 3,7,9 * * *", "every 15 minutes in the hours 03, 07 and 09"),
            ("*/10 */2 * * *", "every 10 minutes in every 2nd hour from 00 to 22"),
            ("10-50/10 9-17 * * *", "every 10 minutes from :10 to :50 of the hours 09 to 17"),
            ("0 */2 * * *", "every 2 hours"),
            ("0 */6 * * *", "every 6 hours"),
            ("15 */6 * * *", "every 6 hours from 00:15 to 18:15"),
            ("0 */5 * * *", "every 5 hours from 00:00 to 20:00"),
            ("0 */8 * * *", "at 00:00, 08:00 and 16:00 every day"),
            ("30 3 * * *", "at 03:30 every day"),
            ("@daily", "at 00:00 every day"),
            ("17 4,16 * * *", "at 04:17 and 16:17 every day"),
            ("0,20,50 3 * * *", "at 03:00, 03:20 and 03:50 every day"),
            ("0 1,5,6,20 * * *", "at 01:00, 05:00, 06:00 and 20:00 every day"),
            ("1,5,20 3,7 * * *", "at 03:01, 03:05, 03:20, 07:01, 07:05 and 07:20 every day"),
            ("1,5,20 3,7,9 * * *", "at 1, 5 and 20 minutes past the hours 03, 07 and 09 every day"),
            ("0 9-17 * * mon-fri", "every hour from 09:00 to 17:00, Monday to Friday"),
            ("0 8-18/2 * * *", "every 2 hours from 08:00 to 18:00"),
            ("30 3 * * 1-5", "at 03:30, Monday to Friday"),
            ("*/15 8-18 * * mon-fri", "every 15 minutes from 08:00 to 18:45, Monday to Friday"),
            ("@weekly", "at 00:00 on Sundays"),
            ("0 4 * * 1,4", "at 04:00 on Mondays and Thursdays"),
            ("0 4 * * 6,7", "at 04:00 on Saturdays and Sundays"),
            ("0 4 * * 5-7", "at 04:00, Friday to Sunday"),
            ("0 4 * * 0-3", "at 04:00, Sunday to Wednesday"),
            ("0 4 * * */2", "at 04:00 on Tuesdays, Thursdays, Saturdays and Sundays"),
            ("0 4 * 1,7 sun", "at 04:00 on Sundays in January and July"),
            ("0 4 * 3-6 mon-fri", "at 04:00, Monday to Friday from March to June"),
            ("@monthly", "at 00:00 on the 1st of every month"),
            ("0 0 1,15 * *", "at 00:00 on the 1st and 15th of every month"),
            ("0 0 22,23,31 * *", "at 00:00 on the 22nd, 23rd and 31st of every month"),
            ("0 0 1-7 * *", "at 00:00 from the 1st to the 7th of every month"),
            ("0 0 */2 * *", "at 00:00 on odd days of every month"),
            ("0 0 2-30/2 * *", "at 00:00 on even days of every month"),
            ("0 0 */3 * *", "at 00:00 on every 3rd day from the 1st of every month"),
            (
                "0 0 */5 * *",
                "at 00:00 on the 1st, 6th, 11th, 16th, 21st, 26th and 31st of every month",
            ),
            ("0 4 1 */3 *", "at 04:00 on the 1st of January, April, July and October"),
            ("0 4 1 3-6 *", "at 04:00 on the 1st of every month from March to June"),
            ("@yearly", "at 00:00 on the 1st of January"),
            ("0 4 * 12 *", "at 04:00 every day in December"),
            ("*/5 * * 6-8 *", "every 5 minutes from June to August"),
            ("0 0 13 * 5", "at 00:00 on the 13th of every month and on Fridays"),
            (
                "0 0 1,15 * 1-5",
                "at 00:00 on the 1st and 15th of every month and from Monday to Friday",
            ),
            ("0 0 13 1 5", "at 00:00 on the 13th and on Fridays, in January"),
            ("0 0 */2 * mon", "at 00:00 on odd days of every month, but only on Mondays"),
            (
                "0 0 13 * */6",
                "at 00:00 on the 13th of every month, but only on Saturdays and Sundays",
            ),
            ("0 0 30 2 *", "never: none of its months has such a day"),
        ] {
            let crontab: Crontab = text.parse().unwrap();
            assert_eq!(crontab.in_words(), expected, "{text}");
        }
    }
}
