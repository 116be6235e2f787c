//! JSON whose numbers are what is written, not what a float makes of them.
//!
//! A [`Value`] keeps whole numbers up to 64 bits and rounds all others to a
//! float. A number that this would change is kept as a string instead: a mark
//! and its digits. [`parse`] makes such values, [`is_same`] compares them and
//! [`text`] writes them as they came.

use serde_json::{Number, Value};
use std::borrow::Cow;
use std::ops::Range;

/// Begins the string that stands for a number; JSON text escapes the zero byte.
const MARK: &str = "\0number:";
const ESCAPED_MARK: &str = "\"\\u0000number:";

/// Reads `text` so that no number loses a digit.
///
/// # Errors
/// It is not JSON, nested deeper than 127 levels, or holds a number beyond what
/// a float can come near.
pub fn parse(text: &str) -> serde_json::Result<Value> {
    let rounded: Value = serde_json::from_str(text)?;
    match mark(text) {
        None => Ok(rounded),
        Some(marked) => serde_json::from_str(&marked),
    }
}

/// `text` with every number marked that a [`Value`] would change; `None` if
/// there is none.
#[must_use]
pub fn mark(text: &str) -> Option<String> {
    let mut marked = String::new();
    let mut copied = 0;
    for span in numbers(text) {
        if is_kept(&text[span.clone()]) {
            continue;
        }
        marked.push_str(&text[copied..span.start]);
        marked.push_str(ESCAPED_MARK);
        marked.push_str(&text[span.clone()]);
        marked.push('"');
        copied = span.end;
    }
    (copied > 0).then(|| marked + &text[copied..])
}

/// Whether two values mean the same: numbers by their value (1 is 1.0 is 10e-1)
/// wherever they stand.
#[must_use]
pub fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_same(a, b)))
        }
        _ => match (digits(a), digits(b)) {
            (Some(a), Some(b)) => Decimal::parse(&a).is_some_and(|a| Some(a) == Decimal::parse(&b)),
            (None, None) => a == b,
            _ => false,
        },
    }
}

/// The value as JSON, its numbers as they came.
#[must_use]
pub fn text(value: &Value) -> String {
    let escaped = value.to_string();
    let mut parts = escaped.split(ESCAPED_MARK);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(&part.replacen('"', "", 1));
    }
    text
}

/// How a number is written, if the value is one.
fn digits(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Number(number) => Some(number.to_string().into()),
        Value::String(text) => text.strip_prefix(MARK).map(Cow::Borrowed),
        _ => None,
    }
}

/// Whether a [`Value`] keeps the number that is written as `token`.
fn is_kept(token: &str) -> bool {
    if token.parse::<u64>().is_ok() || token.parse::<i64>().is_ok() {
        return true;
    }
    let kept = serde_json::from_str::<Number>(token);
    kept.is_ok_and(|kept| {
        Decimal::parse(token)
            .is_some_and(|wanted| Some(wanted) == Decimal::parse(&kept.to_string()))
    })
}

/// Where the numbers stand in a JSON text.
fn numbers(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'"' => at = after_string(bytes, at),
            b'-' | b'0'..=b'9' => {
                let part =
                    |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                at += bytes[at..].iter().take_while(|byte| part(byte)).count();
                found.push(start..at);
            }
            _ => {}
        }
    }
    found
}

/// Where a string ends whose first byte is at `at`.
fn after_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => return at,
            b'\\' => at += 1,
            _ => {}
        }
    }
    bytes.len()
}

/// A decimal number: its significant digits times a power of ten.
#[derive(PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    /// Neither the first nor the last is 0; empty for zero.
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Reads a number as JSON writes it.
    fn parse(text: &str) -> Option<Self> {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = all.trim_end_matches('0');
        let dropped = i64::try_from(all.len() - digits.len()).ok()?;
        let exponent =
            exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(dropped)?;
        match digits.trim_start_matches('0') {
            "" => Some(Self { is_negative: false, digits: String::new(), exponent: 0 }),
            digits => Some(Self { is_negative, digits: digits.to_owned(), exponent }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        is_same(&parse(a).unwrap(), &parse(b).unwrap())
    }

    #[test]
    fn numbers_are_the_same_by_their_value_wherever_they_stand() {
        for (a, b) in [
            ("1", "1.0"),
            ("1", "10e-1"),
            ("-0", "0.0"),
            ("0.1", "1e-1"),
            ("1e2", "100"),
            ("36893488147419103232", "36893488147419103232.0"),
            ("0.30000000000000004", "0.30000000000000004"),
            (r#"{"y":1}"#, r#"{"y":1.0}"#),
            (r#"[[{"y":[1]}]]"#, r#"[[{"y":[1e0]}]]"#),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
    }

    #[test]
    fn no_digit_is_lost() {
        for (a, b) in [
            ("9007199254740993", "9007199254740992"),
            ("9007199254740993", "9007199254740992.0"),
            ("36893488147419103233", "36893488147419103232"),
            ("0.1", "0.1000000000000000055"),
            ("1.00000000000000000001", "1"),
            (r#"[{"y":18446744073709551617}]"#, r#"[{"y":18446744073709551616}]"#),
            ("1", r#""1""#),
            ("1", "true"),
            ("1", "-1"),
            (r#"{"a":1}"#, r#"{"b":1}"#),
        ] {
            assert!(!same(a, b), "{a} {b}");
        }
    }

    #[test]
    fn what_is_no_number_is_left_alone() {
        let quoted = r#"{"a\"1e400":"36893488147419103233","b":[true,null,"\\"]}"#;
        assert_eq!(mark(quoted), None);
        assert_eq!(text(&parse(quoted).unwrap()), quoted);
    }

    #[test]
    fn numbers_are_shown_as_they_came() {
        let source = r#"{"a":36893488147419103233,"b":[0.1000000000000000055,2]}"#;
        assert_eq!(text(&parse(source).unwrap()), source);
    }

    #[test]
    fn what_no_float_comes_near_is_an_error() {
        assert!(parse("1e400").is_err());
        assert!(parse(&format!("{}1{}", "[".repeat(130), "]".repeat(130))).is_err());
    }
}
