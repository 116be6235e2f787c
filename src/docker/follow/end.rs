use super::super::EngineError;
use vai_core::words::REFUSES;

/// Why following ended.
#[derive(Debug)]
pub(super) enum End {
    /// The engine does not answer; why.
    EngineGone(String),
    /// It answers, and refuses what we need; what and how.
    Refused(String),
    /// Nobody listens to our events any more.
    NobodyListens,
}

impl End {
    /// What an error of `call` comes to.
    pub(super) fn of(call: &str, error: EngineError) -> Self {
        match error {
            EngineError::Gone(why) => Self::EngineGone(why),
            EngineError::Refused { status, message } => {
                Self::Refused(refusal(call, status, &message))
            }
            other => Self::Refused(format!("{REFUSES} {call}: {other}")),
        }
    }
}

/// `refuses GET /events with 403, as a filtering proxy does: …`
pub(super) fn refusal(call: &str, status: u16, message: &str) -> String {
    let by = match status {
        // What the engine itself says only for a plugin that filters, too.
        401 | 403 | 405 => ", as a filtering proxy in front of it does",
        _ => "",
    };
    // A page for browsers tells nobody anything.
    match message.lines().next().map_or("", str::trim) {
        line if line.is_empty() || line.starts_with('<') => {
            format!("{REFUSES} {call} with {status}{by}")
        }
        line => format!("{REFUSES} {call} with {status}{by}: {line}"),
    }
}
