//! Histories that broke an invariant once, each with what was wrong. A seed
//! means another history when the generator changes; what it found has a test
//! of its own in the core by then.

use crate::campaign;
use crate::plan::Plan;

/// Of the time when nobody looked further than into containers.
const OF_ONE_HOST: [(u64, &str); 5] = [
    (14, "R8: a dependency that went from degraded to healthy counted as having come back"),
    (61, "A1: a service that lost its start to a reboot was held in no incident"),
    (83, "A2: an incident that joined another in its first step was closed and never opened"),
    (101, "A1: a start that a full disk held was in no incident"),
    (555, "A1: an incident that passed from root to root in its first step was left open"),
];

const KEPT: [(u64, &str); 6] = [
    (14, "Order: a container was restarted into the network of one that was no more"),
    (50, "R2: time in which a start waited counted as time of passes"),
    (88, "rate: what cannot be seen had everything outside looked at without a pause"),
    (175, "R3: a dependency stopped by a marker file became held by what its dependant did"),
    (210, "L1: a service that left the registry while vai was down came back healing for ever"),
    (1276, "R3: as seed 175, with a start"),
];

/// Seeds that break an invariant and are not mended yet: an issue, not a rule.
/// Each is left out of what every change has to pass; `tests/simulate 1 --from
/// SEED` still shows it.
pub(crate) const OPEN: [(u64, &str); 1] =
    [(9, "A2: of two sinks that reach one inbox both tell it the same end")];

#[test]
fn histories_that_broke_an_invariant_once_keep_it_now() {
    let of_one_host = OF_ONE_HOST.iter().map(|(seed, _)| Plan::of_one_host(*seed));
    let kept = KEPT.iter().map(|(seed, _)| Plan::random(*seed));
    campaign::run_each(of_one_host.chain(kept));
}
