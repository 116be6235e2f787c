//! From the moment at which it is clear that somebody has to be told to the
//! message in the hands of a real mail server.

use crate::daemon::Daemon;
use crate::lab::{Doors, Mail, MailCatcher};
use crate::table::{millis, percentiles, row, title};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use vai::clock;

/// Each has a sink of its own, so that none waits for the message of another.
const LANES: usize = 10;
/// In each a service of every lane fails once and is well again.
const ROUNDS: usize = 30;
/// Exactly this is taken off.
const GROUP_WAIT: Duration = Duration::from_secs(1);

/// Prints the figures.
pub(crate) fn measure() {
    let mail = MailCatcher::start();
    let mut doors = Doors::open(LANES * ROUNDS);
    let registry = registry(&mail, doors.ports());
    let vai = Daemon::run_with(&registry, &["--log-format", "json"]);
    for _ in doors.ports() {
        vai.line("→ healthy");
    }
    for round in 0..ROUNDS {
        let failing = round * LANES..(round + 1) * LANES;
        doors.close(failing.clone());
        mail.wait_for((2 * round + 1) * LANES);
        doors.open_again(failing);
        mail.wait_for((2 * round + 2) * LANES);
    }

    let decided = decisions(&vai.texts());
    let mails = mail.mails();
    title(&format!(
        "Alerts: {} services, each checked every second, {LANES} fail at a time; by mail",
        LANES * ROUNDS
    ));
    for (word, state) in [("DOWN", "down"), ("RESOLVED", "healthy")] {
        let took = latencies(&mails, word, state, &decided);
        let longest = took.iter().max().copied().unwrap_or_default();
        let text = format!("{}, longest {}", percentiles(took.clone(), [50, 99]), millis(longest));
        row(&format!("{state} until handed over ({} mails)", took.len()), text);
    }
}

fn registry(mail: &MailCatcher, ports: &[u16]) -> Value {
    let mut channels = Map::new();
    for lane in 0..LANES {
        let to = json!([format!("lane-{lane}@example.com")]);
        channels.insert(format!("lane-{lane}"), json!({ "type": "email", "to": to }));
    }
    let services: Map<String, Value> = ports.iter().enumerate().map(service).collect();
    json!({
        "services": services,
        "notifications": {
            "channels": channels,
            "smtp": mail.smtp(),
            "group_wait_seconds": GROUP_WAIT.as_secs(),
        },
    })
}

fn service((number, port): (usize, &u16)) -> (String, Value) {
    let service = json!({
        "health_check": {
            "type": "tcp", "port": port, "interval_seconds": 1,
            "failure_threshold": 1, "success_threshold": 1,
        },
        "recovery": { "action": "alert" },
        "notify_on_fail": format!("lane-{}", number % LANES),
    });
    (format!("service-{number}"), service)
}

/// When the loop said that a service is in a state, in milliseconds since 1970,
/// earliest first.
type Decisions = BTreeMap<(String, String), Vec<i64>>;

fn decisions(log: &[String]) -> Decisions {
    let mut decided = Decisions::new();
    for line in log {
        let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
        if let Some((service, state)) = line["message"].as_str().and_then(transition) {
            let at = line["timestamp"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
            let at = at.expect("a line has its time").as_millisecond();
            decided.entry((service.to_owned(), state.to_owned())).or_default().push(at);
        }
    }
    decided
}

/// `service-7: healthy → down: connection refused`.
fn transition(text: &str) -> Option<(&str, &str)> {
    let (service, rest) = text.split_once(": ")?;
    let (_, state) = rest.split_once(" → ")?;
    Some((service, state.split(':').next()?))
}

/// What `vai` took for each mail whose subject begins with `word`.
fn latencies(mails: &[Mail], word: &str, state: &str, decided: &Decisions) -> Vec<Duration> {
    let ahead = clock::wall().as_millis() - signed(clock::boot_time().as_millis());
    let about = |mail: &Mail| {
        let service = mail.subject.strip_prefix(word)?.trim().split(':').next()?.to_owned();
        let came = signed(mail.at) + ahead;
        let decided = decided.get(&(service, state.to_owned()))?;
        // On a busy machine a service may fail more than once.
        let from = decided.iter().rfind(|at| **at <= came)?;
        let took = u64::try_from(came - from).ok()?;
        Some(Duration::from_millis(took).saturating_sub(GROUP_WAIT))
    };
    mails.iter().filter_map(about).collect()
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).expect("no machine is up for so long")
}
