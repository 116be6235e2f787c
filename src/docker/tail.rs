//! Output of any length, kept short.

/// Output is kept up to this many bytes, unless told otherwise.
const KEPT_OUTPUT: usize = 4096;

/// The last bytes of an output of any length.
#[derive(Debug)]
pub(crate) struct Tail {
    kept: Vec<u8>,
    limit: usize,
}

impl Tail {
    /// Keeps the last `limit` bytes.
    pub(crate) fn of(limit: usize) -> Self {
        Self { kept: Vec::new(), limit }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(self.limit)..];
        let surplus = (self.kept.len() + kept.len()).saturating_sub(self.limit);
        self.kept.drain(..surplus);
        self.kept.extend_from_slice(kept);
    }

    /// What is kept; nothing is from then on.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.kept)
    }

    /// Without the end of a character that was cut in two.
    pub(crate) fn text(&self) -> String {
        let cut = self.kept.iter().take(3).take_while(|&&byte| byte & 0xC0 == 0x80).count();
        String::from_utf8_lossy(&self.kept[cut..]).into_owned()
    }

    /// As [`Self::text`].
    pub(crate) fn into_text(self) -> String {
        self.text()
    }
}

impl Default for Tail {
    fn default() -> Self {
        Self::of(KEPT_OUTPUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept() {
        let mut tail = Tail::default();
        tail.push(&[b'a'; 10_000]);
        tail.push(b"the end");
        let text = tail.into_text();
        assert_eq!(text.len(), KEPT_OUTPUT);
        assert!(text.ends_with("aaathe end"));
    }

    #[test]
    fn no_character_is_cut_in_two() {
        let mut tail = Tail::of(5);
        tail.push("äöü".as_bytes());
        assert_eq!(tail.into_text(), "öü");
    }
}
