//! How large the state becomes.

use crate::table::{row, title};
use std::time::Duration;
use vai::store::{CHECK_CEILING, FIXED_CEILING, Opened, SERVICE_CEILING, Store};
use vai_core::judge::{Change, Delta, Sample};
use vai_core::model::{
    Evidence, Fault, FaultKind, Incident, IncidentId, IncidentPhase, Now, Outcome, ServiceName,
    Severity, StateLabel, Subject, Time, Transition, Wall,
};

const SERVICES: u64 = 200;
const DAYS: u64 = 365;
/// Each service has an outage of five minutes every so many days.
const DAYS_BETWEEN_OUTAGES: u64 = 14;

const FIVE_MINUTES: u64 = 300_000;
const DAY: u64 = 24 * 3600 * 1000;
/// Some midnight.
const START: u64 = 20_000 * DAY;

/// What an outage says in the log.
const STORY: [(StateLabel, StateLabel, &str); 6] = [
    (StateLabel::Healthy, StateLabel::Suspect, "connection refused on 127.0.0.1:6379"),
    (StateLabel::Suspect, StateLabel::Down, "connection refused on 127.0.0.1:6379"),
    (StateLabel::Down, StateLabel::Healing, "restarting by restart_cmd, attempt 1 of 5"),
    (StateLabel::Healing, StateLabel::Verifying, "waiting for its check"),
    (StateLabel::Verifying, StateLabel::Verifying, "ran restart_cmd: exit 0 in 12 ms"),
    (StateLabel::Verifying, StateLabel::Healthy, "healed in 14 s"),
];

/// Prints the figures.
pub(crate) fn measure() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(a_year());
}

async fn a_year() {
    let dir = tempfile::tempdir().expect("a folder can be made");
    let opened = Opened::open(dir.path()).expect("an empty folder is no newer state");
    let (mut store, ..) = Store::start(opened).expect("a thread can be started");
    for day in 0..DAYS {
        for number in 0..DAY / FIVE_MINUTES {
            let at = day * DAY + number * FIVE_MINUTES;
            store.apply(now(at), results(day, number));
        }
        let stored = store.apply(now((day + 1) * DAY - 1), outages(day));
        stored.wait(Duration::from_secs(600)).await.expect("the disk is large enough");
    }
    store.close(now(DAYS * DAY), Duration::from_secs(600)).await.expect("it is stored");
    let size = std::fs::metadata(dir.path().join("state.db")).expect("it is there").len();
    let ceiling = SERVICES * (SERVICE_CEILING + CHECK_CEILING) + FIXED_CEILING;
    title(&format!(
        "State after {DAYS} days of {SERVICES} services with a check each, an outage every \
         {DAYS_BETWEEN_OUTAGES} days each"
    ));
    row("size of the file", mib(size));
    row("of a service", format!("{} KiB", size / SERVICES / 1024));
    row("the ceiling", mib(ceiling));
}

fn now(at: u64) -> Now {
    let wall = i64::try_from(START + at).expect("a year is short");
    Now { mono: Time::from_millis(at), wall: Wall::from_millis(wall) }
}

fn name(service: u64) -> ServiceName {
    ServiceName::from(format!("service-{service}").as_str())
}

fn has_outage(service: u64, day: u64) -> bool {
    (day + service).is_multiple_of(DAYS_BETWEEN_OUTAGES)
}

/// One result of every check; the first ones of an outage are fails.
fn results(day: u64, number: u64) -> Delta {
    let result = |service| {
        let outcome = if number == 100 && has_outage(service, day) {
            Outcome::Fail(Fault::new(FaultKind::Refused, "connection refused on 127.0.0.1:6379"))
        } else {
            Outcome::Pass
        };
        let took = Duration::from_millis(1 + (service + number) % 20);
        Change::Sampled(Sample { service: name(service), check: "tcp".to_owned(), outcome, took })
    };
    Delta { changes: (0..SERVICES).map(result).collect() }
}

fn outages(day: u64) -> Delta {
    let fallen = (0..SERVICES).filter(|service| has_outage(*service, day));
    let story = |service| {
        let transitions = STORY.map(|(from, to, reason)| {
            let reason = reason.to_owned();
            Change::Transition(Transition { service: name(service), from, to, reason })
        });
        transitions.into_iter().chain([Change::Incident(Box::new(incident(service, day)))])
    };
    Delta { changes: fallen.flat_map(story).collect() }
}

fn incident(service: u64, day: u64) -> Incident {
    let began = now(day * DAY).wall;
    Incident {
        id: IncidentId(format!("service-{service}-{day}")),
        root: format!("service-{service}"),
        subject: Subject::Service,
        place: "services".to_owned(),
        severity: Severity::Warning,
        state: StateLabel::Verifying,
        failed_attempts: 0,
        since: began,
        reason: "connection refused on 127.0.0.1:6379".to_owned(),
        history: vec!["ran restart_cmd: exit 0 in 12 ms".to_owned(); 2],
        next: String::new(),
        affected: Vec::new(),
        phase: IncidentPhase::Closed { at: began, how: "healed by restart_cmd".to_owned() },
        acknowledged: None,
        evidence: Evidence {
            facts: vec!["disk /: 68 GiB of 251 GiB free (27 %)".to_owned(); 3],
            log_source: "/var/log/redis/redis.log".to_owned(),
            log: vec![
                "71:M 23 Nov 12:00:59 # a line of a log as services write them".to_owned();
                20
            ],
        },
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1024.0 / 1024.0)
}
