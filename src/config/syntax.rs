use super::diagnostic::{Diagnostic, Level};
use super::positions::{child, position};
use jsonc_parser::ast::Value;
use jsonc_parser::common::Ranged;
use jsonc_parser::errors::{ParseError, ParseErrorKind};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde::de::IgnoredAny;
use std::collections::HashMap;
use std::ops::Range;

/// `jq` and other programs read the registry too: nothing that they refuse is
/// taken here.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// A file's text without the byte order mark of UTF-8 that some editors put in
/// front of it, and whether there was one.
pub(super) fn without_mark(source: &str) -> (&str, bool) {
    match source.strip_prefix('\u{feff}') {
        Some(rest) => (rest, true),
        None => (source, false),
    }
}

/// What is said about such a mark.
pub(super) fn byte_order_mark(source: &str) -> Diagnostic {
    Diagnostic {
        level: Level::Warning,
        expected: Some("ignored".to_owned()),
        ..*bad(
            source,
            0..1,
            "this file begins with a byte order mark (the bytes EF BB BF)",
            Some("save it as UTF-8 without one: `jq` and other programs stop at it".to_owned()),
        )
    }
}

/// Reads `source` as strict JSON.
///
/// # Errors
/// The first violation of the grammar.
pub(super) fn parse(source: &str) -> Result<Value<'_>, Box<Diagnostic>> {
    if source.trim().is_empty() {
        return Err(bad(
            source,
            0..0,
            "the registry is empty",
            Some("an empty registry is written as {}".to_owned()),
        ));
    }
    let parsed = parse_to_ast(source, &CollectOptions::default(), &STRICT)
        .map_err(|error| from_parser(source, &error))?;
    // The first parser is lenient about control characters and lone surrogates
    // in strings; the second opinion is not.
    serde_json::from_str::<IgnoredAny>(source).map_err(|error| {
        let at = offset(source, error.line(), error.column());
        let text = error.to_string();
        let words = text.split(" at line ").next().unwrap_or(&text);
        bad(source, at..at + 1, &format!("not JSON: {words}"), None)
    })?;
    parsed.value.ok_or_else(|| bad(source, 0..0, "the registry is empty", None))
}

/// Every key that stands twice in its object, at any depth.
pub(super) fn duplicate_keys(source: &str, root: &Value<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    walk(source, root, "", &mut found);
    found
}

fn walk(source: &str, value: &Value<'_>, pointer: &str, found: &mut Vec<Diagnostic>) {
    match value {
        Value::Object(object) => {
            let mut first: HashMap<&str, usize> = HashMap::new();
            for property in &object.properties {
                let key = property.name.as_str();
                let range = property.name.range();
                let here = child(pointer, key);
                if let Some(&earlier) = first.get(key) {
                    let line = position(source, earlier..earlier).line;
                    found.push(Diagnostic {
                        level: Level::Error,
                        pointer: here.clone(),
                        position: Some(position(source, range.start..range.end)),
                        message: format!("the key \"{key}\" stands twice in this object"),
                        expected: Some(format!("first written on line {line}")),
                        help: Some("keep one of the two".to_owned()),
                    });
                } else {
                    first.insert(key, range.start);
                }
                walk(source, &property.value, &here, found);
            }
        }
        Value::Array(array) => {
            for (index, element) in array.elements.iter().enumerate() {
                walk(source, element, &child(pointer, &index.to_string()), found);
            }
        }
        Value::StringLit(_)
        | Value::NumberLit(_)
        | Value::BooleanLit(_)
        | Value::NullKeyword(_) => {}
    }
}

fn from_parser(source: &str, error: &ParseError) -> Box<Diagnostic> {
    let range = error.range();
    let help = match error.kind() {
        ParseErrorKind::CommentsNotAllowed => {
            Some("JSON has no comments; put the words into a key such as \"x-note\"")
        }
        ParseErrorKind::TrailingCommasNotAllowed => Some("remove the comma before the bracket"),
        ParseErrorKind::ExpectedComma => Some("put a comma between the two"),
        ParseErrorKind::SingleQuotedStringsNotAllowed => Some("use double quotes"),
        ParseErrorKind::UnterminatedObject => Some("a closing } is missing"),
        ParseErrorKind::UnterminatedArray => Some("a closing ] is missing"),
        ParseErrorKind::String(_) => {
            Some("a string ends with \" on its own line; a backslash is written \\\\")
        }
        _ => None,
    };
    let mut words = error.kind().to_string();
    words[..1].make_ascii_lowercase();
    let end = range.end.max(range.start + 1);
    bad(source, range.start..end, &format!("not JSON: {words}"), help.map(str::to_owned))
}

fn bad(source: &str, span: Range<usize>, message: &str, help: Option<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic {
        level: Level::Error,
        pointer: String::new(),
        position: Some(position(source, span)),
        message: message.to_owned(),
        expected: None,
        help,
    })
}

/// The byte offset of serde_json's line and column, both from 1.
fn offset(source: &str, line: usize, column: usize) -> usize {
    let start: usize =
        source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    start + column.saturating_sub(1)
}
