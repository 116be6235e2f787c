use super::*;
use crate::model::CheckKind;

const SECOND: Duration = Duration::from_secs(1);

fn check() -> Check {
    Check {
        name: "docker".into(),
        kind: CheckKind::Docker,
        interval: SECOND * 60,
        timeout: SECOND * 5,
        failure_threshold: 3,
        success_threshold: 2,
        confirm_interval: SECOND * 2,
        fail_for: Duration::ZERO,
        on_fail: OnFail::Restart,
    }
}

fn at(second: u64) -> Now {
    Now { mono: Time::from_millis(second * 1000), ..Now::default() }
}

fn fault(kind: FaultKind) -> Outcome {
    Outcome::Fail(Fault::new(kind, kind.label()))
}

/// What a check says that came to these outcomes, one a second.
fn after(outcomes: &[Outcome]) -> Verdict {
    let (mut tally, check) = (Tally::default(), check());
    for (second, outcome) in (0..).zip(outcomes) {
        let now = at(second);
        tally.count(now, now.mono, Report::new(outcome.clone(), Duration::ZERO));
        tally.settle(&check);
    }
    tally.verdict(&check, at(60).mono)
}

#[test]
fn fails_in_a_row_confirm_and_passes_in_a_row_prove() {
    let fail = fault(FaultKind::Timeout);
    let mut outcomes = vec![fail.clone(), fail.clone()];
    assert!(matches!(after(&outcomes), Verdict::Suspect(_)));
    outcomes.push(fail);
    assert!(matches!(after(&outcomes), Verdict::Failed(_)));
    outcomes.push(Outcome::Pass);
    assert_eq!(after(&outcomes), Verdict::Recovering);
    outcomes.push(Outcome::Pass);
    assert_eq!(after(&outcomes), Verdict::Well);
}

#[test]
fn a_pass_between_unconfirmed_fails_starts_the_row_anew() {
    let fail = fault(FaultKind::Timeout);
    let outcomes = [&fail, &Outcome::Pass, &fail, &Outcome::Pass, &fail].map(Clone::clone);
    let Verdict::Suspect(failing) = after(&outcomes) else { panic!("{:?}", after(&outcomes)) };
    assert_eq!(failing.count, 1);
}

#[test]
fn a_look_that_could_not_be_had_neither_breaks_a_row_nor_makes_one() {
    let (fail, unknown) = (fault(FaultKind::Timeout), Outcome::Unknown("lost".into()));
    assert_eq!(after(&[Outcome::Pass, unknown.clone()]), Verdict::Well);
    assert_eq!(after(std::slice::from_ref(&unknown)), Verdict::Pending);
    let outcomes = [&fail, &unknown, &fail, &unknown, &fail].map(Clone::clone);
    assert!(matches!(after(&outcomes), Verdict::Failed(_)));
}

#[test]
fn slow_passes_in_a_row_are_slow_until_one_is_not() {
    let slow = Outcome::Slow("2 s".into());
    let mut outcomes = vec![slow.clone(), slow.clone()];
    assert_eq!(after(&outcomes), Verdict::Well);
    outcomes.push(slow);
    assert_eq!(after(&outcomes), Verdict::Slow("2 s".into()));
    outcomes.push(Outcome::Pass);
    assert_eq!(after(&outcomes), Verdict::Well);
}

#[test]
fn what_docker_calls_unhealthy_was_confirmed_by_docker() {
    assert!(matches!(after(&[fault(FaultKind::Unhealthy)]), Verdict::Failed(_)));
    assert!(matches!(after(&[fault(FaultKind::Timeout)]), Verdict::Suspect(_)));
}
