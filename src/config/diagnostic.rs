use super::Positions;
use annotate_snippets::{AnnotationKind, Group, Level as Title, Renderer, Snippet};
use serde::Serialize;
use std::ops::Range;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The registry is not taken.
    Error,
    /// The registry is taken; somebody should look at this.
    Warning,
}

/// One finding about the registry: where, what, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub level: Level,
    /// JSON pointer (RFC 6901) of the value it is about.
    pub pointer: String,
    /// Where that stands; absent where there is no text to point into.
    #[serde(flatten)]
    pub position: Option<Position>,
    /// What is wrong. Never holds a secret.
    pub message: String,
    /// What should stand there instead.
    pub expected: Option<String>,
    /// How to mend it.
    pub help: Option<String>,
}

/// A place in the registry's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// In bytes; never longer than its line.
    pub span: Range<usize>,
}

impl Diagnostic {
    /// A finding about the registry as a whole, when its text cannot be had.
    pub(super) fn without_text(message: String, help: String) -> Self {
        Self {
            level: Level::Error,
            pointer: String::new(),
            position: None,
            message,
            expected: None,
            help: Some(help),
        }
    }

    /// Whether the registry cannot be taken because of it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.level == Level::Error
    }
}

/// Prints findings with file, line, column and the line itself, as rustc does.
///
/// The lines are taken from `source`; see [`Loaded::render`](super::Loaded) for
/// the form that hides literal secrets in them.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], file_name: &str, source: &str, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&renderer.render(&[report(diagnostic, file_name, source)]));
        text.push_str("\n\n");
    }
    text
}

fn report<'a>(diagnostic: &'a Diagnostic, file_name: &'a str, source: &'a str) -> Group<'a> {
    let level = match diagnostic.level {
        Level::Error => Title::ERROR,
        Level::Warning => Title::WARNING,
    };
    let mut group = match &diagnostic.position {
        Some(position) => {
            let annotation = AnnotationKind::Primary
                .span(position.span.clone())
                .label(diagnostic.expected.as_deref());
            group_with(level, &diagnostic.message)
                .element(Snippet::source(source).path(file_name).annotation(annotation))
        }
        None => group_with(level, &diagnostic.message)
            .element(annotate_snippets::Origin::path(file_name)),
    };
    if let Some(place) = Positions::in_words(&diagnostic.pointer) {
        group = group.element(Title::NOTE.message(format!("at {place}")));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Title::HELP.message(help.as_str()));
    }
    group
}

fn group_with<'a>(level: Title<'a>, message: &'a str) -> Group<'a> {
    Group::with_title(level.primary_title(message))
}
