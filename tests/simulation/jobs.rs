//! Jobs for random histories, and what goes wrong with them or is done to them.

use crate::plan::{CrashPoint, Fault, HOUR, MINUTE, Ms, Plan, SECOND, What};
use crate::rng::Rng;
use std::sync::Arc;
use std::time::Duration;
use vai_core::model::{Duty, Job, Notify, Overlap, Place};

/// Zones, and a moment near which each sets its clocks, in seconds.
const CHANGES: [(&str, i64); 8] = [
    ("Europe/Berlin", 1_774_746_000),
    ("Europe/Berlin", 1_792_890_000),
    // At midnight.
    ("America/Sao_Paulo", 1_541_300_400),
    ("America/Sao_Paulo", 1_550_368_800),
    // By half an hour.
    ("Australia/Lord_Howe", 1_775_314_800),
    ("Australia/Lord_Howe", 1_791_041_400),
    ("UTC", 1_700_000_000),
    ("UTC", 1_709_160_000),
];

/// What an operator edits in a job.
#[derive(Clone, Debug)]
pub(crate) enum JobEdit {
    Remove,
    Disable,
    Held,
    Schedule(String),
    Overlap(Overlap),
    CatchUp(Duration),
    MoveTo(Place),
}

/// What an operator asks of a job.
#[derive(Clone, Copy, Debug)]
pub(crate) enum JobAsk {
    Run,
    Pause,
    Resume,
}

/// A plan with jobs. Its chance is its own: all else is as it was. What is run
/// by the clock depends on the clock, so the histories that are run without
/// its jumps as well have none.
pub(crate) fn scheduled(mut plan: Plan) -> Plan {
    if plan.seed.is_multiple_of(4) {
        return plan;
    }
    let mut rng = Rng::new(plan.seed ^ 0x0c20_417a);
    let (zone, change) = rng.pick(&CHANGES);
    let before = rng.range(0, plan.busy / SECOND) as i64;
    plan.epoch = (change - before) * 1000 + rng.range(0, 59_999) as i64;
    for number in 0..rng.range(1, 6) {
        let next = job(&mut rng, number, zone, &plan);
        plan.jobs.push(next);
    }
    for hour in 0..plan.busy / HOUR {
        for _ in 0..rng.pick(&[0, 1, 1, 2, 5]) {
            let at = hour * HOUR + rng.range(0, HOUR - 1);
            let what = what(&mut rng, zone, &plan);
            plan.faults.push(Fault { at, what });
        }
    }
    plan.faults.sort_by_key(|fault| fault.at);
    plan
}

fn job(rng: &mut Rng, number: u64, zone: &str, plan: &Plan) -> Arc<Job> {
    let channels: Vec<String> = plan.sinks.channels.keys().cloned().collect();
    let services = plan.services.iter().filter(|_| rng.chance(12)).take(2);
    let dependencies = services.map(|it| it.service.name.clone()).collect();
    Arc::new(Job {
        name: format!("job{number}").as_str().into(),
        duty: Duty::Scheduled,
        schedule: schedule(rng, zone),
        place: place(rng, plan),
        command: "do it".into(),
        user: None,
        working_dir: None,
        environment: Vec::new(),
        log_path: None,
        timeout: secs(rng.pick(&[20, 120, 120, 900, 3600])),
        overlap: overlap(rng),
        catch_up: secs(rng.pick(&[0, 0, 300, 3600])),
        retries: rng.pick(&[0, 0, 1, 3]),
        dependencies,
        notify: match rng.range(0, 9) {
            0 => Notify::Nobody,
            1..4 => Notify::Channels(vec![rng.pick(&channels)]),
            _ => Notify::Default,
        },
        notify_on_success: rng.chance(10),
        held: None,
    })
}

/// Crontab's five fields and a zone, as they stand in a registry.
fn schedule(rng: &mut Rng, change: &str) -> String {
    let minute = rng.pick(&[0, 0, 15, 30, 59]);
    let hour = rng.range(0, 23);
    let fields = match rng.range(0, 11) {
        0..4 => format!("*/{} * * * *", rng.pick(&[1, 2, 5, 7, 10, 15, 30])),
        4 => format!("{minute} * * * *"),
        5 => "0 * * * *".to_owned(),
        6 => format!("{minute} */{} * * *", rng.range(2, 5)),
        // Around the hours that changes of the clocks skip or repeat.
        7 => format!("{minute} {} * * *", rng.pick(&["0", "1", "2", "3", "23", "0,1,2,3"])),
        8 => format!("*/20 {} * * *", rng.pick(&["0", "1", "2"])),
        9 => "15,45 0,1,2,3,4 * * *".to_owned(),
        10 => format!("{minute} {hour},{} * * *", (hour + 8) % 24),
        _ => format!("{minute} {hour} * * *"),
    };
    let zone = if rng.chance(80) { change } else { "UTC" };
    format!("{fields} {zone}")
}

fn place(rng: &mut Rng, plan: &Plan) -> Place {
    let container = rng.pick(&plan.containers);
    if rng.chance(20) { Place::Local } else { Place::Container(container.name.as_str().into()) }
}

fn overlap(rng: &mut Rng) -> Overlap {
    rng.pick(&[Overlap::Forbid, Overlap::Forbid, Overlap::Allow, Overlap::Replace])
}

fn what(rng: &mut Rng, zone: &str, plan: &Plan) -> What {
    let job = rng.pick(&plan.jobs).name.to_string();
    let lasts = rng.range(MINUTE, rng.clone().pick(&[5 * MINUTE, HOUR, 4 * HOUR]));
    match rng.range(0, 39) {
        0..7 => What::RunsFail { job, lasts },
        7..9 => What::RunsLast { job, lasts },
        9 => What::JobMarked { job, lasts },
        10..16 => What::JobEdited { job, edit: edit(rng, zone, plan), lasts },
        16..19 => What::JobAsked { job, ask: JobAsk::Run },
        19 => What::JobAsked { job, ask: JobAsk::Pause },
        20..22 => What::JobAsked { job, ask: JobAsk::Resume },
        22..24 => What::JobMaintenance { job, lasts },
        24 => What::InCrontab { job, lasts },
        25..31 => What::WallJumps { by: jump(rng) },
        31 => What::Stopped { down: rng.range(1, 1800) * SECOND },
        _ => {
            let point = rng.pick(&[
                CrashPoint::BeforeStoring,
                CrashPoint::BeforeScheduled,
                CrashPoint::BeforeRunEnds,
                CrashPoint::WithRunStored,
                CrashPoint::WithRunStored,
                CrashPoint::WithRunDispatched,
                CrashPoint::WithRunDispatched,
                CrashPoint::Idle,
            ]);
            let down = rng.pick(&[5, 30, 90, 600, 4000]) * SECOND;
            What::KilledAt { point, down: rng.range(SECOND, down) }
        }
    }
}

fn edit(rng: &mut Rng, zone: &str, plan: &Plan) -> JobEdit {
    match rng.range(0, 9) {
        0..2 => JobEdit::Remove,
        2 => JobEdit::Disable,
        3 => JobEdit::Held,
        4..6 => JobEdit::Schedule(schedule(rng, zone)),
        6 => JobEdit::Overlap(overlap(rng)),
        7 => JobEdit::CatchUp(secs(rng.pick(&[0, 600]))),
        _ => JobEdit::MoveTo(place(rng, plan)),
    }
}

/// Clocks are set by seconds, minutes, and hours.
fn jump(rng: &mut Rng) -> i64 {
    let most = rng.pick(&[20 * SECOND, 10 * MINUTE, 4 * HOUR, 30 * HOUR]);
    let by = rng.range(SECOND, most) as i64;
    if rng.chance(50) { by } else { -by }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// How a run of a job comes out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    pub(crate) lasts: Ms,
    pub(crate) code: i32,
    /// Not even force ends it before.
    pub(crate) stuck: bool,
}

impl Fate {
    /// At the end everything works.
    pub(crate) const FINE: Self = Self { lasts: 2 * SECOND, code: 0, stuck: false };

    pub(crate) fn random(rng: &mut Rng, fails: bool, drags: bool) -> Self {
        let lasts = match rng.range(0, 99) {
            _ if drags => rng.range(10 * MINUTE, 3 * HOUR),
            0..60 => rng.range(100, 10 * SECOND),
            60..85 => rng.range(5 * SECOND, 3 * MINUTE),
            85..97 => rng.range(MINUTE, 40 * MINUTE),
            _ => rng.range(30 * MINUTE, 3 * HOUR),
        };
        let code = if fails || rng.chance(6) { 1 } else { 0 };
        Self { lasts, code, stuck: rng.chance(if drags { 30 } else { 1 }) }
    }
}
