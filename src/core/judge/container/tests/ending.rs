//! Who ended a container, and what its standing says of that.

use super::*;

/// Without a policy that would bring it back.
fn seen(container: &mut Container, second: u64, run: u32, status: ContainerStatus) {
    let ContainerView::Present(presence) = view(run, status) else { unreachable!("present") };
    let presence = Presence { engine_restarts: false, ..presence };
    container.change(at(second), ContainerChange::Seen(ContainerView::Present(presence)));
}

fn why(container: &Container, second: u64) -> String {
    match container.standing(at(second).mono) {
        Standing::Died(fault) => fault.detail,
        other => panic!("{other:?}"),
    }
}

const BY_ITSELF: &str = "container services exited by itself with code 1";

#[test]
fn by_itself_is_said_only_of_what_nobody_ended() {
    let ended = |before: &dyn Fn(&mut Container)| {
        let mut container = running();
        before(&mut container);
        container.change(at(100), ContainerChange::Died);
        seen(&mut container, 100, 1, exited());
        why(&container, 110)
    };
    assert_eq!(ended(&|_| ()), BY_ITSELF);
    let killed = ended(&|container| container.change(at(100), ContainerChange::Signalled));
    assert_eq!(killed, "container services was killed through the engine, exit code 1");
    let ours = ended(&Container::act_begins);
    assert_eq!(ours, "container services was stopped by vai, exit code 1");
    let mut unseen = Container::default();
    seen(&mut unseen, 100, 1, exited());
    assert_eq!(why(&unseen, 110), "container services exited with code 1");
}

#[test]
fn what_ends_right_after_a_restart_by_vai_ended_by_itself() {
    let mut container = running();
    container.act_begins();
    container.change(at(100), ContainerChange::Died);
    seen(&mut container, 100, 1, exited());
    let instance = Instance { id: "c0ffee".into(), started_at: "2".into() };
    container.runs_now(at(101), &instance);
    container.act_ended(at(101).mono);
    container.change(at(102), ContainerChange::Died);
    seen(&mut container, 102, 2, exited());
    assert_eq!(why(&container, 110), BY_ITSELF);
}

#[test]
fn who_ended_it_is_known_after_a_restart_of_vai() {
    let mut container = running();
    container.change(at(100), ContainerChange::Signalled);
    container.change(at(100), ContainerChange::Died);
    let mut resumed = Container::resume(container.kept.clone());
    seen(&mut resumed, 200, 1, exited());
    assert!(why(&resumed, 210).contains("killed through the engine"), "{}", why(&resumed, 210));
}

#[test]
fn stops_of_a_going_engine_tell_nothing_of_who_wished_them() {
    let mut container = running();
    container.change(at(100), ContainerChange::Signalled);
    container.change(at(100), ContainerChange::Died);
    container.stops_prove_nothing(at(101).mono);
    seen(&mut container, 160, 1, exited());
    assert_eq!(why(&container, 170), "container services exited with code 1");
}

#[test]
fn nothing_is_made_of_an_end_before_its_cause_is_settled() {
    let mut watched = running();
    watched.change(at(100), ContainerChange::Died);
    seen(&mut watched, 100, 1, exited());
    assert!(is_settling(&watched, 100));
    // Nor where nobody saw it run: its `stop` event may be on the way.
    let mut found = Container::default();
    seen(&mut found, 100, 1, exited());
    assert!(is_settling(&found, 100));
    assert_eq!(
        found.next_wake(at(100).mono),
        Some(at(100).mono + super::super::ending::CAUSE_SETTLES)
    );
}

#[test]
fn a_start_that_came_to_nothing_is_told_in_the_engines_words_and_not_waited_for() {
    const WORDS: &str = "Bind for 0.0.0.0:80 failed: port is already allocated";
    let could_not = format!("container services could not be started: {WORDS}");
    let mut container = running();
    container.act_begins();
    container.change(at(100), ContainerChange::Died);
    // Seen between the stop and the start, so the engine says nothing of it yet.
    container.change(at(100), ContainerChange::Seen(view(1, exited())));
    container.was_not_started(WORDS);
    container.act_ended(at(101).mono);
    assert_eq!(why(&container, 101), could_not, "no policy tries that again");
    container.change(at(102), ContainerChange::Seen(view(1, exited())));
    assert_eq!(why(&container, 103), could_not);
    up(&mut container, 104, 2);
    container.change(at(200), ContainerChange::Died);
    seen(&mut container, 200, 2, exited());
    assert_eq!(why(&container, 210), BY_ITSELF);
    // Found so by a vai that saw nothing of it: that is nobody's wish either.
    let ContainerView::Present(presence) = view(1, exited()) else { unreachable!("present") };
    let presence = Presence { start_error: Some(WORDS.into()), ..presence };
    let mut found = Container::default();
    found.change(at(100), ContainerChange::Seen(ContainerView::Present(presence)));
    assert_eq!(why(&found, 110), could_not);
}
