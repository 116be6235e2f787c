//! Moments and spans as people read them, in the zone that `vai` is in.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use std::time::Duration;
use vai_core::model::Wall;

/// The zone that times are told in.
pub(crate) fn zone() -> TimeZone {
    TimeZone::system()
}

/// `wall` in `zone`.
fn zoned(wall: Wall, zone: &TimeZone) -> ZonedDateTime {
    Timestamp::from_millisecond(wall.as_millis())
        .unwrap_or_default()
        .to_zoned_datetime(zone.clone())
}

/// `12:01:05`.
pub(crate) fn time(wall: Wall, zone: &TimeZone) -> String {
    zoned(wall, zone).strftime("%H:%M:%S").to_string()
}

/// `12:01:05 on 2026-11-23 (Europe/Berlin)`.
pub(crate) fn time_and_day(wall: Wall, zone: &TimeZone) -> String {
    let zoned = zoned(wall, zone);
    let name = zone.iana_name().map_or_else(|| zoned.strftime("%Z").to_string(), str::to_owned);
    let name = name.strip_prefix("Etc/").unwrap_or(&name);
    format!("{} ({name})", zoned.strftime("%H:%M:%S on %Y-%m-%d"))
}

/// `to` as [`time`], with its day where that is another than that of `from`.
pub(crate) fn until(from: Wall, to: Wall, zone: &TimeZone) -> String {
    let (from, to) = (zoned(from, zone), zoned(to, zone));
    let form = if from.date() == to.date() { "%H:%M:%S" } else { "%H:%M:%S on %Y-%m-%d" };
    to.strftime(form).to_string()
}

/// `12:01–12:09`, with the days where they differ.
pub(crate) fn stretch(from: Wall, to: Wall, zone: &TimeZone) -> String {
    let (from, to) = (zoned(from, zone), zoned(to, zone));
    if from.date() == to.date() {
        format!("{}–{}", from.strftime("%H:%M"), to.strftime("%H:%M"))
    } else {
        let form = "%Y-%m-%d %H:%M";
        format!("{} – {}", from.strftime(form), to.strftime(form))
    }
}

/// How long it was from one wall time to another; zero if the clock was set
/// back in between.
pub(crate) fn between(from: Wall, to: Wall) -> Duration {
    let millis = to.as_millis().saturating_sub(from.as_millis());
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// The two largest units: `45 s`, `8 min 6 s`, `4 h`, `2 d 3 h`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let first = units.iter().position(|(count, _)| *count > 0);
    let words: Vec<String> = units[first.unwrap_or(3)..]
        .iter()
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if words.is_empty() { "less than a second".to_owned() } else { words.join(" ") }
}
