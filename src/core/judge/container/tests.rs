mod ending;

use super::*;
use crate::model::Wall;

fn at(second: u64) -> Now {
    Now { mono: Time::from_millis(second * 1000), wall: Wall::default() }
}

fn view(run: u32, status: ContainerStatus) -> ContainerView {
    ContainerView::Present(Presence {
        instance: Instance { id: "c0ffee".into(), started_at: run.to_string() },
        name: "services".into(),
        status,
        health: None,
        up_for: Duration::ZERO,
        health_start: None,
        engine_restarts: true,
        network_of: None,
        network_gone: false,
        network_lost: false,
        start_error: None,
        is_self: false,
    })
}

fn up(container: &mut Container, second: u64, run: u32) {
    let change = ContainerChange::Seen(view(run, ContainerStatus::Running));
    container.change(at(second), change);
}

/// Exits by itself and is brought back in the next run.
fn exit(container: &mut Container, second: u64, run: u32) {
    container.change(at(second), ContainerChange::Died);
    up(container, second, run);
}

fn is_looping(container: &Container, second: u64) -> bool {
    matches!(container.standing(at(second).mono), Standing::Looping { .. })
}

fn running() -> Container {
    let mut container = Container::default();
    up(&mut container, 0, 1);
    container
}

#[test]
fn three_exits_in_ten_minutes_are_a_loop_until_the_first_is_that_old() {
    let mut container = running();
    for (run, second) in [(2, 100), (3, 400), (4, 699)] {
        assert!(!is_looping(&container, second));
        exit(&mut container, second, run);
    }
    assert!(is_looping(&container, 699));
    assert_eq!(container.next_wake(at(699).mono), Some(at(700).mono));
    assert!(!is_looping(&container, 700));
}

#[test]
fn three_exits_in_ten_minutes_and_a_second_are_none() {
    let mut container = running();
    for (run, second) in [(2, 100), (3, 400), (4, 700)] {
        exit(&mut container, second, run);
        assert!(!is_looping(&container, second));
    }
}

#[test]
fn deaths_that_somebody_wanted_are_no_exits() {
    let mut signalled = running();
    let mut ours = running();
    let mut told_late = running();
    for (run, second) in [(2, 100), (3, 200), (4, 300), (5, 400)] {
        signalled.change(at(second), ContainerChange::Signalled);
        exit(&mut signalled, second, run);
        ours.act_begins();
        exit(&mut ours, second, run);
        ours.act_ended(at(second).mono);
        told_late.change(at(second), ContainerChange::Died);
        told_late.change(at(second + 4), ContainerChange::StopRequested);
        up(&mut told_late, second + 5, run);
    }
    assert!(!is_looping(&signalled, 400));
    assert!(!is_looping(&ours, 400));
    assert!(!is_looping(&told_late, 405));
}

#[test]
fn a_stop_long_after_an_exit_is_another_matter() {
    let mut container = running();
    for (run, second) in [(2, 100), (3, 200), (4, 300)] {
        exit(&mut container, second, run);
    }
    container.change(at(305), ContainerChange::StopRequested);
    up(&mut container, 310, 5);
    assert!(is_looping(&container, 310));
}

#[test]
fn who_brought_it_up_is_told_from_how_it_ended() {
    let who = |container: &Container| container.started_by().map(|(who, _)| who);
    let mut container = running();
    assert_eq!(who(&container), None, "nobody saw that");
    exit(&mut container, 100, 2);
    assert_eq!(who(&container), Some("by the engine's restart policy"));
    container.change(at(200), ContainerChange::Signalled);
    exit(&mut container, 200, 3);
    assert_eq!(who(&container), Some("by somebody else"));
    container.act_begins();
    exit(&mut container, 300, 4);
    assert_eq!(who(&container), Some("by vai"));
}

#[test]
fn an_exit_that_was_seen_is_known_after_a_restart_of_vai() {
    let mut container = running();
    container.change(at(100), ContainerChange::Died);
    let mut same = Container::resume(container.kept.clone());
    same.change(at(200), ContainerChange::Seen(view(1, exited())));
    assert!(matches!(same.standing(at(240).mono), Standing::Died(_)));
    let mut other = Container::resume(container.kept);
    other.change(at(200), ContainerChange::Seen(view(2, exited())));
    assert!(matches!(other.standing(at(240).mono), Standing::ByHand(_)));
}

#[test]
fn stopped_and_removed_is_a_deploy_for_five_seconds() {
    let mut container = running();
    container.change(at(100), ContainerChange::Signalled);
    container.change(at(100), ContainerChange::Died);
    container.change(at(101), ContainerChange::StopRequested);
    container.change(at(102), ContainerChange::Seen(ContainerView::Missing));
    assert!(matches!(container.standing(at(105).mono), Standing::Settling(_)));
    assert!(matches!(container.standing(at(106).mono), Standing::Missing(_)));
}

#[test]
fn a_loop_that_no_policy_brings_back_is_ours_to_end() {
    let without_policy = |run, status| match view(run, status) {
        ContainerView::Present(presence) => {
            ContainerView::Present(Presence { engine_restarts: false, ..presence })
        }
        other => other,
    };
    let mut container = running();
    for (run, second) in [(2, 100), (3, 200), (4, 300)] {
        container.change(at(second), ContainerChange::Died);
        let up = without_policy(run, ContainerStatus::Running);
        container.change(at(second + 1), ContainerChange::Seen(up));
    }
    let up = container.standing(at(302).mono);
    assert!(matches!(up, Standing::Looping { by_policy: false, .. }), "{up:?}");
    container.change(at(310), ContainerChange::Died);
    container.change(at(310), ContainerChange::Seen(without_policy(4, exited())));
    let Standing::Died(fault) = container.standing(at(320).mono) else {
        panic!("{:?}", container.standing(at(320).mono));
    };
    assert_eq!(fault.kind, FaultKind::CrashLoop);
}

#[test]
fn between_two_runs_of_a_loop_it_is_the_loop_that_counts() {
    let mut container = running();
    for (run, second) in [(2, 100), (3, 200), (4, 300)] {
        exit(&mut container, second, run);
    }
    let seen = |container: &mut Container, status| {
        container.change(at(310), ContainerChange::Seen(view(4, status)));
        container.standing(at(311).mono)
    };
    let restarting = seen(&mut container, ContainerStatus::Restarting);
    assert!(matches!(restarting, Standing::Looping { by_policy: true, .. }), "{restarting:?}");
    let removing = seen(&mut container, ContainerStatus::Removing);
    assert!(matches!(removing, Standing::Settling(_)), "{removing:?}");
}

#[test]
fn what_an_act_of_ours_left_running_is_up_before_the_engine_says_so() {
    let mut container = running();
    let instance = |run: u32| Instance { id: "c0ffee".into(), started_at: run.to_string() };
    container.runs_now(at(50), &instance(1));
    let up = |run, second| Standing::Up { instance: instance(run), since: at(second).mono };
    assert_eq!(container.standing(at(51).mono), up(1, 0));
    assert_eq!(container.started_by(), None);
    container.runs_now(at(100), &instance(2));
    assert_eq!(container.standing(at(101).mono), up(2, 100));
    assert_eq!(container.started_by(), Some(("by vai", at(100))));
}

fn exited() -> ContainerStatus {
    ContainerStatus::Exited { code: 1, oom: false }
}

fn is_changing(container: &Container, second: u64) -> bool {
    matches!(container.standing(at(second).mono), Standing::Changing(_))
}

fn is_settling(container: &Container, second: u64) -> bool {
    matches!(container.standing(at(second).mono), Standing::Settling(_))
}

fn is_by_hand(container: &Container, second: u64) -> bool {
    matches!(container.standing(at(second).mono), Standing::ByHand(_))
}

#[test]
fn a_signalled_container_is_being_stopped_for_half_a_minute_whoever_looks_meanwhile() {
    let mut container = running();
    container.change(at(100), ContainerChange::Signalled);
    assert_eq!(container.next_wake(at(100).mono), Some(at(130).mono));
    up(&mut container, 101, 1);
    assert!(is_changing(&container, 102));
    assert!(is_changing(&container, 129));
    let up = container.standing(at(130).mono);
    assert!(matches!(up, Standing::Up { since, .. } if since == at(0).mono), "{up:?}");
}

#[test]
fn a_stop_is_a_wish_once_it_has_lasted_five_seconds() {
    let mut container = running();
    container.change(at(100), ContainerChange::Died);
    container.change(at(101), ContainerChange::StopRequested);
    container.change(at(101), ContainerChange::Seen(view(1, exited())));
    assert!(is_settling(&container, 101));
    assert!(is_settling(&container, 105));
    assert!(is_by_hand(&container, 106));
}

#[test]
fn the_engines_policy_has_half_a_minute_to_bring_it_back() {
    let mut container = running();
    container.change(at(100), ContainerChange::Died);
    container.change(at(100), ContainerChange::Seen(view(1, exited())));
    assert!(is_settling(&container, 101));
    assert!(is_settling(&container, 129));
    assert!(matches!(container.standing(at(130).mono), Standing::Died(_)));
}

#[test]
fn what_was_never_seen_running_is_given_five_seconds_by_its_policy() {
    let mut container = Container::default();
    container.change(at(100), ContainerChange::Seen(view(1, exited())));
    assert!(is_settling(&container, 104));
    assert!(is_by_hand(&container, 105));
}

#[test]
fn a_loop_that_the_policy_gave_up_on_is_still_the_loop() {
    let mut container = running();
    for (run, second) in [(2, 100), (3, 200), (4, 300)] {
        exit(&mut container, second, run);
    }
    container.change(at(310), ContainerChange::Died);
    container.change(at(310), ContainerChange::Seen(view(4, exited())));
    let standing = container.standing(at(345).mono);
    assert!(matches!(standing, Standing::Looping { by_policy: true, .. }), "{standing:?}");
}

#[test]
fn stops_are_ours_until_five_seconds_after_our_act() {
    let stopped_at = |second: u64| {
        let mut container = running();
        container.act_begins();
        container.act_ended(at(100).mono);
        container.change(at(second), ContainerChange::Died);
        container.change(at(second), ContainerChange::StopRequested);
        container.change(at(second), ContainerChange::Seen(view(1, exited())));
        container
    };
    assert!(!is_by_hand(&stopped_at(105), 200));
    assert!(is_by_hand(&stopped_at(106), 200));
}

#[test]
fn stops_are_ours_while_the_engine_may_go_on_with_an_act_that_vai_did_not_outlive() {
    let stopped_at = |second: u64| {
        let mut container = running();
        container.act_interrupted(at(100).mono);
        container.change(at(second), ContainerChange::Signalled);
        container.change(at(second), ContainerChange::Died);
        container.change(at(second), ContainerChange::StopRequested);
        container.change(at(second), ContainerChange::Seen(view(1, exited())));
        container
    };
    assert!(!is_by_hand(&stopped_at(145), 200));
    assert!(is_by_hand(&stopped_at(146), 200));
}

#[test]
fn a_stop_a_minute_before_the_engine_goes_was_somebodys_wish() {
    let gone_at = |second: u64| {
        let mut container = running();
        container.change(at(100), ContainerChange::Signalled);
        container.change(at(100), ContainerChange::Died);
        container.change(at(100), ContainerChange::StopRequested);
        container.stops_prove_nothing(at(second).mono);
        container.change(at(second + 60), ContainerChange::Seen(view(1, exited())));
        container
    };
    assert!(is_settling(&gone_at(159), 221), "the engine may yet start it");
    assert!(is_by_hand(&gone_at(160), 221));
}

#[test]
fn what_is_gone_was_removed_or_was_never_there() {
    let words = |container: &mut Container| {
        container.change(at(100), ContainerChange::Seen(ContainerView::Missing));
        container.standing(at(110).mono)
    };
    let removed = Standing::Missing("the container was removed".into());
    assert_eq!(words(&mut running()), removed);
    let mut misspelt = Container::default();
    assert_eq!(words(&mut misspelt), Standing::Missing("the container does not exist".into()));
    let unmatched = |nearest: Option<&str>| ContainerChange::Unmatched {
        wanted: "servces".into(),
        nearest: nearest.map(ToOwned::to_owned),
    };
    misspelt.change(at(100), unmatched(None));
    let nothing_like_it = "there is no container `servces`".to_owned();
    assert_eq!(words(&mut misspelt), Standing::Missing(nothing_like_it.clone()));
    misspelt.change(at(100), unmatched(Some("services")));
    let nearest = format!("{nothing_like_it}; did you mean `services`?");
    assert_eq!(words(&mut misspelt), Standing::Missing(nearest));
}
