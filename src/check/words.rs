//! Small wordings that every kind of check shares.

use std::io;
use std::time::Duration;

/// How much of a body or output goes into a sentence, in characters.
const EXCERPT: usize = 160;

/// `5 s`, `1.5 s`, `300 ms`.
pub(crate) fn span(span: Duration) -> String {
    if span < Duration::from_secs(1) {
        return format!("{} ms", span.as_millis());
    }
    let tenths = (span.as_millis() + 50) / 100;
    match tenths % 10 {
        0 => format!("{} s", tenths / 10),
        rest => format!("{}.{rest} s", tenths / 10),
    }
}

/// `812 KiB`, `3.4 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut tenths = u128::from(bytes) * 10;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    let name = UNITS[unit];
    match (tenths / 10, tenths % 10) {
        (whole, rest @ 1..) if whole < 100 => format!("{whole}.{rest} {name}"),
        (whole, _) => format!("{whole} {name}"),
    }
}

/// The error without Rust's `(os error 111)`.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// The beginning of what was answered, on one line; empty if there is none.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    one_line(&String::from_utf8_lossy(bytes), EXCERPT)
}

/// `text` with white space and control characters folded into single spaces,
/// cut after `limit` characters.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let folded = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    match folded.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &folded[..end]),
        None => folded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_like_the_registry_writes_them() {
        let texts = [300, 1000, 1500, 60_000].map(|ms| span(Duration::from_millis(ms)));
        assert_eq!(texts, ["300 ms", "1 s", "1.5 s", "60 s"]);
    }

    #[test]
    fn sizes_keep_the_digits_that_matter() {
        let texts = [0, 1023, 1536, 812 << 10, (34 << 30) / 10].map(size);
        assert_eq!(texts, ["0 B", "1023 B", "1.5 KiB", "812 KiB", "3.3 GiB"]);
    }

    #[test]
    fn an_excerpt_is_one_short_line() {
        assert_eq!(excerpt(b" {\n  \"status\":\x1b[31m 1 }\r\n"), "{ \"status\": [31m 1 }");
        let long = excerpt("ä".repeat(1000).as_bytes());
        assert_eq!(long.chars().count(), EXCERPT + 1);
        assert!(long.ends_with('…'), "{long}");
    }
}
