//! The body of a webhook that the registry words itself.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::borrow::Cow;
use vai_core::model::Secret;

/// A text with placeholders such as `{title}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
    encoding: Encoding,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// As written; it may hold a resolved `${NAME}`.
    Literal(Secret),
    Placeholder(Placeholder),
}

/// What stands for a part of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// One line that says it all.
    Title,
    /// The whole text.
    Body,
    /// `critical`, `warning` or `info`.
    Severity,
    /// `open` or `closed`.
    Status,
    /// The same for every try to deliver the same news.
    DedupKey,
    /// The roots of its incidents, with commas.
    Services,
    /// Why, of its worst incident.
    Reason,
    /// Since when, of its worst incident; RFC 3339.
    Since,
}

/// Every placeholder by its name.
pub(super) const PLACEHOLDERS: [(&str, Placeholder); 8] = [
    ("title", Placeholder::Title),
    ("body", Placeholder::Body),
    ("severity", Placeholder::Severity),
    ("status", Placeholder::Status),
    ("dedup_key", Placeholder::DedupKey),
    ("services", Placeholder::Services),
    ("reason", Placeholder::Reason),
    ("since", Placeholder::Since),
];

/// How a value is written so that it cannot end what it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Inside a string of JSON.
    Json,
    /// As a value of `application/x-www-form-urlencoded`.
    Form,
    /// As it is.
    Plain,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TemplateError {
    /// `{this}` stands for nothing.
    Unknown(String),
    /// It begins like JSON and is none, for this reason.
    NotJson(String),
}

impl Template {
    /// Reads `text`. It is a form if `form` says so, JSON if it begins with a
    /// brace that is no placeholder's or with a bracket, else plain text.
    /// `{name}` in lower case is a placeholder, unless a dollar sign stands
    /// before it.
    pub(super) fn parse(text: &str, form: bool) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut literal_from = 0;
        let mut at = 0;
        while let Some(found) = text[at..].find('{').map(|found| at + found) {
            at = found + 1;
            let Some(name) = placeholder_name(&text[at..]) else { continue };
            if text[..found].ends_with('$') {
                continue;
            }
            let known = PLACEHOLDERS.iter().find(|(known, _)| *known == name);
            let Some((_, placeholder)) = known else {
                return Err(TemplateError::Unknown(name.to_owned()));
            };
            pieces.push(Piece::Literal(Secret::from(&text[literal_from..found])));
            pieces.push(Piece::Placeholder(*placeholder));
            at += name.len() + 1;
            literal_from = at;
        }
        pieces.push(Piece::Literal(Secret::from(&text[literal_from..])));
        let encoding = match pieces.first() {
            _ if form => Encoding::Form,
            Some(Piece::Literal(first)) if first.expose().trim_start().starts_with(['{', '[']) => {
                Encoding::Json
            }
            _ => Encoding::Plain,
        };
        let template = Self { pieces, encoding };
        if encoding == Encoding::Json {
            let sample = template.render(|_| Cow::Borrowed("\" and\n"));
            serde_json::from_str::<serde_json::Value>(&sample)
                .map_err(|error| TemplateError::NotJson(error.to_string()))?;
        }
        Ok(template)
    }

    /// How values are written into it.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The text with `value` of each placeholder in it.
    pub fn render<'v>(&self, value: impl Fn(Placeholder) -> Cow<'v, str>) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal.expose()),
                Piece::Placeholder(placeholder) => {
                    text.push_str(&self.encoding.encode(&value(*placeholder)));
                }
            }
        }
        text
    }
}

impl Encoding {
    fn encode(self, value: &str) -> String {
        match self {
            Self::Json => {
                let quoted = serde_json::Value::from(value).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
            Self::Form => utf8_percent_encode(value, NON_ALPHANUMERIC).to_string(),
            Self::Plain => value.to_owned(),
        }
    }
}

/// The name in front of a closing brace, if `text` begins with one.
fn placeholder_name(text: &str) -> Option<&str> {
    let name = &text[..text.find('}')?];
    let fits = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    (!name.is_empty() && name.chars().all(fits)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str, form: bool) -> String {
        Template::parse(text, form).unwrap().render(|placeholder| match placeholder {
            Placeholder::Title => Cow::Borrowed("a \"b\"\n& c"),
            Placeholder::Severity => Cow::Borrowed("critical"),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_value_cannot_end_what_it_stands_in() {
        assert_eq!(
            rendered(r#"{"text":"{title}","level":"{severity}"}"#, false),
            r#"{"text":"a \"b\"\n& c","level":"critical"}"#
        );
        assert_eq!(rendered("text={title}&x=1", true), "text=a%20%22b%22%0A%26%20c&x=1");
        assert_eq!(rendered("{severity}: {title}", false), "critical: a \"b\"\n& c");
    }

    #[test]
    fn other_braces_stay_as_written() {
        let text = "${name} {Title} {} {a b} {severity";
        assert_eq!(rendered(&format!("text: {text}"), false), format!("text: {text}"));
        assert_eq!(rendered(r#"{"a":{"b":{"c":"{severity}"}}}"#, false).matches('}').count(), 3);
    }

    #[test]
    fn what_stands_for_nothing_is_named() {
        let unknown = |name: &str| Err(TemplateError::Unknown(name.to_owned()));
        assert_eq!(Template::parse("x {titel}", false), unknown("titel"));
        // Unquoted: neither a placeholder's value nor JSON can stand there.
        for text in [r#"{"text": {title}}"#, r#"{"text": "x",}"#, "[{title}]"] {
            let error = Template::parse(text, false).unwrap_err();
            assert!(matches!(error, TemplateError::NotJson(_)), "{text}: {error:?}");
        }
    }

    #[test]
    fn a_secret_in_a_body_is_not_shown() {
        let template = Template::parse("hunter22 {title}", false).unwrap();
        assert!(!format!("{template:?}").contains("hunter22"));
    }
}
