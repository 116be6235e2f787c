//! From notices to the words that a person reads. Pure: no I/O, no clock.

mod causes;
mod clean;
mod html;
mod sheet;
mod story;
#[cfg(test)]
mod tests;
mod text;
mod title;
mod words;

pub(crate) use clean::line;
pub(crate) use sheet::Tone;

use jiff::tz::TimeZone;
use sheet::{Headline, Sheet};
use std::cmp::Reverse;
use vai_core::model::{EvidenceDetail, Notice, NoticeKind, Redactor, Severity, Wall};

/// What one sink is handed: the incidents of one moment, in words and as data.
/// Nothing in it is secret any more.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    /// One line that says it all on a phone.
    pub(crate) title: String,
    /// Plain text of several lines.
    pub(crate) body: String,
    /// The worst of what is not over; info where everything is.
    pub(crate) severity: Severity,
    /// Whether everything in it is over.
    pub(crate) over: bool,
    /// The same for every try to deliver the same news; letters, digits, `-`.
    pub(crate) dedup_key: String,
    /// Keys of the messages that first told of these incidents at this sink.
    pub(crate) follows: Vec<String>,
    /// What it is made of, worst first, redacted and with no more evidence
    /// than may be shown.
    pub(crate) notices: Vec<Notice>,
    headline: Headline,
    sheet: Sheet,
}

impl Message {
    /// How loud it is.
    pub(crate) fn tone(&self) -> Tone {
        self.headline.tone
    }

    /// The same as an HTML document.
    pub(crate) fn html(&self) -> String {
        html::html(&self.headline, &self.sheet)
    }
}

/// What composing a message needs to know besides the notices.
pub(crate) struct Context<'a> {
    /// The zone that times are shown in.
    pub(crate) zone: &'a TimeZone,
    /// The moment of this try.
    pub(crate) now: Wall,
    /// Takes secrets out of all free text.
    pub(crate) redactor: &'a Redactor,
    /// Why it may come late, in words that follow "because": what the sink, or
    /// the one before it, said at its last try.
    pub(crate) delay: Option<&'a str>,
    /// From `status redis` to the whole command that shows it on this host.
    pub(crate) command: &'a dyn Fn(&str) -> String,
    /// The most evidence that this sink may show.
    pub(crate) evidence: EvidenceDetail,
}

/// Puts the notices of one moment into one message.
pub(crate) fn compose(notices: &[Notice], follows: Vec<String>, context: &Context<'_>) -> Message {
    let mut notices: Vec<Notice> = notices
        .iter()
        .map(|notice| clean::clean(notice, context.redactor, context.evidence))
        .collect();
    notices.sort_by_key(|notice| {
        let over = notice.incident.is_over();
        (over, Reverse(notice.incident.severity), notice.incident.since)
    });
    let over = notices.iter().all(|notice| notice.incident.is_over());
    let severity = notices
        .iter()
        .filter(|notice| !notice.incident.is_over())
        .map(|notice| notice.incident.severity)
        .max()
        .unwrap_or(Severity::Info);
    let headline = title::headline(&notices, context.zone);
    let sheet = story::sheet(&notices, context);
    Message {
        title: headline.line(),
        body: text::text(&sheet),
        severity,
        over,
        dedup_key: dedup_key(&notices),
        follows,
        notices,
        headline,
        sheet,
    }
}

/// A name for exactly this news: which incidents, and how each of them stands.
fn dedup_key(notices: &[Notice]) -> String {
    let mut hash = Fnv1a::default();
    for notice in notices {
        let kind = match notice.kind {
            NoticeKind::Opened => "opened",
            NoticeKind::Escalated => "escalated",
            NoticeKind::Joined => "joined",
            NoticeKind::Reminder(_) => "reminder",
            NoticeKind::Resolved => "resolved",
            NoticeKind::Info => "info",
        };
        hash.part(notice.incident.id.0.as_bytes());
        hash.part(kind.as_bytes());
        hash.part(notice.incident.severity.label().as_bytes());
        hash.part(&[u8::from(notice.incident.is_over())]);
        hash.part(&notice.at.as_millis().to_be_bytes());
    }
    format!("vai-{:016x}", hash.0)
}

/// FNV-1a, 64 bits: unlike the standard library's hasher it is the same in
/// every build, so a key outlives an update of vai.
struct Fnv1a(u64);

impl Default for Fnv1a {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv1a {
    /// Adds one part and a separator, so that ("ab", "c") is not ("a", "bc").
    fn part(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
