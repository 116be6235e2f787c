//! What people ask for.

use super::*;

#[test]
fn a_paused_service_is_looked_at_and_not_touched() {
    let mut world = World::settled(vec![service("redis")]);
    world.event(Event::Operator(OperatorRequest::Pause("redis".into())));
    world.kill("redis");
    world.run(SECOND * 600);
    assert!(world.acts.is_empty());
    assert!(world.notices.is_empty());
    assert_eq!(world.state("redis"), StateLabel::Paused);
    world.event(Event::Operator(OperatorRequest::Resume("redis".into())));
    world.run(SECOND * 60);
    assert_eq!(world.acts_on("redis").len(), 1);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
}

#[test]
fn stopped_by_an_operator_is_left_alone_until_started() {
    let mut world = World::settled(vec![service("redis")]);
    world.event(Event::Operator(OperatorRequest::Stop("redis".into())));
    world.kill("redis");
    world.run(SECOND * 1200);
    assert_eq!(world.acts_on("redis"), [&Act::Stop]);
    assert_eq!(world.state("redis"), StateLabel::StoppedByHand);
    assert!(world.notices.is_empty());
    world.event(Event::Operator(OperatorRequest::Start("redis".into())));
    world.run(SECOND * 60);
    assert_eq!(world.acts_on("redis"), [&Act::Stop, &Act::Start]);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
}

#[test]
fn a_marker_file_holds_without_spending_budget_or_telling_anybody() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Marker);
    world.hint_death("redis");
    world.run(SECOND * 300);
    assert_eq!(world.state("redis"), StateLabel::StoppedByHand);
    assert_eq!(world.core.services[&ServiceName::from("redis")].kept.effort.failed_in_row(), 0);
    assert!(world.notices.is_empty(), "{:#?}", world.notices);
    let told = world.story.iter().filter(|line| line.contains("not attempted")).count();
    assert_eq!(told, 1, "asked again every 10 s, told once: {:#?}", world.story);
    assert!(world.acts.len() > 20, "{}", world.acts.len());
    world.effects.insert("redis".into(), Effect::Heals);
    world.run(SECOND * 60);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
}

#[test]
fn observing_says_what_it_would_do_and_does_nothing() {
    let mut world = World::settled(vec![service("redis")]);
    let mut list = watchlist(vec![service("redis")]);
    list.observe = true;
    world.event(Event::Configured(list));
    world.kill("redis");
    world.run(SECOND * 300);
    assert!(world.acts.is_empty());
    assert!(world.story.iter().any(|line| line.contains("not attempted: vai only observes")));
}

#[test]
fn a_start_that_makes_no_sense_is_refused_in_words() {
    let mut held = service("held");
    held.held = Some("${TOKEN} is not set".into());
    let mut world = World::settled(vec![held, service("redis")]);
    let start = |name: &str| OperatorRequest::Start(name.into());
    let answer = world.core.answer(&start("redis")).unwrap_err();
    assert_eq!(answer.0, "redis is healthy already");
    world.kill("held");
    world.run(SECOND * 120);
    let answer = world.core.answer(&start("held")).unwrap_err();
    assert_eq!(answer.0, "held is held: ${TOKEN} is not set");
    world.event(Event::Operator(OperatorRequest::Stop("redis".into())));
    world.run(SECOND);
    for request in [OperatorRequest::Pause("redis".into()), OperatorRequest::Resume("redis".into())]
    {
        let answer = world.core.answer(&request).unwrap_err();
        assert_eq!(answer.0, "redis is stopped; `vai start redis` ends that");
    }
}

#[test]
fn a_stop_that_failed_leaves_the_service_watched() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Fails);
    world.event(Event::Operator(OperatorRequest::Stop("redis".into())));
    world.run(SECOND * 30);
    assert!(world.told("the stop failed: restart_cmd exited 1"), "{:#?}", world.story);
    assert_eq!(world.state("redis"), StateLabel::Healthy);
}

fn refusal(world: &World, request: &OperatorRequest) -> String {
    world.core.answer(request).unwrap_err().0
}

#[test]
fn what_is_not_watched_cannot_be_paused_or_started() {
    let mut disabled = service("off");
    disabled.enabled = false;
    let world = World::settled(vec![service("redis"), disabled]);
    let pause = |name: &str| OperatorRequest::Pause(name.into());
    assert_eq!(refusal(&world, &pause("off")), "off is not watched: disabled in the registry");
    assert_eq!(refusal(&world, &pause("of")), "there is no service of in the registry");
}

#[test]
fn who_only_observes_neither_stops_nor_starts() {
    let mut world = World::settled(vec![service("redis")]);
    world.watchlist.observe = true;
    world.event(Event::Configured(world.watchlist.clone()));
    let stop = OperatorRequest::Stop("redis".into());
    assert_eq!(refusal(&world, &stop), "vai only observes (--observe)");
    world.event(Event::Operator(stop));
    world.run(SECOND * 5);
    assert!(world.acts.is_empty(), "{:?}", world.acts);
}

#[test]
fn an_operator_waits_for_the_act_that_is_under_way() {
    let mut world = World::settled(vec![service("redis"), service("web")]);
    world.act_lasts = SECOND * 10;
    world.hint_death("redis");
    world.run(SECOND);
    assert_eq!(world.acts.len(), 1);
    for request in [OperatorRequest::Stop("web".into()), OperatorRequest::Start("web".into())] {
        let words = "an action is under way beside web; try again when it has ended";
        assert_eq!(refusal(&world, &request), words);
    }
    world.run(SECOND * 30);
    assert!(world.core.answer(&OperatorRequest::Stop("web".into())).is_ok());
}

#[test]
fn what_failed_before_an_operators_start_does_not_count_against_it() {
    let mut world = World::settled(vec![service("redis")]);
    world.effects.insert("redis".into(), Effect::Nothing);
    world.hint_death("redis");
    world.run(SECOND * 250);
    assert_eq!(world.state("redis"), StateLabel::GaveUp);
    let before = world.acts.len();
    world.event(Event::Operator(OperatorRequest::Start("redis".into())));
    world.run(SECOND * 80);
    assert_eq!(world.acts[before].2, Act::Start);
    assert_eq!(world.acts.len(), before + 2, "the next follows at once: {:?}", world.acts);
}

#[test]
fn what_somebody_stopped_with_its_container_is_started_when_an_operator_asks() {
    let mut world = World::settled(vec![service("redis")]);
    world.kill("redis");
    world.container(ContainerChange::Died);
    world.container(ContainerChange::StopRequested);
    let exited = ContainerStatus::Exited { code: 0, oom: false };
    world.container(ContainerChange::Seen(view(1, exited)));
    world.run(SECOND * 60);
    assert_eq!(world.state("redis"), StateLabel::StoppedByHand);
    world.event(Event::Operator(OperatorRequest::Start("redis".into())));
    world.run(SECOND);
    assert_eq!(world.acts_on("redis"), [&Act::Start]);
}

#[test]
fn what_is_well_again_without_a_restart_says_so() {
    let mut world = World::settled(vec![service("redis")]);
    world.watchlist.observe = true;
    world.event(Event::Configured(world.watchlist.clone()));
    world.hint_death("redis");
    world.run(SECOND * 120);
    world.well.insert("redis".into(), true);
    world.run(SECOND * 120);
    assert_eq!(world.how_it_ended(), "came back without vai's doing");
}

#[test]
fn a_look_under_way_when_an_operator_stops_it_counts_for_nothing() {
    let mut world = World::settled(vec![service("redis")]);
    world.kill("redis");
    world.event(Event::Hint { service: "redis".into(), why: String::new(), died: None });
    world.event(Event::Operator(OperatorRequest::Stop("redis".into())));
    let (_, result) = world.queue.remove(0);
    let (delta, _) = world.core.handle(world.now, result);
    let counted = delta.changes.iter().any(|change| matches!(change, Change::Sampled(_)));
    assert!(!counted, "{delta:#?}");
}
