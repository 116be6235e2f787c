//! Every kind of message, as its reader gets it.

use super::*;
use insta::assert_snapshot;

const OPENED: NoticeKind = NoticeKind::Opened;

fn hours(hours: u64) -> NoticeKind {
    NoticeKind::Reminder(Duration::from_secs(hours * 3600 + 25))
}

fn gave_up() -> Incident {
    Incident {
        state: StateLabel::GaveUp,
        failed_attempts: 3,
        next: "gave up; one more try in 5 min".to_owned(),
        ..redis()
    }
}

fn warned(state: StateLabel, reason: &str, next: &str) -> Incident {
    let (reason, next) = (reason.to_owned(), next.to_owned());
    Incident { state, reason, next, ..worker() }
}

fn over(incident: Incident, seconds: i64, how: &str) -> Notice {
    let phase = IncidentPhase::Closed { at: later(seconds), how: how.to_owned() };
    notice(Incident { phase, ..incident }, NoticeKind::Resolved, seconds)
}

/// `root` and what hangs on it, `count` in all.
fn tree(count: usize) -> Vec<Affected> {
    let affected = (1..count).map(|number| {
        let because = match number {
            0..12 => "redis",
            _ if number % 10 == 0 => "web-001",
            _ => "web-010",
        };
        affected(&format!("web-{number:03}"), "answered 502, expected 200", because)
    });
    affected.collect()
}

#[test]
fn opened() {
    assert_snapshot!(shown(&[notice(redis(), OPENED, 60)], 70));
}

#[test]
fn opened_as_a_warning_without_anything_done() {
    let degraded = Incident { place: String::new(), ..worker() };
    assert_snapshot!(shown(&[notice(degraded, OPENED, 5)], 15));
}

#[test]
fn opened_where_vai_does_nothing() {
    let next = "vai leaves it alone: a service without `restart_cmd` shares its container with \
                worker";
    let alone = Incident { history: Vec::new(), next: next.to_owned(), ..redis() };
    let alone = Incident { failed_attempts: 0, evidence: Evidence::default(), ..alone };
    assert_snapshot!(shown(&[notice(alone, OPENED, 5)], 15));
}

#[test]
fn escalated() {
    assert_snapshot!(shown(&[notice(gave_up(), NoticeKind::Escalated, 130)], 130));
}

#[test]
fn reminder() {
    assert_snapshot!(shown(&[notice(gave_up(), hours(4), 14_400)], 14_410));
}

#[test]
fn resolved() {
    assert_snapshot!(shown(&[notice(closed(redis()), NoticeKind::Resolved, 486)], 496));
}

#[test]
fn over_before_it_was_told_and_late() {
    assert_snapshot!(shown(&[notice(closed(redis()), OPENED, 60)], 900));
}

#[test]
fn good_news_of_the_host() {
    let reason = "the host was rebooted, and all 12 services are up again";
    let host = Incident {
        severity: Severity::Info,
        state: StateLabel::Healthy,
        phase: IncidentPhase::Closed { at: later(95), how: String::new() },
        ..trouble(Subject::Host, "host", reason, "")
    };
    assert_snapshot!(shown(&[notice(host, NoticeKind::Info, 95)], 105));
}

#[test]
fn the_daily_digest() {
    let reason = "3 failures were healed without a message: redis, web\n\
                  redis: 2 times, after 14 s at most\n\
                  web: once, after 9 s";
    let digest = Incident {
        severity: Severity::Info,
        state: StateLabel::Healthy,
        phase: IncidentPhase::Closed { at: later(0), how: String::new() },
        ..trouble(Subject::Vai, "daily digest", reason, "")
    };
    assert_snapshot!(shown(&[notice(digest, NoticeKind::Info, 0)], 10));
}

#[test]
fn the_engine_is_gone() {
    let engine = trouble(
        Subject::Engine,
        "container engine",
        "the engine does not answer: /var/run/docker.sock: connection refused",
        "nothing in containers is restarted until it answers",
    );
    assert_snapshot!(shown(&[notice(engine, OPENED, 30)], 40));
}

#[test]
fn the_engine_is_back() {
    let engine = trouble(Subject::Engine, "container engine", "the engine does not answer", "");
    assert_snapshot!(shown(&[over(engine, 486, "the engine answers again")], 496));
}

#[test]
fn nothing_can_be_stored() {
    let store = trouble(
        Subject::Store,
        "state of vai",
        "nothing can be stored: database or disk is full",
        "vai checks and alerts from memory, and acts on nothing until it can be stored again",
    );
    assert_snapshot!(shown(&[notice(store, OPENED, 5)], 15));
}

#[test]
fn the_network_of_vai_is_in_doubt() {
    let members = ["site", "shop"].map(|name| affected(name, "no connection to it", ""));
    let members = members.map(|it| Affected { because: None, ..it });
    let network = Incident {
        affected: members.to_vec(),
        ..trouble(
            Subject::Network,
            "network of vai",
            "2 of 3 services seen over the network fail at once: it may be vai's own network",
            "nothing that is only seen over the network is restarted until that is over",
        )
    };
    assert_snapshot!(shown(&[notice(network, OPENED, 5)], 15));
}

#[test]
fn vai_itself_ends_again_and_again() {
    let vai = trouble(
        Subject::Vai,
        "vai itself",
        "it ended unexpectedly three times in 10 min",
        "it watches and alerts, and acts on nothing until it has run for 10 minutes",
    );
    assert_snapshot!(shown(&[notice(vai, OPENED, 5)], 15));
}

#[test]
fn a_registry_with_an_error() {
    let registry = trouble(
        Subject::Registry,
        "registry",
        "system-config.json:7:7: `restrat_cmd` is not a field of a service",
        "what was in force stays so until the file is mended; `vai validate` shows what is wrong",
    );
    let registry = Incident { severity: Severity::Warning, ..registry };
    assert_snapshot!(shown(&[notice(registry, OPENED, 5)], 15));
}

#[test]
fn unstable_and_its_end() {
    let unstable = warned(
        StateLabel::Healthy,
        "it had to be healed 3 times and may need a closer look",
        "vai goes on healing it; a day without a failure ends this",
    );
    let opened = shown(&[notice(unstable.clone(), OPENED, 5)], 15);
    let day = 26 * 3600;
    let end = shown(&[over(unstable, day, "it ran for a day without a failure")], day + 10);
    assert_snapshot!(format!("{opened}\n{end}"));
}

#[test]
fn stopped_by_hand() {
    let container = Incident {
        root: "container services".to_owned(),
        subject: Subject::Container,
        place: String::new(),
        affected: ["redis", "nginx"]
            .map(|name| Affected {
                state: StateLabel::StoppedByHand,
                because: None,
                ..affected(name, "the container was stopped by hand", "")
            })
            .to_vec(),
        ..warned(
            StateLabel::StoppedByHand,
            "the container was stopped by hand",
            "vai leaves it alone until somebody starts it",
        )
    };
    let opened = shown(&[notice(container.clone(), OPENED, 600)], 610);
    let day = 24 * 3600;
    let still = shown(&[notice(container.clone(), hours(24), day)], day + 10);
    let end = shown(&[over(container, day + 60, "running again")], day + 70);
    assert_snapshot!(format!("{opened}\n{still}\n{end}"));
}

#[test]
fn flapping() {
    let reason = "check web is flapping: it changed 9 times in 21 intervals";
    let next = "nothing is restarted for this; vai goes on checking";
    let flapping = warned(StateLabel::Degraded, reason, next);
    assert_snapshot!(shown(&[notice(flapping, OPENED, 5)], 15));
}

#[test]
fn nobody_can_look_at_it() {
    let reason = "cannot be looked at: the agent in services-container is lost";
    let next = "nothing is restarted unseen; vai goes on looking";
    let blind = warned(StateLabel::Unknown, reason, next);
    assert_snapshot!(shown(&[notice(blind, OPENED, 5)], 15));
}

#[test]
fn a_container_that_ended_by_itself() {
    let reason = "container services-container exited by itself with code 137, out of memory";
    let container = Incident {
        root: "container services".to_owned(),
        subject: Subject::Container,
        place: String::new(),
        reason: reason.to_owned(),
        affected: vec![
            Affected { because: None, ..affected("redis", reason, "") },
            Affected { because: None, ..affected("syncthing", reason, "") },
            affected("backend", reason, "redis"),
        ],
        history: vec![
            "redis: started the container services-container".to_owned(),
            "redis: attempt 1: restarted, and it ended again: out of memory".to_owned(),
        ],
        failed_attempts: 1,
        ..redis()
    };
    assert_snapshot!(shown(&[notice(container, OPENED, 60)], 70));
}

#[test]
fn a_start_that_is_held() {
    let held = Incident {
        state: StateLabel::Held,
        reason: "no living process matches \"redis-server\"".to_owned(),
        history: Vec::new(),
        failed_attempts: 0,
        next: "it shares the network of the container gate, which has to be up first".to_owned(),
        evidence: Evidence::default(),
        ..redis()
    };
    assert_snapshot!(shown(&[notice(held, OPENED, 60)], 70));
}

#[test]
fn some_of_what_failed_with_it_is_well_again() {
    let mut incident = redis();
    incident.affected[0].over = true;
    incident.next = "it does not fail any more; what failed with it still does".to_owned();
    assert_snapshot!(shown(&[notice(incident, NoticeKind::Escalated, 60)], 70));
}

#[test]
fn several_incidents_in_full() {
    assert_snapshot!(shown(
        &[notice(closed(worker()), NoticeKind::Resolved, 486), notice(redis(), OPENED, 486),],
        496
    ));
}

#[test]
fn a_long_story_is_told_by_its_beginning_and_its_end() {
    let history = (1..=40).map(|n| format!("attempt {n}: restart failed: exit 1")).collect();
    let incident = Incident { history, affected: Vec::new(), ..gave_up() };
    assert_snapshot!(shown(&[notice(incident, hours(20), 72_000)], 72_010));
}

#[test]
fn many_that_hang_on_one_root_are_grouped_by_what_they_hang_on() {
    let incident = Incident { affected: tree(40), evidence: Evidence::default(), ..redis() };
    assert_snapshot!(shown(&[notice(incident, OPENED, 60)], 70));
}

#[test]
fn a_thousand_that_hang_on_one_root_are_named_or_counted() {
    let incident = Incident { affected: tree(1001), evidence: Evidence::default(), ..redis() };
    let body = composed(&[notice(incident, OPENED, 60)], EvidenceDetail::Full, 70).body;
    assert!(body.contains("Fails with it (1000):"), "{body}");
    let named = body.matches("web-").count();
    let counted: usize = body
        .lines()
        .filter_map(|line| line.strip_suffix(" more")?.rsplit(' ').next()?.parse::<usize>().ok())
        .sum();
    // Of the names in it, those that a group hangs on stand there besides.
    let hung_on = body.matches("because web-").count();
    assert_eq!(named - hung_on + counted, 1000, "{body}");
    assert!(body.len() < 8192, "{}", body.len());
}

#[test]
fn a_chain_that_never_ends_is_told_and_ends() {
    let mut incident = redis();
    incident.affected = vec![affected("a", "x", "b"), affected("b", "y", "a")];
    let body = composed(&[notice(incident, OPENED, 60)], EvidenceDetail::Full, 70).body;
    assert!(body.contains("a is down (x) because b is down because a is down"), "{body}");
}

#[test]
fn a_storm_is_a_line_each_then_names_then_a_number() {
    let storm = |count: usize| -> Vec<Notice> {
        let incident = |number| Incident {
            id: IncidentId(format!("svc-{number}")),
            root: format!("svc-{number:03}"),
            ..redis()
        };
        (0..count).map(|number| notice(incident(number), OPENED, 60)).collect()
    };
    let message = composed(&storm(500), EvidenceDetail::Full, 70);
    assert_eq!(message.title, "500 DOWN: svc-000, svc-001, svc-002 and 497 more");
    assert!((0..500).all(|n| message.body.contains(&format!("svc-{n:03}"))), "{}", message.body);
    assert!(message.body.len() < 8192, "{}", message.body.len());
    let message = composed(&storm(1200), EvidenceDetail::Full, 70);
    assert!(message.body.contains(" and 680 more\n"), "{}", message.body);
    assert_snapshot!(composed(&storm(24), EvidenceDetail::Full, 70).body);
}

#[test]
fn the_names_at_the_end_of_a_storm_say_how_each_stands() {
    let named = |name: String| Incident { id: IncidentId(name.clone()), root: name, ..redis() };
    let down = (0..22).rev().map(|n| notice(named(format!("down-{n:02}")), OPENED, 60));
    let over = (0..3).rev().map(|n| over(named(format!("over-{n}")), 65, ""));
    let message = composed(&down.chain(over).collect::<Vec<_>>(), EvidenceDetail::Full, 70);
    assert_eq!(
        message.title,
        "22 DOWN: down-21, down-20, down-19 and 19 more \
                               · 3 RESOLVED: over-2, over-1, over-0"
    );
    assert!(
        message
            .body
            .contains("\nAnd DOWN: down-00, down-01\nAnd RESOLVED: over-0, over-1, over-2\n"),
        "{}",
        message.body
    );
}
