//! Whether what is seen over the network can be believed.

use super::*;

fn over(host: &str) -> Check {
    let port = 80;
    check(CheckKind::Tcp(TcpCheck { host: host.into(), port, send: None, expect: None }))
}

fn remote(name: &str, host: &str) -> Service {
    let place = Place::Container(name.into());
    Service { checks: vec![over(host)], place, ..service(name) }
}

fn world(services: Vec<Service>, anchors: Vec<Check>) -> World {
    let mut world = World::new(services);
    world.watchlist.anchors = anchors;
    world.event(Event::Configured(world.watchlist.clone()));
    world.well.insert("(anchors)".into(), true);
    let names: Vec<String> = world.core.services.keys().map(ToString::to_string).collect();
    for name in names {
        world.well.insert(name.clone(), true);
        world.faults.insert(name.clone(), FaultKind::Timeout);
        let ContainerView::Present(presence) = view(1, ContainerStatus::Running) else {
            unreachable!("it is present")
        };
        let instance = Instance { id: format!("id-of-{name}"), ..presence.instance };
        let view = ContainerView::Present(Presence { instance, name: name.clone(), ..presence });
        let key = ContainerKey::from(name.as_str());
        world.event(Event::Container { key, change: ContainerChange::Seen(view) });
    }
    world.run(SECOND * 180);
    world
}

fn web(count: usize) -> Vec<Service> {
    (0..count).map(|n| remote(&format!("web-{n}"), &format!("web-{n}"))).collect()
}

#[test]
fn mass_failure_holds_everything_and_tells_once() {
    let mut world = world(web(5), Vec::new());
    for n in 0..3 {
        world.kill(&format!("web-{n}"));
    }
    world.run(SECOND * 300);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    let why = "not attempted: 3 of 5 services seen over the network fail at once";
    assert!(world.told(why), "{:#?}", world.story);
    let roots: Vec<&str> = world.notices.iter().map(|it| it.incident.root.as_str()).collect();
    assert_eq!(roots, ["network of vai"]);
    assert_eq!(world.notices[0].incident.severity, Severity::Critical);
    for n in 0..3 {
        world.well.insert(format!("web-{n}"), true);
    }
    world.run(SECOND * 120);
    assert_eq!(world.notices.len(), 2, "{:#?}", world.notices);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    assert!(world.core.incidents.memories().next().is_none());
}

#[test]
fn a_degraded_dependency_is_no_common_cause_of_a_mass_failure() {
    let mut services = web(3);
    for web in &mut services {
        web.dependencies = vec!["relay".into()];
    }
    let mut relay = service("relay");
    relay.checks.push(alert_check());
    services.push(relay);
    let mut world = world(services, Vec::new());
    up(&mut world, "services", 1);
    world.unwell_checks.push("agent".into());
    world.run(SECOND * 300);
    assert_eq!(world.state("relay"), StateLabel::Degraded);
    for n in 0..3 {
        world.kill(&format!("web-{n}"));
    }
    world.run(SECOND * 300);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    assert!(matches!(world.gate("web-0"), Some(Gate::MassFailure { .. })), "{:#?}", world.story);
}

#[test]
fn two_of_five_are_no_mass_failure() {
    let mut world = world(web(5), Vec::new());
    world.kill("web-0");
    world.run(SECOND * 125);
    world.kill("web-1");
    world.run(SECOND * 300);
    assert_eq!(world.restarts(), 2, "{:?}", world.acts);
}

#[test]
fn mass_failure_with_a_known_cause_is_none() {
    let mut services = web(5);
    for web in &mut services[1..] {
        web.dependencies = vec!["web-0".into()];
    }
    let mut world = world(services, Vec::new());
    for n in 1..5 {
        world.needs.insert(format!("web-{n}"), "web-0".into());
    }
    world.kill("web-0");
    world.run(SECOND * 300);
    assert_eq!(world.acts_on("web-0").len(), 1, "{:#?}", world.story);
    assert_eq!(world.restarts(), 1, "{:?}", world.acts);
}

#[test]
fn an_anchor_that_answers_says_that_it_is_not_us() {
    let mut world = world(web(5), vec![over("1.1.1.1")]);
    for n in 0..4 {
        world.kill(&format!("web-{n}"));
    }
    world.run(SECOND * 400);
    assert_eq!(world.restarts(), 4, "{:#?}", world.story);
}

#[test]
fn anchors_that_are_silent_make_the_outside_unknown() {
    let services = vec![remote("shop", "shop.example.com"), service("redis")];
    let mut world = world(services, vec![over("1.1.1.1"), over("9.9.9.9")]);
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 120);
    world.kill("(anchors)");
    world.kill("shop");
    world.run(SECOND * 100);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
    world.run(SECOND * 200);
    assert_eq!(world.state("shop"), StateLabel::Unknown);
    assert!(world.notices[0].incident.reason.contains("no anchor answers"));
    world.well.insert("(anchors)".into(), true);
    world.run(SECOND * 200);
    assert_eq!(world.acts_on("shop").len(), 1, "{:#?}", world.story);
}

#[test]
fn all_that_is_outside_failing_together_is_unknown() {
    let shops = ["a.example.com", "b.example.com"].map(|host| remote(&host[..1], host));
    let mut world = world(shops.to_vec(), Vec::new());
    world.kill("a");
    world.kill("b");
    world.run(SECOND * 300);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    assert_eq!(world.state("a"), StateLabel::Unknown);
    world.well.insert("b".into(), true);
    world.run(SECOND * 300);
    assert_eq!(world.acts_on("a").len(), 1, "one alone is believed: {:#?}", world.story);
}

/// One fail is enough to confirm.
fn hasty(mut service: Service) -> Service {
    service.checks[0].failure_threshold = 1;
    service
}

#[test]
fn anchors_are_asked_before_the_first_restart() {
    let shop = hasty(remote("shop", "shop.example.com"));
    let anchor = Check { interval: SECOND * 3600, ..over("1.1.1.1") };
    let mut world = world(vec![shop], vec![anchor]);
    world.kill("(anchors)");
    world.kill("shop");
    world.run(SECOND * 300);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    world.well.insert("(anchors)".into(), true);
    world.run(SECOND * 3600);
    assert_eq!(world.acts_on("shop").len(), 1, "{:#?}", world.story);
}

#[test]
fn the_others_outside_are_looked_at_before_the_first_restart() {
    let shops = ["a.example.com", "b.example.com"].map(|host| remote(&host[..1], host));
    let mut world = world(shops.map(hasty).to_vec(), Vec::new());
    world.kill("a");
    world.kill("b");
    world.run(SECOND * 300);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    world.well.insert("b".into(), true);
    world.run(SECOND * 300);
    assert_eq!(world.acts_on("a").len(), 1, "{:#?}", world.story);
}

#[test]
fn what_was_restarted_is_not_restarted_again_while_no_anchor_answers() {
    let shop = remote("shop", "shop.example.com");
    let mut world = world(vec![shop], vec![over("1.1.1.1")]);
    world.effects.insert("shop".into(), Effect::Nothing);
    world.kill("shop");
    world.run(SECOND * 120);
    let before = world.acts.len();
    assert!(before > 0, "{:#?}", world.story);
    world.kill("(anchors)");
    world.run(SECOND * 3600);
    assert!(world.acts.len() <= before + 1, "{:?}", world.acts);
    world.effects.insert("shop".into(), Effect::Heals);
    world.well.insert("(anchors)".into(), true);
    world.run(SECOND * 2400);
    assert_eq!(world.state("shop"), StateLabel::Healthy, "{:#?}", world.story);
}

#[test]
fn while_nothing_outside_is_believed_it_is_looked_at_at_its_usual_pace() {
    for anchors in [Vec::new(), vec![over("1.1.1.1")]] {
        let shops = ["a.example.com", "b.example.com"].map(|host| remote(&host[..1], host));
        let mut world = world(shops.to_vec(), anchors);
        world.kill("(anchors)");
        world.kill("a");
        world.kill("b");
        world.run(SECOND * 120);
        let (before, from) = (world.core.next_look, world.second());
        world.run(SECOND * 600);
        let looks = world.core.next_look - before;
        assert!(looks <= 60, "{looks} looks from second {from} on");
    }
}

fn present(name: &str) -> Presence {
    let ContainerView::Present(presence) = view(1, ContainerStatus::Running) else {
        unreachable!("it is present")
    };
    let instance = Instance { id: format!("id-of-{name}"), ..presence.instance };
    Presence { instance, name: name.into(), ..presence }
}

fn see(world: &mut World, key: &str, presence: Presence) {
    let change = ContainerChange::Seen(ContainerView::Present(presence));
    world.event(Event::Container { key: key.into(), change });
}

#[test]
fn who_shares_the_network_of_what_was_recreated_is_not_restarted_into_nowhere() {
    let mut app = remote("app", "app");
    app.restart_cmd = None;
    app.recovery.ladder = vec![Rung::Container];
    let mut world = world(vec![app, remote("gate", "gate")], Vec::new());
    let network_of = Some("id-of-gate".to_owned());
    see(&mut world, "app", Presence { network_of, ..present("app") });
    world.run(SECOND * 60);
    // The engine was not asked about `app` again since.
    let instance = Instance { id: "another".into(), ..present("gate").instance };
    see(&mut world, "gate", Presence { instance, ..present("gate") });
    world.kill("app");
    world.run(SECOND * 300);
    assert!(world.acts_on("app").is_empty(), "{:?}", world.acts);
    assert!(world.told("recreate this one, too"), "{:#?}", world.story);
}

/// Lets time go by; looks at anything by `host` take five seconds.
fn run_while_hanging(world: &mut World, host: &str, span: Duration) {
    let end = world.now.mono + span;
    let mut held = BTreeSet::new();
    while world.now.mono < end {
        for (at, event) in &mut world.queue {
            let Event::Checked { ticket, .. } = event else { continue };
            let service = &world.core.services[&ticket.service].service;
            let hangs = service.checks[ticket.check].kind == over(host).kind;
            if hangs && held.insert(ticket.number) {
                *at = *at + SECOND * 5;
            }
        }
        world.run(Duration::from_millis(1));
    }
}

#[test]
fn what_hangs_does_not_have_the_rest_looked_at_without_a_pause() {
    let mut database = remote("database", "database");
    database.checks.insert(0, process_check());
    let mut app = hasty(remote("app", "app"));
    app.dependencies = vec!["database".into()];
    let mut world = world(vec![database, app], Vec::new());
    let before = world.core.next_look;
    world.kill("app");
    run_while_hanging(&mut world, "database", SECOND * 90);
    assert_eq!(world.acts_on("app").len(), 1, "{:#?}", world.story);
    let looks = world.core.next_look - before;
    assert!(looks <= 40, "{looks} looks");
}

#[test]
fn a_look_that_spans_a_suspend_is_dropped() {
    let mut world = World::settled(vec![service("redis")]);
    world.kill("redis");
    let mut looked = false;
    while !looked {
        let wake = world.core.next_wake(world.now).unwrap();
        world.advance(wake);
        world.event(Event::Wake);
        looked = !world.queue.is_empty();
    }
    // The host sleeps while the look is under way; its own clock did not run.
    world.queue[0].0 = world.now.mono + SECOND * 3600;
    world.advance(world.now.mono + SECOND * 3600);
    world.well.insert("redis".into(), true);
    world.run(SECOND * 30);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    assert!(!world.told("suspect"), "{:#?}", world.story);
}

#[test]
fn a_look_that_never_ends_is_a_stale_monitor() {
    let mut world = World::settled(vec![service("redis")]);
    world.queue.clear();
    while world.queue.is_empty() {
        let wake = world.core.next_wake(world.now).unwrap();
        world.advance(wake);
        world.event(Event::Wake);
    }
    world.queue.clear();
    world.run(SECOND * 400);
    assert_eq!(world.state("redis"), StateLabel::Unknown);
    assert!(world.told("monitor stale: no result for 2 min"), "{:#?}", world.story);
    assert_eq!(world.views[&ServiceName::from("redis")].checks[0].skipped, 6);
    assert!(world.acts.is_empty());
    assert!(world.queue.is_empty(), "it is not looked at twice at once");
}

#[test]
fn three_of_three_are_a_mass_failure_and_two_of_three_are_none() {
    let mut all = world(web(3), Vec::new());
    let mut most = world(web(3), Vec::new());
    for n in 0..3 {
        all.kill(&format!("web-{n}"));
    }
    for n in 0..2 {
        most.kill(&format!("web-{n}"));
    }
    all.run(SECOND * 400);
    most.run(SECOND * 400);
    assert_eq!(all.restarts(), 0, "{:?}", all.acts);
    assert_eq!(most.restarts(), 2, "{:?}", most.acts);
}

#[test]
fn three_of_seven_are_too_few_for_a_mass_failure() {
    let mut world = world(web(7), Vec::new());
    for n in 0..3 {
        world.kill(&format!("web-{n}"));
    }
    world.run(SECOND * 400);
    assert_eq!(world.restarts(), 3, "{:#?}", world.story);
}

#[test]
fn what_is_seen_inside_its_container_says_nothing_about_the_network() {
    let mut services = web(3);
    services.extend((0..10).map(|n| in_container(&format!("db-{n}"), &format!("db-{n}"))));
    let mut world = world(services, Vec::new());
    for n in 0..3 {
        world.kill(&format!("web-{n}"));
    }
    world.run(SECOND * 300);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
}

fn once_a_day(host: &str) -> Check {
    Check { interval: SECOND * 86_400, ..over(host) }
}

#[test]
fn an_anchor_that_answered_long_ago_is_asked_again() {
    let mut world = world(web(5), vec![once_a_day("1.1.1.1")]);
    let before = world.looks_at("(anchors)");
    world.kill("(anchors)");
    for n in 0..3 {
        world.kill(&format!("web-{n}"));
    }
    world.run(SECOND * 300);
    assert!(world.looks_at("(anchors)") > before);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    assert!(world.told("3 of 5 services seen over the network"), "{:#?}", world.story);
}

#[test]
fn anchors_are_looked_at_at_their_own_rate() {
    let mut world = World::settled(vec![daily("redis")]);
    world.well.insert("(anchors)".into(), true);
    world.watchlist.anchors = vec![over("1.1.1.1")];
    world.event(Event::Configured(world.watchlist.clone()));
    world.run(SECOND * 3600);
    assert!((60..=62).contains(&world.looks_at("(anchors)")), "{}", world.looks_at("(anchors)"));
}

#[test]
fn anchors_that_an_edit_leaves_alone_are_not_looked_at_anew() {
    let mut world = world(web(1), vec![once_a_day("1.1.1.1")]);
    let before = world.looks_at("(anchors)");
    world.event(Event::Configured(world.watchlist.clone()));
    world.run(SECOND * 30);
    assert_eq!(world.looks_at("(anchors)"), before);
}

#[test]
fn while_the_outside_is_in_doubt_what_is_inside_is_healed() {
    let services = vec![remote("shop", "shop.example.com"), in_container("redis", "redis")];
    let mut world = world(services, vec![over("1.1.1.1")]);
    world.faults.remove("redis");
    world.kill("(anchors)");
    world.kill("shop");
    world.run(SECOND * 100);
    world.hint_death("redis");
    world.run(SECOND * 30);
    assert_eq!(world.acts_on("redis").len(), 1, "{:#?}", world.story);
    assert!(world.acts_on("shop").is_empty(), "{:?}", world.acts);
}

#[test]
fn all_that_is_outside_is_in_doubt_whatever_is_well_inside() {
    let mut services = ["a.example.com", "b.example.com"].map(|it| remote(&it[..1], it)).to_vec();
    services.push(in_container("redis", "redis"));
    let mut world = world(services, Vec::new());
    world.kill("a");
    world.kill("b");
    world.run(SECOND * 300);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
    assert_eq!(world.state("a"), StateLabel::Unknown);
}

#[test]
fn an_attempt_gets_its_verdict_once_the_anchors_that_fell_silent_answer_again() {
    let mut world = world(vec![remote("shop", "shop.example.com")], vec![over("1.1.1.1")]);
    world.effects.insert("shop".into(), Effect::Nothing);
    world.kill("shop");
    while world.acts.is_empty() {
        world.run(SECOND);
    }
    world.kill("(anchors)");
    world.run(SECOND * 180);
    assert!(!world.told("restarted but still failing"), "{:#?}", world.story);
    world.well.insert("(anchors)".into(), true);
    world.run(SECOND * 180);
    assert!(world.told("restarted but still failing"), "{:#?}", world.story);
}

#[test]
fn what_failed_inside_before_is_no_part_of_it_whoever_holds_it() {
    let mut services = web(5);
    services.push(in_container("redis", "redis"));
    let mut world = world(services, Vec::new());
    world.faults.remove("redis");
    world.hint_death("redis");
    world.run(Duration::from_millis(50));
    world.event(Event::Operator(OperatorRequest::Pause("redis".into())));
    world.kill("redis");
    for n in 0..3 {
        world.kill(&format!("web-{n}"));
    }
    world.run(SECOND * 200);
    assert!(world.told("seen over the network fail at once"), "{:#?}", world.story);
    let open = world.incidents.values().filter(|it| it.phase == IncidentPhase::Open);
    let roots: Vec<&str> = open.map(|it| it.root.as_str()).collect();
    assert_eq!(roots.len(), 2, "{roots:?}");
}

#[test]
fn what_somebody_stopped_does_not_speak_for_the_network() {
    let mut world = world(web(7), Vec::new());
    for n in 5..7 {
        let stop = OperatorRequest::Stop(format!("web-{n}").as_str().into());
        world.event(Event::Operator(stop));
    }
    world.run(SECOND * 30);
    for n in 0..3 {
        world.kill(&format!("web-{n}"));
    }
    world.run(SECOND * 300);
    assert_eq!(world.restarts(), 0, "three of the five that should run: {:?}", world.acts);
}
