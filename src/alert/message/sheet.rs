//! What a message says, in parts that text and HTML each show in their own way.

/// A whole message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sheet {
    /// What has to be known before all else: that it comes late.
    pub(super) preface: Option<String>,
    /// One for each incident that is told in full, or one for all.
    pub(super) stories: Vec<Story>,
    /// The command that shows more.
    pub(super) more: String,
}

/// What belongs together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Story {
    /// Above it, where a message has more than one.
    pub(super) headline: Option<Headline>,
    /// In the order of reading.
    pub(super) parts: Vec<Part>,
}

/// One line that says it all.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Headline {
    /// How it stands, in capitals; empty where that differs within it.
    pub(super) word: String,
    /// Of what, and why.
    pub(super) rest: String,
    /// How loud it is.
    pub(super) tone: Tone,
}

/// How loud a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Somebody should look now.
    Critical,
    /// Somebody should look today.
    Warning,
    /// Good to know.
    Info,
    /// Everything in it is over.
    Over,
}

/// A piece of a story.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// Sentences, one a line.
    Said(Vec<String>),
    /// A label and a text, which may have more lines than one.
    Fact(String, String),
    /// A label and things of one kind.
    List(String, Vec<String>),
    /// What else is known: a label and lines of their own.
    Known(String, Vec<String>),
    /// A label and the words of a program, to be shown as they are.
    Output(String, Vec<String>),
}

impl Headline {
    /// On one line.
    pub(super) fn line(&self) -> String {
        match self.word.as_str() {
            "" => self.rest.clone(),
            word => format!("{word} {}", self.rest),
        }
    }
}
