//! Random expressions, each with what it means.

/// Random numbers from a seed (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let limited = (it ^ (it >> 31)) % u64::from(limit.max(1));
        u32::try_from(limited).unwrap()
    }

    /// One of `from` to `to`.
    pub(crate) fn within(&mut self, from: u32, to: u32) -> u32 {
        from + self.below(to - from + 1)
    }

    pub(crate) fn one_in(&mut self, many: u32) -> bool {
        self.below(many) == 0
    }

    pub(crate) fn pick<'p, T>(&mut self, of: &'p [T]) -> &'p T {
        &of[self.below(u32::try_from(of.len()).unwrap()) as usize]
    }
}

/// A field with the values that it allows: bit n is the value n.
#[derive(Clone, Debug)]
struct Field {
    text: String,
    bits: u64,
}

/// An expression with its meaning, as crontab(5) gives it.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    pub(crate) text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    /// Bit n: n days after Sunday.
    weekdays: u64,
    /// A day field begins with a `*`, so that both have to match.
    pub(crate) both_days: bool,
    /// Minute or hour begins with a `*`.
    pub(crate) is_wildcard: bool,
}

/// What a calendar and a clock show in one minute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Civil {
    pub(crate) minute: u32,
    pub(crate) hour: u32,
    pub(crate) day: u32,
    pub(crate) month: u32,
    pub(crate) weekday: u32,
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 8] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The limits of a field, and its names where it has some.
#[derive(Clone, Copy)]
struct Limits {
    from: u32,
    to: u32,
    names: &'static [&'static str],
}

const MINUTE: Limits = Limits { from: 0, to: 59, names: &[] };
const HOUR: Limits = Limits { from: 0, to: 23, names: &[] };
const DAY: Limits = Limits { from: 1, to: 31, names: &[] };
const MONTH: Limits = Limits { from: 1, to: 12, names: &MONTHS };
const WEEKDAY: Limits = Limits { from: 0, to: 7, names: &DAYS };

impl Expression {
    /// One that is likely to come true around `near`.
    pub(crate) fn random(random: &mut Random, near: Civil) -> Self {
        if random.one_in(25) {
            return Self::named(random);
        }
        let minute = field(random, MINUTE, near.minute, 12);
        let hour = field(random, HOUR, near.hour, 3);
        let restricted = random.below(9);
        let mut day = |wanted: bool, limits, near| match wanted {
            true => field(random, limits, near, 6),
            false => Field { text: "*".to_owned(), bits: u64::MAX },
        };
        let month_day = day(matches!(restricted, 0 | 2 | 4), DAY, near.day);
        let weekday = day(matches!(restricted, 1 | 2), WEEKDAY, near.weekday);
        let month = day(matches!(restricted, 3 | 4), MONTH, near.month);
        Self::of(&[minute, hour, month_day, month, weekday])
    }

    /// A macro.
    fn named(random: &mut Random) -> Self {
        let only = |value: u32| Field { text: value.to_string(), bits: 1 << value };
        let any = || Field { text: "*".to_owned(), bits: u64::MAX };
        let (name, fields) = match random.below(7) {
            0 => ("@hourly", [only(0), any(), any(), any(), any()]),
            1 => ("@daily", [only(0), only(0), any(), any(), any()]),
            2 => ("@midnight", [only(0), only(0), any(), any(), any()]),
            3 => ("@weekly", [only(0), only(0), any(), any(), only(0)]),
            4 => ("@monthly", [only(0), only(0), only(1), any(), any()]),
            5 => ("@yearly", [only(0), only(0), only(1), only(1), any()]),
            _ => ("@annually", [only(0), only(0), only(1), only(1), any()]),
        };
        Self { text: name.to_owned(), ..Self::of(&fields) }
    }

    fn of([minute, hour, day, month, weekday]: &[Field; 5]) -> Self {
        let begins_with_star = |field: &Field| field.text.starts_with('*');
        let texts = [minute, hour, day, month, weekday].map(|field| field.text.as_str());
        Self {
            text: texts.join(" "),
            minutes: minute.bits,
            hours: hour.bits,
            days: day.bits,
            months: month.bits,
            weekdays: weekday.bits | weekday.bits >> 7 & 1,
            both_days: begins_with_star(day) || begins_with_star(weekday),
            is_wildcard: begins_with_star(minute) || begins_with_star(hour),
        }
    }

    pub(crate) fn matches(&self, at: Civil) -> bool {
        let has = |set: u64, value: u32| set >> value & 1 == 1;
        let (day, weekday) = (has(self.days, at.day), has(self.weekdays, at.weekday));
        has(self.minutes, at.minute)
            && has(self.hours, at.hour)
            && has(self.months, at.month)
            && if self.both_days { day && weekday } else { day || weekday }
    }
}

/// A field of `limits`; one in `stars` is a plain star.
fn field(random: &mut Random, limits: Limits, near: u32, stars: u32) -> Field {
    if random.one_in(stars) {
        return Field { text: "*".to_owned(), bits: u64::MAX };
    }
    let mut items = vec![item(random, limits, near)];
    while random.one_in(3) {
        items.push(item(random, limits, near));
    }
    let texts: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
    Field { text: texts.join(","), bits: items.iter().fold(0, |bits, item| bits | item.bits) }
}

fn item(random: &mut Random, limits: Limits, near: u32) -> Field {
    let Limits { from, to, .. } = limits;
    let near = near.clamp(from, to);
    let around = |random: &mut Random| match random.below(3) {
        0 => random.within(from, to),
        _ => random.within(near.saturating_sub(2).max(from), (near + 2).min(to)),
    };
    match random.below(6) {
        // Crontab's star of weekdays goes from 0 to 7, so that 7 is Sunday again.
        0 => {
            let step = random.within(1, to);
            Field { text: format!("*/{step}"), bits: steps(from, to, step) }
        }
        1 | 2 => {
            let (one, other) = (around(random), random.within(from, to));
            let (first, last) = (one.min(other), one.max(other));
            let step = if random.one_in(2) { 1 } else { random.within(1, 9) };
            let range = format!("{}-{}", word(random, limits, first), word(random, limits, last));
            let text = if step == 1 { range } else { format!("{range}/{step}") };
            Field { text, bits: steps(first, last, step) }
        }
        _ => {
            let value = around(random);
            Field { text: word(random, limits, value), bits: 1 << value }
        }
    }
}

fn steps(first: u32, last: u32, step: u32) -> u64 {
    (first..=last).step_by(step as usize).fold(0, |bits, value| bits | 1 << value)
}

/// A value as a number, now and then with a zero before it, or by its name.
fn word(random: &mut Random, limits: Limits, value: u32) -> String {
    let name = limits.names.get((value - limits.from) as usize);
    match name {
        // A range from Sunday has to begin with 0, one to Sunday ends with 7.
        Some(_) if limits.to == 7 && value.is_multiple_of(7) => value.to_string(),
        Some(name) if random.one_in(3) => {
            if random.one_in(2) {
                name.to_uppercase()
            } else {
                (*name).to_owned()
            }
        }
        _ if random.one_in(8) => format!("{value:02}"),
        _ => value.to_string(),
    }
}
