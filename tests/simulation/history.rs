//! Random faults.

use crate::plan::{
    Command, ContainerPlan, CrashPoint, Edit, Fault, HOUR, MINUTE, Ms, Request, SECOND,
    ServicePlan, What,
};
use crate::rng::Rng;

/// Faults until `busy`, in the order of time: a handful an hour, some hours
/// much worse than others.
pub(crate) fn random(
    rng: &mut Rng,
    containers: &[ContainerPlan],
    services: &[ServicePlan],
    busy: Ms,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for hour in 0..busy / HOUR {
        let rate = rng.pick(&[1, 3, 3, 6, 6, 20]);
        for _ in 0..rate {
            let at = hour * HOUR + rng.range(0, HOUR - 1);
            let container = rng.pick(containers).name;
            let service = rng.pick(services).name().to_owned();
            faults.push(Fault { at, what: what(rng, container, service) });
        }
    }
    faults.sort_by_key(|fault| fault.at);
    faults
}

fn what(rng: &mut Rng, container: String, service: String) -> What {
    match rng.range(0, 99) {
        0..50 => of_service(rng, service),
        50..67 => of_container(rng, container),
        67..75 => of_host(rng),
        75..86 => of_vai(rng),
        _ => of_people(rng, service),
    }
}

fn of_service(rng: &mut Rng, service: String) -> What {
    match rng.range(0, 24) {
        0..6 => What::Dies { service },
        6..10 => What::Hangs { service },
        10..12 => What::Revives { service },
        12..15 => What::BreaksFor { service, lasts: minutes(rng, 1, 90) },
        15..17 => {
            let every = rng.range(20, 400) * SECOND;
            What::DiesEvery { service, every, lasts: minutes(rng, 5, 90) }
        }
        17..18 => What::StartsIn { service, takes: rng.range(10, 200) * SECOND },
        18..21 => {
            let command = rng.pick(&[Command::Fails, Command::DoesNothing, Command::NeverEnds]);
            What::CommandIs { service, command, lasts: minutes(rng, 2, 60) }
        }
        21 => What::MarkedFor { service, lasts: minutes(rng, 1, 60) },
        22 => What::LowOnDisk { service, lasts: minutes(rng, 1, 60) },
        _ => What::SlowFor { service, lasts: minutes(rng, 1, 30) },
    }
}

fn of_container(rng: &mut Rng, container: String) -> What {
    match rng.range(0, 15) {
        0..4 => What::Crashes { container, oom: rng.chance(30) },
        4 => What::CrashLoops { container, times: rng.range(3, 8) },
        5..7 => What::RestartedByHand { container },
        7..9 => What::StoppedByHand { container, back: rng.range(1, 1500) * SECOND },
        9..11 => What::PausedByHand { container, lasts: rng.range(1, 900) * SECOND },
        11..13 => What::Recreated { container, gone: rng.range(1, 60) * SECOND },
        _ => What::AgentLost { container, lasts: minutes(rng, 1, 20) },
    }
}

fn of_host(rng: &mut Rng) -> What {
    match rng.range(0, 10) {
        0..3 => What::EngineGone { lasts: rng.range(3, 600) * SECOND },
        3..5 => {
            What::EngineRestarts { lasts: rng.range(3, 120) * SECOND, live_restore: rng.chance(40) }
        }
        5 => What::NetworkLost { lasts: rng.range(5, 600) * SECOND },
        6 => What::Reboot { off: rng.range(30, 600) * SECOND },
        7 => What::Suspended { lasts: minutes(rng, 1, 300) },
        _ => {
            let by = rng.range(1, 48) as i64 * HOUR as i64;
            What::WallJumps { by: if rng.chance(50) { by } else { -by } }
        }
    }
}

fn of_vai(rng: &mut Rng) -> What {
    let down = rng.range(1, 120) * SECOND;
    match rng.range(0, 9) {
        0..6 => {
            let point = match rng.range(0, 7) {
                0..2 => CrashPoint::BeforeStoring,
                2 => CrashPoint::AfterStoring,
                3 => CrashPoint::After(rng.range(1, 2) as usize),
                4 => CrashPoint::WithIntentStored,
                5 => CrashPoint::WithActDispatched,
                _ => CrashPoint::Idle,
            };
            What::KilledAt { point, down }
        }
        6 => What::Stopped { down },
        7 => What::SinkDown { lasts: minutes(rng, 1, 300) },
        _ => What::DiskFails { lasts: rng.range(5, 1200) * SECOND },
    }
}

fn of_people(rng: &mut Rng, service: String) -> What {
    match rng.range(0, 13) {
        0..6 => {
            let request =
                rng.pick(&[Request::Pause, Request::Resume, Request::Stop, Request::Start]);
            What::Asked { service, request }
        }
        6..8 => What::Maintenance { service, lasts: minutes(rng, 5, 90) },
        _ => {
            let lasts = minutes(rng, 1, 60);
            let edit = match rng.range(0, 5) {
                0..2 => Edit::Nothing,
                2 => Edit::MaxRestarts { service, to: rng.range(1, 8) as u32 },
                3 => Edit::Threshold { service, to: rng.range(1, 5) as u32 },
                4 => Edit::Disable { service, lasts },
                _ => Edit::Remove { service, lasts },
            };
            What::Reloaded { edit }
        }
    }
}

fn minutes(rng: &mut Rng, low: u64, high: u64) -> Ms {
    rng.range(low * MINUTE, high * MINUTE)
}
