mod ending;
mod network;
mod standing;

use crate::model::{
    ContainerChange, ContainerStatus, ContainerView, Fault, FaultKind, Instance, Now, Presence,
    Time,
};
use crate::words;
use ending::Ender;
use network::is_cut_off;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// A container that outlives such a signal by this does not mean to end.
const SIGNAL_LASTS: Duration = Duration::from_secs(30);
/// A stop with no start for this long was meant (behaviour.md, "By hand").
const STOP_SETTLES: Duration = Duration::from_secs(5);
/// Stops so shortly before the engine went away were its own doing.
const STOPS_BEFORE_ENGINE: Duration = Duration::from_secs(60);
/// How long the engine's own restart policy is given to bring a container back.
const POLICY_GRACE: Duration = Duration::from_secs(30);
/// So long several containers may go by one name while one replaces another.
const AMBIGUITY_SETTLES: Duration = Duration::from_secs(10);
/// After an act of ours, stop events that arrive late are still ours.
const OURS_SETTLES: Duration = Duration::from_secs(5);

/// The engine completes a restart that its client gave up on: the usual time
/// to stop, and some (docker-facts: "Containers and names").
const ENGINE_GOES_ON: Duration = Duration::from_secs(40);
/// So many unrequested exits in [`LOOP_WITHIN`] are a crash loop.
const LOOP_EXITS: usize = 3;
/// The window of [`LOOP_EXITS`] (behaviour.md, "Crash loop").
const LOOP_WITHIN: Duration = Duration::from_secs(600);

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
    /// The run that our last act left.
    left_running: Option<Instance>,
    /// Since when the network that it shares leads nowhere.
    cut_off: Option<Time>,
    /// Since when the key means several.
    ambiguous: Option<Time>,
    /// What there is instead of it, in words.
    unmatched: Option<String>,
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
    /// Exits that nobody asked for, as far back as a crash loop reaches.
    exits: VecDeque<Time>,
    /// Who brought it up last.
    started_by: Option<(Starter, Now)>,
    /// Who ended the run that was last seen.
    ended_by: Ender,
}

/// Who brought a container up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Starter {
    Vai,
    Policy,
    Somebody,
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
    /// It does not run, and whether that is to be mended is not known yet; in
    /// words.
    Settling(String),
    /// It ended, and nobody wants it so.
    Died(Fault),
    /// It ends by itself again and again.
    Looping {
        fault: Fault,
        /// Whether the engine's own policy brings it back each time.
        by_policy: bool,
    },
    /// It runs, in a network that leads nowhere, and whoever caused that may be
    /// about to mend it; in words.
    CuttingOff(String),
    /// It runs, in a network that leads nowhere.
    CutOff(Fault),
    /// It ended as what is run once does.
    Finished {
        /// In words.
        detail: String,
        /// What that is for a service that is to go on.
        otherwise: Fault,
    },
    /// Somebody wants it so; in words.
    ByHand(String),
    /// There is no such container; in words.
    Missing(String),
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
                    self.kept.ended_by = Ender::Somebody;
                    // The death before it was asked for after all.
                    let recent = |at: &Time| now.mono.since(*at) < STOP_SETTLES;
                    if self.kept.exits.back().is_some_and(recent) {
                        self.kept.exits.pop_back();
                    }
                }
            }
            ContainerChange::Signalled => {
                if !self.is_ours(now.mono) {
                    self.signalled = Some(now.mono);
                }
            }
            ContainerChange::Died => {
                self.kept.died = Some(now.mono);
                self.kept.ended_by = self.ender(now.mono);
                if self.kept.ended_by == Ender::Itself {
                    self.kept.exits.retain(|&at| now.mono.since(at) < LOOP_WITHIN);
                    self.kept.exits.push_back(now.mono);
                }
            }
            ContainerChange::Unmatched { wanted, nearest } => {
                let like = nearest.map_or_else(String::new, |it| format!("; did you mean `{it}`?"));
                self.unmatched = Some(format!("there is no container `{wanted}`{like}"));
            }
            ContainerChange::OutOfMemory => {}
        }
    }

    fn seen(&mut self, now: Now, mut view: ContainerView) {
        if let ContainerView::Present(presence) = &mut view {
            self.recall_end(presence);
        }
        let is_cut_off = matches!(&view, ContainerView::Present(it) if is_cut_off(it));
        self.cut_off = is_cut_off.then(|| self.cut_off.unwrap_or(now.mono));
        self.ambiguous = match &view {
            ContainerView::Ambiguous(_) => self.ambiguous.or(Some(now.mono)),
            ContainerView::Missing | ContainerView::Present(_) => None,
        };
        let running = matches!(&view, ContainerView::Present(p) if p.status.is_running());
        if let ContainerView::Present(presence) = &view
            && self.kept.died.is_some()
            && self.kept.instance.as_ref() == Some(&presence.instance)
        {
            self.seen_running = true;
        }
        if running {
            if let ContainerView::Present(presence) = &view {
                self.came_up(now, presence);
                if self.instance() != Some(&presence.instance) {
                    self.up_since = now.mono.before(presence.up_for);
                    self.signalled = None;
                }
            }
            self.absent = None;
            self.kept.died = None;
            self.kept.stop = None;
            self.kept.ended_by = Ender::Unknown;
            self.seen_running = true;
        } else if self.absent.is_none() {
            self.absent = Some(now);
        }
        self.view = Some(view);
    }

    /// It runs in the instance of `presence`; who brought it up is told from
    /// how the instance before ended.
    fn came_up(&mut self, now: Now, presence: &Presence) {
        let before = self.kept.instance.replace(presence.instance.clone());
        let Some(before) = before.filter(|before| *before != presence.instance) else {
            return;
        };
        let asked = self.kept.stop.is_some() || self.signalled.is_some();
        let starter = if self.is_ours(now.mono) {
            Starter::Vai
        } else if before.id == presence.instance.id && presence.engine_restarts && !asked {
            Starter::Policy
        } else {
            Starter::Somebody
        };
        self.kept.started_by = Some((starter, now));
    }

    /// Who brought it up last and when, for people, if that was seen.
    pub(crate) fn started_by(&self) -> Option<(&'static str, Now)> {
        let (starter, at) = self.kept.started_by?;
        let who = match starter {
            Starter::Vai => "by vai",
            Starter::Policy => "by the engine's restart policy",
            Starter::Somebody => "by somebody else",
        };
        Some((who, at))
    }

    fn instance(&self) -> Option<&Instance> {
        self.presence().map(|presence| &presence.instance)
    }

    /// Whether the engine was asked for it.
    pub(crate) fn is_seen(&self) -> bool {
        self.view.is_some()
    }

    pub(crate) fn presence(&self) -> Option<&Presence> {
        match &self.view {
            Some(ContainerView::Present(presence)) => Some(presence),
            _ => None,
        }
    }

    /// The engine or `vai` is going. A graceful end of the engine stops every container just as
    /// a person would, so stops of the last minute prove nothing, nor do the deaths that came of
    /// them: whether somebody wished them is told by what the engine's policy brings back.
    pub(crate) fn stops_prove_nothing(&mut self, now: Time) {
        let is_recent = |at: &mut Time| now.since(*at) < STOPS_BEFORE_ENGINE;
        let was_signalled = self.signalled.take_if(is_recent).is_some();
        self.absent = None;
        let was_stopped = self.kept.stop.take_if(is_recent).is_some();
        if was_stopped {
            self.kept.died = None;
            self.seen_running = false;
        }
        if was_signalled || was_stopped {
            self.kept.ended_by = Ender::Unknown;
        }
    }

    /// An act of ours begins that may stop it: what stops now is our doing.
    pub(crate) fn act_begins(&mut self) {
        self.act = ActMark::UnderWay;
        self.left_running = None;
    }

    /// It ended; its stop events may arrive a little later.
    pub(crate) fn act_ended(&mut self, now: Time) {
        self.act = ActMark::Ended(now);
    }

    /// `vai` ended in the middle of one that it began `at`; the engine may still
    /// be carrying it out.
    pub(crate) fn act_interrupted(&mut self, at: Time) {
        self.act = ActMark::Ended(at + ENGINE_GOES_ON);
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
    pub(crate) fn runs_now(&mut self, at: Now, instance: &Instance) {
        let now = at.mono;
        self.left_running = Some(instance.clone());
        if let Some(ContainerView::Present(presence)) = &mut self.view {
            if presence.instance != *instance {
                presence.instance = instance.clone();
                self.up_since = now;
                // It has joined the network that it shares as that is now.
                presence.network_lost = false;
                self.cut_off = None;
            }
            if self.kept.instance.as_ref() != Some(instance) {
                self.kept.instance = Some(instance.clone());
                self.kept.started_by = Some((Starter::Vai, at));
            }
            presence.status = ContainerStatus::Running;
            presence.start_error = None;
            self.absent = None;
            self.kept.died = None;
            self.kept.stop = None;
            self.kept.ended_by = Ender::Unknown;
            self.seen_running = true;
        }
    }

    /// When time alone changes the standing.
    pub(crate) fn next_wake(&self, now: Time) -> Option<Time> {
        let absent = self.absent.map(|absent| absent.mono);
        let gone = self.kept.died.or(absent);
        [
            self.kept.stop.map(|at| at + STOP_SETTLES),
            gone.map(|at| at + self.cause_settles()),
            gone.map(|at| at + STOP_SETTLES),
            self.signalled.map(|at| at + SIGNAL_LASTS),
            self.ambiguous.map(|at| at + AMBIGUITY_SETTLES),
            self.network_settled_at(),
            gone.map(|at| at + POLICY_GRACE),
            self.kept.exits.iter().rev().nth(LOOP_EXITS - 1).map(|&at| at + LOOP_WITHIN),
        ]
        .into_iter()
        .flatten()
        .filter(|&at| at > now)
        .min()
    }
}

#[cfg(test)]
mod tests;
