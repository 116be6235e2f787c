use std::fmt::Display;
use std::time::Duration;

/// Begins a part of the table.
pub(crate) fn title(text: &str) {
    println!("\n{text}");
}

/// One line of it.
pub(crate) fn row(name: &str, value: impl Display) {
    println!("  {name:<52} {value}");
}

/// Times as p50 and p95.
pub(crate) fn spread(times: Vec<Duration>) -> String {
    percentiles(times, [50, 95])
}

/// Times by how many percent of them are no longer.
pub(crate) fn percentiles<const N: usize>(
    mut times: Vec<Duration>,
    percents: [usize; N],
) -> String {
    times.sort_unstable();
    let shown = percents.map(|percent| {
        let rank = (times.len() * percent).div_ceil(100).max(1);
        let time = times.get(rank - 1).map_or_else(|| "-".to_owned(), |&time| millis(time));
        format!("p{percent} {time}")
    });
    shown.join(", ")
}

/// A time in milliseconds, with the digits that mean something.
pub(crate) fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    if millis < 10.0 { format!("{millis:.2} ms") } else { format!("{millis:.0} ms") }
}

/// Processor time as a part of the time in which it was used.
pub(crate) fn share(used: Duration, of: Duration) -> String {
    format!("{:.2} % of a core", used.as_secs_f64() / of.as_secs_f64() * 100.0)
}
