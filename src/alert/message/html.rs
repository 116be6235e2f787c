//! A message as the HTML part of a mail. Mail programs keep little of a style
//! sheet, so everything is styled in place; the sheet only turns the colours
//! where it is dark. Nothing is fetched from anywhere.

use super::sheet::{Headline, Part, Sheet, Story, Tone};

const PAGE: &str = "margin:0;padding:0;background:#f2f3f5;color:#1b1e23;\
    font:16px/1.45 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;\
    -webkit-text-size-adjust:100%";
const CARD: &str = "max-width:640px;margin:0 auto;padding:18px 20px 20px;background:#ffffff;\
    overflow-wrap:anywhere;word-break:break-word";
const H1: &str = "margin:0 0 14px;font-size:20px;line-height:1.35;font-weight:600";
const H2: &str = "margin:24px 0 12px;padding-top:18px;border-top:1px solid #d5d9df;\
    font-size:17px;line-height:1.35;font-weight:600";
const BADGE: &str = "display:inline-block;padding:1px 8px;border-radius:4px;\
    color:#ffffff;font-size:14px;font-weight:700";
const NOTE: &str = "margin:0 0 14px;padding:8px 12px;background:#fff4d6;border-radius:6px";
const SAID: &str = "margin:0 0 14px";
const LABEL: &str = "margin:14px 0 2px;color:#5b6470;font-size:13px;font-weight:600";
const TEXT: &str = "margin:0";
const LIST: &str = "margin:0;padding-left:20px";
const BOX: &str = "margin:4px 0 0;padding:10px 12px;background:#f2f3f5;border-radius:6px;\
    white-space:pre-wrap;overflow-wrap:anywhere;\
    font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono',monospace";
const CODE: &str = "padding:1px 5px;background:#f2f3f5;border-radius:4px;\
    font:14px/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono',monospace";
const MORE: &str = "margin:22px 0 0";

/// `!important`, or the styles in place would win.
const DARK: &str = ":root{color-scheme:light dark;supported-color-schemes:light dark}\
    @media (prefers-color-scheme:dark){\
    .page{background:#101215!important;color:#e4e7eb!important}\
    .card{background:#1a1d22!important}\
    .rule{border-top-color:#3a4049!important}\
    .note{background:#453610!important}\
    .label{color:#a2abb8!important}\
    .code{background:#292e36!important;color:#e4e7eb!important}}";

/// A whole document that shows `sheet` below `headline`.
pub(super) fn html(headline: &Headline, sheet: &Sheet) -> String {
    let colour = colour(headline.tone);
    let preface = sheet.preface.iter().map(|preface| block("p", "note", NOTE, &prose(preface)));
    let stories = sheet.stories.iter().map(story);
    let body: String = preface.chain(stories).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"supported-color-schemes\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>{DARK}</style>\n</head>\n\
         <body class=\"page\" style=\"{PAGE}\">\n\
         <div class=\"card\" style=\"{CARD};border-top:6px solid {colour}\">\n\
         {heading}{body}{more}</div>\n</body>\n</html>\n",
        title = escaped(&headline.line()),
        heading = block("h1", "", H1, &shown(headline)),
        more = block("p", "", MORE, &format!("More: {}", code(&sheet.more))),
    )
}

fn story(story: &Story) -> String {
    let headline = story.headline.iter().map(|it| block("h2", "rule", H2, &shown(it)));
    headline.chain(story.parts.iter().map(part)).collect()
}

fn part(part: &Part) -> String {
    let labelled = |label: &str, what: String| block("p", "label", LABEL, &escaped(label)) + &what;
    match part {
        Part::Said(sentences) => block("p", "", SAID, &prose(&sentences.join("\n"))),
        Part::Fact(label, what) => labelled(label, block("p", "", TEXT, &prose(what))),
        Part::List(label, items) | Part::Known(label, items) => {
            let items: String =
                items.iter().map(|item| block("li", "", TEXT, &prose(item))).collect();
            labelled(label, block("ul", "", LIST, &items))
        }
        Part::Output(label, lines) => {
            labelled(label, block("pre", "code", BOX, &escaped(&lines.join("\n"))))
        }
    }
}

/// A headline with its first word on its colour.
fn shown(headline: &Headline) -> String {
    let rest = escaped(&headline.rest);
    match headline.word.as_str() {
        "" => rest,
        word => {
            let style = format!("{BADGE};background:{}", colour(headline.tone));
            format!("<span style=\"{style}\">{}</span> {rest}", escaped(word))
        }
    }
}

/// White reads well on each of them.
fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Critical => "#b3261e",
        Tone::Warning => "#9a5b00",
        Tone::Info => "#1f5fbf",
        Tone::Over => "#1c7a3e",
    }
}

/// An element; `style` and `class` are ours, `inside` is HTML already.
fn block(name: &str, class: &str, style: &str, inside: &str) -> String {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    format!("<{name}{class} style=\"{style}\">{inside}</{name}>\n")
}

/// Text with its line ends kept, and what stands between backticks as code.
fn prose(text: &str) -> String {
    let pieces: Vec<&str> = text.split('`').collect();
    if pieces.len().is_multiple_of(2) {
        return escaped(text).replace('\n', "<br>\n");
    }
    let shown = pieces.iter().enumerate().map(|(index, piece)| {
        if index % 2 == 1 { code(piece) } else { escaped(piece).replace('\n', "<br>\n") }
    });
    shown.collect()
}

fn code(text: &str) -> String {
    format!("<code class=\"code\" style=\"{CODE}\">{}</code>", escaped(text))
}

/// `text` as it stands, whatever it holds.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}
