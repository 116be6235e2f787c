//! What can be wrong with an expression, in words.

use super::field::Field;

/// The macros of crontab that name a time.
pub(super) const MACROS: [&str; 7] =
    ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrontabError {
    /// There are not five fields but so many.
    #[error("a schedule has five fields, this one has {0}")]
    Count(usize),
    /// A field that is not what it should be.
    #[error("\"{text}\" is not a valid {}: {mistake}", field.name)]
    Field {
        /// What stands there.
        text: String,
        /// Where.
        field: Field,
        /// Why not.
        mistake: Mistake,
    },
    /// Something with an `@` that is none of [`MACROS`].
    #[error("\"{0}\" is no schedule")]
    Macro(String),
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// A number over the largest one.
    #[error("{text} is over {most}")]
    TooLarge {
        /// The number.
        text: String,
        /// The largest one.
        most: u16,
    },
    /// A number under the smallest one.
    #[error("{text} is under {least}")]
    TooSmall {
        /// The number.
        text: String,
        /// The smallest one.
        least: u16,
    },
    /// A range whose end comes before its beginning.
    #[error("the range {range} runs backwards")]
    Reversed {
        /// The range.
        range: String,
        /// What may have been meant.
        instead: String,
    },
    /// A step of 0.
    #[error("a step of 0 never gets anywhere")]
    NoStep,
    /// A step after a single value.
    #[error("a step needs a range before it, and {from} is none")]
    StepWithoutRange {
        /// The value.
        from: String,
        /// The largest one of the field.
        to: u16,
        /// The step.
        step: u16,
    },
    /// Neither a number nor a known name.
    #[error("\"{text}\" is no {value}")]
    Unknown {
        /// What stands there.
        text: String,
        /// What a value of the field is called.
        value: &'static str,
        /// The name that may have been meant.
        meant: Option<&'static str>,
    },
    /// Nothing where a value should be.
    #[error("there is nothing where a value should be")]
    Empty,
    /// Something that only Quartz knows.
    #[error("\"{0}\" belongs to Quartz, crontab does not know it")]
    Quartz(String),
    /// Refused by the `cron` crate; why.
    #[error("{0}")]
    Unreadable(String),
}

impl Mistake {
    /// How to mend it, where there is more to say than what may stand there.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Reversed { instead, .. } => Some(format!("did you mean \"{instead}\"?")),
            Self::StepWithoutRange { from, to, step } => {
                Some(format!("did you mean \"{from}-{to}/{step}\"?"))
            }
            Self::Unknown { meant: Some(name), .. } => Some(format!("did you mean \"{name}\"?")),
            Self::Quartz(text) if text == "?" => Some("write * for any day".to_owned()),
            Self::Quartz(_) => Some(
                "crontab knows neither last days nor nearest weekdays: let the command look at \
                 the date"
                    .to_owned(),
            ),
            Self::TooLarge { .. }
            | Self::TooSmall { .. }
            | Self::NoStep
            | Self::Unknown { .. }
            | Self::Empty
            | Self::Unreadable(_) => None,
        }
    }
}

impl CrontabError {
    /// What should stand there instead.
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Self::Count(6 | 7) => "crontab's five fields, without seconds or years".to_owned(),
            Self::Count(_) => "crontab's five fields".to_owned(),
            Self::Field { field, .. } => format!("{}: {}", field.name, field.allowed),
            Self::Macro(_) => {
                let [most @ .., last] = MACROS;
                format!("{} or {last}", most.join(", "))
            }
        }
    }

    /// How to mend it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Count(_) => Some(
                "minute, hour, day of month, month, day of week; such as \"0 3 * * *\"".to_owned(),
            ),
            Self::Field { mistake, .. } => mistake
                .help()
                .or_else(|| Some("also *, lists 1,2, ranges 1-5 and steps */10".to_owned())),
            Self::Macro(text) if text.eq_ignore_ascii_case("@reboot") => {
                Some("what has to run at every start is a service with a `restart_cmd`".to_owned())
            }
            Self::Macro(text) => {
                let text = text.to_ascii_lowercase();
                let slips = |name: &&str| strsim::osa_distance(name, &text);
                let nearest = MACROS.into_iter().min_by_key(slips);
                nearest
                    .filter(|name| slips(name) <= 2)
                    .map(|name| format!("did you mean \"{name}\"?"))
            }
        }
    }
}
