use super::*;
use insta::assert_snapshot;
use std::time::Duration;
use vai_core::model::{Evidence, Incident, IncidentId, Notify, Secret, ServiceName, StateLabel};

/// 2026-11-23 12:01:05 in Berlin.
const FAILED: Wall = Wall::from_millis(1_795_431_665_000);

fn later(seconds: i64) -> Wall {
    Wall::from_millis(FAILED.as_millis() + seconds * 1000)
}

fn redis() -> Incident {
    Incident {
        id: IncidentId("redis-1".to_owned()),
        root: "redis".to_owned(),
        place: "services".to_owned(),
        severity: Severity::Critical,
        state: StateLabel::Down,
        failed_attempts: 2,
        since: FAILED,
        reason: "connection refused".to_owned(),
        history: vec![
            "restart_cmd: restarted but still failing: connection refused".to_owned(),
            "restart_cmd after ending redis-server (pid 71): restart failed: exit code 1:\n\
             Can't open the log file: No space left on device"
                .to_owned(),
        ],
        next: "a third try in 20 s, then vai gives up".to_owned(),
        affected: vec![ServiceName::from("web-api"), ServiceName::from("worker")],
        phase: IncidentPhase::Open,
        acknowledged: None,
        evidence: Evidence {
            facts: vec![
                "container running, started 2 d ago, restarted last by vai".to_owned(),
                "/ has 0 % free, memory 1.2 GiB free".to_owned(),
            ],
            log_source: "/var/log/redis/redis.log".to_owned(),
            log: vec![
                "71:M 23 Nov 12:00:59 # Failed opening the RDB file".to_owned(),
                "71:M 23 Nov 12:01:00 # AUTH hunter22 \u{1b}[31mrejected\u{1b}[0m".to_owned(),
            ],
        },
    }
}

fn worker() -> Incident {
    Incident {
        id: IncidentId("worker-1".to_owned()),
        root: "worker".to_owned(),
        severity: Severity::Warning,
        state: StateLabel::Degraded,
        failed_attempts: 0,
        reason: "http: 812 ms, more than 500 ms".to_owned(),
        history: Vec::new(),
        next: "nothing: this check only alerts".to_owned(),
        affected: Vec::new(),
        evidence: Evidence::default(),
        acknowledged: None,
        ..redis()
    }
}

fn closed(incident: Incident) -> Incident {
    Incident {
        phase: IncidentPhase::Closed {
            at: later(486),
            how: "healed by restart_cmd, 2 attempts".to_owned(),
        },
        ..incident
    }
}

fn notice(incident: Incident, kind: NoticeKind, seconds: i64) -> Notice {
    Notice {
        incident,
        kind,
        notify: Notify::Default,
        detail: EvidenceDetail::Full,
        at: later(seconds),
    }
}

fn composed(notices: &[Notice], evidence: EvidenceDetail, seconds: i64) -> Message {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let context = Context {
        zone: &zone,
        now: later(seconds),
        redactor: &Redactor::new([Secret::from("hunter22")]),
        evidence,
    };
    compose(notices, Vec::new(), &context)
}

fn shown(notices: &[Notice], seconds: i64) -> String {
    let message = composed(notices, EvidenceDetail::Full, seconds);
    format!("{}\n----\n{}", message.title, message.body)
}

#[test]
fn opened() {
    assert_snapshot!(shown(&[notice(redis(), NoticeKind::Opened, 60)], 70));
}

#[test]
fn opened_as_a_warning_without_anything_done() {
    let degraded = Incident { place: String::new(), ..worker() };
    assert_snapshot!(shown(&[notice(degraded, NoticeKind::Opened, 5)], 15));
}

#[test]
fn escalated() {
    let gave_up = Incident {
        state: StateLabel::GaveUp,
        failed_attempts: 3,
        next: "one more try at 12:08, then every 30 minutes at most".to_owned(),
        ..redis()
    };
    assert_snapshot!(shown(&[notice(gave_up, NoticeKind::Escalated, 130)], 130));
}

#[test]
fn reminder() {
    let four_hours = NoticeKind::Reminder(Duration::from_secs(4 * 3600 + 25));
    assert_snapshot!(shown(&[notice(redis(), four_hours, 14_400)], 14_410));
}

#[test]
fn resolved() {
    assert_snapshot!(shown(&[notice(closed(redis()), NoticeKind::Resolved, 486)], 496));
}

#[test]
fn over_before_it_was_told_and_late() {
    assert_snapshot!(shown(&[notice(closed(redis()), NoticeKind::Opened, 60)], 900));
}

#[test]
fn several_incidents_in_full() {
    assert_snapshot!(shown(
        &[
            notice(closed(worker()), NoticeKind::Resolved, 486),
            notice(redis(), NoticeKind::Opened, 486),
        ],
        496
    ));
}

#[test]
fn a_storm_is_one_line_each_and_the_rest_is_counted() {
    let storm: Vec<Notice> = (0..500)
        .map(|number| {
            let incident = Incident {
                id: IncidentId(format!("svc-{number}")),
                root: format!("svc-{number:03}"),
                ..redis()
            };
            notice(incident, NoticeKind::Opened, 60)
        })
        .collect();
    let message = composed(&storm, EvidenceDetail::Full, 70);
    assert_eq!(message.title, "500 DOWN: svc-000, svc-001, svc-002 and 497 more");
    assert!(message.body.contains("- and 400 more\n"), "{}", message.body);
    assert_eq!(message.body.lines().count(), 103);
}

#[test]
fn a_sink_that_anybody_can_read_gets_one_fact_and_no_log() {
    let notice = notice(redis(), NoticeKind::Opened, 60);
    let message = composed(&[notice], EvidenceDetail::Short, 70);
    assert!(message.body.contains("container running"), "{}", message.body);
    assert!(!message.body.contains("memory"), "{}", message.body);
    assert!(!message.body.contains("redis.log"), "{}", message.body);
}

#[test]
fn nothing_in_a_message_is_secret_or_a_control_character() {
    let mut incident = redis();
    incident.reason = "GET /?token=hunter22\r\nBcc: everybody".to_owned();
    incident.history.push("exit 1: hunter22".to_owned());
    incident.next = "hunter22".to_owned();
    let message = composed(&[notice(incident, NoticeKind::Opened, 60)], EvidenceDetail::Full, 70);
    let everything = format!("{message:?}");
    assert!(!everything.contains("hunter22"), "{everything}");
    assert!(!message.body.contains('\u{1b}'));
    assert_eq!(message.title.lines().count(), 1);
    assert!(message.title.contains("GET /?token=***"));
}

#[test]
fn the_key_is_the_same_for_the_same_news_only() {
    let opened = notice(redis(), NoticeKind::Opened, 60);
    let key = |notice: &Notice, seconds| {
        composed(slice_of(notice), EvidenceDetail::Full, seconds).dedup_key
    };
    assert_eq!(key(&opened, 70), key(&opened, 9000));
    let over = notice(closed(redis()), NoticeKind::Opened, 60);
    assert_ne!(key(&opened, 70), key(&over, 70));
    let other = notice(worker(), NoticeKind::Opened, 60);
    assert_ne!(key(&opened, 70), key(&other, 70));
}

fn slice_of(notice: &Notice) -> &[Notice] {
    std::slice::from_ref(notice)
}

#[test]
fn an_outage_over_midnight_shows_both_days() {
    let incident = Incident { since: later(-13 * 3600), ..closed(redis()) };
    let message =
        composed(&[notice(incident, NoticeKind::Resolved, 486)], EvidenceDetail::Full, 490);
    assert_eq!(
        message.title,
        "RESOLVED redis (services): was down 2026-11-22 23:01 – 2026-11-23 12:09, \
         healed by restart_cmd, 2 attempts"
    );
}
