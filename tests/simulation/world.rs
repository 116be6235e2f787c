//! The world in virtual time: everything that will happen stands in one queue,
//! and the core is driven from it by hand.

use crate::clock::Clock;
use crate::disk::Disk;
use crate::engine::{Container, Link};
use crate::heart::{Heart, Part};
use crate::job_faults::People;
use crate::look::Outside;
use crate::oracle::{Heard, Oracle, Violation};
use crate::plan::{CrashPoint, HOUR, Ms, Plan, SECOND};
use crate::post::{Post, Sent};
use crate::rng::Rng;
use crate::runner::Runner;
use crate::secrets;
use crate::sinks;
use crate::story::Story;
use crate::target::{Life, Target};
use std::collections::BTreeMap;
use vai_core::dispatch::Told;
use vai_core::judge::{Core, Delta, Memory};
use vai_core::model::{
    ActOutcome, ActRequest, Action, CheckKind, ContainerChange, Event, Now, ProcId, Report,
    RunReport, RunRequest, StateLabel, Ticket, Time, TryId, Wall, Watchlist,
};

/// The boot clock when the history begins.
const BOOT: Ms = 1_000_000;
/// How often the containers are listed anew.
const LIST_EVERY: Ms = 60 * SECOND;
/// How often everything is held against the invariants that time alone breaks.
const AUDIT_EVERY: Ms = 30 * SECOND;

/// What will happen. What carries a `run` is lost with that run of vai.
#[derive(Debug)]
pub(crate) enum Thing {
    Fault(usize),
    Quiet,
    Mended,
    Audit,
    Dies { service: String },
    Supervisor { service: String },
    Ends { container: String, code: i64, oom: bool },
    Starts { container: String },
    Crash { container: String, oom: bool, again: u64 },
    Unpause { container: String },
    Recreate { container: String },
    Returns { service: String },
    EngineIs { up: bool, restart: Vec<String> },
    DiskBack,
    SinksAsBefore { edit: sinks::Edit },
    MaintenanceOver { service: String },
    Follow { run: u32 },
    List { run: u32 },
    Said { container: String, change: Option<ContainerChange>, run: u32 },
    Hint { service: String, process: ProcId, run: u32 },
    Looked { ticket: Ticket, report: Report, run: u32 },
    Gate { request: Box<ActRequest>, run: u32 },
    Effect { request: Box<ActRequest>, run: u32 },
    Second { request: Box<ActRequest>, run: u32 },
    Acted { request: Box<ActRequest>, outcome: ActOutcome, run: u32 },
    Sent { sent: Box<Sent>, run: u32 },
    Reported { told: Vec<Told>, run: u32 },
    Ping { run: u32 },
    Watchdog { run: u32 },
    Beat { run: u32 },
    JobAsBefore { job: String },
    JobMaintenanceOver { job: String },
    OutOfCrontab { job: String },
    Crontabs { run: u32 },
    RunGate { request: Box<RunRequest>, run: u32 },
    RunBegins { request: Box<RunRequest>, run: u32 },
    RunResumed { request: Box<RunRequest>, run: u32 },
    RunLookedAt { request: Box<RunRequest>, run: u32 },
    RunIsReplaced { id: TryId, run: u32 },
    Ran { id: TryId, report: RunReport, run: u32 },
    Boot,
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) rng: Rng,
    pub(crate) now: Ms,
    pub(crate) wall_offset: i64,
    queue: BTreeMap<(Ms, u64), Thing>,
    next_thing: u64,
    /// Nothing happens before: the host is suspended.
    pub(crate) frozen_until: Ms,
    pub(crate) core: Option<Core>,
    pub(crate) run: u32,
    pub(crate) watchlist: Watchlist,
    pub(crate) containers: BTreeMap<String, Container>,
    pub(crate) targets: BTreeMap<String, Target>,
    pub(crate) engine_up: bool,
    pub(crate) link: Link,
    pub(crate) network_lost_until: Ms,
    pub(crate) outside: Outside,
    pub(crate) disk: Disk,
    pub(crate) post: Post,
    pub(crate) heart: Heart,
    pub(crate) armed: Option<(CrashPoint, Ms)>,
    pub(crate) boots: u32,
    pub(crate) mended: bool,
    pub(crate) maintenance: BTreeMap<String, Ms>,
    pub(crate) clock: Clock,
    pub(crate) runner: Runner,
    pub(crate) people: People,
    pub(crate) oracle: Oracle,
    pub(crate) story: Story,
    pub(crate) steps: u64,
    /// What was decided and when, to compare two runs by.
    pub(crate) decisions: Vec<(Ms, String)>,
}

impl World {
    pub(crate) fn new(plan: Plan, story: Story) -> Self {
        let watchlist = plan.watchlist();
        let containers = plan.containers.iter();
        let mut world = Self {
            rng: Rng::new(plan.seed ^ 0x5eed),
            now: 0,
            wall_offset: 0,
            queue: BTreeMap::new(),
            next_thing: 0,
            frozen_until: 0,
            core: None,
            run: 0,
            oracle: Oracle::new(&plan),
            containers: containers
                .map(|it| (it.name.clone(), Container::new(it.clone())))
                .collect(),
            targets: plan
                .services
                .iter()
                .map(|it| (it.name().to_owned(), Target::new(it.clone())))
                .collect(),
            watchlist,
            engine_up: true,
            link: Link::Unknown,
            network_lost_until: 0,
            outside: Outside::default(),
            disk: Disk::default(),
            post: Post::new(plan.sinks.clone(), plan.seed),
            heart: Heart::default(),
            armed: None,
            boots: 1,
            mended: false,
            maintenance: BTreeMap::new(),
            clock: Clock::default(),
            runner: Runner::new(&plan),
            people: People::default(),
            story,
            steps: 0,
            decisions: Vec::new(),
            plan,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        let names: Vec<String> = self.containers.keys().cloned().collect();
        for name in names {
            self.container_starts(&name);
        }
        for target in self.targets.values_mut() {
            if target.plan.container.is_none() {
                target.arrive(0);
            }
        }
        for (index, fault) in self.plan.faults.clone().iter().enumerate() {
            self.queue_at(fault.at, Thing::Fault(index));
        }
        self.queue_at(self.plan.busy, Thing::Quiet);
        self.queue_at(AUDIT_EVERY, Thing::Audit);
        self.later(SECOND, Thing::Boot);
    }

    pub(crate) fn later(&mut self, after: Ms, thing: Thing) {
        self.queue_at(self.now + after, thing);
    }

    fn queue_at(&mut self, at: Ms, thing: Thing) {
        self.next_thing += 1;
        self.queue.insert((at, self.next_thing), thing);
    }

    pub(crate) fn clock(&self) -> Now {
        Now {
            mono: Time::from_millis(BOOT + self.now),
            wall: Wall::from_millis(self.plan.epoch + self.now as i64 + self.wall_offset),
        }
    }

    /// Runs the whole history.
    pub(crate) fn run(&mut self) -> crate::Step {
        let end = self.plan.busy + self.plan.quiet;
        let mut stuck = 0_u32;
        loop {
            let wake = self.core.as_ref().and_then(|core| core.next_wake(self.clock()));
            let wake = wake.map(|at| at.as_millis().saturating_sub(BOOT));
            let post = self.post.next_wake().filter(|_| !self.heart.is_wrong(Part::Delivery));
            let next = self.queue.first_key_value().map(|(&(at, _), _)| at);
            let Some(at) = [wake, post, next].into_iter().flatten().min() else { break };
            let at = at.max(self.now).max(self.frozen_until);
            if at > end {
                break;
            }
            stuck = if at == self.now { stuck + 1 } else { 0 };
            if stuck > 20_000 {
                return Err(self.violation("next_wake", "it asks to be woken for ever".into()));
            }
            self.now = at;
            let due = self.queue.first_entry().filter(|first| first.key().0 <= at);
            match due {
                Some(first) => {
                    let thing = first.remove();
                    self.happens(thing)?;
                }
                None if post.is_some_and(|due| due <= at) => self.post_wakes()?,
                None => self.feed(Event::Wake)?,
            }
        }
        self.now = end;
        self.oracle.at_the_end(self.now, self.undelivered())
    }

    fn happens(&mut self, thing: Thing) -> crate::Step {
        if let Some(run) = thing.run()
            && run != self.run
            && !thing.outlives_vai()
        {
            return Ok(());
        }
        match thing {
            Thing::Fault(index) => {
                let fault = self.plan.faults[index].clone();
                self.story.tell(self.now, || format!("FAULT {:?}", fault.what));
                self.befalls(fault.what)
            }
            Thing::Quiet => self.quiet(),
            Thing::Mended => self.release(),
            Thing::Audit => {
                self.later(AUDIT_EVERY, Thing::Audit);
                let up = self.link == Link::Up && self.engine_up;
                self.is_pinged()?;
                if self.core.is_none() || self.heart.is_stuck() {
                    return Ok(());
                }
                self.audit_jobs()?;
                self.oracle.audit(self.now, up)
            }
            Thing::Dies { service } => {
                self.process_dies(&service);
                Ok(())
            }
            Thing::Supervisor { service } => {
                self.supervisor_starts(&service);
                Ok(())
            }
            Thing::Ends { container, code, oom } => {
                self.container_ends(&container, code, oom);
                Ok(())
            }
            Thing::Starts { container } => {
                if !self.container_starts(&container) {
                    self.start_failed(container);
                }
                Ok(())
            }
            Thing::Crash { container, oom, again } => {
                self.container_crashes(&container, oom, again);
                Ok(())
            }
            Thing::Unpause { container } => {
                self.unpause(&container);
                Ok(())
            }
            Thing::Recreate { container } => {
                self.recreated(container, 0);
                Ok(())
            }
            Thing::Returns { service } => self.returns(&service),
            Thing::EngineIs { up, restart } => {
                for name in restart {
                    self.container_starts(&name);
                }
                self.engine_is(up);
                Ok(())
            }
            Thing::DiskBack => {
                if self.disk.fails {
                    self.disk.back();
                    self.heart.is_well(Part::Store, self.now);
                    self.feed(Event::StoreBack)?;
                }
                self.post_wakes()
            }
            Thing::SinksAsBefore { edit } => self.sinks_edited(edit, false),
            Thing::MaintenanceOver { service } => self.maintenance_over(&service),
            Thing::Follow { .. } => self.follow(),
            Thing::List { run } => {
                self.later(LIST_EVERY, Thing::List { run });
                if self.link == Link::Up && self.engine_up { self.list() } else { Ok(()) }
            }
            Thing::Said { container, change, .. } => self.said(&container, change),
            Thing::Hint { service, process, .. } => self.feed(Event::Hint {
                service: service.as_str().into(),
                why: "a watched process ended".into(),
                died: Some(process),
            }),
            Thing::Looked { ticket, report, .. } => self.feed(Event::Checked { ticket, report }),
            Thing::Gate { request, .. } => {
                self.act_gate(request);
                Ok(())
            }
            Thing::Effect { request, run } => {
                self.act_effect(request, run);
                Ok(())
            }
            Thing::Second { request, run } => {
                self.act_second(request, run);
                Ok(())
            }
            Thing::Acted { request, outcome, .. } => self.act_ended(&request, outcome),
            Thing::Sent { sent, run } => self.sent(*sent, run),
            Thing::Reported { told, .. } => self.reported(told),
            Thing::Ping { .. } => self.pings(),
            Thing::Watchdog { .. } => {
                self.dies();
                Ok(())
            }
            Thing::Beat { .. } => self.beat(),
            Thing::JobAsBefore { job } => self.job_is_as_before(&job),
            Thing::JobMaintenanceOver { job } => self.job_maintenance_over(&job),
            Thing::OutOfCrontab { job } => self.is_in_crontab(&job, false),
            Thing::Crontabs { .. } => self.read_crontabs(),
            Thing::RunBegins { request, run } => self.run_begins(&request, run),
            Thing::Ran { id, report, .. } => self.feed(Event::Ran { id, report }),
            Thing::RunGate { request, .. } => {
                self.run_gate(request);
                Ok(())
            }
            Thing::RunResumed { request, .. } => {
                self.run_resumed(request);
                Ok(())
            }
            Thing::RunLookedAt { request, .. } => {
                self.run_looked_at(request);
                Ok(())
            }
            Thing::RunIsReplaced { id, .. } => {
                self.run_is_replaced(id);
                Ok(())
            }
            Thing::Boot => self.boot(),
        }
    }

    /// Hands an event to the core, stores what comes of it, dispatches.
    pub(crate) fn feed(&mut self, event: Event) -> crate::Step {
        let Some(mut core) = self.core.take() else { return Ok(()) };
        let now = self.clock();
        let (delta, actions) = core.handle(now, event.clone());
        self.steps += 1;
        self.story.event(self.now, &event);
        let crash = self.crash_due(&event, &delta, &actions);
        if crash.is_some_and(CrashPoint::is_before_storing) {
            self.dies();
            return Ok(());
        }
        self.core = Some(core);
        let stored = self.disk.store(&delta);
        self.story.delta(self.now, &delta);
        let dispatched = match crash {
            None | Some(CrashPoint::Idle) => actions.len(),
            Some(CrashPoint::After(n)) => n.min(actions.len()),
            Some(CrashPoint::WithActDispatched) => {
                actions.iter().position(|it| matches!(it, Action::Act(_))).map_or(0, |it| it + 1)
            }
            Some(CrashPoint::WithRunDispatched) => {
                actions.iter().position(|it| matches!(it, Action::Run(_))).map_or(0, |it| it + 1)
            }
            Some(_) => 0,
        };
        let kept = self.disk.take_kept();
        let heard = Heard {
            event: Some(&event),
            delta: &delta,
            kept: &kept,
            actions: &actions[..dispatched],
            outside_lost: self.outside.lost_since(self.now),
            wall: now.wall.as_millis(),
        };
        self.note_decisions(&delta, &actions);
        secrets::are_kept(self.now, &delta)?;
        self.oracle.step(self.now, &heard, stored)?;
        for action in actions.into_iter().take(dispatched) {
            self.dispatch(action, stored)?;
        }
        if crash.is_some() {
            self.dies();
        }
        Ok(())
    }

    /// Whether the crash that is armed comes in this step.
    fn crash_due(
        &mut self,
        event: &Event,
        delta: &Delta,
        actions: &[Action],
    ) -> Option<CrashPoint> {
        let (point, _) = self.armed?;
        let acts = || actions.iter().any(|it| matches!(it, Action::Act(_)));
        let runs = || actions.iter().any(|it| matches!(it, Action::Run(_)));
        let due = match point {
            CrashPoint::BeforeScheduled => matches!(event, Event::Scheduled(_)),
            CrashPoint::BeforeRunEnds => {
                matches!(event, Event::Ran { report: RunReport::Ended(_), .. })
            }
            CrashPoint::WithRunStored | CrashPoint::WithRunDispatched => runs(),
            CrashPoint::Idle => true,
            CrashPoint::BeforeStoring => !delta.changes.is_empty(),
            CrashPoint::AfterStoring | CrashPoint::After(_) => !actions.is_empty(),
            CrashPoint::WithIntentStored | CrashPoint::WithActDispatched => acts(),
            CrashPoint::Arrived | CrashPoint::Reported(_) => false,
        };
        due.then_some(point)
    }

    fn dispatch(&mut self, action: Action, stored: bool) -> crate::Step {
        let run = self.run;
        match action {
            Action::Look { ticket, service } => {
                let (report, takes) = self.look(&service, &ticket);
                let report = secrets::looked(report);
                self.later(takes, Thing::Looked { ticket, report, run });
            }
            Action::Act(request) if stored => {
                let takes = self.rng.range(1, 40);
                self.later(takes, Thing::Gate { request, run });
            }
            Action::Act(request) => {
                let gate = "its intent could not be stored".to_owned();
                let outcome = ActOutcome::Refused { gate, by_hand: false };
                self.later(1, Thing::Acted { request, outcome, run });
            }
            Action::Run(request) => self.run_handed_out(request, stored),
            Action::EndRun(id) => self.later(20, Thing::RunIsReplaced { id, run }),
            Action::Tell(id, notice) => return self.send(id, *notice),
        }
        Ok(())
    }

    /// Whether there is a vai, stuck or not.
    pub(crate) fn lives(&self) -> bool {
        self.core.is_some() || self.heart.is_stuck()
    }

    /// vai is gone from one moment to the next.
    pub(crate) fn dies(&mut self) {
        let down = self.armed.take().map_or(10 * SECOND, |(_, down)| down);
        self.gone();
        self.later(down, Thing::Boot);
    }

    pub(crate) fn gone(&mut self) {
        self.story.tell(self.now, || "vai is gone".into());
        self.core = None;
        self.run += 1;
        self.link = Link::Unknown;
        self.clock = Clock::default();
        self.post.gone();
        self.heart.gone(self.now);
        let lossy = self.disk.crash();
        self.oracle.crashed(lossy);
    }

    /// vai starts.
    pub(crate) fn boot(&mut self) -> crate::Step {
        if self.lives() {
            return Ok(());
        }
        let mut memory: Memory =
            self.disk.load().map_err(|words| self.violation("storage", words))?;
        let told = self.disk.still_told(&memory);
        let (core, delta) = Core::new(self.clock(), self.watchlist.clone(), memory.clone());
        self.story.tell(self.now, || "vai starts".into());
        self.story.delta(self.now, &delta);
        self.core = Some(core);
        let stored = self.disk.store(&delta);
        let kept = self.disk.take_kept();
        let heard = Heard {
            event: None,
            delta: &delta,
            kept: &kept,
            actions: &[],
            outside_lost: None,
            wall: self.clock().wall.as_millis(),
        };
        self.oracle.started(self.now, &self.watchlist, stored);
        self.oracle.step(self.now, &heard, true)?;
        for change in &delta.changes {
            memory.apply(change);
        }
        self.oracle.sinks_are(&self.post.sinks, Some(&told.reached));
        let left = memory.messages().iter().map(|(&id, notice)| (id, notice.clone()));
        self.post_starts(told, left.collect())?;
        self.heart_starts();
        let run = self.run;
        self.maintenance_again()?;
        self.feed(Event::Wake)?;
        if run != self.run {
            return Ok(());
        }
        if self.disk.fails {
            self.feed(Event::StoreFailed("the disk is full".into()))?;
        }
        self.schedules_changed()?;
        if run != self.run {
            return Ok(());
        }
        let listed = self.rng.range(20, 1500);
        self.later(listed, Thing::Follow { run });
        self.later(LIST_EVERY, Thing::List { run });
        Ok(())
    }

    fn note_decisions(&mut self, delta: &Delta, actions: &[Action]) {
        use vai_core::judge::Change;
        for change in &delta.changes {
            if let Change::Transition(it) = change
                && it.from != it.to
            {
                let words = format!("{}: {} → {}", it.service, it.from.label(), it.to.label());
                self.decisions.push((self.now, words));
            }
        }
        for action in actions {
            let words = match action {
                Action::Look { ticket, .. } => format!("look {}/{}", ticket.service, ticket.check),
                Action::Act(it) => format!("{:?} {}", it.act, it.service.name),
                Action::Run(it) => format!("run {}", it.job.name),
                Action::EndRun(it) => format!("end run {}", it.run.0),
                Action::Tell(_, notice) => format!("{:?} {}", notice.kind, notice.incident.root),
            };
            self.decisions.push((self.now, words));
        }
    }

    pub(crate) fn violation(&self, invariant: &'static str, words: String) -> Violation {
        Violation { invariant, at: self.now, words }
    }

    /// A process ends by itself; whoever watches it is told.
    pub(crate) fn process_dies(&mut self, service: &str) {
        let now = self.now;
        let Some(target) = self.targets.get_mut(service) else { return };
        let Some(process) = target.end(now) else { return };
        self.supervisor_sees_death(service);
        if self.engine_up && self.rng.chance(80) {
            let run = self.run;
            let service = service.to_owned();
            self.later(20, Thing::Hint { service, process, run });
        }
    }

    /// Whether what is wrong with a service is something that vai can heal.
    pub(crate) fn vai_can_heal(&self, name: &str) -> bool {
        use vai_core::model::Rung;
        let Some(target) = self.targets.get(name) else { return false };
        let service = &target.plan.service;
        let container = target.plan.container.as_ref().and_then(|it| self.containers.get(it));
        let ladder = &service.recovery.ladder;
        let hung = target.life == Life::Hung;
        let rung_helps = ladder.contains(&Rung::KillAndCommand)
            || (ladder.contains(&Rung::Command) && !hung)
            || (ladder.contains(&Rung::Container) && target.plan.autostart);
        let seen = service
            .checks
            .iter()
            .any(|check| matches!(check.kind, CheckKind::Tcp(_) | CheckKind::Http(_)));
        // What may be the network is never restarted.
        let doubted = service.checks.iter().any(|check| check.kind.is_over_network())
            && matches!(self.oracle.shown(name), Some(StateLabel::Held | StateLabel::Unknown));
        (seen || !hung)
            && rung_helps
            && !doubted
            && container.is_none_or(|it| self.vai_can_rejoin(it, ladder))
            && service.held.is_none()
            && !container.is_some_and(|it| it.plan.is_self)
    }

    pub(crate) fn hours(&self) -> u64 {
        (self.plan.busy + self.plan.quiet) / HOUR
    }
}

impl Thing {
    fn run(&self) -> Option<u32> {
        match self {
            Self::Follow { run }
            | Self::List { run }
            | Self::Said { run, .. }
            | Self::Hint { run, .. }
            | Self::Looked { run, .. }
            | Self::Gate { run, .. }
            | Self::Effect { run, .. }
            | Self::Second { run, .. }
            | Self::Acted { run, .. }
            | Self::Sent { run, .. }
            | Self::Reported { run, .. }
            | Self::Ping { run }
            | Self::Watchdog { run }
            | Self::Beat { run }
            | Self::Crontabs { run }
            | Self::RunGate { run, .. }
            | Self::RunBegins { run, .. }
            | Self::RunResumed { run, .. }
            | Self::RunLookedAt { run, .. }
            | Self::RunIsReplaced { run, .. }
            | Self::Ran { run, .. } => Some(*run),
            _ => None,
        }
    }

    /// What was asked of others goes on without vai.
    fn outlives_vai(&self) -> bool {
        matches!(
            self,
            Self::Effect { .. } | Self::Second { .. } | Self::Sent { .. } | Self::RunBegins { .. }
        )
    }
}
