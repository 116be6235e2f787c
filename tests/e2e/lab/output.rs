use super::wait::until;
use regex::Regex;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The lines that a process prints, as they come.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// Reads `stream` into these lines until it ends.
    pub(crate) fn follow(&self, stream: impl Read + Send + 'static) {
        let lines = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                lines.lock().push(line);
            }
        });
    }

    /// All lines so far.
    pub(crate) fn all(&self) -> Vec<String> {
        self.lock().clone()
    }

    /// What `look` sees in all lines so far.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&[String]) -> T) -> T {
        look(&self.lock())
    }

    /// The first line from number `from` on that matches, and the number of
    /// the line after it.
    ///
    /// # Panics
    ///
    /// If there is none within `limit`.
    pub(crate) fn wait_for(&self, from: usize, pattern: &str, limit: Duration) -> (String, usize) {
        let regex = Regex::new(pattern).expect("the test's pattern is a regular expression");
        let found = until(limit, || {
            let lines = self.lock();
            let mut rest = lines.iter().enumerate().skip(from);
            rest.find(|(_, line)| regex.is_match(line)).map(|(at, line)| (line.clone(), at + 1))
        });
        found.unwrap_or_else(|| panic!("no line /{pattern}/ after line {from} within {limit:?}"))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
