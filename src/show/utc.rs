use jiff::Timestamp;
use vai_core::model::Wall;

/// For people: `2026-11-02 10:11:12 UTC`.
pub(crate) fn utc(at: Wall) -> String {
    timestamp(at).strftime("%F %T UTC").to_string()
}

/// For the log: `2026-11-02T10:11:12Z`.
pub(super) fn rfc3339(at: Wall) -> String {
    timestamp(at).strftime("%FT%TZ").to_string()
}

fn timestamp(at: Wall) -> Timestamp {
    Timestamp::from_millisecond(at.as_millis()).unwrap_or_default()
}
