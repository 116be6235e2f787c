//! How loud a message is, as services show it.

use crate::alert::message::Tone;

impl Tone {
    /// Shown before a title where there is no other colour.
    pub(super) fn emoji(self) -> char {
        match self {
            Self::Critical => '🔴',
            Self::Warning => '🟠',
            Self::Info => '🔵',
            Self::Over => '🟢',
        }
    }

    /// Red, green and blue.
    pub(super) fn rgb(self) -> u32 {
        match self {
            Self::Critical => 0x00d3_2f2f,
            Self::Warning => 0x00f5_7c00,
            Self::Info => 0x0019_76d2,
            Self::Over => 0x0038_8e3c,
        }
    }

    /// Like [`rgb`](Self::rgb): `#d32f2f`.
    pub(super) fn css(self) -> String {
        format!("#{:06x}", self.rgb())
    }
}
