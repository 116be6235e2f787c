//! Carries out what the core decided on a service: gate → evidence → act
//! (behaviour.md, section 3). Whether the service is well afterwards is not
//! decided here: only its check does that.

mod act;
mod command;
mod evidence;
mod gate;
mod local;
mod marks;

#[cfg(test)]
mod fake;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use crate::clock;
use crate::docker::Engine;
use crate::probe::wire::{Answer, Op};
use act::CarriedOut;
use async_trait::async_trait;
use local::Drains;
use marks::Marks;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use vai_core::model::{
    ActOutcome, ActReport, ActRequest, ContainerKey, ContainerView, Evidence, Place, Redactor,
    Service,
};

/// Where services run, as far as healing has to see and reach it.
#[async_trait]
pub trait Places: Send + Sync {
    /// The container behind `key` as last seen; `None` before the first look.
    fn view(&self, key: &ContainerKey) -> Option<ContainerView>;

    /// Performs `op` at `place`, as the container's own user.
    ///
    /// # Errors
    /// Why the place could not be reached within `deadline`, in words.
    async fn ask(&self, place: &Place, op: Op, deadline: Duration) -> Result<Answer, String>;
}

/// The registry as it is at this moment.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Whether the registry still asks for this service, unchanged and
    /// enabled.
    ///
    /// # Errors
    /// What became of it, in words that follow "not attempted: ".
    async fn still_wanted(&self, service: &Service) -> Result<(), String>;

    /// Whether another enabled service runs in the same container.
    fn shares_container(&self, service: &Service) -> bool;

    /// Takes the secrets of the registry out of text.
    fn redactor(&self) -> Redactor;
}

/// Performs acts. Any number run at once; the core sees to it that no two of
/// them touch one container.
pub struct Healer {
    engine: Arc<dyn Engine>,
    places: Arc<dyn Places>,
    registry: Arc<dyn Registry>,
    drains: Drains,
    marks: Marks,
}

impl Healer {
    /// Acts through these. `mark` tells the state file that numbers the acts
    /// from every other one.
    pub fn new(
        engine: Arc<dyn Engine>,
        places: Arc<dyn Places>,
        registry: Arc<dyn Registry>,
        mark: String,
    ) -> Self {
        Self { engine, places, registry, drains: Drains::default(), marks: Marks::new(mark) }
    }

    /// Performs `request` to its end. Everything in it has a deadline.
    pub async fn perform(&self, request: &ActRequest) -> ActReport {
        let began = clock::boot_time();
        let redactor = self.registry.redactor();
        let (done, evidence) = match gate::pass(self, request).await {
            Err(refusal) => (CarriedOut::nothing(refusal.into()), Evidence::default()),
            Ok(scene) => {
                let evidence = evidence::gather(self, &request.service, &scene).await;
                (act::carry_out(self, request, scene).await, evidence)
            }
        };
        ActReport {
            outcome: redacted_outcome(done.outcome, &redactor),
            instance: done.instance,
            steps: redacted(done.steps, &redactor),
            survivor_age: done.survivor_age,
            evidence: Evidence {
                facts: redacted(evidence.facts, &redactor),
                log_source: evidence.log_source,
                log: redacted(evidence.log, &redactor),
            },
            took: clock::boot_time().since(began),
        }
    }

    /// Lets go of the output of local commands that were left running.
    pub async fn stop(&self) {
        self.drains.stop().await;
    }

    /// [`Places::ask`], bounded here as well: no act hangs on a probe.
    async fn ask(&self, place: &Place, op: Op, deadline: Duration) -> Result<Answer, String> {
        match timeout(deadline, self.places.ask(place, op, deadline)).await {
            Ok(Ok(Answer::Failed(why))) => Err(why),
            Ok(answer) => answer,
            Err(_) => Err("no answer in time".to_owned()),
        }
    }
}

fn redacted(lines: Vec<String>, redactor: &Redactor) -> Vec<String> {
    lines.iter().map(|line| redactor.redact(line)).collect()
}

fn redacted_outcome(outcome: ActOutcome, redactor: &Redactor) -> ActOutcome {
    match outcome {
        ActOutcome::Failed(words) => ActOutcome::Failed(redactor.redact(&words)),
        ActOutcome::Refused { gate, by_hand } => {
            ActOutcome::Refused { gate: redactor.redact(&gate), by_hand }
        }
        done @ (ActOutcome::Done { .. } | ActOutcome::CommandOverdue(_)) => done,
    }
}
