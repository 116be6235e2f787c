//! The log is a user interface: one line an event, readable as it is.

use super::utc::rfc3339;
use crate::clock;
use clap::ValueEnum;
use std::env;
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, FilterFn, ParseError, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry};

/// Who reads the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// People.
    #[default]
    Text,
    /// Machines: one JSON object a line.
    Json,
}

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error("{name} is \"{value}\": {source}; write for example {name}=info,vai=debug")]
    Filter {
        /// The environment variable.
        name: &'static str,
        /// What it says.
        value: String,
        /// Why it cannot be read.
        source: ParseError,
    },
    /// It was started already.
    #[error("logging: {0}")]
    Twice(#[from] TryInitError),
}

/// Starts logging to standard output. `VAI_LOG`, else `RUST_LOG`, says what is
/// logged; without them it is `info`. No setting brings out more than bollard's
/// warnings: it logs whole bodies, environment included.
///
/// # Errors
/// The filter cannot be read, or logging was started before.
pub fn init(format: LogFormat) -> Result<(), LogError> {
    let filter = filter()?.and(quiet_bollard());
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stdout);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => {
            let colour = io::stdout().is_terminal();
            Box::new(layer.event_format(Line { colour }).with_filter(filter))
        }
        LogFormat::Json => Box::new(layer.json().flatten_event(true).with_filter(filter)),
    };
    tracing_subscriber::registry().with(layer).try_init()?;
    Ok(())
}

fn filter() -> Result<EnvFilter, LogError> {
    let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let Some((name, value)) =
        ["VAI_LOG", "RUST_LOG"].into_iter().find_map(|name| Some((name, set(name)?)))
    else {
        return Ok(EnvFilter::new("info"));
    };
    EnvFilter::try_new(&value).map_err(|source| LogError::Filter { name, value, source })
}

fn quiet_bollard() -> FilterFn<fn(&Metadata<'_>) -> bool> {
    filter_fn(|event| !event.target().starts_with("bollard") || *event.level() <= Level::WARN)
}

/// `2026-11-02T10:11:12Z  INFO redis (services): healthy → suspect: …`
struct Line {
    colour: bool,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        write!(writer, "{} ", rfc3339(clock::wall()))?;
        if self.colour {
            write!(writer, "\x1b[{}m{level:>5}\x1b[0m ", colour(level))?;
        } else {
            write!(writer, "{level:>5} ")?;
        }
        let mut text = Text::default();
        event.record(&mut text);
        writeln!(writer, "{}{}", text.message, text.fields)
    }
}

fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    }
}

/// An event's message and its other fields as ` name=value`.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format_args!("{value:?}"));
    }
}

impl Text {
    fn put(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let mut line = OneLine(String::new());
        // Writing to a string does not fail.
        let _ = line.write_fmt(value);
        if field.name() == "message" {
            self.message = line.0;
        } else {
            self.fields.push(' ');
            self.fields.push_str(field.name());
            self.fields.push('=');
            self.fields.push_str(&line.0);
        }
    }
}

/// Keeps what a service or a command printed from breaking the line, or from
/// speaking to the reader's terminal.
struct OneLine(String);

impl fmt::Write for OneLine {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '\n' => self.0.push('⏎'),
                '\r' => {}
                '\t' => self.0.push(' '),
                c if c.is_control() => self.0.extend(c.escape_default()),
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Buffer {
        type Writer = Self;
        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// The lines that `action` logs, without their time.
    pub(crate) fn logged(action: impl FnOnce()) -> Vec<String> {
        let buffer = Buffer::default();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(buffer.clone())
            .event_format(Line { colour: false })
            .with_filter(EnvFilter::new("trace").and(quiet_bollard()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), action);
        let bytes = buffer.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| {
                let (time, rest) = line.split_once(' ').unwrap();
                assert_eq!(time.len(), "2026-11-02T10:11:12Z".len(), "{line}");
                assert!(time.ends_with('Z'), "{line}");
                rest.to_owned()
            })
            .collect()
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let lines = logged(|| {
            tracing::warn!(sink = "mail", tries = 3, "said:\r\n\tone\ntwo\x1b[2J");
        });
        assert_eq!(lines, [" WARN said:⏎ one⏎two\\u{1b}[2J sink=mail tries=3"]);
    }

    #[test]
    fn bollard_never_says_more_than_warnings() {
        let lines = logged(|| {
            tracing::debug!(target: "bollard::docker", "whole body");
            tracing::warn!(target: "bollard::uri", "trouble");
        });
        assert_eq!(lines, [" WARN trouble"]);
    }
}
