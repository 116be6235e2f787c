use crate::model::{
    ContainerChange, ContainerStatus, ContainerView, Fault, FaultKind, Instance, Now, Presence,
    Time,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The engine's `stop` event follows its `die` within this: until then a death
/// may turn out to be somebody's wish.
const CAUSE_SETTLES: Duration = Duration::from_millis(500);
/// After a signal that somebody sent through the engine, it is waited for
/// longer: unmounting may take the engine seconds.
const SIGNALLED_CAUSE_SETTLES: Duration = Duration::from_secs(5);
/// A container that outlives such a signal by this does not mean to end.
const SIGNAL_LASTS: Duration = Duration::from_secs(30);
/// A stop with no start for this long was meant (behaviour.md, "By hand").
const STOP_SETTLES: Duration = Duration::from_secs(5);
/// Stops so shortly before the engine went away were its own doing.
const STOPS_BEFORE_ENGINE: Duration = Duration::from_secs(60);
/// How long the engine's own restart policy is given to bring a container back.
const POLICY_GRACE: Duration = Duration::from_secs(30);
/// After an act of ours, stop events that arrive late are still ours.
const OURS_SETTLES: Duration = Duration::from_secs(5);

/// What is known about the container behind one key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Container {
    view: Option<ContainerView>,
    /// When the current instance came up, on our clock.
    up_since: Time,
    /// When it was first seen not running, or being gone.
    absent: Option<Now>,
    pub(crate) kept: ContainerMemory,
    /// When somebody else sent its main process a signal to end.
    signalled: Option<Time>,
    /// It was running before our eyes, so its end has a cause that we saw.
    seen_running: bool,
    /// Whose doing a stop event is: ours only while an act of ours may stop it.
    act: ActMark,
}

/// What is remembered of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerMemory {
    /// The run of it that was last seen.
    instance: Option<Instance>,
    /// When its main process ended.
    died: Option<Time>,
    /// When somebody else asked for its stop.
    stop: Option<Time>,
}

/// Whether vai is or was just acting on a container.
#[derive(Clone, Copy, Debug, Default)]
enum ActMark {
    #[default]
    None,
    UnderWay,
    Ended(Time),
}

/// What the judge makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The engine has said nothing about it yet.
    Unseen,
    /// It runs.
    Up { instance: Instance, since: Time },
    /// Something is going on that has to end first; in words.
    Changing(String),
    /// It ended by itself.
    Died(Fault),
    /// Somebody wants it so; in words.
    ByHand(String),
    /// The key means more than one container; in words.
    Unclear(String),
}

impl Container {
    /// Goes on from what was remembered of it.
    pub(crate) fn resume(memory: ContainerMemory) -> Self {
        Self { kept: memory, ..Self::default() }
    }

    /// Takes in what the engine said.
    pub(crate) fn change(&mut self, now: Now, change: ContainerChange) {
        match change {
            ContainerChange::Seen(view) => self.seen(now, view),
            ContainerChange::StopRequested => {
                if !self.is_ours(now.mono) {
                    self.kept.stop = Some(now.mono);
                }
            }
            ContainerChange::Signalled => {
                if !self.is_ours(now.mono) {
                    self.signalled = Some(now.mono);
                }
            }
            ContainerChange::Died => self.kept.died = Some(now.mono),
            ContainerChange::OutOfMemory => {}
        }
    }

    fn seen(&mut self, now: Now, view: ContainerView) {
        let running = matches!(&view, ContainerView::Present(p) if p.status.is_running());
        if running {
            if let ContainerView::Present(presence) = &view
                && self.instance() != Some(&presence.instance)
            {
                self.up_since = now.mono.before(presence.up_for);
                self.signalled = None;
            }
            self.absent = None;
            self.kept.died = None;
            self.kept.stop = None;
            self.seen_running = true;
            if let ContainerView::Present(presence) = &view {
                self.kept.instance = Some(presence.instance.clone());
            }
        } else if self.absent.is_none() {
            self.absent = Some(now);
        }
        self.view = Some(view);
    }

    fn instance(&self) -> Option<&Instance> {
        self.presence().map(|presence| &presence.instance)
    }

    pub(crate) fn presence(&self) -> Option<&Presence> {
        match &self.view {
            Some(ContainerView::Present(presence)) => Some(presence),
            _ => None,
        }
    }

    /// The engine went away. A graceful end of it stops every container just as
    /// a person would, so stops of the last minute prove nothing.
    pub(crate) fn engine_gone(&mut self, now: Time) {
        let is_recent = |at: &mut Time| now.since(*at) < STOPS_BEFORE_ENGINE;
        self.kept.stop.take_if(is_recent);
        self.signalled.take_if(is_recent);
    }

    /// An act of ours begins that may stop it: what stops now is our doing.
    pub(crate) fn act_begins(&mut self) {
        self.act = ActMark::UnderWay;
    }

    /// It ended; its stop events may arrive a little later.
    pub(crate) fn act_ended(&mut self, now: Time) {
        self.act = ActMark::Ended(now);
    }

    fn is_ours(&self, now: Time) -> bool {
        match self.act {
            ActMark::None => false,
            ActMark::UnderWay => true,
            ActMark::Ended(at) => now.since(at) <= OURS_SETTLES,
        }
    }

    /// An act of ours left it running in this instance; the engine's own word
    /// may arrive later.
    pub(crate) fn runs_now(&mut self, now: Time, instance: &Instance) {
        if let Some(ContainerView::Present(presence)) = &mut self.view {
            if presence.instance != *instance {
                presence.instance = instance.clone();
                self.up_since = now;
            }
            presence.status = ContainerStatus::Running;
            self.absent = None;
            self.kept.died = None;
            self.kept.stop = None;
            self.seen_running = true;
        }
    }

    pub(crate) fn standing(&self, now: Time) -> Standing {
        match &self.view {
            None => Standing::Unseen,
            Some(ContainerView::Missing) => match self.kept.stop {
                Some(at) if now.since(at) < STOP_SETTLES => {
                    Standing::Changing("the container was stopped and removed just now".into())
                }
                _ if self.seen_running => Standing::ByHand("the container was removed".into()),
                _ => Standing::ByHand("there is no such container".into()),
            },
            Some(ContainerView::Ambiguous(names)) => Standing::Unclear(format!(
                "more than one container goes by this name: {}",
                names.join(", ")
            )),
            Some(ContainerView::Present(presence)) => self.present(presence, now),
        }
    }

    fn present(&self, presence: &Presence, now: Time) -> Standing {
        match &presence.status {
            ContainerStatus::Running if self.is_being_stopped(now) => {
                Standing::Changing("somebody is stopping the container".into())
            }
            ContainerStatus::Running => match self.kept.died {
                Some(_) => Standing::Changing("the container's main process has just ended".into()),
                None => Standing::Up { instance: presence.instance.clone(), since: self.up_since },
            },
            ContainerStatus::Paused => Standing::ByHand("the container is paused".into()),
            ContainerStatus::Restarting => {
                Standing::Changing("the engine is restarting the container".into())
            }
            ContainerStatus::Removing => {
                Standing::Changing("the container is being removed".into())
            }
            ContainerStatus::Created => {
                Standing::ByHand("the container was created and not started".into())
            }
            ContainerStatus::Exited { code, oom } => self.exited(presence, *code, *oom, now),
        }
    }

    fn exited(&self, presence: &Presence, code: i64, oom: bool, now: Time) -> Standing {
        if let Some(at) = self.kept.stop {
            return if now.since(at) < STOP_SETTLES {
                Standing::Changing("the container was stopped just now".into())
            } else {
                Standing::ByHand("the container was stopped by hand".into())
            };
        }
        let gone = self.kept.died.or(self.absent.map(|absent| absent.mono)).unwrap_or(now);
        if self.seen_running && now.since(gone) < self.cause_settles() {
            return Standing::Changing("the container has just ended".into());
        }
        if presence.engine_restarts {
            if !self.seen_running {
                // Its policy would have started it, so somebody stopped it
                // while we were not looking.
                return Standing::ByHand("the container was stopped by hand".into());
            }
            if now.since(gone) < POLICY_GRACE {
                return Standing::Changing(
                    "the container ended and the engine's restart policy is to bring it back"
                        .into(),
                );
            }
        }
        let why = if oom { ", out of memory" } else { "" };
        Standing::Died(Fault::new(
            FaultKind::ContainerStopped,
            format!("container {} exited by itself with code {code}{why}", presence.name),
        ))
    }

    fn is_being_stopped(&self, now: Time) -> bool {
        self.signalled.is_some_and(|at| now.since(at) < SIGNAL_LASTS)
    }

    fn cause_settles(&self) -> Duration {
        if self.signalled.is_some() { SIGNALLED_CAUSE_SETTLES } else { CAUSE_SETTLES }
    }

    /// When time alone changes the standing.
    pub(crate) fn next_wake(&self, now: Time) -> Option<Time> {
        let absent = self.absent.map(|absent| absent.mono);
        let gone = self.kept.died.or(absent);
        [
            self.kept.stop.map(|at| at + STOP_SETTLES),
            gone.map(|at| at + self.cause_settles()),
            self.signalled.map(|at| at + SIGNAL_LASTS),
            gone.map(|at| at + POLICY_GRACE),
        ]
        .into_iter()
        .flatten()
        .filter(|&at| at > now)
        .min()
    }
}
