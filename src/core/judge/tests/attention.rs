//! Silences and acknowledgements.

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// Nothing can be tried, so it is told at once.
fn hopeless(name: &str) -> Service {
    let mut service = service(name);
    service.restart_cmd = None;
    service.recovery.ladder.clear();
    service
}

fn silence(scope: SilenceScope, lasts: Duration) -> AlertRequest {
    AlertRequest::Silence { scope, lasts, reason: "a move".into() }
}

fn of(name: &str) -> SilenceScope {
    SilenceScope::Service(name.into())
}

/// Asks as an operator does; it has to be granted.
fn ask(world: &mut World, request: AlertRequest) {
    world.core.answer_about_alerts(world.now, &request).unwrap();
    world.event(Event::Alerts(request));
}

fn refusal(world: &World, request: &AlertRequest) -> String {
    world.core.answer_about_alerts(world.now, request).unwrap_err().0
}

/// One that is down for good, and silenced before it was.
fn down_in_silence(lasts: Duration) -> World {
    let mut world = World::settled(vec![hopeless("api")]);
    ask(&mut world, silence(of("api"), lasts));
    world.hint_death("api");
    world.run(SECOND * 300);
    world
}

/// One that is down for good, which was told.
fn down_and_told() -> World {
    let mut world = World::settled(vec![hopeless("api")]);
    world.hint_death("api");
    world.run(SECOND);
    assert_eq!(kinds(&world), [NoticeKind::Opened]);
    world
}

fn kinds(world: &World) -> Vec<NoticeKind> {
    world.notices.iter().map(|it| it.kind).collect()
}

fn mend(world: &mut World, name: &str) {
    world.well.insert(name.into(), true);
    world.run(SECOND * 300);
}

#[test]
fn a_silence_hides_the_opening_and_not_the_record() {
    let world = down_in_silence(HOUR);
    assert_eq!(kinds(&world), []);
    assert_eq!(world.state("api"), StateLabel::Down);
    let open: Vec<&str> = world.incidents.values().map(|it| it.root.as_str()).collect();
    assert_eq!(open, ["api"]);
}

#[test]
fn what_is_still_wrong_when_a_silence_ends_is_told_then() {
    let mut world = down_in_silence(HOUR);
    world.run(HOUR - SECOND * 301);
    assert_eq!(kinds(&world), []);
    world.run(SECOND * 2);
    assert_eq!(kinds(&world), [NoticeKind::Opened]);
    world.run(HOUR);
    assert_eq!(world.notices.len(), 1);
}

#[test]
fn what_came_and_went_in_a_silence_is_never_told() {
    let mut world = down_in_silence(HOUR);
    mend(&mut world, "api");
    world.run(HOUR * 2);
    assert_eq!(kinds(&world), []);
    assert!(world.incidents.values().all(Incident::is_over), "{:#?}", world.incidents);
}

#[test]
fn a_reminder_waits_for_the_end_of_a_silence() {
    let mut world = down_and_told();
    ask(&mut world, silence(of("api"), HOUR * 5));
    world.run(HOUR * 5 - SECOND);
    assert_eq!(kinds(&world), [NoticeKind::Opened]);
    world.run(SECOND * 2);
    let late = matches!(world.notices[1].kind, NoticeKind::Reminder(lasted) if lasted > HOUR * 5);
    assert!(late && world.notices.len() == 2, "{:#?}", world.notices);
}

#[test]
fn the_end_of_what_was_told_before_a_silence_is_told_in_it() {
    let mut world = down_and_told();
    ask(&mut world, silence(of("api"), HOUR));
    mend(&mut world, "api");
    assert_eq!(kinds(&world), [NoticeKind::Opened, NoticeKind::Resolved]);
}

#[test]
fn a_silence_hides_what_it_is_about_and_nothing_else() {
    let told = |scope: SilenceScope| {
        let services = ["a", "b"]
            .map(|name| Service { place: Place::Container(name.into()), ..hopeless(name) });
        let mut world = World::settled(services.to_vec());
        for name in ["a", "b"] {
            up(&mut world, name, 1);
        }
        world.run(SECOND * 120);
        ask(&mut world, silence(scope, HOUR));
        for name in ["a", "b"] {
            world.hint_death(name);
        }
        world.event(Event::Registry(Some("it has errors".into())));
        world.run(SECOND * 120);
        world.notices.iter().map(|it| it.incident.root.clone()).collect::<Vec<_>>()
    };
    assert_eq!(told(of("a")), ["registry", "b"]);
    assert_eq!(told(SilenceScope::Container("b".into())), ["registry", "a"]);
    assert_eq!(told(SilenceScope::Everything), [""; 0]);
}

#[test]
fn a_silence_hides_an_incident_only_while_all_that_fails_in_it_is_silenced() {
    let told = |silenced: &[&str]| {
        let mut world = World::settled(vec![hopeless("a"), hopeless("b")]);
        for name in silenced {
            ask(&mut world, silence(of(name), HOUR));
        }
        world.hint_death("a");
        world.hint_death("b");
        world.run(SECOND * 120);
        assert_eq!(world.incidents.len(), 1, "in one container: {:#?}", world.incidents);
        world.notices.len()
    };
    assert_eq!(told(&["a", "b"]), 0);
    assert_eq!(told(&["a"]), 1);
    assert_eq!(told(&["b"]), 1);
}

#[test]
fn a_silence_hides_that_a_service_is_unstable() {
    let told = |scope: SilenceScope| {
        let mut world = World::settled(vec![service("redis")]);
        ask(&mut world, silence(scope, HOUR * 5));
        for _ in 0..3 {
            world.hint_death("redis");
            world.run(HOUR);
        }
        assert_eq!(world.core.incidents.memories().count(), 1, "it is unstable");
        world.notices.len()
    };
    assert_eq!(told(of("redis")), 0);
    assert_eq!(told(SilenceScope::Container("services".into())), 0);
    assert_eq!(told(SilenceScope::Everything), 0);
}

#[test]
fn a_silence_ends_by_whichever_clock_gets_there_first() {
    let mut set_ahead = down_in_silence(HOUR);
    set_ahead.now.wall = set_ahead.now.wall.after(HOUR);
    set_ahead.event(Event::Wake);
    assert_eq!(kinds(&set_ahead), [NoticeKind::Opened]);

    let mut set_back = down_in_silence(HOUR);
    set_back.now.wall = Wall::from_millis(0);
    set_back.run(HOUR);
    assert_eq!(kinds(&set_back), [NoticeKind::Opened]);
}

#[test]
fn a_silence_goes_on_over_a_restart_of_vai_and_ends_in_its_time() {
    let mut world = down_in_silence(HOUR);
    world.event(Event::Stopping);
    world.restart();
    world.run(HOUR - SECOND * 301);
    assert_eq!(kinds(&world), []);
    world.run(SECOND * 2);
    assert_eq!(kinds(&world), [NoticeKind::Opened]);
}

#[test]
fn another_silence_of_the_same_replaces_the_first() {
    let mut world = down_in_silence(HOUR * 24);
    ask(&mut world, silence(of("api"), SECOND * 60));
    world.run(SECOND * 59);
    assert_eq!(kinds(&world), []);
    world.run(SECOND * 2);
    assert_eq!(kinds(&world), [NoticeKind::Opened]);
}

#[test]
fn a_silence_that_is_taken_back_ends_at_once() {
    let mut world = down_in_silence(HOUR);
    ask(&mut world, AlertRequest::Unsilence(of("api")));
    assert_eq!(kinds(&world), [NoticeKind::Opened]);
    assert_eq!(refusal(&world, &AlertRequest::Unsilence(of("api"))), "api is not silenced");
    let all = AlertRequest::Unsilence(SilenceScope::Everything);
    assert_eq!(refusal(&world, &all), "messages are not silenced");
}

#[test]
fn whoever_ends_a_silence_is_told_of_a_wider_one_that_goes_on() {
    let mut world = World::settled(vec![hopeless("api")]);
    let answer = |world: &World, scope: SilenceScope| {
        let request = AlertRequest::Unsilence(scope);
        world.core.answer_about_alerts(world.now, &request).unwrap()
    };
    let all = silence(SilenceScope::Everything, HOUR);
    let granted = world.core.answer_about_alerts(world.now, &all).unwrap();
    assert!(granted.starts_with("no messages for 1 h; "), "{granted}");
    for scope in [of("api"), SilenceScope::Container("services".into())] {
        ask(&mut world, silence(scope, HOUR));
    }
    let wider = "api by itself is not silenced any more; container services still is, and it with \
                 that";
    assert_eq!(answer(&world, of("api")), wider);
    ask(&mut world, AlertRequest::Unsilence(SilenceScope::Container("services".into())));
    assert_eq!(answer(&world, of("api")), "messages about api are sent again");
    ask(&mut world, all);
    let wider = answer(&world, of("api"));
    assert!(wider.contains("; everything still is, "), "{wider}");
    assert_eq!(answer(&world, SilenceScope::Everything), "messages are sent again");
}

#[test]
fn what_is_refused_says_what_there_is() {
    let mut world = World::settled(vec![hopeless("api")]);
    let refused = |world: &World, request: AlertRequest| refusal(world, &request);
    let acknowledged = AlertRequest::Acknowledge("api".into());
    assert_eq!(refused(&world, acknowledged.clone()), "no incident is open");
    assert_eq!(
        refused(&world, silence(of("ipa"), HOUR)),
        "there is no service ipa in the registry"
    );
    assert_eq!(
        refused(&world, silence(SilenceScope::Container("db".into()), HOUR)),
        "no service or job of the registry is in container db"
    );
    let month = HOUR * 24 * 30;
    for lasts in [Duration::ZERO, month + SECOND] {
        assert_eq!(refused(&world, silence(of("api"), lasts)), "a silence lasts up to 30 d");
    }
    world.core.answer_about_alerts(world.now, &silence(of("api"), month)).unwrap();
    world.event(Event::Alerts(silence(of("api"), month + SECOND)));
    world.hint_death("api");
    world.run(SECOND);
    assert_eq!(kinds(&world), [NoticeKind::Opened], "what is refused is not done");
    assert_eq!(
        refused(&world, AlertRequest::Acknowledge("ipa".into())),
        "no open incident is called ipa; open: api"
    );
    world.core.answer_about_alerts(world.now, &acknowledged).unwrap();
}

#[test]
fn an_acknowledged_incident_is_not_reminded_of_and_its_end_is_told() {
    let mut world = down_and_told();
    let id = world.incidents.values().next().unwrap().id.0.clone();
    ask(&mut world, AlertRequest::Acknowledge(id));
    let at = world.incidents.values().next().unwrap().acknowledged;
    assert_eq!(at, Some(world.now.wall));
    world.event(Event::Stopping);
    world.restart();
    world.run(HOUR * 50);
    assert_eq!(kinds(&world), [NoticeKind::Opened]);
    mend(&mut world, "api");
    assert_eq!(kinds(&world), [NoticeKind::Opened, NoticeKind::Resolved]);
}

#[test]
fn an_acknowledgement_ends_with_its_incident() {
    let mut world = down_and_told();
    ask(&mut world, AlertRequest::Acknowledge("api".into()));
    mend(&mut world, "api");
    world.notices.clear();
    world.hint_death("api");
    world.run(HOUR * 4 + SECOND);
    assert_eq!(kinds(&world), [NoticeKind::Opened, NoticeKind::Reminder(HOUR * 4)]);
}

#[test]
fn an_acknowledged_incident_that_becomes_worse_is_told() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    while world.notices.is_empty() {
        world.run(SECOND);
    }
    assert_eq!(world.notices[0].incident.severity, Severity::Warning);
    ask(&mut world, AlertRequest::Acknowledge("redis".into()));
    world.run(HOUR * 10);
    assert_eq!(kinds(&world), [NoticeKind::Opened, NoticeKind::Escalated]);
}

#[test]
fn an_acknowledgement_by_name_is_of_all_that_is_open_under_it() {
    let mut world = World::settled(vec![service("redis")]);
    for _ in 0..3 {
        world.hint_death("redis");
        world.run(HOUR);
    }
    assert_eq!(kinds(&world), [NoticeKind::Opened], "it is unstable");
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(HOUR);
    let told = world.notices.len();
    ask(&mut world, AlertRequest::Acknowledge("redis".into()));
    world.run(HOUR * 23);
    assert_eq!(kinds(&world)[told..], [], "{:#?}", world.notices);
}

#[test]
fn everything_open_under_a_name_is_acknowledged_and_the_answer_says_so() {
    let mut world = World::settled(vec![service("redis")]);
    for _ in 0..3 {
        world.hint_death("redis");
        world.run(HOUR);
    }
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 120);
    let both = AlertRequest::Acknowledge("redis".into());
    let answer = world.core.answer_about_alerts(world.now, &both).unwrap();
    assert!(answer.starts_with("2 incidents of redis are acknowledged: "), "{answer}");
    ask(&mut world, both);
    let open = world.core.incidents.memories();
    assert!(open.map(|(_, it)| it.incident()).all(|it| it.acknowledged.is_some()));
}
