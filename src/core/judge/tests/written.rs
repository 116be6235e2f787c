//! What a command wrote is told as soon as its check still fails.

use super::*;

const WROTE: &str = "restart_cmd wrote: sh: /no/such/dir/api.log: No such file or directory";
const MORE: &str = "restart_cmd wrote: api-server: out of memory";

/// A service whose command writes something and brings nothing about.
fn useless(world: &mut World) {
    world.wrote = WROTE.into();
    world.effects.insert("api".into(), Effect::Nothing);
}

fn lines(world: &World, text: &str) -> usize {
    world.story.iter().filter(|line| line.contains(text)).count()
}

fn history(world: &World) -> Vec<String> {
    world.notices.last().unwrap().incident.history.clone()
}

#[test]
fn what_a_restart_wrote_is_told_with_the_first_probe_that_fails_and_only_once() {
    let mut world = World::settled(vec![service("api")]);
    useless(&mut world);
    world.hint_death("api");
    world.run(SECOND * 7);
    assert_eq!(world.state("api"), StateLabel::Verifying);
    assert_eq!(lines(&world, WROTE), 1, "{:#?}", world.story);
    let view = &world.views[&ServiceName::from("api")];
    assert!(view.reason.ends_with(WROTE), "{}", view.reason);
    world.run(SECOND * 58);
    assert_eq!(lines(&world, WROTE), 1, "{:#?}", world.story);
    let history = history(&world);
    let at = |text: &str| history.iter().position(|line| line.contains(text));
    let done = at("ran restart_cmd");
    assert!(done.is_some() && done < at(WROTE), "{history:#?}");
}

#[test]
fn what_a_restart_that_heals_wrote_is_not_told() {
    let mut world = World::settled(vec![service("api")]);
    world.wrote = WROTE.into();
    world.hint_death("api");
    world.run(SECOND * 60);
    assert_eq!(world.state("api"), StateLabel::Healthy);
    assert_eq!(lines(&world, WROTE), 0, "{:#?}", world.story);
}

#[test]
fn what_comes_after_the_act_is_told_at_once_and_what_comes_after_that_with_the_verdict() {
    let mut world = World::settled(vec![service("api")]);
    world.effects.insert("api".into(), Effect::Nothing);
    world.hint_death("api");
    world.run(SECOND * 10);
    let (id, _) = *world.requests.last().unwrap();
    let wrote = |wrote: &str| Event::Wrote { service: "api".into(), id, wrote: wrote.into() };
    world.event(wrote(WROTE));
    assert_eq!(lines(&world, WROTE), 1, "{:#?}", world.story);
    world.event(wrote("restart_cmd wrote: still starting"));
    world.event(wrote(MORE));
    assert_eq!(lines(&world, MORE), 0, "{:#?}", world.story);
    world.run(SECOND * 60);
    assert_eq!(lines(&world, MORE), 1, "{:#?}", world.story);
    assert_eq!(lines(&world, "still starting"), 0);
    let old = Event::Wrote { service: "api".into(), id: ActId(id.0 + 9), wrote: "other".into() };
    world.event(old);
    world.run(SECOND * 200);
    assert_eq!(lines(&world, "other"), 0);
}

#[test]
fn the_first_message_about_a_start_that_failed_says_what_was_done_and_written() {
    let mut world = World::new(vec![service("api")]);
    useless(&mut world);
    world.kill("api");
    world.container(ContainerChange::Seen(view(1, ContainerStatus::Running)));
    world.run(SECOND * 200);
    assert_eq!(world.acts_on("api")[0], &Act::Start);
    let first = &world.notices[0].incident.history;
    let wanted = ["ran restart_cmd: exit 0", WROTE, "started but still failing"];
    let at = wanted.map(|text| first.iter().position(|line| line.contains(text)));
    assert!(at[0].is_some() && at[0] < at[1] && at[1] < at[2], "{first:#?}");
    assert_eq!(world.notices[0].incident.evidence.facts, ["disk full"]);
}

#[test]
fn what_was_written_outlives_a_restart_of_vai() {
    let mut world = World::settled(vec![service("api")]);
    useless(&mut world);
    world.hint_death("api");
    world.run(SECOND * 2);
    world.restart();
    world.run(SECOND * 20);
    assert_eq!(lines(&world, WROTE), 1, "{:#?}", world.story);
}
