use super::diagnostic::{Diagnostic, Level};
use super::environment::Environment;
use super::load::Context;
use super::positions::{At, Positions};
use std::cell::RefCell;
use std::ops::Range;
use vai_core::model::{Redactor, Secret};

/// What one reading of a registry looks things up in, and collects.
pub(super) struct Reader<'a> {
    /// Where `${NAME}` comes from.
    pub(super) environment: &'a Environment,
    /// What is known about the place vai runs in.
    pub(super) context: &'a Context,
    positions: &'a Positions,
    diagnostics: RefCell<Vec<Diagnostic>>,
    secrets: RefCell<Vec<Secret>>,
    masks: RefCell<Vec<Range<usize>>>,
}

/// What a reading collected besides the values.
pub(super) struct Collected {
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) redactor: Redactor,
    /// The parts of the text that hold literal secrets.
    pub(super) masks: Vec<Range<usize>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        environment: &'a Environment,
        context: &'a Context,
        positions: &'a Positions,
    ) -> Self {
        Self {
            environment,
            context,
            positions,
            diagnostics: RefCell::default(),
            secrets: RefCell::default(),
            masks: RefCell::default(),
        }
    }

    /// The registry's text.
    pub(super) fn source(&self) -> &'a str {
        self.positions.source()
    }

    /// Adds a finding about the value at `pointer`. What many services take
    /// from `defaults` is told once.
    pub(super) fn report(&self, pointer: &str, problem: Problem) {
        let mut diagnostic =
            self.positions.diagnostic(problem.level, pointer, problem.at, &problem.message);
        diagnostic.expected = problem.expected;
        diagnostic.help = problem.help;
        let mut diagnostics = self.diagnostics.borrow_mut();
        if !diagnostics.contains(&diagnostic) {
            diagnostics.push(diagnostic);
        }
    }

    /// Whether the registry cannot be taken, as far as it has been read.
    pub(super) fn has_errors(&self) -> bool {
        self.diagnostics.borrow().iter().any(Diagnostic::is_error)
    }

    /// Keeps `text` out of everything that leaves the program.
    pub(super) fn redact(&self, text: &str) {
        self.secrets.borrow_mut().push(Secret::from(text));
    }

    /// Hides a part of the registry's text where its lines are printed.
    pub(super) fn mask(&self, span: Range<usize>) {
        self.masks.borrow_mut().push(span);
    }

    pub(super) fn finish(self) -> Collected {
        let mut diagnostics = self.diagnostics.into_inner();
        diagnostics.sort_by_key(|diagnostic| {
            let start = diagnostic.position.as_ref().map(|at| at.span.start);
            (start, diagnostic.level == Level::Warning)
        });
        Collected {
            diagnostics,
            redactor: Redactor::new(self.secrets.into_inner()),
            masks: self.masks.into_inner(),
        }
    }
}

/// A finding on its way to becoming a [`Diagnostic`].
pub(super) struct Problem {
    level: Level,
    at: At,
    message: String,
    expected: Option<String>,
    help: Option<String>,
}

impl Problem {
    pub(super) fn error(message: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            at: At::Value,
            message: message.into(),
            expected: None,
            help: None,
        }
    }

    pub(super) fn warning(message: impl Into<String>) -> Self {
        Self { level: Level::Warning, ..Self::error(message) }
    }

    /// Points at the key instead of the value.
    pub(super) fn at_key(self) -> Self {
        Self { at: At::Key, ..self }
    }

    /// What should stand there.
    pub(super) fn expected(self, expected: impl Into<String>) -> Self {
        Self { expected: Some(expected.into()), ..self }
    }

    /// How to mend it.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Suggests `name` where there is one.
    pub(super) fn did_you_mean(self, name: Option<&str>) -> Self {
        match name {
            Some(name) => self.help(format!("did you mean \"{name}\"?")),
            None => self,
        }
    }
}
