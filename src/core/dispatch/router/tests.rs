use super::*;
use crate::dispatch::tests::notice;
use crate::model::NoticeKind::{Escalated, Opened, Resolved};
use crate::model::Severity::{self, Critical, Info, Warning};
use std::time::Duration;

impl Destination for String {}

fn sink(name: &str, url: &str, min_severity: Severity) -> Sink<String> {
    Sink {
        name: name.to_owned(),
        kind: url.to_owned(),
        min_severity,
        send_resolved: true,
        held: None,
    }
}

fn config(channels: &[(&str, &[Sink<String>])], default: &[&str]) -> Plan<String> {
    Plan {
        channels: channels
            .iter()
            .map(|(name, sinks)| ((*name).to_owned(), sinks.to_vec()))
            .collect(),
        default: default.iter().map(|name| (*name).to_owned()).collect(),
        fallback: None,
        group_wait: Duration::from_secs(10),
        group_interval: Duration::from_secs(300),
    }
}

fn router(config: &Plan<String>) -> Router<String> {
    let mut router = Router::new();
    router.reconfigure(config);
    router
}

fn two_channels() -> Plan<String> {
    config(
        &[
            ("alerts", &[sink("alerts[0]", "http://a", Info)]),
            ("pager", &[sink("pager[0]", "http://p", Info)]),
            ("quiet", &[]),
        ],
        &["alerts"],
    )
}

/// The names of the sinks that get `notice`.
fn names(router: &mut Router<String>, notice: &Notice) -> Vec<String> {
    let ids = router.route(notice);
    ids.iter()
        .map(|id| {
            let route = router.routes().iter().find(|route| route.id == *id);
            route.unwrap().sink.name.clone()
        })
        .collect()
}

#[test]
fn the_channel_is_the_service_s_choice() {
    let channels =
        |names: &[&str]| Notify::Channels(names.iter().map(|name| (*name).to_owned()).collect());
    let cases: [(Notify, &[&str]); 7] = [
        (Notify::Default, &["alerts[0]"]),
        (Notify::Nobody, &[]),
        (channels(&["pager"]), &["pager[0]"]),
        (channels(&["pager", "alerts"]), &["alerts[0]", "pager[0]"]),
        (channels(&["undefined"]), &["alerts[0]"]),
        (channels(&["quiet"]), &[]),
        (channels(&[]), &[]),
    ];
    for (notify, expected) in cases {
        let mut router = router(&two_channels());
        let notice = Notice { notify: notify.clone(), ..notice("a", Opened, Warning) };
        assert_eq!(names(&mut router, &notice), expected, "{notify:?}");
    }
}

#[test]
fn a_sink_hears_of_its_severities_and_then_of_the_end_whatever_its_severity() {
    let mut router = router(&config(
        &[("alerts", &[sink("all", "http://a", Info), sink("grave", "http://g", Critical)])],
        &["alerts"],
    ));
    assert_eq!(names(&mut router, &notice("a", Opened, Warning)), ["all"]);
    let escalated = notice("a", Escalated, Critical);
    assert_eq!(names(&mut router, &escalated), ["all", "grave"]);
    assert_eq!(names(&mut router, &notice("a", Resolved, Info)), ["all", "grave"]);
    assert_eq!(names(&mut router, &notice("a", Resolved, Info)), [""; 0], "once");
    assert_eq!(names(&mut router, &notice("b", Opened, Warning)), ["all"]);
    assert_eq!(names(&mut router, &notice("b", Resolved, Warning)), ["all"]);
}

#[test]
fn a_held_sink_is_skipped_until_it_can_be_used() {
    let mut held = config(&[("alerts", &[sink("a", "http://a", Info)])], &["alerts"]);
    let usable = held.clone();
    for sinks in held.channels.values_mut() {
        sinks[0].held = Some("${TOKEN} is not set".to_owned());
    }
    let mut router = router(&held);
    assert_eq!(names(&mut router, &notice("a", Opened, Critical)), [""; 0]);
    router.reconfigure(&usable);
    assert_eq!(names(&mut router, &notice("b", Opened, Critical)), ["a"]);
}

#[test]
fn the_same_address_in_two_channels_is_told_once() {
    let same = |name: &str, severity| sink(name, "http://same", severity);
    let mut router = router(&config(
        &[("a", &[same("a[0]", Critical)]), ("b", &[same("b[0]", Info)])],
        &["a", "b"],
    ));
    assert_eq!(names(&mut router, &notice("x", Opened, Warning)), ["b[0]"]);
    assert_eq!(names(&mut router, &notice("x", Escalated, Critical)), ["b[0]"]);
    assert_eq!(names(&mut router, &notice("x", Resolved, Critical)), ["b[0]"]);
}

#[test]
fn a_sink_keeps_its_id_when_it_moves_up_or_is_mended() {
    let first = sink("alerts[0]", "http://first", Info);
    let second = sink("alerts[1]", "http://second", Info);
    let mut router = router(&config(&[("alerts", &[first, second])], &["alerts"]));
    let before = router.routes().to_vec();

    let moved_up = sink("alerts[0]", "http://second", Info);
    router.reconfigure(&config(&[("alerts", &[moved_up])], &["alerts"]));
    assert_eq!(router.routes().len(), 1);
    assert_eq!(router.routes()[0].id, before[1].id);

    let mended = sink("alerts[0]", "http://mended", Info);
    router.reconfigure(&config(&[("alerts", &[mended])], &["alerts"]));
    assert_eq!(router.routes()[0].id, before[1].id);
}

#[test]
fn the_end_goes_to_the_new_sinks_if_those_that_were_told_are_gone() {
    let mut router = router(&two_channels());
    assert_eq!(names(&mut router, &notice("a", Opened, Warning)), ["alerts[0]"]);
    let other = config(&[("mail", &[sink("mail[0]", "http://m", Info)])], &["mail"]);
    router.reconfigure(&other);
    assert_eq!(names(&mut router, &notice("a", Resolved, Warning)), ["mail[0]"]);
}

#[test]
fn after_a_restart_the_end_goes_to_whoever_was_told_before_it() {
    let mut router = router(&two_channels());
    let reached = |incident: &str, sink: &str| Reached {
        incident: IncidentId(incident.to_owned()),
        sink: sink.to_owned(),
        recipient: String::new(),
        opening: String::new(),
        severity: Critical,
    };
    router.resume(&[reached("a", "pager[0]"), reached("b", "removed[0]")]);
    assert_eq!(names(&mut router, &notice("a", Resolved, Critical)), ["pager[0]"]);
    let told_by_one_that_is_gone = notice("b", Resolved, Critical);
    assert_eq!(names(&mut router, &told_by_one_that_is_gone), ["alerts[0]"]);
    assert_eq!(names(&mut router, &notice("c", Resolved, Critical)), [""; 0]);
}
