//! What stands in the way of a run.

use super::JobMachine;
use super::end::Skip;
use super::memory::OpenRun;
use crate::judge::container::Container;
use crate::judge::{Core, EngineLink};
use crate::model::{Now, Place, ServiceName, StateLabel};

/// Why a run does not begin now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum JobGate {
    /// It is over soon, or the run is skipped.
    Wait(Skip),
    /// Nobody can be asked to run it; if that lasts, it is missed.
    Unreachable(String),
    /// It is skipped.
    Skip(Skip),
}

impl Core {
    /// What stands in the way of a run of a job now, if anything does. What an
    /// operator asked for waits only until it can be done.
    pub(super) fn job_gate(
        &self,
        machine: &JobMachine,
        run: &OpenRun,
        now: Now,
    ) -> Result<(), JobGate> {
        if let Some(why) = self.job_never(now) {
            return Err(JobGate::Skip(Skip::Asked(why)));
        }
        if run.scheduled.is_some() {
            self.job_unwanted(machine)?;
            for dependency in &machine.job.dependencies {
                self.job_dependency(dependency)?;
            }
        }
        let waits = machine.waits_for_crontabs(run).is_some_and(|until| now.mono < until);
        if waits && self.runs_there(&machine.job.place) {
            let why = "the crontabs of its container were not read yet".to_owned();
            return Err(JobGate::Wait(Skip::NotAsked(why)));
        }
        if machine.overlaps(run) {
            let why = "another run of it is still under way".to_owned();
            return Err(JobGate::Wait(Skip::NotAsked(why)));
        }
        self.job_place(&machine.job.place)
    }

    /// Why no job is run at all.
    pub(super) fn job_never(&self, now: Now) -> Option<String> {
        if self.settings.observe {
            Some("vai only observes (--observe)".to_owned())
        } else if let Some((_, why)) = &self.store_failed {
            Some(format!("its intent could not be stored: {why}"))
        } else if self.host.mistrusted_until(now.mono).is_some() {
            Some("vai itself ended unexpectedly several times".to_owned())
        } else {
            None
        }
    }

    fn job_unwanted(&self, machine: &JobMachine) -> Result<(), JobGate> {
        let why = if machine.kept.paused.is_some() {
            "paused by an operator".to_owned()
        } else if let Some(held) = machine.held() {
            format!("held: {held}")
        } else {
            match machine.window.as_deref() {
                None => return Ok(()),
                Some("") => "in a maintenance window".to_owned(),
                Some(reason) => format!("in a maintenance window: {reason}"),
            }
        };
        Err(JobGate::Skip(Skip::Asked(why)))
    }

    fn job_dependency(&self, name: &ServiceName) -> Result<(), JobGate> {
        let Some(service) = self.services.get(name) else { return Ok(()) };
        if service.is_well() || service.blocks_nobody() {
            return Ok(());
        }
        let label = service.label();
        let skip = Skip::NotAsked(format!("its dependency {name} is {}", label.label()));
        match label {
            StateLabel::Unknown
            | StateLabel::Starting
            | StateLabel::Suspect
            | StateLabel::Healing
            | StateLabel::Verifying => Err(JobGate::Wait(skip)),
            StateLabel::Healthy
            | StateLabel::Degraded
            | StateLabel::Down
            | StateLabel::GaveUp
            | StateLabel::Blocked
            | StateLabel::Held
            | StateLabel::Paused
            | StateLabel::StoppedByHand
            | StateLabel::Maintenance
            | StateLabel::Disabled => Err(JobGate::Skip(skip)),
        }
    }

    /// Whether there is anything running that could have crontabs.
    fn runs_there(&self, place: &Place) -> bool {
        let Place::Container(key) = place else { return true };
        let presence = self.containers.get(key).and_then(Container::presence);
        presence.is_some_and(|presence| presence.status.is_running())
    }

    /// Whether it could be run there now.
    pub(super) fn job_place(&self, place: &Place) -> Result<(), JobGate> {
        let Place::Container(key) = place else { return Ok(()) };
        match &self.engine {
            EngineLink::Gone { why, .. } => {
                let why = crate::words::engine_gone(why);
                return Err(JobGate::Unreachable(why));
            }
            EngineLink::Unseen => {
                let why = "the container engine was not reached yet".to_owned();
                return Err(JobGate::Unreachable(why));
            }
            EngineLink::Up => {}
        }
        if !self.containers.get(key).is_some_and(Container::is_seen) {
            let why = format!("the container {key} was not looked at yet");
            return Err(JobGate::Unreachable(why));
        }
        if self.acts.values().any(|it| it.place == *place && it.act.may_stop_container()) {
            let why = format!("the container {key} is being restarted");
            return Err(JobGate::Wait(Skip::NotAsked(why)));
        }
        Ok(())
    }
}
