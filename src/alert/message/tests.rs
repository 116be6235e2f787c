mod jobs;
mod kinds;
mod mail;

use super::*;
use std::time::Duration;
use vai_core::model::{
    Affected, Evidence, Incident, IncidentId, IncidentPhase, Notify, Secret, StateLabel, Subject,
};

/// 2026-11-23 12:01:05 in Berlin.
const FAILED: Wall = Wall::from_millis(1_795_431_665_000);

fn later(seconds: i64) -> Wall {
    Wall::from_millis(FAILED.as_millis() + seconds * 1000)
}

fn affected(name: &str, reason: &str, because: &str) -> Affected {
    let (reason, because) = (reason.to_owned(), Some(because.into()));
    Affected { name: name.into(), state: StateLabel::Down, reason, because, over: false }
}

fn redis() -> Incident {
    Incident {
        id: IncidentId("redis-1".to_owned()),
        root: "redis".to_owned(),
        subject: Subject::Service,
        place: "services".to_owned(),
        severity: Severity::Critical,
        state: StateLabel::Down,
        failed_attempts: 2,
        since: FAILED,
        reason: "connection refused on 127.0.0.1:6379".to_owned(),
        history: vec![
            "ran restart_cmd: exit 0 in 12 ms".to_owned(),
            "attempt 1: restarted but still failing: connection refused on 127.0.0.1:6379"
                .to_owned(),
            "ended redis-server (pid 71) by TERM in 80 ms".to_owned(),
            "restart_cmd exited 1:\nCan't open the log file: No space left on device".to_owned(),
            "attempt 2: restart failed: restart_cmd exited 1:\n\
             Can't open the log file: No space left on device"
                .to_owned(),
        ],
        next: "next attempt in 20 s".to_owned(),
        affected: vec![
            affected("backend", "answered 500, expected 200", "redis"),
            affected("nginx", "answered 502, expected 200", "backend"),
        ],
        phase: IncidentPhase::Open,
        acknowledged: None,
        evidence: Evidence {
            facts: vec![
                "container running since 09:14:02 on 2026-11-21 (Europe/Berlin)".to_owned(),
                "disk /: 12 MiB of 40 GiB free (0 %)".to_owned(),
                "memory: 1.2 GiB of 8 GiB available".to_owned(),
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
        reason: "http://localhost:8080/health answered in 812 ms, more than 500 ms".to_owned(),
        history: Vec::new(),
        next: "nothing is restarted for this; vai goes on checking".to_owned(),
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
        decided: None,
    }
}

/// What stands by itself: no service, nothing tried, no evidence.
fn trouble(subject: Subject, root: &str, reason: &str, next: &str) -> Incident {
    Incident {
        id: IncidentId("trouble-1".to_owned()),
        root: root.to_owned(),
        subject,
        place: String::new(),
        state: StateLabel::Held,
        reason: reason.to_owned(),
        next: next.to_owned(),
        severity: Severity::Critical,
        ..worker()
    }
}

fn composed(notices: &[Notice], evidence: EvidenceDetail, seconds: i64) -> Message {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let context = Context {
        zone: &zone,
        now: later(seconds),
        redactor: &Redactor::new([Secret::from("hunter22")]),
        delay: Some("it could not be sent: answered 503 Service Unavailable"),
        command: &|what| format!("vai {what}"),
        evidence,
    };
    compose(notices, Vec::new(), &context)
}

fn shown(notices: &[Notice], seconds: i64) -> String {
    let message = composed(notices, EvidenceDetail::Full, seconds);
    format!("{}\n----\n{}", message.title, message.body)
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
    incident.affected[0].reason = "hunter22 is wrong\r\n".to_owned();
    let message = composed(&[notice(incident, NoticeKind::Opened, 60)], EvidenceDetail::Full, 70);
    let everything = format!("{message:?}{}", message.html());
    assert!(!everything.contains("hunter22"), "{everything}");
    assert!(!everything.contains('\u{1b}'));
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
