//! Output of any length, kept short.

/// Output is kept up to this many bytes.
const KEPT_OUTPUT: usize = 4096;

/// The last [`KEPT_OUTPUT`] bytes of an output of any length.
#[derive(Debug, Default)]
pub(super) struct Tail(Vec<u8>);

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(KEPT_OUTPUT)..];
        let surplus = (self.0.len() + kept.len()).saturating_sub(KEPT_OUTPUT);
        self.0.drain(..surplus);
        self.0.extend_from_slice(kept);
    }

    pub(super) fn into_text(self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
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
}
