//! A message as plain text, which reads well in every sink.

use super::sheet::{Part, Sheet, Story};

/// `sheet` as lines of text.
pub(super) fn text(sheet: &Sheet) -> String {
    let preface = sheet.preface.iter().map(|preface| format!("{preface}\n"));
    let stories = sheet.stories.iter().map(story);
    let more = format!("More: {}\n", sheet.more);
    preface.chain(stories).chain([more]).collect::<Vec<_>>().join("\n")
}

fn story(story: &Story) -> String {
    let headline = story.headline.iter().map(|headline| format!("== {}\n\n", headline.line()));
    let mut text: String = headline.collect();
    let mut before: Option<&Part> = None;
    for part in &story.parts {
        let apart = match (before, part) {
            (None, _) => false,
            (Some(Part::Said(_)), _) | (_, Part::Known(..) | Part::Output(..)) => true,
            (Some(_), Part::Said(_) | Part::Fact(..) | Part::List(..)) => false,
        };
        if apart {
            text.push('\n');
        }
        text.extend(lines(part).map(|line| line + "\n"));
        before = Some(part);
    }
    text
}

fn lines(part: &Part) -> Box<dyn Iterator<Item = String> + '_> {
    let under = |label: &str, lines: Vec<String>| {
        Box::new([format!("{label}:")].into_iter().chain(lines)) as Box<dyn Iterator<Item = _>>
    };
    match part {
        Part::Said(sentences) => Box::new(sentences.iter().cloned()),
        Part::Fact(label, what) => Box::new([format!("{label}: {}", hung(what, "  "))].into_iter()),
        Part::List(label, items) => {
            under(label, items.iter().map(|item| format!("  - {}", hung(item, "    "))).collect())
        }
        Part::Known(label, facts) => {
            under(label, facts.iter().map(|fact| format!("  {fact}")).collect())
        }
        Part::Output(label, output) => {
            under(label, output.iter().map(|line| format!("  | {line}")).collect())
        }
    }
}

/// `text` with its further lines indented.
fn hung(text: &str, by: &str) -> String {
    text.replace('\n', &format!("\n{by}"))
}
