//! Attempts, their limits and what came of them.

use super::*;

#[test]
fn a_useless_command_is_tried_max_attempts_times_then_slowly() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.kill("redis");
    world.run(SECOND * 480);
    assert_eq!(
        world.acts_on("redis"),
        [
            &Act::Restart(Rung::Command),
            &Act::Restart(Rung::KillAndCommand),
            &Act::Restart(Rung::KillAndCommand),
        ]
    );
    let routine = world.story.iter().filter(|line| line.contains("not attempted")).count();
    assert_eq!(routine, 0, "a delay is told with the verdict: {:#?}", world.story);
    let gaps: Vec<f64> = world.acts.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(gaps[0] < gaps[1], "delays grow: {gaps:?}");
    assert_eq!(world.state("redis"), StateLabel::GaveUp);
    let told: Vec<NoticeKind> = world.notices.iter().map(|notice| notice.kind).collect();
    assert_eq!(told, [NoticeKind::Opened, NoticeKind::Escalated]);
    let incident = &world.notices[1].incident;
    assert_eq!(incident.severity, Severity::Critical);
    assert_eq!(incident.next, "gave up; one more try in 5 min");
    assert!(
        incident.history.iter().any(|line| line.contains("restarted but still failing")),
        "{:#?}",
        incident.history
    );
    for words in [
        "restarting by restart_cmd, attempt 1 of 3: connection refused",
        "restarting by restart_cmd, after ending what is left of it, attempt 3 of 3:",
    ] {
        assert!(world.told(words), "{:#?}", world.story);
    }
    world.run(SECOND * 1200);
    assert!(world.told("what is left of it, attempt 4: connection refused"), "{:#?}", world.story);
    assert!(world.restarts() <= 5, "the slow retry stays under the ceiling: {:?}", world.acts);
    assert!(world.restarts() > 3, "the slow retry happens");
}

#[test]
fn mended_by_hand_after_giving_up_is_told_as_resolved() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.kill("redis");
    world.run(SECOND * 480);
    world.well.insert("redis".into(), true);
    world.run(SECOND * 70);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
    let last = world.notices.last().unwrap();
    assert_eq!(last.kind, NoticeKind::Resolved);
    let IncidentPhase::Closed { how, .. } = &last.incident.phase else { panic!("still open") };
    assert!(how.contains("between vai's attempts"), "{how}");
}

#[test]
fn a_command_that_fails_is_told_in_its_own_words() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Fails);
    world.hint_death("redis");
    world.run(SECOND * 8);
    assert!(
        world.story.iter().any(|line| line
            .contains("restart failed: restart_cmd exited 1: no such file; next attempt in")),
        "{:#?}",
        world.story
    );
}

#[test]
fn the_ceiling_means_exactly_that_many_in_any_window() {
    let mut redis = service("redis");
    redis.recovery.max_attempts = 100;
    redis.recovery.backoff_initial = SECOND;
    redis.recovery.backoff_max = SECOND;
    redis.start_timeout = Some(SECOND * 6);
    let mut world = World::settled(vec![redis]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 3000);
    let times: Vec<f64> = world.acts.iter().map(|(at, ..)| *at).collect();
    assert!(times.len() >= 20, "{times:?}");
    for (first, sixth) in times.iter().zip(times.iter().skip(5)) {
        assert!(sixth - first > 599.999, "six restarts within ten minutes: {times:?}");
    }
    assert!(world.story.iter().any(|line| line.contains("not attempted: the ceiling of 5")));
}

#[test]
fn alert_only_is_told_at_once_and_never_acted_on() {
    let mut api = service("api");
    api.restart_cmd = None;
    api.recovery.ladder.clear();
    api.recovery.alert_only = Some("it shares its container with redis".into());
    let mut world = World::settled(vec![api]);
    world.kill("api");
    world.run(SECOND * 70);
    assert!(world.acts.is_empty());
    assert_eq!(world.notices.len(), 1);
    assert_eq!(world.notices[0].incident.severity, Severity::Critical);
    assert_eq!(
        world.notices[0].incident.next,
        "vai leaves it alone: it shares its container with redis"
    );
}

#[test]
fn an_act_that_starts_the_container_and_then_fails_is_one_failed_attempt() {
    let mut world = World::settled(vec![service("a")]);
    world.effects.insert("a".into(), Effect::Fails);
    world.kill("a");
    world.container(ContainerChange::Died);
    let exited = ContainerStatus::Exited { code: 1, oom: false };
    world.container(ContainerChange::Seen(view(1, exited)));
    world.run(Duration::from_millis(550));
    assert_eq!(world.acts_on("a").len(), 1);
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.run(SECOND * 240);
    assert!(world.acts.iter().all(|(_, _, act)| *act != Act::Start), "{:?}", world.acts);
    assert_eq!(world.restarts(), 3, "{:?}", world.acts);
    assert_eq!(world.state("a"), StateLabel::GaveUp);
}

#[test]
fn what_docker_still_calls_unhealthy_is_waited_for_after_a_restart() {
    let mut api = service("api");
    api.checks = vec![check(CheckKind::Docker)];
    let mut world = World::settled(vec![api]);
    world.effects.insert("api".into(), Effect::Nothing);
    world.kill("api");
    world.run(SECOND * 62);
    assert_eq!(world.acts.len(), 1);
    world.run(SECOND * 25);
    world.well.insert("api".into(), true);
    world.run(SECOND * 60);
    assert_eq!(world.acts.len(), 1, "Docker looks only every 30 s: {:?}", world.acts);
    assert_eq!(world.state("api"), StateLabel::Healthy);
}

#[test]
fn what_was_mended_by_hand_is_not_restarted_on_an_old_verdict() {
    let mut daily = service("daily");
    daily.checks[0].interval = SECOND * 86_400;
    let mut world = World::settled(vec![daily]);
    world.effects.insert("daily".into(), Effect::Nothing);
    world.hint_death("daily");
    world.run(SECOND * 250);
    assert_eq!(world.state("daily"), StateLabel::GaveUp);
    let acts = world.acts.len();
    world.well.insert("daily".into(), true);
    world.run(SECOND * 900);
    assert_eq!(world.acts.len(), acts, "{:?}", world.acts);
    assert_eq!(world.state("daily"), StateLabel::Healthy);
}

#[test]
fn what_was_seen_alive_is_still_known_after_an_attempt_failed() {
    let mut world = World::settled(vec![service("nginx")]);
    world.effects.insert("nginx".into(), Effect::Nothing);
    world.kill("nginx");
    world.run(SECOND * 200);
    let machine = &world.core.services[&ServiceName::from("nginx")];
    assert!(machine.kept.effort.failed_in_row() > 0);
    assert_eq!(machine.processes().len(), 1);
}

#[test]
fn one_act_per_container_and_so_many_per_host() {
    let services = (0..6).map(|n| service(&format!("s{n}"))).collect();
    let mut world = World::settled(services);
    for n in 0..6 {
        world.hint_death(&format!("s{n}"));
    }
    world.run(Duration::from_millis(50));
    assert_eq!(world.acts.len(), 1, "they share a container");
    let waiting = &world.views[&ServiceName::from("s5")].reason;
    assert_eq!(waiting, "connection refused", "whose turn it is, is nobody's business");
    world.run(SECOND * 30);
    assert_eq!(world.acts.len(), 6, "verifying holds no slot");
    assert!(!world.told("another action"), "waiting for one's turn is no news: {:#?}", world.story);
}

#[test]
fn two_names_of_one_container_are_one_place() {
    let mut other = service("other");
    other.place = Place::Container("services-container".into());
    let mut world = World::settled(vec![service("redis"), other]);
    let key = "services-container".into();
    let seen = ContainerChange::Seen(view(1, ContainerStatus::Running));
    world.event(Event::Container { key, change: seen });
    world.run(SECOND * 120);
    world.hint_death("redis");
    world.hint_death("other");
    world.run(Duration::from_millis(50));
    assert_eq!(world.acts.len(), 1, "{:?}", world.acts);
}

#[test]
fn a_restart_of_what_a_failed_attempt_left_behind_supersedes_it() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 300);
    let ids: Vec<u64> = world.requests.iter().map(|(id, _)| id.0).collect();
    let supersedes: Vec<Option<u64>> =
        world.requests.iter().map(|(_, before)| before.map(|id| id.0)).collect();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(supersedes, [None, Some(1), Some(2)]);
}

#[test]
fn nothing_is_looked_at_while_it_is_being_restarted_or_started() {
    let mut world = World::settled(vec![service("redis")]);
    world.act_lasts = SECOND * 90;
    world.hint_death("redis");
    world.run(SECOND);
    let looks = world.looks_at("redis");
    world.run(SECOND * 88);
    assert_eq!(world.state("redis"), StateLabel::Healing);
    assert_eq!(world.looks_at("redis"), looks);
    world.run(SECOND * 60);
    world.kill("redis");
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    while world.acts.len() < 2 {
        world.run(SECOND);
    }
    let looks = world.looks_at("redis");
    world.run(SECOND * 88);
    assert_eq!(world.looks_at("redis"), looks, "{:#?}", world.story);
}

#[test]
fn what_falls_again_right_after_it_was_healed_waits_for_a_moment() {
    let mut world = World::settled(vec![service("redis")]);
    world.hint_death("redis");
    while world.state("redis") != StateLabel::Healthy || world.acts.is_empty() {
        world.run(Duration::from_millis(100));
    }
    let healed = world.second();
    world.hint_death("redis");
    world.run(SECOND * 30);
    let waited = world.acts[1].0 - healed;
    assert!((9.8..=12.6).contains(&waited), "{waited}");
}

#[test]
fn the_end_of_an_outage_says_who_healed_it_in_how_many_attempts() {
    let ended = |heals_at: usize, by_command: bool| {
        let mut redis = service("redis");
        if !by_command {
            redis.restart_cmd = None;
            redis.recovery.ladder = vec![Rung::Container];
        }
        let mut world = World::settled(vec![redis]);
        // So long that it is told.
        world.act_lasts = SECOND * 70;
        world.effects.insert("redis".into(), Effect::Nothing);
        world.hint_death("redis");
        while world.acts.len() < heals_at {
            world.run(SECOND);
        }
        world.well.insert("redis".into(), true);
        world.run(SECOND * 120);
        world.how_it_ended().to_owned()
    };
    assert_eq!(ended(1, true), "healed by restart_cmd, 1 attempt");
    assert_eq!(ended(2, true), "healed by restart_cmd, 2 attempts");
    assert_eq!(ended(1, false), "healed by a container restart, 1 attempt");
}

#[test]
fn what_is_healed_and_still_not_as_it_should_be_was_never_healthy() {
    let mut redis = service("redis");
    redis.checks[0].success_threshold = 6;
    redis.checks.push(alert_check());
    let mut world = World::settled(vec![redis]);
    world.unwell_checks.push("agent".into());
    world.run(SECOND * 1000);
    assert_eq!(world.state("redis"), StateLabel::Degraded);
    world.hint_death("redis");
    world.run(SECOND * 60);
    assert_eq!(world.state("redis"), StateLabel::Degraded);
    assert!(
        world.told("verifying → degraded: healed in 15 s by restart_cmd; "),
        "{:#?}",
        world.story
    );
    assert!(!world.told("→ healthy"), "{:#?}", world.story);
    let outage = world.core.services[&ServiceName::from("redis")].kept.outage.as_ref().unwrap();
    assert_eq!((outage.kind, outage.attempts), (OutageKind::Degraded, 0), "another outage");
}

#[test]
fn what_failed_together_is_not_tried_again_at_the_same_moment() {
    let second_attempt = |n: u32| {
        let name = format!("s{n}");
        let mut world = World::settled(vec![service(&name)]);
        world.effects.insert(name.clone(), Effect::Nothing);
        world.hint_death(&name);
        world.run(SECOND * 80);
        (world.acts[1].0 * 10.0).round() as u64
    };
    let moments: std::collections::BTreeSet<u64> = (0..12).map(second_attempt).collect();
    assert!(moments.len() > 6, "{moments:?}");
}

#[test]
fn of_two_checks_that_fail_alike_the_first_is_named() {
    let mut redis = service("redis");
    redis.checks.push(process_check());
    let mut world = World::settled(vec![redis]);
    world.watchlist.observe = true;
    world.event(Event::Configured(world.watchlist.clone()));
    world.kill("redis");
    world.run(SECOND * 200);
    assert_eq!(world.incidents.values().next().unwrap().reason, "check tcp: connection refused");
}

#[test]
fn a_failure_after_a_long_degradation_lasts_as_long_as_the_failure() {
    let mut redis = service("redis");
    redis.checks.push(alert_check());
    let mut world = World::settled(vec![redis]);
    world.unwell_checks.push("agent".into());
    world.run(SECOND * 1000);
    world.unwell_checks.clear();
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    let broke = world.now.wall;
    world.run(SECOND * 70);
    let service = &world.core.services[&ServiceName::from("redis")];
    assert!(service.kept.outage.as_ref().unwrap().since.wall >= broke);
}

#[test]
fn what_was_given_up_and_mended_by_hand_has_to_prove_it() {
    let mut redis = service("redis");
    redis.checks[0].success_threshold = 4;
    let mut world = World::settled(vec![redis]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 250);
    assert_eq!(world.state("redis"), StateLabel::GaveUp);
    world.well.insert("redis".into(), true);
    let looks = world.looks_at("redis");
    while world.state("redis") != StateLabel::Healthy {
        world.run(Duration::from_millis(100));
    }
    assert_eq!(world.looks_at("redis") - looks, 4, "{:#?}", world.story);
}
