//! What counts as ten minutes of passes.

use super::*;

#[test]
fn time_in_which_a_start_waits_is_no_time_of_passes() {
    let mut app = service("app");
    app.dependencies = vec!["database".into()];
    let mut world = World::settled(vec![app, service("database")]);
    world.effects.insert("app".into(), Effect::Nothing);
    world.kill("app");
    while !world.told("next attempt in") {
        world.run(SECOND);
    }
    world.well.insert("app".into(), true);
    world.run(SECOND * 200);
    assert_eq!(world.state("app"), StateLabel::Healthy);
    // Another instance comes up, and its start waits for the database.
    world.effects.insert("database".into(), Effect::Nothing);
    world.kill("app");
    world.kill("database");
    world.container(ContainerChange::Seen(view(2, ContainerStatus::Running)));
    world.run(SECOND * 900);
    assert_eq!(world.state("app"), StateLabel::Blocked);
    world.well.insert("database".into(), true);
    world.story.clear();
    let next = |world: &World| {
        let line = world.story.iter().find(|it| it.contains("app: verifying → down"))?;
        let (_, seconds) = line.split_once("next attempt in ")?;
        seconds.split(' ').next()?.parse::<u32>().ok()
    };
    let end = world.now.mono + SECOND * 600;
    while next(&world).is_none() && world.now.mono < end {
        world.run(SECOND);
    }
    let next = next(&world);
    assert!(next.is_some_and(|next| (20..=25).contains(&next)), "{next:?} {:#?}", world.story);
}
