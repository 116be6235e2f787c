//! What people want to hear of, and what not.

use crate::plan::{Fault, HOUR, MINUTE, Ms, Plan, What};
use crate::rng::Rng;
use vai_core::model::{Place, SilenceScope};

/// A plan in which people silence, think better of it, and acknowledge. Its
/// chance is its own: all else is as it was.
pub(crate) fn attended(mut plan: Plan) -> Plan {
    let mut rng = Rng::new(plan.seed ^ 0x0051_1e4c);
    // The wall clock may end a silence, and a run without its jumps would not be
    // the same.
    let silences = !plan.seed.is_multiple_of(4);
    for hour in 0..plan.busy / HOUR {
        for _ in 0..rng.pick(&[0, 0, 1, 3]) {
            let at = hour * HOUR + rng.range(0, HOUR - 1);
            let scope = scope(&mut rng, &plan);
            let lasts = lasts(&mut rng);
            let what = match rng.range(0, 9) {
                0..3 => What::Acknowledged { service: rng.pick(&plan.services).name().to_owned() },
                3..8 if silences => What::Silenced { scope, lasts },
                _ if silences => What::Unsilenced { scope },
                _ => continue,
            };
            plan.faults.push(Fault { at, what });
        }
    }
    plan.faults.sort_by_key(|fault| fault.at);
    plan
}

fn scope(rng: &mut Rng, plan: &Plan) -> SilenceScope {
    let service = rng.pick(&plan.services).service;
    match (rng.range(0, 9), &service.place) {
        (0, _) => SilenceScope::Everything,
        (1..5, Place::Container(key)) => SilenceScope::Container(key.clone()),
        _ => SilenceScope::Service(service.name.clone()),
    }
}

fn lasts(rng: &mut Rng) -> Ms {
    let most = rng.pick(&[10 * MINUTE, HOUR, 8 * HOUR]);
    rng.range(MINUTE, most)
}
