use super::environment::{Resolved, resolve};
use super::fields::Fields;
use super::names::{nearest, one_of};
use super::positions::child;
use super::reader::{Problem, Reader};
use jsonc_parser::ast::Value;
use jsonc_parser::common::Ranged;
use std::ops::RangeInclusive;
use std::time::Duration;
use vai_core::model::{Secret, json};

const LIST: &str = "a list";

/// A value of the registry and where it stands. Reading it as something that it
/// is not reports that, and gives nothing.
#[derive(Clone)]
pub(super) struct Node<'a> {
    pub(super) reader: &'a Reader<'a>,
    pub(super) value: &'a Value<'a>,
    pub(super) pointer: String,
}

/// A text with its `${NAME}`s resolved.
#[derive(Clone, Debug)]
pub(super) struct Expanded {
    pub(super) secret: Secret,
    /// `${NAME} is not set`, if a value is missing.
    pub(super) missing: Option<String>,
}

impl<'a> Node<'a> {
    pub(super) fn report(&self, problem: Problem) {
        self.reader.report(&self.pointer, problem);
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.value, Value::NullKeyword(_))
    }

    /// Any text.
    pub(super) fn string(&self) -> Option<&'a str> {
        match self.value {
            Value::StringLit(text) => Some(&text.value),
            _ => self.wrong_type("a string"),
        }
    }

    /// A text that is not blank.
    pub(super) fn text(&self) -> Option<&'a str> {
        let text = self.string()?;
        if text.trim().is_empty() {
            self.report(Problem::error("this is empty").expected("a string that is not empty"));
            return None;
        }
        Some(text)
    }

    /// The text of a value that somebody else reads and reports about.
    pub(super) fn quiet_text(&self) -> Option<&'a str> {
        match self.value {
            Value::StringLit(text) => Some(&text.value),
            _ => None,
        }
    }

    /// A member of an object that somebody else reads and reports about.
    pub(super) fn member(&self, key: &str) -> Option<Node<'a>> {
        let Value::Object(object) = self.value else { return None };
        let property = object.properties.iter().find(|it| it.name.as_str() == key)?;
        Some(self.at(&property.value, child(&self.pointer, key)))
    }

    /// A path that starts at the root.
    pub(super) fn absolute_path(&self) -> Option<&'a str> {
        let path = self.text()?;
        if !path.starts_with('/') {
            self.report(
                Problem::error("this path is relative")
                    .expected("a path from /")
                    .help("a relative one would depend on the working folder of the moment"),
            );
            return None;
        }
        Some(path)
    }

    pub(super) fn bool(&self) -> Option<bool> {
        match self.value {
            Value::BooleanLit(bool) => Some(bool.value),
            _ => self.wrong_type("true or false"),
        }
    }

    /// A whole number within `range`.
    pub(super) fn integer<T>(&self, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<u64> + PartialOrd + Copy + std::fmt::Display,
    {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let Value::NumberLit(number) = self.value else {
            return self.wrong_type(&expected);
        };
        let parsed = number.value.parse::<u64>().ok();
        let found = parsed
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| range.contains(number));
        if found.is_none() {
            self.report(Problem::error("this number is out of range").expected(expected));
        }
        found
    }

    /// Seconds, fractions allowed, of at least `least`.
    pub(super) fn seconds(&self, least: f64) -> Option<Duration> {
        /// A year; more is a slip.
        const MOST: f64 = 31_536_000.0;
        let expected = format!("a number of seconds from {least} to {MOST}");
        let Value::NumberLit(number) = self.value else {
            return self.wrong_type(&expected);
        };
        let found = number
            .value
            .parse::<f64>()
            .ok()
            .filter(|seconds| (least..=MOST).contains(seconds))
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        if found.is_none() {
            self.report(Problem::error("this number is out of range").expected(expected));
        }
        found
    }

    /// What one of the names in `options` stands for.
    pub(super) fn choice<T: Copy>(&self, options: &[(&str, T)]) -> Option<T> {
        self.named_choice(options).map(|(_, value)| value)
    }

    /// One of the names in `options`, and what it stands for.
    pub(super) fn named_choice<'o, T: Copy>(
        &self,
        options: &[(&'o str, T)],
    ) -> Option<(&'o str, T)> {
        let names: Vec<&str> = options.iter().map(|&(name, _)| name).collect();
        let Value::StringLit(text) = self.value else {
            return self.wrong_type(&one_of(&names));
        };
        let found = options.iter().find(|(name, _)| *name == text.value);
        if found.is_none() {
            self.report(
                Problem::error(format!("\"{}\" is not known here", text.value))
                    .expected(one_of(&names))
                    .did_you_mean(nearest(&text.value, names.iter().copied())),
            );
        }
        found.copied()
    }

    pub(super) fn fields(&self) -> Option<Fields<'a>> {
        match self.value {
            Value::Object(object) => {
                Some(Fields::new(self.reader, Some(object), self.pointer.clone()))
            }
            _ => self.wrong_type("an object"),
        }
    }

    /// The elements of a list.
    pub(super) fn items(&self) -> Option<Vec<Node<'a>>> {
        match self.value {
            Value::Array(_) => Some(self.elements()),
            _ => self.wrong_type(LIST),
        }
    }

    /// The elements of a list, or the value itself where it is none.
    pub(super) fn one_or_many(&self) -> Vec<Node<'a>> {
        match self.value {
            Value::Array(_) => self.elements(),
            _ => vec![self.clone()],
        }
    }

    /// The members of an object.
    pub(super) fn members(&self) -> Option<Vec<(&'a str, Node<'a>)>> {
        let Value::Object(object) = self.value else {
            return self.wrong_type("an object");
        };
        let members = object.properties.iter().map(|property| {
            let key = property.name.as_str();
            (key, self.at(&property.value, child(&self.pointer, key)))
        });
        Some(members.collect())
    }

    /// A text in which `${NAME}` is resolved. `holds` says what has to wait for
    /// a name without a value.
    pub(super) fn expand(&self, holds: &str) -> Option<Expanded> {
        let Resolved { text, values, unresolved } =
            resolve(self.string()?, self.reader.environment);
        for value in &values {
            self.reader.redact(value);
        }
        for why in &unresolved {
            let file = self.reader.environment.path().display();
            self.report(
                Problem::warning(why.clone())
                    .expected(format!("{holds} until it is"))
                    .help(format!("set it in {file} or in the environment of vai")),
            );
        }
        Some(Expanded {
            secret: Secret::from(text.as_str()),
            missing: unresolved.into_iter().next(),
        })
    }

    /// Like [`Self::expand`], for a value that is secret as it stands; the name
    /// of a secret is none.
    pub(super) fn expand_secret(&self, holds: &str) -> Option<Expanded> {
        let expanded = self.expand(holds)?;
        let text = expanded.secret.expose();
        if text == self.string()? {
            if expanded.missing.is_none() {
                self.hide(text);
            }
        } else {
            self.reader.redact(text);
        }
        Some(expanded)
    }

    /// Keeps this value, `text` once resolved, out of everything that is shown.
    pub(super) fn hide(&self, text: &str) {
        self.reader.redact(text);
        // `Bearer <token>`: the token is a secret without its scheme, too.
        if let Some((_, last)) = text.rsplit_once(' ') {
            self.reader.redact(last);
        }
        let range = self.value.range();
        self.reader.mask(range.start..range.end);
    }

    /// The value as JSON, no digit of its numbers lost.
    pub(super) fn json(&self) -> Option<serde_json::Value> {
        let range = self.value.range();
        let text = self.reader.source().get(range.start..range.end).unwrap_or_default();
        match json::parse(text) {
            Ok(value) => Some(value),
            Err(error) => {
                let text = error.to_string();
                let why = text.split(" at line ").next().unwrap_or(&text);
                self.report(
                    Problem::error(format!("this value cannot be compared with: {why}"))
                        .expected("JSON no deeper than 127 levels, its numbers below 1.8e308"),
                );
                None
            }
        }
    }

    fn elements(&self) -> Vec<Node<'a>> {
        let Value::Array(array) = self.value else {
            return Vec::new();
        };
        let elements = array.elements.iter().enumerate();
        elements
            .map(|(index, element)| self.at(element, child(&self.pointer, &index.to_string())))
            .collect()
    }

    fn at(&self, value: &'a Value<'a>, pointer: String) -> Node<'a> {
        Node { reader: self.reader, value, pointer }
    }

    fn wrong_type<T>(&self, expected: &str) -> Option<T> {
        let found = match self.value {
            Value::StringLit(_) => "a string",
            Value::NumberLit(_) => "a number",
            Value::BooleanLit(_) => "true or false",
            Value::Object(_) => "an object",
            Value::Array(_) => "a list",
            Value::NullKeyword(_) => "null",
        };
        let mut problem = Problem::error(format!("{found} cannot stand here"))
            .expected(format!("expected {expected}"));
        if let Value::StringLit(text) = self.value
            && (text.value.parse::<f64>().is_ok() || matches!(&*text.value, "true" | "false"))
        {
            problem = problem.help(format!("write {} without quotes", text.value));
        } else if expected == LIST {
            problem = problem.help("write it in brackets: [ … ]");
        }
        self.report(problem);
        None
    }
}
