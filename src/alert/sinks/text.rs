//! Texts that fit into what a service shows. Lengths are counted in bytes,
//! which is at least as strict as any other way to count.

use std::borrow::Cow;

/// Ends a text that was too long.
const CUT: &str = "\n… more: vai status";
/// Ends a line that was too long.
const ELLIPSIS: &str = "…";

/// `text`, no longer than `longest` bytes.
pub(super) fn cut(text: &str, longest: usize) -> String {
    escaped(text, longest, |_| None)
}

/// The first line of `text`, no longer than `longest` bytes.
pub(super) fn line(text: &str, longest: usize) -> String {
    escaped_line(text, longest, |_| None)
}

/// Like [`escaped`], of the first line of `text`.
pub(super) fn escaped_line(
    text: &str,
    longest: usize,
    escape: impl Fn(char) -> Option<&'static str>,
) -> String {
    let line = text.lines().next().unwrap_or_default();
    within(line, longest, ELLIPSIS, escape)
}

/// `text` with what `escape` makes of its characters, no longer than `longest`
/// bytes after that; nothing is cut in the middle of an escape.
pub(super) fn escaped(
    text: &str,
    longest: usize,
    escape: impl Fn(char) -> Option<&'static str>,
) -> String {
    within(text, longest, CUT, escape)
}

fn within(
    text: &str,
    longest: usize,
    end: &str,
    escape: impl Fn(char) -> Option<&'static str>,
) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut fits = 0;
    for c in text.chars() {
        match escape(c) {
            Some(instead) => whole.push_str(instead),
            None => whole.push(c),
        }
        if whole.len() + end.len() <= longest {
            fits = whole.len();
        }
        if whole.len() > longest {
            return format!("{}{end}", whole[..fits].trim_end());
        }
    }
    whole
}

/// The three characters that Slack and HTML read as markup.
pub(super) fn entity(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

/// What Discord and Mattermost read as Markdown or as a mention.
pub(super) fn markdown(c: char) -> Option<&'static str> {
    match c {
        '\\' => Some("\\\\"),
        '*' => Some("\\*"),
        '_' => Some("\\_"),
        '~' => Some("\\~"),
        '`' => Some("\\`"),
        '|' => Some("\\|"),
        '#' => Some("\\#"),
        '>' => Some("\\>"),
        '<' => Some("\\<"),
        '[' => Some("\\["),
        ']' => Some("\\]"),
        // Followed by a space of no width it mentions nobody.
        '@' => Some("@\u{200b}"),
        _ => None,
    }
}

/// `text` in a block of Markdown that is shown as it is, no longer than
/// `longest` bytes.
pub(super) fn fenced(text: &str, longest: usize) -> String {
    const FENCE: &str = "```";
    let inside: Cow<'_, str> = match text.contains(FENCE) {
        true => text.replace(FENCE, "'''").into(),
        false => text.into(),
    };
    let inside = cut(inside.trim_end(), longest - 2 * FENCE.len() - 2);
    format!("{FENCE}\n{inside}\n{FENCE}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut("short", 5), "short");
        let cut = cut(&"é".repeat(3000), 4096);
        assert!(cut.len() <= 4096 && cut.len() > 4096 - 4, "{}", cut.len());
        assert!(cut.ends_with(CUT));
    }

    #[test]
    fn what_just_fits_is_whole_and_one_more_is_cut() {
        let text = "a".repeat(100);
        assert_eq!(cut(&text, 100), text);
        let shorter = cut(&text, 99);
        assert_eq!(shorter.len(), 99);
        assert!(shorter.ends_with(CUT));
    }

    #[test]
    fn no_escape_is_cut_in_two() {
        for longest in 60..80 {
            let cut = escaped(&"<".repeat(40), longest, entity);
            assert!(cut.len() <= longest);
            let kept = cut.strip_suffix(CUT).unwrap();
            assert_eq!(kept, "&lt;".repeat(kept.len() / 4));
        }
    }

    #[test]
    fn a_line_ends_with_its_first_break_or_an_ellipsis() {
        assert_eq!(line("one\ntwo", 10), "one");
        assert_eq!(line("12345678901", 10), "1234567…");
        assert_eq!(line("", 10), "");
    }

    #[test]
    fn a_block_cannot_be_ended_from_inside() {
        assert_eq!(fenced("a ``` @here\n", 100), "```\na ''' @here\n```");
        let long = fenced(&"x".repeat(200), 100);
        assert_eq!(long.len(), 100);
        assert!(long.ends_with("vai status\n```"));
    }
}
