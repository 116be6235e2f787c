use std::fmt;
use std::sync::Arc;

/// A text that must not be shown.
///
/// It has no `Display`, its `Debug` is redacted, and it can be serialised only
/// where a field asks for it by `#[serde(with = "…")]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Takes known secrets out of text that is about to leave the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redactor(Vec<Secret>);

/// Shorter values would blank out ordinary words.
const SHORTEST_REDACTED: usize = 4;

impl Redactor {
    /// Redacts every one of `secrets` of at least four bytes.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let mut secrets: Vec<Secret> = secrets
            .into_iter()
            .filter(|secret| secret.expose().len() >= SHORTEST_REDACTED)
            .collect();
        // A secret that contains another one has to go first.
        secrets.sort_by(|a, b| {
            let (a, b) = (a.expose(), b.expose());
            b.len().cmp(&a.len()).then_with(|| a.cmp(b))
        });
        secrets.dedup();
        Self(secrets)
    }

    /// `text` with each known secret replaced by `***`.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| {
            if text.contains(secret.expose()) { text.replace(secret.expose(), "***") } else { text }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_of_two_overlapping_secrets_is_taken_out_whole() {
        let redactor = Redactor::new(["hunter2", "hunter2-and-more"].map(Secret::from));
        assert_eq!(redactor.redact("pw=hunter2-and-more"), "pw=***");
        assert_eq!(redactor.redact("pw=hunter2."), "pw=***.");
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::from("hunter2")), "***");
    }
}
