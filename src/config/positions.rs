use super::diagnostic::{Diagnostic, Level, Position};
use jsonc_parser::ast::Value;
use jsonc_parser::common::Ranged;
use std::collections::HashMap;
use std::ops::Range;

/// Where every value of a registry stands in its text, by JSON pointer.
///
/// It outlives the parse, so that what is only found out at run time (a
/// container that does not exist) can be told with the line it concerns.
#[derive(Clone, Debug, Default)]
pub struct Positions {
    source: String,
    places: HashMap<String, Place>,
    services_at: &'static str,
}

#[derive(Clone, Debug)]
struct Place {
    key: Option<Range<usize>>,
    value: Range<usize>,
}

/// Which part of a member a finding points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Its key; the opening bracket of a list's element.
    Key,
    /// Its value.
    Value,
}

impl Positions {
    /// The index of `root`, the parsed form of `source`.
    pub(super) fn new(source: &str, root: &Value<'_>) -> Self {
        let mut positions = Self { source: source.to_owned(), ..Self::default() };
        positions.add(String::new(), None, root);
        positions
    }

    /// The index of a text that is no JSON: only the text itself.
    pub(super) fn without_values(source: &str) -> Self {
        Self { source: source.to_owned(), ..Self::default() }
    }

    /// Says where the services stand: `/services`, or the root of a bare map.
    pub(super) fn set_services_at(&mut self, pointer: &'static str) {
        self.services_at = pointer;
    }

    /// The text that the positions are in.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The pointer of a service's field; of the service itself if `field` is
    /// empty.
    #[must_use]
    pub fn service(&self, name: &str, field: &str) -> String {
        let service = child(self.services_at, name);
        if field.is_empty() { service } else { child(&service, field) }
    }

    /// The pointer of a job's field.
    #[must_use]
    pub fn job(&self, name: &str, field: &str) -> String {
        child(&child("/cron_jobs", name), field)
    }

    /// The pointer of a field of an entry of the `containers` map.
    #[must_use]
    pub fn container(&self, key: &str, field: &str) -> String {
        child(&child("/containers", key), field)
    }

    /// A finding about the value at `pointer`, or about the nearest value
    /// around it that exists.
    #[must_use]
    pub fn diagnostic(&self, level: Level, pointer: &str, at: At, message: &str) -> Diagnostic {
        Diagnostic {
            level,
            pointer: pointer.to_owned(),
            position: self.span(pointer, at).map(|span| position(&self.source, span)),
            message: message.to_owned(),
            expected: None,
            help: None,
        }
    }

    /// `services.web-api.health_check` for a pointer; nothing for the root.
    pub(super) fn in_words(pointer: &str) -> Option<String> {
        let steps: Vec<String> = pointer.split('/').skip(1).map(unescape).collect();
        (!steps.is_empty()).then(|| steps.join("."))
    }

    fn span(&self, pointer: &str, at: At) -> Option<Range<usize>> {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                return Some(match (at, &place.key) {
                    (At::Key, Some(key)) => key.clone(),
                    (At::Key, None) => place.value.start..place.value.start + 1,
                    (At::Value, _) => place.value.clone(),
                });
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }

    fn add(&mut self, pointer: String, key: Option<Range<usize>>, value: &Value<'_>) {
        match value {
            Value::Object(object) => {
                for property in &object.properties {
                    let key = property.name.range();
                    self.add(
                        child(&pointer, property.name.as_str()),
                        Some(key.start..key.end),
                        &property.value,
                    );
                }
            }
            Value::Array(array) => {
                for (index, element) in array.elements.iter().enumerate() {
                    self.add(child(&pointer, &index.to_string()), None, element);
                }
            }
            Value::StringLit(_)
            | Value::NumberLit(_)
            | Value::BooleanLit(_)
            | Value::NullKeyword(_) => {}
        }
        let range = value.range();
        self.places.insert(pointer, Place { key, value: range.start..range.end });
    }
}

/// The pointer of a member of the value at `parent` (RFC 6901).
pub(super) fn child(parent: &str, key: &str) -> String {
    format!("{parent}/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// The position of `span`, cut at the end of its first line.
pub(super) fn position(source: &str, span: Range<usize>) -> Position {
    let start = floor_boundary(source, span.start);
    let line_start = source[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = source[start..].find('\n').map_or(source.len(), |newline| start + newline);
    let end = floor_boundary(source, span.end.min(line_end)).max(start);
    Position {
        line: source[..start].matches('\n').count() + 1,
        column: source[line_start..start].chars().count() + 1,
        span: start..end,
    }
}

fn floor_boundary(source: &str, index: usize) -> usize {
    source.floor_char_boundary(index.min(source.len()))
}
