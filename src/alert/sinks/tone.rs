use crate::alert::message::Message;
use vai_core::model::Severity;

/// How a message is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Somebody should look now.
    Critical,
    /// Somebody should look today.
    Warning,
    /// Good to know.
    Info,
    /// Everything in it is over.
    Over,
}

impl Tone {
    /// The tone of `message`.
    pub(super) fn of(message: &Message) -> Self {
        match message.severity {
            Severity::Critical => Self::Critical,
            Severity::Warning => Self::Warning,
            Severity::Info if message.over => Self::Over,
            Severity::Info => Self::Info,
        }
    }

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
