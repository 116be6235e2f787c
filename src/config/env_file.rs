//! The lines of an env file, read as compose reads them. What other programs
//! would read otherwise is told, with its line.

use std::collections::BTreeMap;

/// Something odd in an env file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Oddity {
    /// The line, from 1.
    pub(super) line: usize,
    /// What is odd. It never holds a value, which may be a secret.
    pub(super) what: What,
}

/// What is odd about a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It is not `NAME=value`, and ignored.
    NotAnAssignment,
    /// It is `NAME: value`, and taken.
    Colon(String),
    /// The quote that its value begins with is never closed; it is ignored.
    NeverClosed(String),
    /// Something other than a comment stands after the closing quote, and is
    /// ignored.
    AfterQuote(String),
    /// A dollar sign outside single quotes, which is taken as written.
    Dollar(String),
    /// The name was set before; the last one counts.
    SetAgain(String),
    /// The file begins with a byte order mark, which is ignored.
    ByteOrderMark,
}

/// All that an env file sets, and what is odd in it, in the order of its lines.
pub(super) fn parse(text: &str) -> (BTreeMap<String, String>, Vec<Oddity>) {
    let (text, has_mark) = super::syntax::without_mark(text);
    let text = text.replace("\r\n", "\n");
    let mut values = BTreeMap::new();
    let mut odd = Vec::new();
    odd.extend(has_mark.then_some(Oddity { line: 1, what: What::ByteOrderMark }));
    let (mut rest, mut line) = (text.as_str(), 1);
    while !rest.is_empty() {
        let mut tell = |what| odd.push(Oddity { line, what });
        let assignment = assignment(rest, &mut tell);
        if let Some((name, value)) = assignment.set {
            if values.contains_key(&name) {
                tell(What::SetAgain(name.clone()));
            }
            values.insert(name, value);
        }
        line += rest[..assignment.length].matches('\n').count();
        rest = &rest[assignment.length..];
    }
    (values, odd)
}

/// What stands at the beginning of a text.
struct Assignment {
    /// Nothing for a blank line, a comment, or what cannot be understood.
    set: Option<(String, String)>,
    /// Its length with the end of its last line.
    length: usize,
}

fn assignment(text: &str, tell: &mut impl FnMut(What)) -> Assignment {
    let end = text.find('\n').map_or(text.len(), |newline| newline + 1);
    let nothing = Assignment { set: None, length: end };
    let line = text[..end].trim();
    if line.is_empty() || line.starts_with('#') {
        return nothing;
    }
    let Some(delimiter) = text[..end].find(['=', ':']) else {
        tell(What::NotAnAssignment);
        return nothing;
    };
    let name = text[..delimiter].trim();
    let name = name.strip_prefix("export").filter(|it| it.starts_with([' ', '\t'])).unwrap_or(name);
    let name = name.trim();
    if !is_name(name) {
        tell(What::NotAnAssignment);
        return nothing;
    }
    let name = name.to_owned();
    if text[delimiter..].starts_with(':') {
        tell(What::Colon(name.clone()));
    }
    let from = delimiter + 1;
    let blank = text[from..end].len() - text[from..end].trim_start_matches([' ', '\t']).len();
    let quote = text[from + blank..end].chars().next().filter(|c| matches!(c, '"' | '\''));
    let Some(quote) = quote else {
        let value = unquoted(&text[from..end]);
        if has_dollar(value) {
            tell(What::Dollar(name.clone()));
        }
        return Assignment { set: Some((name, value.to_owned())), length: end };
    };
    let inner = &text[from + blank + 1..];
    let Some((value, raw, after, length)) = quoted(inner, quote) else {
        tell(What::NeverClosed(name));
        return nothing;
    };
    if !(after.is_empty() || after.starts_with('#')) {
        tell(What::AfterQuote(name.clone()));
    }
    if quote == '"' && has_dollar(&raw.replace("\\$", "")) {
        tell(What::Dollar(name.clone()));
    }
    Assignment { set: Some((name, value)), length: from + blank + 1 + length }
}

/// A value without quotes: it ends where a comment begins after a blank.
fn unquoted(text: &str) -> &str {
    let comment = [" #", "\t#"].iter().filter_map(|it| text.find(it)).min();
    text[..comment.unwrap_or(text.len())].trim()
}

/// A value up to its closing quote, the same as written, what stands after that on
/// its line, and the length of it all. One that spans several lines has nothing after its quote:
/// else a quote that was forgotten would swallow the lines after it.
fn quoted(text: &str, quote: char) -> Option<(String, &str, &str, usize)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            _ if letter == quote => {
                let after = &text[at + 1..];
                let end = after.find('\n').map_or(after.len(), |newline| newline + 1);
                let rest = after[..end].trim();
                let is_several = text[..at].contains('\n');
                let is_closed = rest.is_empty() || rest.starts_with('#') || !is_several;
                return is_closed.then_some((value, &text[..at], rest, at + 1 + end));
            }
            '\\' => escaped(letters.next().map(|(_, next)| next), quote, &mut value),
            _ => value.push(letter),
        }
    }
    None
}

/// What a backslash and `next` stand for. In single quotes only the quote itself
/// is escaped.
fn escaped(next: Option<char>, quote: char, value: &mut String) {
    match next {
        Some(letter) if letter == quote => value.push(letter),
        Some('n') if quote == '"' => value.push('\n'),
        Some('r') if quote == '"' => value.push('\r'),
        Some('t') if quote == '"' => value.push('\t'),
        Some(letter @ ('\\' | '$')) if quote == '"' => value.push(letter),
        Some(letter) => value.extend(['\\', letter]),
        None => value.push('\\'),
    }
}

/// Whether others would read a variable in it.
fn has_dollar(value: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '{';
    value.split('$').skip(1).any(|after| after.starts_with(begins))
}

/// Whether `name` can be the name of a variable.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<String> {
        parse(text).0.remove("A")
    }

    fn odd(text: &str) -> Vec<(usize, What)> {
        parse(text).1.into_iter().map(|oddity| (oddity.line, oddity.what)).collect()
    }

    fn a() -> String {
        "A".to_owned()
    }

    #[test]
    fn values_are_what_compose_reads() {
        for (line, expected) in [
            ("A=1", "1"),
            ("A = 1 ", "1"),
            ("export A=1", "1"),
            ("  export\tA=1", "1"),
            ("A=", ""),
            ("A= # nothing", ""),
            ("A=\"\"", ""),
            ("A=two words", "two words"),
            ("A=four # rest", "four"),
            ("A=four\t# rest", "four"),
            ("A=a#b", "a#b"),
            ("A=a=b:c", "a=b:c"),
            ("A=it's", "it's"),
            ("A=C:\\new", "C:\\new"),
            ("A=\"two words\" # why", "two words"),
            ("A=\"a # b\"#c", "a # b"),
            (r#"A="a\"b""#, "a\"b"),
            (r#"A="{\"hello\": \"json\"}""#, "{\"hello\": \"json\"}"),
            (r#"A="tab\tend\n\\ \d""#, "tab\tend\n\\ \\d"),
            (r#"A="a\$b""#, "a$b"),
            (r"A='Let\'s go!'", "Let's go!"),
            (r"A='a\nb$c#d'", r"a\nb$c#d"),
            ("A='one\ntwo'\nB=3", "one\ntwo"),
            ("A=\"one\r\ntwo\" # end\r\nB=3\r\n", "one\ntwo"),
            ("A=1\r\nB=2\r\n", "1"),
        ] {
            assert_eq!(value(line).as_deref(), Some(expected), "{line}");
            assert_eq!(odd(line), [], "{line}");
        }
    }

    #[test]
    fn each_oddity_is_told_with_its_line() {
        for (text, expected) in [
            ("\n# words\nnonsense\nA=1", vec![(3, What::NotAnAssignment)]),
            ("A B=1", vec![(1, What::NotAnAssignment)]),
            ("=1", vec![(1, What::NotAnAssignment)]),
            ("export A", vec![(1, What::NotAnAssignment)]),
            ("A: 1", vec![(1, What::Colon(a()))]),
            ("B='x\ny'\nA=1\nA=2", vec![(4, What::SetAgain(a()))]),
            ("\u{feff}A=1", vec![(1, What::ByteOrderMark)]),
            ("B=1\nA=\"x\" y", vec![(2, What::AfterQuote(a()))]),
            ("A=\"a $HOME\"", vec![(1, What::Dollar(a()))]),
            ("A=pa$word", vec![(1, What::Dollar(a()))]),
            ("A=${B}", vec![(1, What::Dollar(a()))]),
            ("A=\"never", vec![(1, What::NeverClosed(a()))]),
        ] {
            assert_eq!(odd(text), expected, "{text}");
        }
        assert_eq!(odd("A=1$ $1"), [], "nobody reads a variable there");
        assert_eq!(value("A=1\nA=2").as_deref(), Some("2"));
        assert_eq!(value("A=pa$word").as_deref(), Some("pa$word"));
        assert_eq!(value("\u{feff}A=1").as_deref(), Some("1"));
    }

    #[test]
    fn a_forgotten_quote_swallows_no_other_line() {
        let (values, odd) = parse("A=\"never\nB=\"two\"\nC='x\nD=4\n");
        assert_eq!(Vec::from_iter(values), [("B".into(), "two".into()), ("D".into(), "4".into())]);
        let never = |line, name: &str| Oddity { line, what: What::NeverClosed(name.to_owned()) };
        assert_eq!(odd, [never(1, "A"), never(3, "C")]);
    }
}
