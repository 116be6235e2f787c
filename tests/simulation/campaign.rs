//! Many histories, and what they came to.

use crate::oracle::Violation;
use crate::plan::{Plan, What};
use crate::regressions::OPEN;
use crate::shrink::shrink;
use crate::story::Story;
use crate::world::World;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// So many histories every change has to pass.
const OF_A_CHANGE: u64 = 120;
/// Lines of the story that a failure shows, unless `SIMULATE_LINES` says.
const LAST_LINES: u64 = 40;

/// Which histories to run.
pub(crate) struct Seeds {
    first: u64,
    count: u64,
    step: u64,
}

impl Seeds {
    /// One in four of those asked for by `SIMULATE_FROM` and
    /// `SIMULATE_SEEDS`, or of those that every change has to pass.
    pub(crate) fn quarter(which: u64) -> Self {
        let from = number("SIMULATE_FROM").unwrap_or(1);
        let count = number("SIMULATE_SEEDS").unwrap_or(OF_A_CHANGE);
        Self { first: from + which, count: count.saturating_sub(which).div_ceil(4), step: 4 }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// What a number of histories came to.
#[derive(Default)]
struct Figures {
    seeds: u64,
    hours: u64,
    steps: u64,
    instants: u64,
    faults: BTreeMap<String, u64>,
}

/// Runs them; panics at the first that breaks an invariant, with a short
/// history that breaks it, too.
pub(crate) fn run(seeds: Seeds) {
    let asked = number("SIMULATE_FROM").is_some();
    let all = (0..seeds.count).map(|turn| seeds.first + turn * seeds.step);
    let closed = all.filter(|seed| asked || OPEN.iter().all(|(open, _)| open != seed));
    run_each(closed.map(Plan::random));
}

/// The same for histories that are named.
pub(crate) fn run_each(plans: impl Iterator<Item = Plan>) {
    let mut figures = Figures::default();
    for plan in plans {
        if let Err(violation) = figures.one(&plan) {
            println!("{}", tell(&plan, &violation));
            panic!("seed {}: {violation}", plan.seed);
        }
    }
    figures.print();
}

impl Figures {
    fn one(&mut self, plan: &Plan) -> crate::Step {
        let world = history(plan, 0)?;
        self.seeds += 1;
        self.hours += world.hours();
        self.steps += world.steps;
        self.instants += world.oracle.instants();
        for fault in &plan.faults {
            *self.faults.entry(fault.what.kind()).or_default() += 1;
        }
        differs_by_wall_clock(plan, &world)
    }

    fn print(&self) {
        let Self { seeds, hours, steps, instants, faults } = self;
        println!("FIGURES seeds {seeds} hours {hours} steps {steps} instants {instants}");
        for (kind, count) in faults {
            println!("FAULTS {kind} {count}");
        }
    }
}

/// Runs one history; a panic of the core is a violation, too.
fn history(plan: &Plan, lines: usize) -> Result<World, Violation> {
    let (world, end) = story_of(plan, lines);
    end.map(|()| world)
}

fn story_of(plan: &Plan, lines: usize) -> (World, crate::Step) {
    let mut world = World::new(plan.clone(), Story::of(lines));
    let end = catch_unwind(AssertUnwindSafe(|| world.run()));
    let end = end.unwrap_or_else(|_| Err(world.violation("panic", "the core panicked".into())));
    (world, end)
}

/// What a plan comes to, as far as a shrunk one has to come to it as well.
pub(crate) fn verdict(plan: &Plan) -> crate::Step {
    let world = history(plan, 0)?;
    differs_by_wall_clock(plan, &world)
}

/// C5: without the jumps of the wall clock the same is decided at the same
/// moments. One in four is run twice for it.
fn differs_by_wall_clock(plan: &Plan, world: &World) -> crate::Step {
    let jumps = |what: &What| matches!(what, What::WallJumps { .. });
    if !plan.seed.is_multiple_of(4) || !plan.faults.iter().any(|fault| jumps(&fault.what)) {
        return Ok(());
    }
    let mut steady = plan.clone();
    for fault in &mut steady.faults {
        if let What::WallJumps { by } = &mut fault.what {
            *by = 0;
        }
    }
    let other = history(&steady, 0)?;
    let pairs = world.decisions.iter().zip(&other.decisions);
    let differing = pairs.into_iter().find(|(jumping, steady)| jumping != steady);
    match differing {
        None if world.decisions.len() == other.decisions.len() => Ok(()),
        None => Err(world.violation("C5", "more is decided with than without jumps".into())),
        Some(((at, jumping), (_, steady))) => Err(Violation {
            invariant: "C5",
            at: *at,
            words: format!("with jumps of the wall clock `{jumping}`, without `{steady}`"),
        }),
    }
}

/// The shortest history found that fails alike, unless `SIMULATE_WHOLE` is set,
/// and the end of its story.
fn tell(plan: &Plan, violation: &Violation) -> String {
    let whole = std::env::var_os("SIMULATE_WHOLE").is_some();
    let plan = if whole { plan.clone() } else { shrink(plan, violation.invariant) };
    let lines = number("SIMULATE_LINES").unwrap_or(LAST_LINES);
    let (world, end) = story_of(&plan, lines as usize);
    let mut words = format!("seed {}: {violation}\n\nshrunk to:\n", plan.seed);
    for container in &plan.containers {
        words += &format!("  {container:?}\n");
    }
    for service in &plan.services {
        words += &format!("  {service:?}\n");
    }
    for job in &plan.jobs {
        words += &format!("  {job:?}\n");
    }
    for fault in &plan.faults {
        words += &format!("  {:>8.3} {:?}\n", fault.at as f64 / 1000.0, fault.what);
    }
    words += "\nthe end of its story:\n";
    for line in world.story.lines() {
        words += &format!("{line}\n");
    }
    match end {
        Err(violation) => words + &violation.to_string(),
        Ok(()) => words + "nothing: two runs differ",
    }
}
