//! What is told of jobs.

use super::*;
use insta::assert_snapshot;

const OPENED: NoticeKind = NoticeKind::Opened;

fn backup(state: StateLabel, reason: &str) -> Incident {
    Incident {
        id: IncidentId("backup-vault-1".to_owned()),
        root: "backup-vault".to_owned(),
        subject: Subject::Job,
        severity: Severity::Warning,
        state,
        failed_attempts: 0,
        reason: reason.to_owned(),
        history: Vec::new(),
        next: "it is due again in 23 h 58 min".to_owned(),
        affected: Vec::new(),
        evidence: Evidence::default(),
        ..redis()
    }
}

fn failed() -> Incident {
    Incident {
        history: vec![
            "try 1 of 3: exit 1 after 12 s".to_owned(),
            "try 2 of 3: exit 1 after 11 s".to_owned(),
            "try 3 of 3: exit 2 after 14 s".to_owned(),
        ],
        evidence: Evidence {
            facts: vec!["wrote 3.4 KiB".to_owned()],
            log_source: "/workspace/vai/logs/cron/backup-vault.log".to_owned(),
            log: vec![
                "restic: connecting with hunter22".to_owned(),
                "Fatal: unable to open repository: no space left on device".to_owned(),
            ],
        },
        ..backup(StateLabel::Down, "exit 2 after 14 s, 3 tries")
    }
}

#[test]
fn failed_after_its_tries() {
    assert_snapshot!(shown(&[notice(failed(), OPENED, 60)], 61));
}

#[test]
fn ran_again() {
    let how = "it ran again and succeeded in 4 s".to_owned();
    let phase = IncidentPhase::Closed { at: later(86_400), how };
    let over = Incident { phase, ..failed() };
    assert_snapshot!(shown(&[notice(over, NoticeKind::Resolved, 86_400)], 86_401));
}

#[test]
fn every_other_kind_in_a_line() {
    let timed_out = "it was not done after 5 min and was ended";
    let skipped = "skipped 3 times in a row: its dependency redis is down";
    let table = [
        backup(StateLabel::Down, timed_out),
        backup(StateLabel::Healing, "it does not end: begun 6 min ago, it may take 5 min"),
        backup(StateLabel::Unknown, "2 runs were missed: vai was not running"),
        backup(StateLabel::Blocked, skipped),
        backup(StateLabel::Degraded, "it runs for 1 min already, usually it takes 20 s"),
        backup(StateLabel::Held, "also in /etc/cron.d/backup:3"),
    ];
    let lines = table
        .map(|incident| composed(&[notice(incident, OPENED, 5)], EvidenceDetail::Full, 6).title);
    assert_snapshot!(lines.join("\n"));
}

#[test]
fn missed() {
    let missed = backup(StateLabel::Unknown, "a run was missed: vai was not running");
    assert_snapshot!(shown(&[notice(missed, OPENED, 5)], 6));
}

#[test]
fn held_by_another_scheduler() {
    let next = "vai does not run it until one of the two is gone".to_owned();
    let held = backup(StateLabel::Held, "also in /etc/cron.d/backup:3");
    assert_snapshot!(shown(&[notice(Incident { next, ..held }, OPENED, 5)], 6));
}

#[test]
fn succeeded_where_that_is_wanted() {
    let phase = IncidentPhase::Closed { at: later(4), how: String::new() };
    let done = Incident {
        severity: Severity::Info,
        place: String::new(),
        phase,
        ..backup(StateLabel::Healthy, "succeeded in 4 s")
    };
    assert_snapshot!(shown(&[notice(done, NoticeKind::Info, 4)], 5));
}
