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
    let end = ending(text, longest, &escape);
    within(text, longest, &end, escape)
}

/// What ends `text` where it is cut: its own last line, if that is the command
/// that shows more.
fn ending(
    text: &str,
    longest: usize,
    escape: impl Fn(char) -> Option<&'static str>,
) -> Cow<'static, str> {
    let last = text.trim_end().lines().next_back();
    match last.filter(|last| last.starts_with("More: ")) {
        Some(more) => {
            let more = within(more, usize::MAX, ELLIPSIS, escape);
            let end = format!("\n…\n{more}");
            if end.len() <= longest / 2 { end.into() } else { CUT.into() }
        }
        None => CUT.into(),
    }
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
        if whole.len().saturating_add(end.len()) <= longest {
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
    fn a_cut_text_keeps_the_command_that_shows_more() {
        let text = format!("{}\n\nMore: docker exec vai /vai status a_b\n", "x".repeat(200));
        let shown = escaped(&text, 100, markdown);
        assert!(shown.len() <= 100);
        let end = "x\n…\nMore: docker exec vai /vai status a\\_b";
        assert!(shown.ends_with(end), "{shown}");
        assert!(cut(&text, 60).ends_with(CUT), "there is no room for it");
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
