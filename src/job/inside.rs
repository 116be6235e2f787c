//! The way that jobs are run wherever an agent may be: by a supervisor in their
//! place, which is only asked what came of it.

use super::gate::{self, Scene};
use super::tries::Try;
use super::{ASK_WITHIN, Runner, ended, title};
use crate::clock;
use crate::probe::client::ProbeError;
use crate::probe::run::{Begin, GRACE, RunOp, RunState};
use crate::probe::wire::Answer;
use std::future::pending;
use std::time::Duration;
use tokio::time::sleep;
use vai_core::model::{ContainerView, HowEnded, Instance, Place, RunEnd, RunRequest, Time};

/// For one attempt at beginning: hundreds may be begun at once.
const BEGIN_WITHIN: Duration = Duration::from_secs(30);

/// An agent that got lost is placed again, and asked again, for so long.
const TRY_FOR: Duration = Duration::from_secs(30);
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How often a run is looked at without any hint.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What a supervisor was killed over takes the agent some time to end.
const LOOK_WITHIN: Duration = Duration::from_secs(20);

/// Nobody answers for a run that must be over for so long.
const GIVE_UP_AFTER: Duration = Duration::from_secs(120);

/// What came of beginning.
pub(super) enum Beginning {
    /// It was begun, maybe it is over, in this instance.
    Begun(RunState, Instance),
    /// It was not, or nobody can tell.
    Not(HowEnded),
    /// No agent may be placed where it runs; why.
    NoAgent(String),
}

/// Has a supervisor begin the run.
pub(super) async fn begin(
    runner: &Runner,
    request: &RunRequest,
    one: &Try,
    scene: &Scene,
) -> Beginning {
    let until = clock::boot_time() + TRY_FOR;
    let mut asked = false;
    loop {
        let op = RunOp::Begin(Box::new(order(request)));
        let why = match runner.ask(one, op, BEGIN_WITHIN).await {
            Ok(Answer::Run(state)) => {
                one.set_kept();
                return Beginning::Begun(state, instance_now(runner, request, scene));
            }
            Ok(Answer::Failed(why)) => return Beginning::Not(HowEnded::NotBegun(why)),
            Ok(_) => return Beginning::Not(HowEnded::NotBegun("the agent is confused".to_owned())),
            Err(ProbeError::NoAgent(why)) if !asked => return Beginning::NoAgent(why),
            Err(ProbeError::TooLarge) => {
                let why = "its command and environment are too large".to_owned();
                return Beginning::Not(HowEnded::NotBegun(why));
            }
            Err(error) => {
                asked |= !matches!(error, ProbeError::Unreached(_) | ProbeError::NoAgent(_));
                error.to_string()
            }
        };
        // Begun twice it is begun once: to ask again is safe, but only there.
        match gate::fate(runner, &request.job.place, scene.instance()).await {
            Some(why) if asked => return Beginning::Not(HowEnded::Lost(why)),
            Some(why) => return Beginning::Not(HowEnded::NotBegun(why)),
            None if !asked => {
                if let Err(how) = gate::enter(runner, &request.job.place).await {
                    return Beginning::Not(how);
                }
            }
            None => {}
        }
        if clock::boot_time() >= until {
            return Beginning::Not(if asked {
                HowEnded::Lost(format!("it may have been begun, but nobody answers: {why}"))
            } else {
                HowEnded::NotBegun(why)
            });
        }
        sleep(TRY_AGAIN).await;
    }
}

/// Goes on waiting for a try that a `vai` before this one decided.
pub(super) async fn resume(
    runner: &Runner,
    request: &RunRequest,
    one: &Try,
    began: impl FnOnce(Instance),
) -> RunEnd {
    let place = &request.job.place;
    let decided = request.decided;
    loop {
        if let Some(instance) = &request.instance
            && let Some(why) = gate::fate(runner, place, instance).await
        {
            return lost(why, decided);
        }
        let instance = request.instance.clone().or_else(|| known_instance(runner, place));
        match (look(runner, one).await, instance) {
            (Ok(RunState::Unknown), _) => {
                return ended(HowEnded::NotBegun("vai ended before it was begun".to_owned()));
            }
            (Ok(state), Some(instance)) => {
                one.set_kept();
                began(instance.clone());
                return wait(runner, request, one, &instance, Some(state)).await;
            }
            (Err(ProbeError::NoAgent(why)), _) => {
                let why = format!("vai ended while it ran, and nobody else saw its end: {why}");
                return lost(why, decided);
            }
            (Err(why), _) if is_overdue(runner, request).await => {
                return nobody_answers(&why, decided);
            }
            (Ok(_), None) | (Err(_), _) => pause(runner, TRY_AGAIN).await,
        }
    }
}

/// Waits for the end of a run that was begun in `instance`.
pub(super) async fn wait(
    runner: &Runner,
    request: &RunRequest,
    one: &Try,
    instance: &Instance,
    known: Option<RunState>,
) -> RunEnd {
    let decided = request.decided;
    let mut known = known.map(Ok);
    loop {
        let state = match known.take() {
            Some(state) => state,
            None => look(runner, one).await,
        };
        let next = match state {
            Ok(RunState::Over(end)) => return *end,
            Ok(RunState::UnderWay) => LOOK_EVERY,
            Ok(RunState::Unknown) => {
                let gone = gate::fate(runner, &request.job.place, instance).await;
                let why = gone.unwrap_or_else(|| "no trace of it is left".to_owned());
                return lost(why, decided);
            }
            Err(why) => {
                if let Some(gone) = gate::fate(runner, &request.job.place, instance).await {
                    return lost(gone, decided);
                }
                if is_overdue(runner, request).await {
                    return nobody_answers(&why, decided);
                }
                TRY_AGAIN
            }
        };
        tokio::select! {
            () = one.hint.hinted() => {}
            () = pause(runner, next) => {}
            () = one.replaced.cancelled() => {
                // Not to be heard is not to be ended: then it is asked again.
                let _ = runner.ask(one, RunOp::Replace, ASK_WITHIN).await;
                tokio::select! {
                    () = one.hint.hinted() => {}
                    () = pause(runner, TRY_AGAIN) => {}
                }
            }
        }
    }
}

async fn look(runner: &Runner, one: &Try) -> Result<RunState, ProbeError> {
    match runner.ask(one, RunOp::Look, LOOK_WITHIN).await? {
        Answer::Run(state) => Ok(state),
        Answer::Failed(why) => Err(ProbeError::Lost(why)),
        _ => Err(ProbeError::Lost("it answered another question".to_owned())),
    }
}

/// Once `vai` stops, for ever.
async fn pause(runner: &Runner, span: Duration) {
    sleep(span).await;
    if runner.stopping.is_cancelled() {
        pending::<()>().await;
    }
}

fn order(request: &RunRequest) -> Begin {
    let job = &request.job;
    Begin {
        title: title(request),
        command: job.command.clone(),
        user: job.user.clone().filter(|_| job.place == Place::Local),
        working_dir: job.working_dir.clone(),
        environment: job.environment.clone(),
        log_path: job.log_path.clone(),
        timeout: job.timeout,
        grace: GRACE,
    }
}

/// Where it was begun: the container may have changed since the gate.
fn instance_now(runner: &Runner, request: &RunRequest, scene: &Scene) -> Instance {
    let now = known_instance(runner, &request.job.place);
    now.unwrap_or_else(|| scene.instance().clone())
}

fn known_instance(runner: &Runner, place: &Place) -> Option<Instance> {
    match place {
        Place::Local => Some(runner.local.clone()),
        Place::Container(key) => match runner.places.view(key)? {
            ContainerView::Present(presence) => Some(presence.instance),
            ContainerView::Missing | ContainerView::Ambiguous(_) => None,
        },
    }
}

/// While the engine is away, the end of a run can wait.
async fn is_overdue(runner: &Runner, request: &RunRequest) -> bool {
    let job = &request.job;
    let longest = job.timeout.saturating_add(GRACE + GIVE_UP_AFTER);
    clock::boot_time().since(request.decided) > longest
        && (job.place == Place::Local || runner.engine.ping().await.is_ok())
}

fn nobody_answers(why: &ProbeError, decided: Time) -> RunEnd {
    lost(format!("it must be over, but nobody answers for it: {why}"), decided)
}

fn lost(why: String, decided: Time) -> RunEnd {
    let took = clock::boot_time().since(decided);
    RunEnd { took, ..ended(HowEnded::Lost(why)) }
}
