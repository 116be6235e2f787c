//! What a service is really like, whatever anybody believes.

use crate::plan::{Command, Ms, ServicePlan};
use std::time::Duration;
use vai_core::model::ProcId;

/// A service's process and what ails it. Each `…_until` is the moment that the
/// ailment ends.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) plan: ServicePlan,
    pub(crate) life: Life,
    pid: i32,
    born: Ms,
    pub(crate) start: Ms,
    pub(crate) broken_until: Ms,
    pub(crate) low_disk_until: Ms,
    pub(crate) slow_until: Ms,
    pub(crate) marked_until: Ms,
    /// The way to it from outside is broken.
    pub(crate) endpoint_down_until: Ms,
    pub(crate) command: Command,
    pub(crate) command_until: Ms,
}

/// What its process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Down,
    /// It was started and answers from `until` on.
    Up {
        until: Ms,
    },
    /// It is there and answers nothing.
    Hung,
}

impl Target {
    pub(crate) fn new(plan: ServicePlan) -> Self {
        Self {
            life: Life::Down,
            pid: 100,
            born: 0,
            start: plan.start,
            plan,
            broken_until: 0,
            low_disk_until: 0,
            slow_until: 0,
            marked_until: 0,
            endpoint_down_until: 0,
            command: Command::Works,
            command_until: 0,
        }
    }

    /// A new process of it is started.
    pub(crate) fn launch(&mut self, now: Ms) {
        self.pid += 1;
        self.born = now;
        self.life = Life::Up { until: now + self.start };
    }

    /// Its process ends; which it was.
    pub(crate) fn end(&mut self, now: Ms) -> Option<ProcId> {
        let process = self.process(now);
        self.life = Life::Down;
        process
    }

    /// Its container came up.
    pub(crate) fn arrive(&mut self, now: Ms) {
        self.life = Life::Down;
        if self.plan.autostart {
            self.launch(now);
        }
    }

    /// Its living process.
    pub(crate) fn process(&self, now: Ms) -> Option<ProcId> {
        let alive = self.life != Life::Down && self.broken_until <= now;
        alive.then(|| ProcId { pid: self.pid, start_ticks: self.born / 10, name: "it".into() })
    }

    /// How long its process has run.
    pub(crate) fn age(&self, now: Ms) -> Ms {
        now.saturating_sub(self.born)
    }

    /// Whether it answers, as far as that is up to itself.
    pub(crate) fn answers(&self, now: Ms) -> bool {
        let up = match self.life {
            Life::Up { until } => until <= now,
            Life::Down | Life::Hung => false,
        };
        up && self.broken_until <= now
    }

    /// Runs its `restart_cmd`, after ending what is left of it if `kill`.
    pub(crate) fn command(&mut self, now: Ms, kill: bool) -> CommandEnd {
        if kill {
            self.life = Life::Down;
        }
        let command = if self.command_until > now { self.command } else { Command::Works };
        match command {
            Command::Fails => CommandEnd::Failed,
            Command::NeverEnds => CommandEnd::Overdue(self.plan.service.recovery.command_timeout),
            Command::DoesNothing => CommandEnd::Done { still_there: false },
            Command::Works if self.process(now).is_some() => CommandEnd::Done { still_there: true },
            Command::Works => {
                self.launch(now);
                CommandEnd::Done { still_there: false }
            }
        }
    }

    /// Whoever broke it mends it; what vai can heal is left to vai.
    pub(crate) fn mend(&mut self, now: Ms, vai_can: bool) {
        self.start = self.plan.start;
        self.broken_until = now;
        self.low_disk_until = now;
        self.slow_until = now;
        self.marked_until = now;
        self.endpoint_down_until = now;
        self.command_until = now;
        if !vai_can && !self.answers(now) {
            self.launch(now);
        }
    }
}

/// How a command ended.
pub(crate) enum CommandEnd {
    Done { still_there: bool },
    Failed,
    Overdue(Duration),
}
